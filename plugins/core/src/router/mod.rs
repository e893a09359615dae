// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rooms, participants, tracks, and who receives what.
//!
//! Every worker holds all rooms, participants and tracks of its node, but only its own sessions and their slots.

mod clock;
mod encoding;
mod formats;
mod history;
mod keyframe_gate;
mod meter;
mod numbers;
mod outlet;
mod padding;
mod repair;
mod replay;
mod run;
mod selector;
mod share;
mod slot;
mod speakers;
mod speech;
mod timeline;
mod track;

#[cfg(test)]
mod layer_tests;

pub(crate) use clock::{SourceClock, StreamClock};
pub(crate) use history::Group;
pub(crate) use outlet::Outlet;
pub(crate) use replay::Progress;
pub(crate) use slot::{Forwarded, Slot};
pub(crate) use track::{Subscriber, Track, View};

use crate::engine::TrackSpec;
use crate::id::{ParticipantId, RoomId, TrackId};
use crate::media::MediaKind;
use crate::packet::MediaPacket;
use speakers::Speakers;
use speech::Speech;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// A participant.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) room: RoomId,
    pub(crate) tracks: Vec<TrackId>,
    pub(crate) clock: SourceClock,
    pub(crate) speech: Speech,
}

/// A room.
#[derive(Debug, Default)]
struct Room {
    participants: Vec<ParticipantId>,
    speakers: Speakers,
}

/// The rooms of a node.
#[derive(Debug, Default)]
pub(crate) struct Router {
    rooms: HashMap<RoomId, Room>,
    participants: HashMap<ParticipantId, Participant>,
    tracks: HashMap<TrackId, Track>,
}

impl Router {
    pub(crate) fn add_room(&mut self, room: RoomId) {
        self.rooms.entry(room).or_default();
    }

    /// Forgets a room. Its participants must have been removed.
    pub(crate) fn remove_room(&mut self, room: RoomId) {
        self.rooms.remove(&room);
    }

    pub(crate) fn participants_of(&self, room: RoomId) -> &[ParticipantId] {
        self.rooms
            .get(&room)
            .map_or(&[], |room| room.participants.as_slice())
    }

    pub(crate) fn add_participant(&mut self, room: RoomId, id: ParticipantId, origin: Instant) {
        let participant = Participant {
            room,
            tracks: Vec::new(),
            clock: SourceClock::new(origin),
            speech: Speech::default(),
        };
        if self.participants.insert(id, participant).is_none() {
            self.rooms.entry(room).or_default().participants.push(id);
        }
    }

    /// Forgets a participant. Its tracks must have been removed.
    pub(crate) fn remove_participant(&mut self, id: ParticipantId) {
        if let Some(participant) = self.participants.remove(&id)
            && let Some(room) = self.rooms.get_mut(&participant.room)
        {
            room.participants.retain(|other| *other != id);
            room.speakers.remove(id);
        }
    }

    pub(crate) fn participant(&mut self, id: ParticipantId) -> Option<&mut Participant> {
        self.participants.get_mut(&id)
    }

    pub(crate) fn tracks_of(&self, id: ParticipantId) -> Vec<TrackId> {
        self.participants
            .get(&id)
            .map(|p| p.tracks.clone())
            .unwrap_or_default()
    }

    pub(crate) fn room_of(&self, participant: ParticipantId) -> Option<RoomId> {
        self.participants.get(&participant).map(|p| p.room)
    }

    pub(crate) fn add_track(&mut self, spec: TrackSpec) {
        let (id, owner) = (spec.id, spec.participant);
        if let Some(participant) = self.participants.get_mut(&owner)
            && !participant.tracks.contains(&id)
        {
            participant.tracks.push(id);
            self.tracks.insert(id, Track::new(spec));
        }
    }

    pub(crate) fn remove_track(&mut self, id: TrackId) -> Option<Track> {
        let track = self.tracks.remove(&id)?;
        if let Some(participant) = self.participants.get_mut(&track.spec.participant) {
            participant.tracks.retain(|other| *other != id);
        }
        Some(track)
    }

