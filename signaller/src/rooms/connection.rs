// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections: from the upgrade to the first message, and their end.

use super::id::{ConnectionId, NodeId, ParticipantId, RoomName};
use super::refusal::{Code, Refusal};
use super::room::Link;
use super::{FIRST_MESSAGE, Rooms, Timer};
use crate::protocol::node::NodeMessage;
use crate::protocol::peer::{ClientMessage, Join, LeaveReason, ServerMessage};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// How long one may take to choose another name.
const SECOND_TRY: Duration = Duration::from_secs(120);

/// Who is at the other end of a WebSocket.
#[derive(Debug)]
pub(super) enum Connection {
    /// Nobody yet.
    Fresh {
        /// The room of the path.
        room: Option<RoomName>,
    },
    /// Somebody from before a restart, whose node has not come back yet.
    Waiting {
        /// The room of the path.
        room: RoomName,
        /// Its first message.
        join: Join,
    },
    /// A participant.
    Peer {
        /// Its room.
        room: RoomName,
        /// Who.
        participant: ParticipantId,
    },
    /// A node.
    Node(NodeId),
}

impl Rooms {
    pub(super) fn opened(&mut self, connection: ConnectionId, room: Option<RoomName>) {
        self.connections
            .insert(connection, Connection::Fresh { room });
        self.set_timer(FIRST_MESSAGE, Timer::FirstMessage(connection));
    }

    pub(super) fn message(&mut self, connection: ConnectionId, text: &str) {
        let Some(state) = self.connections.get(&connection) else {
            return;
        };
        let (value, head) = match Head::read(text) {
            Ok(read) => read,
            Err(refusal) => return self.refuse(connection, None, &refusal),
        };
        let result = match state {
            Connection::Fresh { room } => {
                let room = room.clone();
                self.first_message(connection, room, &head, value)
            }
            Connection::Waiting { .. } => Err(Refusal::new(
                Code::BadMessage,
                "join is not answered yet; wait for joined",
            )),
            Connection::Peer { room, participant } => {
                let (room, participant) = (room.clone(), participant.clone());
                parse::<ClientMessage>(value)
                    .and_then(|m| self.peer_message(connection, &room, &participant, m))
            }
            Connection::Node(node) => {
                let node = node.clone();
                parse::<NodeMessage>(value).and_then(|m| self.node_message(&node, m))
            }
        };
        if let Err(refusal) = result {
            self.refuse(connection, head.request, &refusal);
        }
    }

    fn first_message(
        &mut self,
        connection: ConnectionId,
        room: Option<RoomName>,
        head: &Head,
        value: Value,
    ) -> Result<(), Refusal> {
        match (head.kind.as_str(), room) {
            ("node", room) => {
                let NodeMessage::Node(register) = parse(value)? else {
                    return Err(Refusal::new(
                        Code::Internal,
                        "the type node did not parse as such",
                    ));
                };
                self.register(connection, room, register);
                Ok(())
            }
            ("join", Some(room)) => {
                let ClientMessage::Join(join) = parse(value)? else {
                    return Err(Refusal::new(
                        Code::Internal,
                        "the type join did not parse as such",
                    ));
                };
                self.set_timer(SECOND_TRY, Timer::FirstMessage(connection));
                self.join(connection, &room, join)
            }
            ("join", None) => Err(Refusal::new(
                Code::BadMessage,
                "/ws is for media nodes; join a room on /ws/{room}",
            )),
            _ => Err(Refusal::new(
                Code::BadMessage,
                "the first message must be join, or node from a media node",
            )),
        }
    }

    /// Answers with an error; the connection goes on.
    pub(super) fn refuse(&mut self, to: ConnectionId, request: Option<u64>, refusal: &Refusal) {
        self.tell_peer(to, ServerMessage::Error(refusal.to_message(request)));
    }

    pub(super) fn closed(&mut self, connection: ConnectionId, clean: bool) {
        match self.connections.remove(&connection) {
            Some(Connection::Peer { room, participant }) => {
                let reason = if clean {
                    LeaveReason::Left
                } else {
                    LeaveReason::ConnectionLost
                };
                if self.is_linked(&room, &participant, connection) {
                    self.remove_participant(&room, &participant, reason);
                }
            }
            Some(Connection::Node(node)) => self.node_disconnected(&node, connection, clean),
            Some(Connection::Fresh { .. } | Connection::Waiting { .. }) | None => {}
        }
    }

    fn is_linked(
        &self,
        room: &RoomName,
        participant: &ParticipantId,
        connection: ConnectionId,
    ) -> bool {
        let found = self
            .rooms
            .get(room)
            .and_then(|r| r.participant(participant));
        found.is_some_and(|p| p.link == Link::Socket(connection))
    }

    pub(super) fn first_message_is_late(&mut self, connection: ConnectionId) {
        // A timer of the first message also fires for those who have tried since: they have another one.
        let another = self
            .timers
            .iter()
            .any(|(_, t)| *t == Timer::FirstMessage(connection));
        if matches!(
            self.connections.get(&connection),
            Some(Connection::Fresh { .. })
        ) && !another
        {
            self.close(connection, 1008, "no join or node message within 15 s");
        }
    }
}

/// What every message has.
struct Head {
    kind: String,
    request: Option<u64>,
}

impl Head {
    fn read(text: &str) -> Result<(Value, Head), Refusal> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            Refusal::new(
                Code::BadMessage,
                format!("the message is not JSON: {error}. Send one JSON object per text frame."),
            )
        })?;
        let Some(kind) = value.get("type").and_then(Value::as_str) else {
            return Err(Refusal::new(
                Code::BadMessage,
                "the message has no \"type\"; send a JSON object with a type of PROTOCOL.md",
            ));
        };
        let head = Head {
            kind: kind.to_owned(),
            request: value.get("request").and_then(Value::as_u64),
        };
        Ok((value, head))
    }
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    serde_json::from_value(value).map_err(|error| {
        let text: String = error.to_string().chars().take(400).collect();
        Refusal::new(
            Code::BadMessage,
            format!("{text}; see PROTOCOL.md for the messages"),
        )
    })
}
