// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wishes to receive tracks here. A wish may be older than its track and outlive it.

use super::state::{State, Track};
use super::{NodeEvent, TapId, TapRequest};
use crate::io::Command;
use gst_rtc_core::id::{RoomId, TrackId};
use gst_rtc_core::media::MediaKind;

/// One wish.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) room: String,
    pub(super) request: TapRequest,
    /// An SSRC for what it yields.
    pub(super) ssrc: u32,
    /// The track it has found.
    pub(super) track: Option<TrackId>,
}

impl Tap {
    /// Whether it wants something of a kind from a participant.
    pub(super) fn asks(&self, participant: &str, kind: MediaKind) -> bool {
        self.request.kind == kind && self.request.participant == participant
    }

    fn takes(&self, track: &Track) -> bool {
        self.request.kind == track.kind
            && self
                .request
                .track
                .as_ref()
                .is_none_or(|name| *name == track.name)
    }
}

impl State {
    pub(super) fn add_tap(&mut self, id: TapId, tap: Tap) {
        let room = self.room_ids.get(&tap.room).copied();
        self.taps.insert(id, tap);
        if let Some(room) = room {
            self.match_taps(room);
            self.dial_room(room);
        }
    }

    pub(super) fn remove_tap(&mut self, id: TapId) {
        let Some(tap) = self.taps.remove(&id) else {
            return;
        };
        if let Some((track, home)) = tap
            .track
            .and_then(|id| Some((id, self.tracks.get(&id)?.home)))
        {
            self.out.order(home, Command::Untap(track, id));
        }
        self.demand_changed();
        if let Some(&room) = self.room_ids.get(&tap.room) {
            self.dial_room(room);
        }
    }

    pub(super) fn tap_keyframe(&self, id: TapId) {
        let track = self.taps.get(&id).and_then(|tap| tap.track);
        if let Some((id, track)) = track.and_then(|id| Some((id, self.tracks.get(&id)?))) {
            self.out.order(track.home, Command::RequestKeyframe(id));
        }
    }

    /// Gives every tap of a room that has none its track, if there is one now.
    pub(super) fn match_taps(&mut self, room: RoomId) {
        let name = self.room_name(room);
        let free = self
            .taps
            .iter()
            .filter(|(_, tap)| tap.track.is_none() && tap.room == name)
            .map(|(id, _)| *id);
        for id in free.collect::<Vec<_>>() {
            if let Some(track) = self.track_for(room, id) {
                self.start_tap(id, track);
            }
        }
    }

    fn track_for(&self, room: RoomId, tap: TapId) -> Option<TrackId> {
        let tap = self.taps.get(&tap)?;
        let participant = self
            .participants
            .get(&self.by_name(room, &tap.request.participant)?)?;
        participant
            .tracks
            .iter()
            .copied()
            .find(|id| self.tracks.get(id).is_some_and(|track| tap.takes(track)))
    }

    fn start_tap(&mut self, id: TapId, track_id: TrackId) {
        let Some((tap, track)) = self.taps.get_mut(&id).zip(self.tracks.get(&track_id)) else {
            return;
        };
        let Some(payload) = track.payload() else {
            return;
        };
        tap.track = Some(track_id);
        let (home, encrypted) = (track.home, track.encrypted);
        self.out.tell(NodeEvent::TapStarted {
            tap: id,
            track: track.name.clone(),
            payload: payload.clone(),
            ssrc: tap.ssrc,
            encrypted,
        });
        self.out.order(home, Command::Tap(track_id, id));
        self.demand_changed();
    }

    /// A track is gone: its taps look for another.
    pub(super) fn end_taps_of(&mut self, track: TrackId, home: u8) {
        for (&id, tap) in self
            .taps
            .iter_mut()
            .filter(|(_, tap)| tap.track == Some(track))
        {
            tap.track = None;
            self.out.order(home, Command::Untap(track, id));
            self.out.tell(NodeEvent::TapEnded(id));
        }
    }
}
