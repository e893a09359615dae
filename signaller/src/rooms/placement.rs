// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which node serves which room: home and guests, nodes that come and go.

use super::id::{ConnectionId, NodeId, ParticipantId, RoomName};
use super::member::track_added;
use super::refusal::{Code, Refusal};
use super::room::{Link, Participant};
use super::{NODE_GRACE, Rooms, Timer, peer_protocol};
use crate::protocol::node::{ParticipantKind, Role, ServerMessage};
use crate::protocol::peer::LeaveReason;
use crate::protocol::{Mode, TrackInfo};

impl Rooms {
    /// Finds a home for a room that has none: a node for all rooms, the one with the fewest; else the oldest of its own.
    pub(super) fn place(&mut self, name: &RoomName) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        if room.mode == Mode::P2p || room.home.is_some() {
            return;
        }
        let own = room.nodes.iter().find(|id| self.is_ready(id)).cloned();
        if let Some(node) = self.least_loaded().or(own) {
            self.make_home(name, &node);
        }
    }

    fn is_ready(&self, id: &NodeId) -> bool {
        self.nodes
            .get(id)
            .is_some_and(|n| n.connection.is_some() && n.held.is_none_or(|until| until <= self.now))
    }

    fn least_loaded(&self) -> Option<NodeId> {
        let all = self
            .nodes
            .iter()
            .filter(|(_, n)| n.only.is_none() && n.connection.is_some());
        let load = |id: &NodeId| {
            self.rooms
                .values()
                .filter(|r| r.home.as_ref() == Some(id))
                .count()
        };
        all.min_by_key(|(id, _)| load(id)).map(|(id, _)| id.clone())
    }

    fn make_home(&mut self, name: &RoomName, node: &NodeId) {
        self.dismiss_guest(name, node);
        self.open_home(name, node);
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let everybody: Vec<ParticipantId> =
            room.participants.iter().map(|p| p.id.clone()).collect();
        for id in everybody {
            self.tell_node_of(name, node, &id);
        }
        self.open_for_all(name);
    }

    /// Makes a node the home of a room and tells it so.
    pub(super) fn open_home(&mut self, name: &RoomName, node: &NodeId) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.home = Some(node.clone());
        }
        if let Some(node) = self.nodes.get_mut(node) {
            (node.is_guest, node.held, node.returning) = (false, None, None);
        }
        let opened = ServerMessage::RoomOpened {
            room: name.into(),
            role: Role::Home,
            participant: None,
            sessions: Vec::new(),
        };
        self.tell_node(node, opened);
    }

    /// A room has a home now: its guests may dial, its peers may offer.
    pub(super) fn open_for_all(&mut self, name: &RoomName) {
        self.tell_others(
            name,
            None,
            &peer_protocol::ServerMessage::Media {
                available: true,
                reason: None,
            },
        );
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let guests: Vec<NodeId> = room.guests().cloned().collect();
        for guest in guests {
            self.open_guest(name, &guest);
        }
    }

    /// A guest that becomes the home begins anew.
    fn dismiss_guest(&mut self, name: &RoomName, node: &NodeId) {
        if !self.nodes.get(node).is_some_and(|n| n.is_guest) {
            return;
        }
        self.tell_node(node, ServerMessage::RoomClosed { room: name.into() });
        self.remove_owned(name, node);
    }

    fn remove_owned(&mut self, name: &RoomName, node: &NodeId) {
        let owned = self
            .rooms
            .get(name)
            .map(|r| r.owned_by(node))
            .unwrap_or_default();
        for id in owned {
            self.remove_participant_only(name, &id, LeaveReason::NodeLost);
        }
    }

    /// Tells a guest of its room: who is there, and which of its sessions still live.
    pub(super) fn open_guest(&mut self, name: &RoomName, guest: &NodeId) {
        if self.nodes.get(guest).is_none_or(|n| n.connection.is_none()) {
            return;
        }
        self.claim_own(name, guest);
        let viewer = self.ensure_viewer(name, guest);
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let owned = room.owned_by(guest);
        let sessions = room
            .sessions
            .iter()
            .filter(|(_, s)| owned.contains(&s.participant) && s.established);
        let sessions = sessions.map(|(id, _)| id.clone().into()).collect();
        let others: Vec<(ParticipantId, Vec<TrackInfo>)> = room
            .participants
            .iter()
            .filter(|p| p.is_visible() && !p.is_of(guest))
            .map(|p| (p.id.clone(), p.tracks.clone()))
            .collect();
        if let Some(node) = self.nodes.get_mut(guest) {
            (node.is_guest, node.held) = (true, None);
        }
        let participant = Some(viewer.into());
        self.tell_node(
            guest,
            ServerMessage::RoomOpened {
                room: name.into(),
                role: Role::Guest,
                participant,
                sessions,
            },
        );
        for (id, tracks) in others {
            self.tell_node_of(name, guest, &id);
            for track in &tracks {
                self.tell_node(guest, track_added(name, &id, track));
            }
        }
    }

    /// The hidden participant as which a guest receives.
    fn ensure_viewer(&mut self, name: &RoomName, guest: &NodeId) -> ParticipantId {
        if let Some(viewer) = self.rooms.get(name).and_then(|r| r.viewer_of(guest)) {
            return viewer.id.clone();
        }
        let id = self.ids.participant();
        let viewer = Participant {
            name: viewer_name(&id),
            id: id.clone(),
            kind: ParticipantKind::Viewer,
            resume: self.ids.secret(),
            link: Link::Node(guest.clone()),
            announced: true,
            tracks: Vec::new(),
        };
        self.insert_participant(name, viewer);
        id
    }

    /// Gives a newly registered node its rooms.
    pub(super) fn give_rooms(&mut self, node: &NodeId) -> Result<(), Refusal> {
        let Some(only) = self.nodes.get(node).and_then(|n| n.only.clone()) else {
            let homeless: Vec<RoomName> = self
                .rooms
                .values()
                .filter(|r| r.home.is_none())
                .map(|r| r.name.clone())
                .collect();
            homeless.iter().for_each(|name| self.place(name));
            return Ok(());
        };
        self.ensure_room(&only, Some(Mode::Sfu))?;
        let Some(room) = self.rooms.get_mut(&only) else {
            return Err(Refusal::new(Code::Internal, "the room could not be made"));
        };
        if !room.nodes.contains(node) {
            room.nodes.push(node.clone());
        }
        match &room.home {
            Some(home) if home != node => self.open_guest(&only, node),
            Some(_) => {}
            None => self.place(&only),
        }
        Ok(())
    }

    pub(super) fn node_disconnected(&mut self, id: &NodeId, connection: ConnectionId, clean: bool) {
        let Some(node) = self
            .nodes
            .get_mut(id)
            .filter(|n| n.connection == Some(connection))
        else {
            return;
        };
        node.connection = None;
        node.lost = Some(self.now);
        self.fail_requests(id);
        if clean {
            self.node_is_gone(id);
        } else {
            self.set_timer(NODE_GRACE, Timer::NodeLost(id.clone()));
        }
    }

    /// What a node was asked, it will not answer any more.
    pub(super) fn fail_requests(&mut self, node: &NodeId) {
        let lost: Vec<u64> = self
            .requests
            .iter()
            .filter(|(_, r)| r.node == *node)
            .map(|(n, _)| *n)
            .collect();
        for number in lost {
            let text =
                "the media node of this room went away before it answered; try again in a moment";
            self.complete(number, Err(Refusal::new(Code::NodeLost, text)));
        }
    }

    pub(super) fn node_is_lost_for_good(&mut self, id: &NodeId) {
        let lost = self
            .nodes
            .get(id)
            .filter(|n| n.connection.is_none())
            .and_then(|n| n.lost);
        if lost.is_some_and(|at| at + NODE_GRACE <= self.now) {
            self.node_is_gone(id);
        }
    }

    fn node_is_gone(&mut self, id: &NodeId) {
        self.nodes.remove(id);
        tracing::info!("a media node is gone");
        let rooms: Vec<RoomName> = self
            .rooms
            .values()
            .filter(|r| r.home.as_ref() == Some(id) || r.nodes.contains(id))
            .map(|r| r.name.clone())
            .collect();
        for name in rooms {
            self.node_leaves_room(&name, id);
            self.close_if_empty(&name);
        }
    }

    fn node_leaves_room(&mut self, name: &RoomName, id: &NodeId) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        room.nodes.retain(|n| n != id);
        let was_home = room.home.as_ref() == Some(id);
        if was_home {
            room.home = None;
        }
        self.remove_owned(name, id);
        if was_home {
            self.lose_media(name);
            self.place(name);
        }
    }

    /// The home of a room is gone, and with it every session and track.
    fn lose_media(&mut self, name: &RoomName) {
        const REASON: &str = "the media node of this room was lost";
        let reason = Some(REASON.to_owned());
        self.tell_others(
            name,
            None,
            &peer_protocol::ServerMessage::Media {
                available: false,
                reason,
            },
        );
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let sessions: Vec<_> = room.sessions.keys().cloned().collect();
        let everybody: Vec<(ParticipantId, bool)> = room
            .participants
            .iter()
            .map(|p| (p.id.clone(), p.link == Link::Session))
            .collect();
        for session in sessions {
            self.end_session(name, &session, Some(REASON));
        }
        for (id, by_http) in everybody {
            self.remove_all_tracks(name, &id);
            if by_http {
                self.remove_participant_only(name, &id, LeaveReason::NodeLost);
            }
        }
    }
}

/// The name of a hidden participant, which nobody sees.
pub(super) fn viewer_name(id: &ParticipantId) -> String {
    format!("viewer-{id}")
}
