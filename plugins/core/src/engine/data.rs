// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages from the data channels of one participant to those of the others.

use super::{Engine, EngineEvent};
use crate::data::{DataMessage, DataSpec, NODE_LABEL};
use crate::id::{ParticipantId, SessionId};
use crate::session::Message;
use std::sync::Arc;
use std::time::Instant;

impl Engine {
    /// Data channels were negotiated on a session that had none.
    pub fn set_data(&mut self, now: Instant, session: SessionId, spec: DataSpec) {
        if let Some(&key) = self.by_session.get(&session) {
            self.peers[key].session.set_data(spec);
            self.settle(now, key);
        }
    }

    /// Sends a message that came in at another worker, or comes from this process, to those who shall have it and are here.
    ///
    /// Each participant gets it once: on the first of its sessions that has a channel of the label.
    pub fn send_data(&mut self, now: Instant, message: &DataMessage) {
        let mut served: Vec<ParticipantId> = message.from.into_iter().collect();
        for key in self.with_channel(message) {
            let participant = self.peers[key].participant;
            if !served.contains(&participant) {
                served.push(participant);
                self.peers[key].session.send_message(now, message);
                self.settle(now, key);
            }
        }
    }

    fn with_channel(&self, message: &DataMessage) -> Vec<usize> {
        let wanted = |participant| match message.to {
            Some(to) => to == participant,
            None => self.router.room_of(participant) == Some(message.room),
        };
        self.peers
            .iter()
            .filter(|(_, p)| p.session.has_channel(&message.label) && wanted(p.participant))
            .map(|(key, _)| key)
            .collect()
    }

    /// A peer sent a message.
    pub(super) fn take_message(&mut self, now: Instant, key: usize, message: Message) {
        let peer = &self.peers[key];
        let Some(room) = self.router.room_of(peer.participant) else {
            return;
        };
        let message = Arc::new(DataMessage {
            room,
            from: Some(peer.participant),
            sender: peer.sender.clone(),
            to: None,
            label: message.label,
            text: message.text,
            payload: message.payload,
        });
        if *message.label == *NODE_LABEL {
            return self.events.push_back(EngineEvent::NodeMessage(message));
        }
        self.send_data(now, &message);
        self.events.push_back(EngineEvent::Data(message));
    }

    /// A session was touched from outside: sends what follows, and minds its timer.
    fn settle(&mut self, now: Instant, key: usize) {
        self.peers[key].refresh();
        self.drain_session(now, key);
        self.schedule(key);
    }
}
