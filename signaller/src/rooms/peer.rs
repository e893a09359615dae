// SPDX-License-Identifier: MIT OR Apache-2.0
//! What participants on WebSockets ask for.

use super::connection::Connection;
use super::id::{ConnectionId, ParticipantId, RoomName};
use super::member::Newcomer;
use super::offer::{Offer, Origin};
use super::refusal::{Code, Refusal};
use super::room::Link;
use super::{Outgoing, Rooms, Timer, WAIT_FOR_NODE, node_protocol};
use crate::protocol::Mode;
use crate::protocol::node::{Direction as NodeDirection, ParticipantKind};
use crate::protocol::peer::{
    ClientMessage, Direction, Join, Joined, LeaveReason, ServerMessage, Signal,
};

/// The longest candidate line taken, in bytes.
pub(super) const MAX_CANDIDATE: usize = 1024;
/// The longest mid or track name taken, in bytes.
pub(super) const MAX_WORD: usize = 64;

impl Direction {
    pub(super) fn to_node(self) -> NodeDirection {
        match self {
            Direction::Publish => NodeDirection::Publish,
            Direction::Subscribe => NodeDirection::Receive,
        }
    }
}

impl NodeDirection {
    pub(super) fn to_peer(self) -> Direction {
        match self {
            NodeDirection::Publish => Direction::Publish,
            NodeDirection::Receive => Direction::Subscribe,
        }
    }
}

impl Rooms {
    pub(super) fn join(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        join: Join,
    ) -> Result<(), Refusal> {
        if self.try_resume(connection, room, &join) {
            return Ok(());
        }
        if join.resume.is_some() && self.is_starting() {
            self.connections.insert(
                connection,
                Connection::Waiting {
                    room: room.clone(),
                    join,
                },
            );
            self.set_timer(WAIT_FOR_NODE, Timer::Waiting(connection));
            return Ok(());
        }
        self.join_as_new(connection, room, &join)
    }

    /// Continues a participant whose secret the join brings. False if there is none.
    pub(super) fn try_resume(
        &mut self,
        connection: ConnectionId,
        name: &RoomName,
        join: &Join,
    ) -> bool {
        let Some(resume) = &join.resume else {
            return false;
        };
        let Some(room) = self.rooms.get_mut(name) else {
            return false;
        };
        let mut peers = room
            .participants
            .iter_mut()
            .filter(|p| p.kind == ParticipantKind::Peer);
        let Some(participant) = peers.find(|p| p.resume == *resume) else {
            return false;
        };
        let before = std::mem::replace(&mut participant.link, Link::Socket(connection));
        let id = participant.id.clone();
        if let Link::Socket(old) = before {
            self.close(old, 4001, "another connection resumed this participant");
        }
        self.send_joined(connection, name, &id, join.request, true);
        true
    }

    pub(super) fn stop_waiting(&mut self, connection: ConnectionId) {
        let Some(Connection::Waiting { room, join }) = self.connections.get(&connection) else {
            return;
        };
        let (room, join) = (room.clone(), join.clone());
        if let Err(refusal) = self.join_as_new(connection, &room, &join) {
            self.connections
                .insert(connection, Connection::Fresh { room: Some(room) });
            self.set_timer(super::FIRST_MESSAGE, Timer::FirstMessage(connection));
            self.refuse(connection, join.request, &refusal);
        }
    }

    fn join_as_new(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        join: &Join,
    ) -> Result<(), Refusal> {
        let newcomer = Newcomer {
            name: join.name.clone(),
            kind: ParticipantKind::Peer,
            link: Link::Socket(connection),
            mode: join.mode,
        };
        let id = self.enter(room, newcomer)?;
        self.send_joined(connection, room, &id, join.request, false);
        Ok(())
    }

