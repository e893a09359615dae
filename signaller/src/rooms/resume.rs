// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a node brings to a server that has restarted: it is believed. The rooms are made from what it tells, and the
//! peers follow within 15 s.

use super::connection::Connection;
use super::id::{ConnectionId, NodeId, ParticipantId, RoomName, SessionId, check_name};
use super::node::MAX_TRACKS;
use super::room::{Link, Participant, Room, Session};
use super::{RETURN, Rooms, Timer, WAIT_FOR_NODE};
use crate::protocol::Mode;
use crate::protocol::node::{
    ParticipantKind, ResumeParticipant, ResumeRoom, ResumeSession, Role, ServerMessage,
};
use crate::protocol::peer::LeaveReason;

impl Rooms {
    /// This server knows nothing of the room, or only newcomers: what the node tells is taken for true.
    pub(super) fn adopt(&mut self, node: &NodeId, brought: ResumeRoom) {
        let Ok(name) = RoomName::parse(&brought.room) else {
            return;
        };
        let only = self.nodes.get(node).and_then(|n| n.only.clone());
        if only.as_ref().is_some_and(|only| *only != name) {
            return;
        }
        if brought.role == Role::Guest {
            return self.hold_guest(node, only, brought);
        }
        if !self.may_adopt(&name) {
            return self.return_as_guest(node, brought);
        }
        let room = self
            .rooms
            .entry(name.clone())
            .or_insert_with(|| Room::new(name.clone(), Mode::Sfu));
        if only.is_some() {
            room.nodes.push(node.clone());
        }
        let newcomers: Vec<ParticipantId> =
            room.participants.iter().map(|p| p.id.clone()).collect();
        self.open_home(&name, node);
        for id in newcomers {
            self.tell_node_of(&name, node, &id);
        }
        for participant in brought.participants {
            self.adopt_participant(&name, node, participant);
        }
        for session in brought.sessions {
            self.adopt_session(&name, node, session);
        }
        self.drop_without_session(&name);
        self.retry_waiting(&name);
        self.open_for_all(&name);
        self.close_if_empty(&name);
    }

    /// Another node is the home by now: what this one has of its own, it makes again.
    fn return_as_guest(&mut self, node: &NodeId, mut brought: ResumeRoom) {
        brought.participants.retain(|p| p.own);
        if let Some(node) = self.nodes.get_mut(node).filter(|n| n.only.is_some()) {
            node.returning = Some(brought);
        }
    }

