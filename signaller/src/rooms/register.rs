// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes that register, for the first time or again.
//!
//! A node whose connection broke while this server went on finds everything here, and the server decides what is
//! true. What a node brings to a server that knows nothing is in [`super::resume`].

use super::Rooms;
use super::connection::Connection;
use super::id::{ConnectionId, NodeId, ParticipantId, RoomName, SessionId};
use super::node::{MAX_TRACKS, Node};
use super::refusal::{Code, Refusal};
use crate::protocol::node::{Register, Resume, ResumeParticipant, ResumeRoom, ServerMessage};
use crate::protocol::{Mode, VERSION};
use std::collections::BTreeSet;

impl Rooms {
    pub(super) fn register(
        &mut self,
        connection: ConnectionId,
        room: Option<RoomName>,
        register: Register,
    ) {
        if let Err(refusal) = self.try_register(connection, room, register) {
            self.refuse(connection, None, &refusal);
            self.close(connection, 1008, "the registration was refused");
        }
    }

    fn try_register(
        &mut self,
        connection: ConnectionId,
        only: Option<RoomName>,
        register: Register,
    ) -> Result<(), Refusal> {
        if register.version != VERSION {
            let text = format!(
                "this server speaks version {VERSION} of the node protocol, not {}; install matching releases",
                register.version
            );
            return Err(Refusal::new(Code::BadMessage, text));
        }
        if let Some(name) = &only {
            self.needs_mode(name, Mode::Sfu, "a media node")?;
        }
        let Some(resume) = register.resume else {
            let id = self.new_node(connection, only);
            return self.give_rooms(&id);
        };
        let id = match self.known_node(&resume, only.as_ref()) {
            Some(id) => {
                self.node_is_back(&id, connection, &resume);
                id
            }
            None => {
                let id = self.new_node(connection, only);
                resume
                    .rooms
                    .into_iter()
                    .for_each(|room| self.adopt(&id, room));
                id
            }
        };
        self.give_rooms(&id)?;
        self.tell_node(&id, ServerMessage::Resumed);
        Ok(())
    }

    fn known_node(&self, resume: &Resume, only: Option<&RoomName>) -> Option<NodeId> {
        let id = NodeId::parse(&resume.node)?;
        let node = self.nodes.get(&id)?;
        (node.only.as_ref() == only).then_some(id)
    }

    fn new_node(&mut self, connection: ConnectionId, only: Option<RoomName>) -> NodeId {
        let id = self.ids.node();
        let node = Node {
            connection: Some(connection),
            lost: None,
            only,
            is_guest: false,
            held: None,
            returning: None,
        };
        let room = node.only.as_ref().map_or("every room", RoomName::as_str);
        tracing::info!(room, "a media node registered");
        self.nodes.insert(id.clone(), node);
        self.connections
            .insert(connection, Connection::Node(id.clone()));
        self.tell_node(
            &id,
            ServerMessage::NodeReady {
                node: id.clone().into(),
            },
        );
        id
    }

    /// The connection broke; this server did not.
    fn node_is_back(&mut self, id: &NodeId, connection: ConnectionId, resume: &Resume) {
        self.fail_requests(id);
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        let old = node.connection.replace(connection);
        node.lost = None;
        if let Some(old) = old {
            self.close(old, 4001, "this node has another connection now");
        }
        self.connections
            .insert(connection, Connection::Node(id.clone()));
        self.tell_node(
            id,
            ServerMessage::NodeReady {
                node: id.clone().into(),
            },
        );
        let homes: Vec<RoomName> = self
            .rooms
            .values()
            .filter(|r| r.home.as_ref() == Some(id))
            .map(|r| r.name.clone())
            .collect();
        for name in homes {
            let brought = resume.rooms.iter().find(|r| r.room == name.as_str());
            self.reconcile(&name, id, brought);
        }
    }

    /// Brings a home node up to what happened while it was away.
    fn reconcile(&mut self, name: &RoomName, node: &NodeId, brought: Option<&ResumeRoom>) {
        self.open_home(name, node);
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let named: BTreeSet<&str> = brought
            .iter()
            .flat_map(|r| &r.participants)
            .map(|p| p.id.as_str())
            .collect();
        let alive: BTreeSet<&str> = brought
            .iter()
            .flat_map(|r| &r.sessions)
            .map(|s| s.session.as_str())
            .collect();
        let unknown: Vec<ParticipantId> = room
            .participants
            .iter()
            .filter(|p| !named.contains(p.id.as_str()))
            .map(|p| p.id.clone())
            .collect();
        let gone: Vec<String> = named
            .iter()
            .filter(|id| !room.participants.iter().any(|p| p.id.as_str() == **id))
            .map(|id| (*id).to_owned())
            .collect();
        let dead: Vec<SessionId> = room
            .sessions
            .keys()
            .filter(|s| !alive.contains(s.as_str()))
            .cloned()
            .collect();
        let stray: Vec<String> = alive
            .iter()
            .filter(|s| !room.sessions.keys().any(|k| k.as_str() == **s))
            .map(|s| (*s).to_owned())
            .collect();
        for id in unknown {
            self.tell_node_of(name, node, &id);
        }
        for id in gone {
            self.tell_node(
                node,
                ServerMessage::ParticipantLeft {
                    room: name.into(),
                    id,
                },
            );
        }
        for session in stray {
            self.tell_node(node, ServerMessage::CloseSession { session });
        }
        for session in dead {
            self.session_closed_by_node(name, &session, "the media node lost it");
        }
        for participant in brought.iter().flat_map(|r| &r.participants) {
            self.reconcile_tracks(name, participant);
        }
    }

    fn reconcile_tracks(&mut self, name: &RoomName, brought: &ResumeParticipant) {
        let Some(id) = ParticipantId::parse(&brought.id) else {
            return;
        };
        let Some(participant) = self.rooms.get(name).and_then(|r| r.participant(&id)) else {
            return;
        };
        let gone: Vec<String> = participant
            .tracks
            .iter()
            .filter(|t| !brought.tracks.iter().any(|b| b.track == t.track))
            .map(|t| t.track.clone())
            .collect();
        let muted: Vec<String> = participant
            .tracks
            .iter()
            .filter(|t| t.muted)
            .map(|t| t.track.clone())
            .collect();
        for track in gone {
            self.remove_track(name, &id, &track);
        }
        for mut track in brought.tracks.iter().take(MAX_TRACKS).cloned() {
            track.muted |= muted.contains(&track.track);
            self.add_track(name, &id, track);
        }
    }
}