    fn send_joined(
        &mut self,
        connection: ConnectionId,
        name: &RoomName,
        id: &ParticipantId,
        request: Option<u64>,
        resumed: bool,
    ) {
        self.connections.insert(
            connection,
            Connection::Peer {
                room: name.clone(),
                participant: id.clone(),
            },
        );
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let Some(participant) = room.participant(id) else {
            return;
        };
        let both = [Direction::Publish, Direction::Subscribe];
        let joined = Joined {
            request,
            room: name.into(),
            id: id.clone().into(),
            name: participant.name.clone(),
            mode: room.mode,
            resume: participant.resume.clone(),
            resumed,
            sessions: both
                .into_iter()
                .filter(|d| room.session_of(id, d.to_node()).is_some())
                .collect(),
            ice_servers: self.settings.ice_servers.clone(),
            participants: room.others(id),
        };
        let without_node = room.mode == Mode::Sfu && room.home.is_none();
        self.tell_peer(connection, ServerMessage::Joined(joined));
        if without_node {
            let reason = Some("no media node serves this room yet".to_owned());
            self.tell_peer(
                connection,
                ServerMessage::Media {
                    available: false,
                    reason,
                },
            );
        }
    }

    pub(super) fn peer_message(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        id: &ParticipantId,
        message: ClientMessage,
    ) -> Result<(), Refusal> {
        match message {
            ClientMessage::Join(_) => Err(Refusal::new(
                Code::BadMessage,
                "this connection has joined already; open another one for another participant",
            )),
            ClientMessage::Publish { request, sdp } => {
                self.peer_offers(connection, room, id, Direction::Publish, request, sdp)
            }
            ClientMessage::Subscribe { request, sdp } => {
                self.peer_offers(connection, room, id, Direction::Subscribe, request, sdp)
            }
            ClientMessage::Unpublish { request } => {
                self.peer_ends(room, id, Direction::Publish)?;
                self.tell_peer(connection, ServerMessage::Unpublished { request });
                Ok(())
            }
            ClientMessage::Unsubscribe { request } => {
                self.peer_ends(room, id, Direction::Subscribe)?;
                self.tell_peer(connection, ServerMessage::Unsubscribed { request });
                Ok(())
            }
            ClientMessage::Candidate {
                session,
                candidate,
                mid,
            } => self.peer_trickles(room, id, session, candidate, mid),
            ClientMessage::Assign {
                mid,
                participant,
                track,
                ..
            } => self.peer_assigns(room, id, mid, participant, track),
            ClientMessage::Mute { track, muted, .. } => self.peer_mutes(room, id, track, muted),
            ClientMessage::Signal { to, payload, .. } => self.peer_signals(room, id, &to, payload),
            ClientMessage::Leave { .. } => {
                self.close(connection, 1000, "left");
                self.remove_participant(room, id, LeaveReason::Left);
                Ok(())
            }
        }
    }

    fn peer_offers(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        id: &ParticipantId,
        direction: Direction,
        request: Option<u64>,
        sdp: String,
    ) -> Result<(), Refusal> {
        self.needs_mode(room, Mode::Sfu, &direction.to_string())?;
        let session = self
            .rooms
            .get(room)
            .and_then(|r| r.session_of(id, direction.to_node()))
            .cloned();
        let offer = Offer {
            participant: id.clone(),
            direction: direction.to_node(),
            session,
            of: None,
            sdp,
        };
        self.offer(
            room,
            offer,
            Origin::Peer {
                connection,
                request,
            },
        )
        .map(drop)
    }

    fn peer_ends(
        &mut self,
        room: &RoomName,
        id: &ParticipantId,
        direction: Direction,
    ) -> Result<(), Refusal> {
        let session = self.peer_session(room, id, direction)?;
        self.close_session(room, &session);
        Ok(())
    }

    fn peer_trickles(
        &mut self,
        room: &RoomName,
        id: &ParticipantId,
        direction: Direction,
        candidate: String,
        mid: Option<String>,
    ) -> Result<(), Refusal> {
        let session = self.peer_session(room, id, direction)?;
        check_candidate(&candidate, mid.as_deref())?;
        let message = node_protocol::ServerMessage::Candidate {
            session: session.into(),
            candidate,
            mid,
        };
        self.tell_home(room, message);
        Ok(())
    }

    fn peer_assigns(
        &mut self,
        room: &RoomName,
        id: &ParticipantId,
        mid: String,
        participant: Option<String>,
        track: Option<String>,
    ) -> Result<(), Refusal> {
        let session = self.peer_session(room, id, Direction::Subscribe)?;
        check_word("mid", &mid)?;
        let track = match (&participant, track) {
            (Some(other), Some(track)) => {
                let room = self.rooms.get(room).ok_or_else(no_room)?;
                room.visible(other)?.track(&track)?;
                Some(track)
            }
            (Some(_), None) => {
                return Err(Refusal::new(
                    Code::BadMessage,
                    "assign with a participant needs the name of a track of it",
                ));
            }
            (None, _) => None,
        };
        let session = session.into();
        self.tell_home(
            room,
            node_protocol::ServerMessage::Assign {
                session,
                mid,
                participant,
                track,
            },
        );
        Ok(())
    }

