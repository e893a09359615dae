// SPDX-License-Identifier: MIT OR Apache-2.0
//! Coming in and going: what is the same for everybody, however they came.

use super::id::{NodeId, ParticipantId, RoomName, check_name};
use super::refusal::{Code, Refusal};
use super::room::{Link, Participant, Room};
use super::{Rooms, node_protocol, peer_protocol};
use crate::protocol::node::ParticipantKind;
use crate::protocol::peer::LeaveReason;
use crate::protocol::{Mode, TrackInfo};

/// Somebody about to come in.
pub(super) struct Newcomer {
    pub(super) name: String,
    pub(super) kind: ParticipantKind,
    pub(super) link: Link,
    /// The mode of the room, if it is new.
    pub(super) mode: Option<Mode>,
}

impl Rooms {
    /// Lets somebody in, tells the nodes and, if it shows, the others. Makes the room if there is none.
    pub(super) fn enter(
        &mut self,
        name: &RoomName,
        newcomer: Newcomer,
    ) -> Result<ParticipantId, Refusal> {
        check_name(&newcomer.name)?;
        self.make_way(name, &newcomer.name)?;
        self.ensure_room(name, newcomer.mode)?;
        let id = self.fresh_participant_id(name);
        let participant = Participant {
            id: id.clone(),
            name: newcomer.name,
            kind: newcomer.kind,
            resume: self.ids.secret(),
            link: newcomer.link,
            announced: newcomer.kind != ParticipantKind::Whip,
            tracks: Vec::new(),
        };
        tracing::info!(room = %name, name = ?participant.name, kind = ?participant.kind, "joined");
        self.insert_participant(name, participant);
        Ok(id)
    }

    /// Puts a participant into its room and tells everybody.
    pub(super) fn insert_participant(&mut self, name: &RoomName, participant: Participant) {
        let id = participant.id.clone();
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        room.participants.push(participant);
        self.tell_nodes_of(name, &id);
        self.announce(name, &id);
    }

