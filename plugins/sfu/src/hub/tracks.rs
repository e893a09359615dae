// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tracks come and go: the engines, the signaller and the owner hear of it, and taps find them.

use super::NodeEvent;
use super::state::{Heard, Origin, State, Track};
use crate::io::Command;
use crate::node::{self, Role, ToSignaller};
use gst_rtc_core::codec::Codec;
use gst_rtc_core::engine::{Assign, TrackSpec};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::{MediaKind, PayloadParams};

impl State {
    /// Makes a track known to everybody who may know it.
    pub(super) fn add_track(&mut self, id: TrackId, track: Track) {
        let Some(owner) = self.participants.get_mut(&track.participant) else {
            return;
        };
        owner.tracks.push(id);
        let (room, participant) = (owner.room, owner.name.clone());
        let payload = track
            .payloads
            .first()
            .filter(|_| track.origin != Origin::Home);
        let event = payload.map(|payload| NodeEvent::TrackAdded {
            room: self.room_name(room),
            participant,
            track: track.name.clone(),
            kind: track.kind,
            payload: payload.clone(),
        });
        self.tracks.insert(id, track);
        self.announce(id);
        self.enable_track(id);
        if let Some(event) = event {
            self.out.tell(event);
        }
        self.match_taps(room);
        self.demand_changed();
    }

    /// Takes a track from everybody.
    pub(super) fn remove_track(&mut self, id: TrackId, heard: Heard) {
        if heard == Heard::Say {
            self.withdraw(id);
        }
        self.disable_track(id);
        let Some(track) = self.tracks.remove(&id) else {
            return;
        };
        self.end_taps_of(id, track.home);
        let Some(owner) = self.participants.get_mut(&track.participant) else {
            return;
        };
        owner.tracks.retain(|other| *other != id);
        let (room, participant) = (owner.room, owner.name.clone());
        if track.origin != Origin::Home {
            self.out.tell(NodeEvent::TrackRemoved {
                room: self.room_name(room),
                participant,
                track: track.name,
            });
        }
        self.match_taps(room);
    }

    /// Tells the signaller of a track, if that is our task: the home node speaks for all of a room.
    pub(super) fn announce(&self, id: TrackId) {
        if let Some((room, participant, track)) = self.heard_of(id) {
            self.out.say(ToSignaller::TrackAdded {
                room,
                participant,
                track,
            });
        }
    }

    fn withdraw(&self, id: TrackId) {
        if let Some((room, participant, track)) = self.heard_of(id) {
            self.out.say(ToSignaller::TrackRemoved {
                room,
                participant,
                track: track.track,
            });
        }
    }

    /// A track as the signaller knows it. `None` when it does not: it has an audience of one, or we are not the home node.
    fn heard_of(&self, id: TrackId) -> Option<(String, String, node::Track)> {
        let track = self
            .tracks
            .get(&id)
            .filter(|track| track.audience.is_none())?;
        let owner = self.participants.get(&track.participant)?;
        (self.role(owner.room)? == Role::Home).then_some(())?;
        Some((
            self.room_name(owner.room),
            owner.wire.clone()?,
            track.wire(),
        ))
    }

    /// Gives a track to the engines, its home first: the interest of the others must find it there. One with an audience waits until
    /// that participant is there, for without it everybody would receive it.
    fn enable_track(&mut self, id: TrackId) {
        let Some(track) = self.tracks.get(&id).filter(|track| !track.live) else {
            return;
        };
        let Some(owner) = self.participants.get(&track.participant) else {
            return;
        };
        let audience = track
            .audience
            .as_deref()
            .map(|name| self.by_name(owner.room, name));
        if audience == Some(None) {
            return;
        }
        let spec = TrackSpec {
            id,
            participant: track.participant,
            name: track.name.clone(),
            kind: track.kind,
            payloads: track.payloads.clone(),
            audience: audience.flatten(),
            home: track.home,
            encrypted: track.encrypted,
        };
        self.out
            .order_all(track.home, || Command::AddTrack(spec.clone()));
        self.tracks.get_mut(&id).expect("found above").live = true;
        // What pads took of it before it was away they take again.
        let taps = self
            .taps
            .iter()
            .filter(|(_, tap)| tap.track == Some(id))
            .map(|(tap, _)| *tap);
        let home = spec.home;
        taps.for_each(|tap| self.out.order(home, Command::Tap(id, tap)));
    }

    fn disable_track(&mut self, id: TrackId) {
        let Some(track) = self.tracks.get_mut(&id).filter(|track| track.live) else {
            return;
        };
        track.live = false;
        let home = track.home;
        self.out.order_all(home, || Command::RemoveTrack(id));
    }

    /// Somebody came: sessions that wait for that name, and tracks made for it, are theirs.
    pub(super) fn welcome(&mut self, room: RoomId, name: &str) {
        if let Some(id) = self.by_name(room, name) {
            for session in self.sessions_of_name(room, name) {
                self.assign_only(session, id);
            }
        }
        for track in self.tracks_for(room, name) {
            self.enable_track(track);
        }
    }

    /// Somebody left: tracks made for them are nobody's.
    pub(super) fn miss(&mut self, room: RoomId, name: &str) {
        for track in self.tracks_for(room, name) {
            self.disable_track(track);
        }
    }

    fn sessions_of_name(&self, room: RoomId, name: &str) -> Vec<SessionId> {
        let wanted = self
            .sessions
            .iter()
            .filter(|(_, s)| s.room == room && s.of.as_deref() == Some(name));
        wanted.map(|(id, _)| *id).collect()
    }

    fn assign_only(&self, id: SessionId, participant: ParticipantId) {
        if let Some(session) = self.sessions.get(&id) {
            self.out.order(
                session.worker,
                Command::SetAssign(id, Assign::Only(participant)),
            );
        }
    }

    fn tracks_for(&self, room: RoomId, audience: &str) -> Vec<TrackId> {
        let in_room = |track: &Track| {
            self.participants
                .get(&track.participant)
                .is_some_and(|p| p.room == room)
        };
        let made_for = self
            .tracks
            .iter()
            .filter(|(_, t)| t.audience.as_deref() == Some(audience) && in_room(t));
        made_for.map(|(id, _)| *id).collect()
    }

    /// The next free name of a kind among the tracks of a participant and `taken`: `video`, `video1`, `video2`, …
    pub(super) fn free_track_name(
        &self,
        participant: ParticipantId,
        kind: MediaKind,
        taken: &[String],
    ) -> String {
        let tracks = self
            .participants
            .get(&participant)
            .map_or(&[][..], |p| p.tracks.as_slice());
        let used = |name: &String| {
            taken.contains(name)
                || tracks
                    .iter()
                    .filter_map(|id| self.tracks.get(id))
                    .any(|track| track.name == *name)
        };
        let names =
            std::iter::once(kind.to_string()).chain((1..).map(|n: u32| format!("{kind}{n}")));
        names
            .into_iter()
            .find(|name| !used(name))
            .expect("there are more numbers than tracks")
    }
}

impl Track {
    /// The format in which pads and other nodes get it: redundant audio is for those who negotiate it.
    pub(super) fn payload(&self) -> Option<&PayloadParams> {
        self.payloads.iter().find(|p| p.codec != Codec::Red)
    }

    /// As the signaller wants it.
    pub(super) fn wire(&self) -> node::Track {
        node::Track {
            track: self.name.clone(),
            kind: self.kind.to_string(),
            codec: self
                .payload()
                .map(|p| p.codec.as_str().to_owned())
                .unwrap_or_default(),
            muted: self.muted,
            encrypted: self.encrypted,
        }
    }
}