    pub(crate) fn track(&self, id: TrackId) -> Option<&Track> {
        self.tracks.get(&id)
    }

    /// A packet of the past.
    pub(crate) fn held(
        &self,
        track: TrackId,
        encoding: u8,
        epoch: u32,
        sequence: u64,
    ) -> Option<&Arc<MediaPacket>> {
        let encoding = self.track(track)?.encodings.get(usize::from(encoding))?;
        encoding.history.get(epoch, sequence)
    }

    pub(crate) fn track_mut(&mut self, id: TrackId) -> Option<&mut Track> {
        self.tracks.get_mut(&id)
    }

    /// True while a participant speaks.
    pub(crate) fn is_speaking(&self, id: ParticipantId) -> bool {
        self.participants
            .get(&id)
            .is_some_and(|p| p.speech.is_speaking())
    }

    /// A track and its participant at once.
    pub(crate) fn source(&mut self, id: TrackId) -> Option<(&mut Track, &mut Participant)> {
        let track = self.tracks.get_mut(&id)?;
        let participant = self.participants.get_mut(&track.spec.participant)?;
        Some((track, participant))
    }

    /// The speakers of a room.
    pub(crate) fn speakers(&mut self, room: RoomId) -> Option<&mut Speakers> {
        self.rooms.get_mut(&room).map(|room| &mut room.speakers)
    }

    /// The room of a participant, and its speakers.
    pub(crate) fn speakers_of(&mut self, id: ParticipantId) -> Option<(RoomId, &mut Speakers)> {
        let room = self.room_of(id)?;
        Some((room, self.speakers(room)?))
    }

    /// A video track of whoever has the floor, as far as the receiver may have it.
    pub(crate) fn speaker_track(&self, receiver: ParticipantId) -> Option<TrackId> {
        let room = self.rooms.get(&self.room_of(receiver)?)?;
        let speaker = room.speakers.floor_for(receiver)?;
        let tracks = self.participants.get(&speaker)?.tracks.iter().copied();
        tracks
            .filter(|id| self.may_receive(receiver, *id))
            .find(|id| {
                self.tracks
                    .get(id)
                    .is_some_and(|t| t.spec.kind == MediaKind::Video)
            })
    }

    /// Puts tracks of a room in the order in which they are to be received where not all can be.
    pub(crate) fn rank(&self, receiver: ParticipantId, tracks: &mut [TrackId]) {
        let room = self
            .room_of(receiver)
            .and_then(|room| self.rooms.get(&room));
        let Some(speakers) = room.map(|room| &room.speakers) else {
            return;
        };
        tracks.sort_by_cached_key(|id| match self.tracks.get(id).map(|track| &track.spec) {
            Some(spec) if spec.kind == MediaKind::Audio => {
                speakers.place_to_be_heard(spec.participant)
            }
            Some(spec) => speakers.place_to_be_seen(spec.participant),
            None => usize::MAX,
        });
    }

    /// The tracks a participant may receive automatically: all of its room but its own, in the order they came.
    pub(crate) fn offered_to(&self, receiver: ParticipantId) -> Vec<TrackId> {
        let Some(room) = self.room_of(receiver) else {
            return Vec::new();
        };
        let others = self
            .participants_of(room)
            .iter()
            .filter(|id| **id != receiver);
        let mut tracks: Vec<_> = others
            .filter_map(|id| self.participants.get(id))
            .flat_map(|p| p.tracks.clone())
            .collect();
        tracks.retain(|id| self.may_receive(receiver, *id));
        tracks
    }

    /// True when the track exists in the receiver's room and is not meant for somebody else.
    pub(crate) fn may_receive(&self, receiver: ParticipantId, track: TrackId) -> bool {
        let Some(track) = self.tracks.get(&track) else {
            return false;
        };
        let same_room = self.room_of(track.spec.participant) == self.room_of(receiver);
        same_room && track.spec.audience.is_none_or(|only| only == receiver)
    }
}
