// SPDX-License-Identifier: MIT OR Apache-2.0
//! Participants on WebSockets come in, or come back.

use super::connection::Connection;
use super::id::{ConnectionId, ParticipantId, RoomName};
use super::member::Newcomer;
use super::refusal::Refusal;
use super::room::Link;
use super::{Rooms, Timer, WAIT_FOR_NODE};
use crate::protocol::Mode;
use crate::protocol::node::ParticipantKind;
use crate::protocol::peer::{Direction, Join, Joined, ServerMessage};

impl Rooms {
    pub(super) fn join(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        join: Join,
    ) -> Result<(), Refusal> {
        self.check_not_removed(&join)?;
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
            ice_servers: self.ice_servers(id),
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
}