    /// Who came by HTTP lives as long as its session.
    fn drop_without_session(&mut self, name: &RoomName) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let by_http = room.participants.iter().filter(|p| p.link == Link::Session);
        let idle: Vec<ParticipantId> = by_http
            .filter(|p| room.sessions_of(&p.id).is_empty())
            .map(|p| p.id.clone())
            .collect();
        for id in idle {
            self.remove_participant_only(name, &id, LeaveReason::ConnectionLost);
        }
    }

    fn may_adopt(&self, name: &RoomName) -> bool {
        match self.rooms.get(name) {
            Some(room) => room.mode == Mode::Sfu && room.home.is_none(),
            None => self.rooms.len() < self.settings.max_rooms,
        }
    }

    /// A guest that is back before its home node waits for it a while, lest it become the home itself.
    fn hold_guest(&mut self, node: &NodeId, only: Option<RoomName>, brought: ResumeRoom) {
        let Some(only) = only else { return };
        let has_home = self.rooms.get(&only).is_some_and(|r| r.home.is_some());
        let is_starting = self.is_starting();
        let Some(node) = self.nodes.get_mut(node) else {
            return;
        };
        node.returning = Some(brought);
        if is_starting && !has_home {
            node.held = Some(self.now + WAIT_FOR_NODE);
            self.set_timer(WAIT_FOR_NODE, Timer::Placement(only));
        }
    }

    fn adopt_participant(&mut self, name: &RoomName, node: &NodeId, brought: ResumeParticipant) {
        let Some(participant) = self.accept(name, node, &brought) else {
            self.tell_node(
                node,
                ServerMessage::ParticipantLeft {
                    room: name.into(),
                    id: brought.id,
                },
            );
            return;
        };
        if let Link::Away(_) = participant.link {
            self.set_timer(RETURN, Timer::Away(name.clone(), participant.id.clone()));
        }
        let (id, tracks) = (participant.id.clone(), brought.tracks);
        self.insert_known(name, participant);
        for track in tracks.into_iter().take(MAX_TRACKS) {
            self.add_track(name, &id, track);
        }
    }

    /// Like `insert_participant`, but the home node knows.
    fn insert_known(&mut self, name: &RoomName, participant: Participant) {
        let info = participant.is_visible().then(|| participant.info());
        let id = participant.id.clone();
        if let Some(room) = self.rooms.get_mut(name) {
            room.participants.push(participant);
        }
        if let Some(participant) = info {
            self.tell_others(
                name,
                Some(&id),
                &super::peer_protocol::ServerMessage::ParticipantJoined { participant },
            );
        }
    }

    fn accept(
        &self,
        name: &RoomName,
        node: &NodeId,
        brought: &ResumeParticipant,
    ) -> Option<Participant> {
        let room = self.rooms.get(name)?;
        let id = ParticipantId::parse(&brought.id)?;
        check_name(&brought.name).ok()?;
        let taken = room.participant(&id).is_some() || room.by_name(&brought.name).is_some();
        if taken || room.participants.len() >= self.settings.max_participants {
            return None;
        }
        let link = match brought.kind {
            ParticipantKind::Local | ParticipantKind::Viewer if brought.own => {
                Link::Node(node.clone())
            }
            ParticipantKind::Whip | ParticipantKind::Viewer => Link::Session,
            ParticipantKind::Peer | ParticipantKind::Local => Link::Away(self.now + RETURN),
        };
        if link != Link::Session && brought.resume.len() < 16 {
            return None;
        }
        Some(Participant {
            id,
            name: brought.name.clone(),
            kind: brought.kind,
            resume: brought.resume.clone(),
            link,
            announced: true,
            tracks: Vec::new(),
        })
    }

    fn adopt_session(&mut self, name: &RoomName, node: &NodeId, brought: ResumeSession) {
        let id = SessionId::parse(&brought.session)
            .filter(|s| s.as_str().len() >= 16 && !self.sessions.contains_key(s));
        let participant = ParticipantId::parse(&brought.participant);
        let room = self.rooms.get_mut(name);
        if let (Some(id), Some(participant), Some(room)) = (id, participant, room)
            && room.participant(&participant).is_some()
        {
            let session = Session {
                participant,
                direction: brought.direction,
                of: brought.of,
                pending: None,
                established: true,
                ufrag: None,
            };
            room.sessions.insert(id.clone(), session);
            self.sessions.insert(id, name.clone());
            return;
        }
        self.tell_node(
            node,
            ServerMessage::CloseSession {
                session: brought.session,
            },
        );
    }

    /// Gives a guest back what is its own, as far as the room knows it; the rest leaves and is to be made again.
    pub(super) fn claim_own(&mut self, name: &RoomName, guest: &NodeId) {
        let Some(brought) = self.nodes.get_mut(guest).and_then(|n| n.returning.take()) else {
            return;
        };
        for own in brought.participants {
            let claimed =
                ParticipantId::parse(&own.id).is_some_and(|id| self.claim(name, guest, &id, &own));
            if !claimed && own.kind == ParticipantKind::Local {
                self.tell_node(
                    guest,
                    ServerMessage::ParticipantLeft {
                        room: name.into(),
                        id: own.id,
                    },
                );
            }
        }
    }

    fn claim(
        &mut self,
        name: &RoomName,
        guest: &NodeId,
        id: &ParticipantId,
        own: &ResumeParticipant,
    ) -> bool {
        let Some(room) = self.rooms.get_mut(name) else {
            return false;
        };
        let Some(participant) = room.participant_mut(id) else {
            return false;
        };
        let claimable = match participant.kind {
            ParticipantKind::Local => matches!(participant.link, Link::Away(_)),
            ParticipantKind::Viewer => participant.link == Link::Session,
            ParticipantKind::Peer | ParticipantKind::Whip => false,
        };
        // A guest is not told the secret of its hidden participant: its id, told to nobody else, is proof enough.
        let proven = own.kind == participant.kind
            && (participant.resume == own.resume || participant.kind == ParticipantKind::Viewer);
        if claimable && proven {
            participant.link = Link::Node(guest.clone());
        }
        claimable && proven
    }

    /// Peers that were here before their node.
    fn retry_waiting(&mut self, name: &RoomName) {
        let waiting: Vec<(ConnectionId, crate::protocol::peer::Join)> = self
            .connections
            .iter()
            .filter_map(|(id, c)| match c {
                Connection::Waiting { room, join } if room == name => Some((*id, join.clone())),
                _ => None,
            })
            .collect();
        for (connection, join) in waiting {
            self.try_resume(connection, name, &join);
        }
    }
}
