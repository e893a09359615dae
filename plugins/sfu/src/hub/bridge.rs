// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between the nodes of a room: what is said on data channels goes over one channel from each guest to the home node.
//!
//! Each message is an [`Envelope`] in JSON, a line feed, and what was said, as text or as bytes. The home node believes a guest only
//! what it says in the names of its own participants.

use super::NodeEvent;
use super::data::OwnMessage;
use super::state::{Participant, State};
use crate::io::Command;
use crate::node::{Direction, ParticipantKind, Role};
use gst_rtc_core::data::{DataMessage, MAX_MESSAGE, NODE_LABEL};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId};
use gst_rtc_core::negotiate::offer_data;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Bytes that wait for a channel that is not open yet.
const MAX_WAITING: usize = 2 * MAX_MESSAGE;

/// Who speaks, to whom, and on which channels. Participants are known by their names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Envelope {
    /// Nobody: a node itself.
    #[serde(default)]
    from: Option<String>,
    /// Nobody: everybody else.
    #[serde(default)]
    to: Option<String>,
    label: String,
}

impl Envelope {
    /// The envelope, and what is in it.
    fn open(message: &[u8]) -> Option<(Envelope, &[u8])> {
        let end = message.iter().position(|byte| *byte == b'\n')?;
        let envelope = serde_json::from_slice(&message[..end]).ok()?;
        Some((envelope, &message[end + 1..]))
    }

    fn close(&self, payload: &[u8]) -> Arc<[u8]> {
        let mut message = serde_json::to_vec(self).expect("strings have a form in JSON");
        message.push(b'\n');
        message.extend_from_slice(payload);
        message.into()
    }
}

/// A guest's channel to the home node.
#[derive(Debug, Default)]
pub(super) struct Bridge {
    /// The session on which it is open.
    open: Option<SessionId>,
    /// What is sent once it is: text or not, and the closed envelope.
    waiting: Vec<(bool, Arc<[u8]>)>,
}

impl State {
    /// Guests: connects to the home node, unless that is done.
    pub(super) fn dial_bridge(&mut self, room: RoomId) {
        let dialler = self.dialler(room);
        if self.dialled(dialler, Direction::Receive).is_none() {
            let worker = self.least_busy();
            if let Some(id) = self.new_dial(room, dialler, worker, Direction::Receive) {
                self.offer(id, false, |local, _| offer_data(local));
            }
        }
    }

    /// Guests: the channel is open.
    pub(super) fn bridge_opened(&mut self, session: SessionId) {
        let Some(id) = self.sessions.get(&session).map(|session| session.room) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        room.bridge.open = Some(session);
        for (text, message) in std::mem::take(&mut room.bridge.waiting) {
            self.post_home(id, text, message);
        }
    }

