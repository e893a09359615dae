// SPDX-License-Identifier: MIT OR Apache-2.0
//! Participants and tracks made from pads.

use super::demand::Demand;
use super::state::{Heard, Origin, Participant, Pending, State, Track};
use super::{LocalTrack, LocalTrackId, NodeEvent};
use crate::node::{ParticipantKind, ToSignaller};
use gst_rtc_core::id::{ParticipantId, RoomId};

impl State {
    /// Makes a pad's track part of `room`.
    pub(super) fn publish(&mut self, id: LocalTrackId, room: &str, wanted: LocalTrack) {
        if let Err(message) = self.try_publish(id, room, &wanted) {
            let what = format!("track {} of {}", wanted.track, wanted.participant);
            self.out.tell(NodeEvent::Refused { what, message });
        }
    }

    fn try_publish(
        &mut self,
        id: LocalTrackId,
        room: &str,
        wanted: &LocalTrack,
    ) -> Result<(), String> {
        let room_id = self
            .ensure_room(room)
            .ok_or("the limit of rooms is reached; raise max-rooms")?;
        let participant = self.own_participant(room_id, &wanted.participant, id.worker)?;
        let tracks = self
            .participants
            .get(&participant)
            .map_or(&[][..], |p| p.tracks.as_slice());
        if tracks.iter().any(|id| {
            self.tracks
                .get(id)
                .is_some_and(|track| track.name == wanted.track)
        }) {
            return Err(format!(
                "{} already has a track of that name; set another on the pad",
                wanted.participant
            ));
        }
        if tracks.len() >= self.settings.limits.tracks {
            return Err(
                "the limit of tracks of one participant is reached; raise max-tracks".into(),
            );
        }
        let track = Track {
            participant,
            name: wanted.track.clone(),
            kind: wanted.kind,
            payloads: vec![wanted.payload.clone()],
            audience: wanted.audience.clone(),
            encrypted: wanted.encrypted,
            demand: Demand::default(),
            home: id.worker,
            muted: false,
            rids: Vec::new(),
            origin: Origin::Pad,
            live: false,
        };
        self.add_track(id.track, track);
        self.dial_room(room_id);
        Ok(())
    }

    /// Gives the encodings of a pad's track names, by number.
    pub(super) fn name_encodings(&mut self, id: LocalTrackId, rids: Vec<String>) {
        let Some(track) = self.tracks.get_mut(&id.track) else {
            // It was refused, which was said.
            return;
        };
        track.rids = rids;
        let owner = self.participants.get(&track.participant);
        if let Some(room) = owner.map(|owner| owner.room) {
            self.dial_room(room);
        }
    }

    fn own_participant(
        &mut self,
        room: RoomId,
        name: &str,
        worker: u8,
    ) -> Result<ParticipantId, String> {
        if let Some(id) = self.by_name(room, name) {
            let own = self.participants.get(&id).is_some_and(|p| p.own);
            return if own {
                Ok(id)
            } else {
                Err(format!(
                    "somebody named {name} is in the room; set another name on the pad"
                ))
            };
        }
        let participant = Participant {
            room,
            name: name.to_owned(),
            kind: ParticipantKind::Local,
            wire: None,
            resume: None,
            own: true,
            worker,
            tracks: Vec::new(),
            elsewhere: Vec::new(),
            guest: None,
        };
        let id = self
            .add_participant(participant)
            .ok_or("the room is full; raise max-participants")?;
        self.join(id);
        Ok(id)
    }

    /// Removes a pad's track, and its participant with the last one.
    pub(super) fn unpublish(&mut self, id: LocalTrackId) {
        let Some(participant) = self.track_of_pad(id).map(|track| track.participant) else {
            return;
        };
        self.remove_track(id.track, Heard::Say);
        let Some(owner) = self.participants.get(&participant) else {
            return;
        };
        let room = owner.room;
        if !owner.tracks.is_empty() {
            return self.dial_room(room);
        }
        if let Some(id) = owner.wire.clone() {
            self.out.say(ToSignaller::Leave {
                room: self.room_name(room),
                id,
            });
        }
        self.remove_participant(participant, "left");
        self.drop_room_if_unused(room);
    }

    /// Asks the signaller to let a participant of ours in, unless it has or is being asked.
    pub(super) fn join(&mut self, id: ParticipantId) {
        let Some(participant) = self
            .participants
            .get(&id)
            .filter(|p| p.own && p.wire.is_none())
        else {
            return;
        };
        let asked = self
            .link
            .pending
            .values()
            .any(|pending| *pending == Pending::Join(id));
        if asked || !self.link.ready {
            return;
        }
        let (room, name) = (self.room_name(participant.room), participant.name.clone());
        let request = self.request(Pending::Join(id));
        self.out.say(ToSignaller::Join {
            request,
            room,
            name,
        });
    }

    /// Asks for everybody of a room that is not in it yet.
    pub(super) fn join_all(&mut self, room: RoomId) {
        for id in self
            .rooms
            .get(&room)
            .map(|room| room.participants.clone())
            .unwrap_or_default()
        {
            self.join(id);
        }
    }

    /// Numbers a request and remembers what it is about.
    pub(super) fn request(&mut self, pending: Pending) -> u64 {
        self.link.next_request += 1;
        self.link.pending.insert(self.link.next_request, pending);
        self.link.next_request
    }

    /// The signaller let one of ours in.
    pub(super) fn joined(&mut self, id: ParticipantId, wire: String, resume: Option<String>) {
        let Some(participant) = self.participants.get_mut(&id) else {
            // It left while it was asked for. Which room does not matter: there is one for which this id means something.
            return;
        };
        participant.wire = Some(wire.clone());
        participant.resume = resume;
        let (room, tracks) = (participant.room, participant.tracks.clone());
        self.participant_ids.insert(wire, id);
        tracks.into_iter().for_each(|track| self.announce(track));
        // Slots that show its tracks can be named only now.
        let sessions = self
            .sessions
            .iter()
            .filter(|(_, s)| s.room == room)
            .map(|(id, _)| *id);
        sessions.for_each(|session| self.say_slots(session));
        self.dial_room(room);
    }
}