    /// Refuses a name that is taken, unless by somebody who is only expected back, and a full room.
    fn make_way(&mut self, name: &RoomName, participant: &str) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get(name) else {
            return Ok(());
        };
        if room.participants.len() >= self.settings.max_participants {
            let text = format!(
                "room \"{name}\" has its limit of {} participants; try later",
                self.settings.max_participants
            );
            return Err(Refusal::new(Code::Full, text));
        }
        let Some(holder) = room.by_name(participant) else {
            return Ok(());
        };
        if !matches!(holder.link, Link::Away(_)) {
            let text = format!(
                "room \"{name}\" already has a participant of that name; choose another name"
            );
            return Err(Refusal::new(Code::NameTaken, text));
        }
        let holder = holder.id.clone();
        self.remove_participant_only(name, &holder, LeaveReason::Replaced);
        Ok(())
    }

    /// Makes the room if it is not there, and finds a home node for it.
    pub(super) fn ensure_room(
        &mut self,
        name: &RoomName,
        mode: Option<Mode>,
    ) -> Result<(), Refusal> {
        if self.rooms.contains_key(name) {
            return Ok(());
        }
        if self.rooms.len() >= self.settings.max_rooms {
            let text = format!(
                "the server has its limit of {} rooms; try later or use an open room",
                self.settings.max_rooms
            );
            return Err(Refusal::new(Code::Full, text));
        }
        let mode = mode.unwrap_or(self.settings.default_mode);
        self.rooms
            .insert(name.clone(), Room::new(name.clone(), mode));
        self.place(name);
        Ok(())
    }

    fn fresh_participant_id(&mut self, name: &RoomName) -> ParticipantId {
        loop {
            let id = self.ids.participant();
            if self
                .rooms
                .get(name)
                .is_none_or(|r| r.participant(&id).is_none())
            {
                return id;
            }
        }
    }

    fn tell_nodes_of(&mut self, name: &RoomName, id: &ParticipantId) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let nodes: Vec<NodeId> = room.home.iter().chain(room.guests()).cloned().collect();
        for node in nodes {
            self.tell_node_of(name, &node, id);
        }
    }

    /// Tells one node of one participant, unless it is its own. Guests do not hear of viewers.
    pub(super) fn tell_node_of(&mut self, name: &RoomName, node: &NodeId, id: &ParticipantId) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let Some(participant) = room.participant(id) else {
            return;
        };
        let is_home = room.home.as_ref() == Some(node);
        if participant.is_of(node) || !(is_home || participant.is_visible()) {
            return;
        }
        let guest = room.guest_of(participant).filter(|_| is_home);
        let message = node_protocol::ServerMessage::ParticipantJoined {
            room: name.into(),
            id: id.clone().into(),
            name: participant.name.clone(),
            kind: participant.kind,
            guest: guest.map(|viewer| viewer.id.clone().into()),
            resume: is_home.then(|| participant.resume.clone()),
        };
        self.tell_node(node, message);
    }

    /// Tells the other peers of somebody who shows.
    fn announce(&mut self, name: &RoomName, id: &ParticipantId) {
        let Some(participant) = self.rooms.get(name).and_then(|r| r.participant(id)) else {
            return;
        };
        if participant.is_visible() {
            let message = peer_protocol::ServerMessage::ParticipantJoined {
                participant: participant.info(),
            };
            self.tell_others(name, Some(id), &message);
        }
    }

    /// Shows somebody whom the others were not told of yet.
    pub(super) fn reveal(&mut self, name: &RoomName, id: &ParticipantId) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let Some(participant) = room.participant_mut(id) else {
            return;
        };
        if participant.announced {
            return;
        }
        participant.announced = true;
        let tracks = participant.tracks.clone();
        let guests: Vec<NodeId> = room.guests().cloned().collect();
        self.announce(name, id);
        for guest in guests {
            self.tell_node_of(name, &guest, id);
            for track in &tracks {
                self.tell_node(&guest, track_added(name, id, track));
            }
        }
    }

    /// Takes somebody out, tells everybody, and closes the room if it was the last.
    pub(super) fn remove_participant(
        &mut self,
        name: &RoomName,
        id: &ParticipantId,
        reason: LeaveReason,
    ) {
        self.remove_participant_only(name, id, reason);
        self.close_if_empty(name);
    }

    pub(super) fn remove_participant_only(
        &mut self,
        name: &RoomName,
        id: &ParticipantId,
        reason: LeaveReason,
    ) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        for session in room.sessions_of(id) {
            self.end_session(name, &session, Some("the participant left"));
        }
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let Some(at) = room.participants.iter().position(|p| p.id == *id) else {
            return;
        };
        let gone = room.participants.remove(at);
        if self.settings.relay.is_some() {
            let participant = id.clone();
            self.outgoing.push(super::Outgoing::Gone { participant });
        }
        tracing::info!(room = %name, name = ?gone.name, kind = ?gone.kind, ?reason, "left");
        let visible = gone.is_visible();
        let home = room.home.clone();
        let nodes: Vec<NodeId> = home
            .iter()
            .chain(room.guests())
            .filter(|n| !gone.is_of(n))
            .cloned()
            .collect();
        for node in nodes {
            if visible || home.as_ref() == Some(&node) {
                self.tell_node(
                    &node,
                    node_protocol::ServerMessage::ParticipantLeft {
                        room: name.into(),
                        id: id.clone().into(),
                    },
                );
            }
        }
        if visible {
            self.tell_others(
                name,
                Some(id),
                &peer_protocol::ServerMessage::ParticipantLeft {
                    id: id.clone().into(),
                    reason,
                },
            );
        }
    }

    pub(super) fn close_if_empty(&mut self, name: &RoomName) {
        if !self.rooms.get(name).is_some_and(Room::is_empty) {
            return;
        }
        if let Some(Room {
            home: Some(home), ..
        }) = self.rooms.remove(name)
        {
            self.tell_node(
                &home,
                node_protocol::ServerMessage::RoomClosed { room: name.into() },
            );
        }
    }

    pub(super) fn away_for_good(&mut self, name: &RoomName, id: &ParticipantId) {
        let now = self.now;
        let participant = self.rooms.get(name).and_then(|r| r.participant(id));
        if participant.is_some_and(|p| matches!(p.link, Link::Away(until) if until <= now)) {
            self.remove_participant(name, id, LeaveReason::ConnectionLost);
        }
    }

    /// To every peer of the room but one.
    pub(super) fn tell_others(
        &mut self,
        name: &RoomName,
        but: Option<&ParticipantId>,
        message: &peer_protocol::ServerMessage,
    ) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        for participant in &room.participants {
            if let Link::Socket(to) = participant.link
                && Some(&participant.id) != but
            {
                self.outgoing.push(super::Outgoing::Peer {
                    to,
                    message: message.clone(),
                });
            }
        }
    }

    /// A track is there, or changed.
    pub(super) fn add_track(&mut self, name: &RoomName, id: &ParticipantId, track: TrackInfo) {
        let Some(participant) = self.rooms.get_mut(name).and_then(|r| r.participant_mut(id)) else {
            return;
        };
        match participant
            .tracks
            .iter_mut()
            .find(|t| t.track == track.track)
        {
            Some(same) if *same == track => return,
            Some(old) => *old = track.clone(),
            None => participant.tracks.push(track.clone()),
        }
        if participant.is_visible() {
            let to_guests = track_added(name, id, &track);
            self.tell_others(
                name,
                Some(id),
                &peer_protocol::ServerMessage::TrackAdded {
                    participant: id.clone().into(),
                    track,
                },
            );
            self.tell_guests(name, id, &to_guests);
        }
    }

    /// A track is gone; nothing happens if it was not there.
    pub(super) fn remove_track(&mut self, name: &RoomName, id: &ParticipantId, track: &str) {
        let Some(participant) = self.rooms.get_mut(name).and_then(|r| r.participant_mut(id)) else {
            return;
        };
        let Some(at) = participant.tracks.iter().position(|t| t.track == track) else {
            return;
        };
        participant.tracks.remove(at);
        if participant.is_visible() {
            let (participant, track) = (String::from(id.clone()), track.to_owned());
            let to_guests = node_protocol::ServerMessage::TrackRemoved {
                room: name.into(),
                participant: participant.clone(),
                track: track.clone(),
            };
            self.tell_others(
                name,
                Some(id),
                &peer_protocol::ServerMessage::TrackRemoved { participant, track },
            );
            self.tell_guests(name, id, &to_guests);
        }
    }

    pub(super) fn remove_all_tracks(&mut self, name: &RoomName, id: &ParticipantId) {
        let Some(participant) = self.rooms.get(name).and_then(|r| r.participant(id)) else {
            return;
        };
        let tracks: Vec<String> = participant.tracks.iter().map(|t| t.track.clone()).collect();
        for track in tracks {
            self.remove_track(name, id, &track);
        }
    }

    /// To the guest nodes of a room, but not to the one whose participant it is about.
    pub(super) fn tell_guests(
        &mut self,
        name: &RoomName,
        about: &ParticipantId,
        message: &node_protocol::ServerMessage,
    ) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let owner = room.participant(about);
        let guests: Vec<NodeId> = room
            .guests()
            .filter(|n| !owner.is_some_and(|p| p.is_of(n)))
            .cloned()
            .collect();
        for guest in guests {
            self.tell_node(&guest, message.clone());
        }
    }
}

/// The message that tells a guest of a track.
pub(super) fn track_added(
    name: &RoomName,
    id: &ParticipantId,
    track: &TrackInfo,
) -> node_protocol::ServerMessage {
    node_protocol::ServerMessage::TrackAdded {
        room: name.into(),
        participant: id.clone().into(),
        track: track.clone(),
    }
}