    /// A session ended, which may have been the one with the channel.
    pub(super) fn bridge_ended(&mut self, room: RoomId, session: SessionId) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.bridge.open.take_if(|open| *open == session);
        }
    }

    /// Guests: sends a message of the owner to the home node, now or once it is connected.
    ///
    /// # Errors
    /// When it cannot be sent; a text for people.
    pub(super) fn send_home(&mut self, id: RoomId, message: OwnMessage) -> Result<(), String> {
        if let Some(from) = &message.from {
            self.by_name(id, from)
                .and_then(|from| self.participants.get(&from))
                .filter(|p| p.own && p.wire.is_some())
                .ok_or_else(|| format!("{from} is not a participant made from pads here"))?;
        }
        if let Some(to) = &message.to {
            self.by_name(id, to)
                .ok_or_else(|| format!("nobody named {to} is in the room"))?;
        }
        let envelope = Envelope {
            from: message.from,
            to: message.to,
            label: message.label,
        };
        let closed = envelope.close(&message.payload);
        if closed.len() > MAX_MESSAGE {
            return Err(format!(
                "with its envelope it has {} bytes, more than {MAX_MESSAGE}; send less at once",
                closed.len()
            ));
        }
        let room = self.rooms.get_mut(&id).ok_or("the room is gone")?;
        if room.bridge.open.is_some() {
            self.post_home(id, message.text, closed);
            return Ok(());
        }
        let waiting: usize = room.bridge.waiting.iter().map(|(_, m)| m.len()).sum();
        if waiting + closed.len() > MAX_WAITING {
            return Err(format!(
                "the home node of the room is not connected yet, and {waiting} bytes wait for it"
            ));
        }
        room.bridge.waiting.push((message.text, closed));
        Ok(())
    }

    fn post_home(&self, room: RoomId, text: bool, message: Arc<[u8]>) {
        let room_of = self.rooms.get(&room);
        let session = room_of.and_then(|room| self.sessions.get(room.bridge.open.as_ref()?));
        if let Some(session) = session {
            self.post(room, session.participant, session.worker, text, message);
        }
    }

    /// Home: hands what was said on to the guests that it concerns, `but` to the one that brought it.
    pub(super) fn tell_guest_nodes(&self, said: &Said<'_>, but: Option<ParticipantId>) {
        let to = said.to.and_then(|to| self.participants.get(&to));
        let concerned = |p: &Participant| to.is_none_or(|to| to.guest == p.wire);
        let room = self.rooms.get(&said.room);
        let mut closed = None;
        for id in room.iter().flat_map(|room| &room.participants) {
            let Some(node) = self.participants.get(id).filter(|p| p.is_guest_node()) else {
                continue;
            };
            if Some(*id) != but && concerned(node) {
                let message: &Arc<[u8]> = closed.get_or_insert_with(|| self.closed(said));
                self.post(said.room, *id, node.worker, said.text, message.clone());
            }
        }
    }

    fn closed(&self, said: &Said<'_>) -> Arc<[u8]> {
        let name = |id: ParticipantId| self.participants.get(&id).map(|p| p.name.clone());
        let envelope = Envelope {
            from: said.from.and_then(name),
            to: said.to.and_then(name),
            label: said.label.to_owned(),
        };
        envelope.close(&said.payload)
    }

    /// Sends a closed envelope to the node that a participant stands for.
    fn post(&self, room: RoomId, to: ParticipantId, worker: u8, text: bool, payload: Arc<[u8]>) {
        let message = Arc::new(DataMessage {
            room,
            from: None,
            sender: "".into(),
            to: Some(to),
            label: NODE_LABEL.into(),
            text,
            payload,
        });
        if let Some(worker) = self.out.workers.get(usize::from(worker)) {
            worker.send_media(|| Command::Data(message));
        }
    }

    /// A message came from another node.
    pub(super) fn handle_envelope(&self, message: &DataMessage) {
        let Some((envelope, payload)) = Envelope::open(&message.payload) else {
            return;
        };
        let payload = Arc::from(payload);
        match (self.role(message.room), message.from) {
            (Some(Role::Guest), Some(from)) if self.is_dialler(message.room, from) => {
                let from = envelope.from.unwrap_or_default();
                self.tell_owner(message.room, from, envelope.label, message.text, payload);
            }
            (Some(Role::Home), Some(from)) => self.deliver(message, from, envelope, payload),
            _ => {}
        }
    }

    /// Home: a guest's message to participants, to us, and to other guests.
    fn deliver(
        &self,
        message: &DataMessage,
        node: ParticipantId,
        envelope: Envelope,
        payload: Arc<[u8]>,
    ) {
        let room = message.room;
        let Some(brought) = self.participants.get(&node).filter(|p| p.is_guest_node()) else {
            return;
        };
        let theirs = |id: &ParticipantId| {
            let speaker = self.participants.get(id);
            speaker.is_some_and(|p| p.guest == brought.wire)
        };
        let named = |name: &String| self.by_name(room, name);
        let from = envelope.from.as_ref().and_then(named).filter(theirs);
        let to = envelope.to.as_ref().and_then(named);
        // Who is not there, or speaks for others, is not heard.
        if from.is_some() != envelope.from.is_some() || to.is_some() != envelope.to.is_some() {
            return;
        }
        let said = Said {
            room,
            from,
            to,
            label: &envelope.label,
            text: message.text,
            payload: payload.clone(),
        };
        self.tell_participants(&said);
        self.tell_guest_nodes(&said, Some(node));
        let ours = |id| self.participants.get(&id).is_some_and(|p| p.own);
        if to.is_none_or(ours) {
            let from = envelope.from.unwrap_or_default();
            self.tell_owner(room, from, envelope.label, message.text, payload);
        }
    }

    fn is_dialler(&self, room: RoomId, participant: ParticipantId) -> bool {
        let room = self.rooms.get(&room);
        room.is_some_and(|room| room.dialler == Some(participant))
    }

    fn tell_owner(
        &self,
        room: RoomId,
        participant: String,
        label: String,
        text: bool,
        payload: Arc<[u8]>,
    ) {
        self.out.tell(NodeEvent::Data {
            room: self.room_name(room),
            participant,
            label,
            text,
            payload,
        });
    }
}

/// Something said on data channels.
pub(super) struct Said<'a> {
    pub(super) room: RoomId,
    pub(super) from: Option<ParticipantId>,
    pub(super) to: Option<ParticipantId>,
    pub(super) label: &'a str,
    pub(super) text: bool,
    pub(super) payload: Arc<[u8]>,
}

impl Participant {
    /// Home: it stands for a guest node, and is nobody else.
    fn is_guest_node(&self) -> bool {
        self.kind == ParticipantKind::Viewer && self.guest.is_some() && self.guest == self.wire
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_closed_and_opened() {
        let envelope = Envelope {
            from: Some("dr. \"b\"\n".into()),
            to: None,
            label: "chat".into(),
        };
        for payload in [&b""[..], b"hello", b"two\nlines\xff"] {
            let closed = envelope.close(payload);
            assert_eq!(Envelope::open(&closed), Some((envelope.clone(), payload)));
        }
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        for message in [&b""[..], b"hello", b"\nhello", b"{}\nhello", b"[1]\n"] {
            assert_eq!(Envelope::open(message), None, "{message:?}");
        }
    }
}