    fn peer_mutes(
        &mut self,
        name: &RoomName,
        id: &ParticipantId,
        track: String,
        muted: bool,
    ) -> Result<(), Refusal> {
        check_word("track", &track)?;
        let room = self.rooms.get_mut(name).ok_or_else(no_room)?;
        let mode = room.mode;
        let participant = room.participant_mut(id).ok_or_else(no_room)?;
        if mode == Mode::Sfu {
            participant.track(&track)?;
        }
        for known in participant.tracks.iter_mut().filter(|t| t.track == track) {
            known.muted = muted;
        }
        let participant = String::from(id.clone());
        let message = ServerMessage::TrackMuted {
            participant: participant.clone(),
            track: track.clone(),
            muted,
        };
        self.tell_others(name, Some(id), &message);
        let message = node_protocol::ServerMessage::Mute {
            room: name.into(),
            participant,
            track,
            muted,
        };
        self.tell_home(name, message.clone());
        self.tell_guests(name, id, &message);
        Ok(())
    }

    fn peer_signals(
        &mut self,
        name: &RoomName,
        id: &ParticipantId,
        to: &str,
        payload: Signal,
    ) -> Result<(), Refusal> {
        self.needs_mode(name, Mode::P2p, "signal")?;
        if let Signal::Description(description) = &payload
            && description.sdp.len() > super::MAX_SDP
        {
            return Err(super::offer::too_large());
        }
        let room = self.rooms.get(name).ok_or_else(no_room)?;
        let Link::Socket(to) = room.visible(to)?.link else {
            return Ok(());
        };
        let from = id.clone().into();
        self.outgoing.push(Outgoing::Peer {
            to,
            message: ServerMessage::Signal { from, payload },
        });
        Ok(())
    }

    fn peer_session(
        &self,
        room: &RoomName,
        id: &ParticipantId,
        direction: Direction,
    ) -> Result<super::SessionId, Refusal> {
        let found = self
            .rooms
            .get(room)
            .and_then(|r| r.session_of(id, direction.to_node()));
        found.cloned().ok_or_else(|| match direction {
            Direction::Publish => Refusal::new(
                Code::NotPublished,
                "there is no publish session; send publish first",
            ),
            Direction::Subscribe => Refusal::new(
                Code::NotSubscribed,
                "there is no subscribe session; send subscribe first",
            ),
        })
    }

    /// Refuses what does not fit the room's mode.
    pub(super) fn needs_mode(
        &self,
        name: &RoomName,
        mode: Mode,
        what: &str,
    ) -> Result<(), Refusal> {
        match self.rooms.get(name) {
            Some(room) if room.mode != mode => {
                let text = format!(
                    "{what} needs a room of mode {mode}, but room \"{name}\" is {}; use another room, or what its mode offers",
                    room.mode
                );
                Err(Refusal::new(Code::WrongMode, text))
            }
            _ => Ok(()),
        }
    }
}

/// A participant's connection always has its room; should it not, that is ours to mend.
fn no_room() -> Refusal {
    Refusal::new(
        Code::Internal,
        "the room of this connection is gone; join again",
    )
}

pub(super) fn check_word(what: &str, word: &str) -> Result<(), Refusal> {
    if (1..=MAX_WORD).contains(&word.len()) && !word.contains(char::is_control) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::BadMessage,
        format!("{what} must have 1 to {MAX_WORD} bytes and no control characters"),
    ))
}

pub(super) fn check_candidate(candidate: &str, mid: Option<&str>) -> Result<(), Refusal> {
    if candidate.len() > MAX_CANDIDATE || candidate.contains(char::is_control) {
        return Err(Refusal::new(
            Code::BadMessage,
            format!("a candidate is one line of at most {MAX_CANDIDATE} bytes"),
        ));
    }
    mid.map_or(Ok(()), |mid| check_word("mid", mid))
}
