// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of data channels, between workers and the owner.

use super::state::State;
use super::{NodeEvent, RequestError, name};
use crate::io::Command;
use crate::node::Role;
use gst_rtc_core::data::{DataMessage, MAX_LABEL, MAX_MESSAGE};
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
        if self.text && str::from_utf8(&self.payload).is_err() {
            return Err(RequestError::NoText);
        }
        Ok(())
    }
}

impl State {
    /// Sends a message of the owner.
    pub(super) fn send_data(&self, room: &str, message: OwnMessage) {
        let label = message.label.clone();
        match self.own_message(room, message) {
            Ok(message) => {
                let message = Arc::new(message);
                for worker in self.out.workers.iter() {
                    worker.send_media(|| Command::Data(message.clone()));
                }
            }
            Err(message) => self.out.tell(NodeEvent::Refused {
                what: format!("message on channel {label}"),
                message,
            }),
        }
    }

    fn own_message(&self, room: &str, message: OwnMessage) -> Result<DataMessage, String> {
        let id = self.room_ids.get(room).copied();
        let id = id.ok_or_else(|| format!("nobody is in room {room}"))?;
        let role = self.rooms.get(&id).and_then(|room| room.role);
        if role == Some(Role::Guest) {
            return Err(format!(
                "room {room} is served by another node, and data channels end there"
            ));
        }
        let participant = |name: Option<String>| {
            name.map(|name| {
                self.by_name(id, &name)
                    .ok_or_else(|| format!("nobody named {name} is in room {room}"))
            })
            .transpose()
        };
        let (from, to) = (participant(message.from)?, participant(message.to)?);
        Ok(DataMessage {
            room: id,
            from,
            sender: from
                .map_or_else(String::new, |id| self.public_id(id))
                .into(),
            to,
            label: message.label.into(),
            text: message.text,
            payload: message.payload,
        })
    }

    /// A message of a peer came by.
    pub(super) fn tell_data(&self, message: &DataMessage) {
        let from = message.from.and_then(|id| self.participants.get(&id));
        // Who left in this moment has spoken too late.
        let Some(from) = from else { return };
        self.out.tell(NodeEvent::Data {
            room: self.room_name(message.room),
            participant: from.name.clone(),
            label: message.label.to_string(),
            text: message.text,
            payload: message.payload.clone(),
        });
    }
}
