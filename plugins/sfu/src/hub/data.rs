// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of data channels, between workers and the owner.

use super::bridge::Said;
use super::state::State;
use super::{NodeEvent, RequestError, name};
use crate::io::Command;
use crate::node::Role;
use gst_rtc_core::data::{DataMessage, MAX_LABEL, MAX_MESSAGE, NODE_LABEL};
use std::sync::Arc;

/// A message of this process to participants of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnMessage {
    /// The room; `None`: the room of the configuration.
    pub room: Option<String>,
    /// In whose name: a participant that is in the room. `None`: in nobody's, receivers see an empty sender.
    pub from: Option<String>,
    /// For whom: a participant that is in the room. `None`: for all others that have the channel open.
    pub to: Option<String>,
    /// Label of the channels it goes to, at most [`MAX_LABEL`] bytes.
    pub label: String,
    /// Text, which must be UTF-8, or bytes.
    pub text: bool,
    /// The message, at most [`MAX_MESSAGE`] bytes.
    pub payload: Arc<[u8]>,
}

impl OwnMessage {
    /// # Errors
    /// When it can never be sent.
    pub(super) fn check(&self) -> Result<(), RequestError> {
        let names = [("from", &self.from), ("to", &self.to)];
        for (what, name) in names
            .into_iter()
            .filter_map(|(w, n)| Some((w, n.as_ref()?)))
        {
            name::check(what, name)?;
        }
        if self.payload.len() > MAX_MESSAGE || self.label.len() > MAX_LABEL {
            return Err(RequestError::TooLong {
                message: self.payload.len(),
                label: self.label.len(),
            });
        }
        if self.label == NODE_LABEL {
            return Err(RequestError::ReservedLabel);
        }
        if self.text && str::from_utf8(&self.payload).is_err() {
            return Err(RequestError::NoText);
        }
        Ok(())
    }
}

impl State {
    /// Sends a message of the owner.
    pub(super) fn send_data(&mut self, room: &str, message: OwnMessage) {
        let label = message.label.clone();
        if let Err(message) = self.try_send_data(room, message) {
            self.out.tell(NodeEvent::Refused {
                what: format!("message on channel {label}"),
                message,
            });
        }
    }

    fn try_send_data(&mut self, room: &str, message: OwnMessage) -> Result<(), String> {
        let id = self.room_ids.get(room).copied();
        let id = id.ok_or_else(|| format!("nobody is in room {room}"))?;
        if self.role(id) == Some(Role::Guest) {
            return self.send_home(id, message);
        }
        let participant = |name: &Option<String>| {
            let found = name.as_ref().map(|name| {
                self.by_name(id, name)
                    .ok_or_else(|| format!("nobody named {name} is in room {room}"))
            });
            found.transpose()
        };
        let said = Said {
            room: id,
            from: participant(&message.from)?,
            to: participant(&message.to)?,
            label: &message.label,
            text: message.text,
            payload: message.payload,
        };
        self.tell_participants(&said);
        self.tell_guest_nodes(&said, None);
        Ok(())
    }

    /// Gives what was said to those who have a channel for it.
    pub(super) fn tell_participants(&self, said: &Said<'_>) {
        let sender = said.from.map(|id| self.public_id(id)).unwrap_or_default();
        let message = Arc::new(DataMessage {
            room: said.room,
            from: said.from,
            sender: sender.into(),
            to: said.to,
            label: said.label.into(),
            text: said.text,
            payload: said.payload.clone(),
        });
        for worker in self.out.workers.iter() {
            worker.send_media(|| Command::Data(message.clone()));
        }
    }

    /// A message of a peer came by. Other peers have it.
    pub(super) fn handle_data(&self, message: &DataMessage) {
        let from = message.from.and_then(|id| self.participants.get(&id));
        // Who left in this moment has spoken too late.
        let Some(from) = from else { return };
        let said = Said {
            room: message.room,
            from: message.from,
            to: None,
            label: &message.label,
            text: message.text,
            payload: message.payload.clone(),
        };
        self.tell_guest_nodes(&said, None);
        self.out.tell(NodeEvent::Data {
            room: self.room_name(message.room),
            participant: from.name.clone(),
            label: message.label.to_string(),
            text: message.text,
            payload: message.payload.clone(),
        });
    }
}
