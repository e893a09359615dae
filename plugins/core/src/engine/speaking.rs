// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who speaks, who has the floor, and which slots that changes.

use super::timers::Due;
use super::{Engine, EngineEvent};
use crate::id::{ParticipantId, RoomId};
use crate::media::MediaKind;
use crate::packet::MediaPacket;
use std::time::Instant;

impl Engine {
    /// A participant whose audio comes in at another worker began or ceased to speak.
    pub fn set_speaking(&mut self, now: Instant, participant: ParticipantId, speaking: bool) {
        let Some((room, speakers)) = self.router.speakers_of(participant) else {
            return;
        };
        speakers.set(now, participant, speaking);
        if let Some(at) = speakers.timeout() {
            self.timers.push(at, Due::Floor(room));
        }
        if speaking {
            self.reassign_crowded(now, room, MediaKind::Audio);
        }
    }

    /// Takes the audio level out of a packet that came in here.
    pub(super) fn hear(&mut self, now: Instant, packet: &MediaPacket) {
        let Some((level, _)) = packet.audio_level else {
            return;
        };
        let Some((track, participant)) = self.router.source(packet.track) else {
            return;
        };
        let id = track.spec.participant;
        if let Some(speaking) = participant.speech.level(now, level) {
            self.tell_speaking(now, id, speaking);
        }
    }

    /// Tells, and acts on it, that somebody whose audio comes in here began or ceased to speak.
    pub(super) fn tell_speaking(&mut self, now: Instant, id: ParticipantId, speaking: bool) {
        self.events.push_back(EngineEvent::Speaking {
            participant: id,
            speaking,
        });
        self.set_speaking(now, id, speaking);
    }

    /// Passes the floor of a room if it is time.
    pub(super) fn pass_floor(&mut self, now: Instant, room: RoomId) {
        let Some(speakers) = self.router.speakers(room) else {
            return;
        };
        if speakers.pass(now).is_some() {
            self.reassign_crowded(now, room, MediaKind::Video);
        }
    }

    /// Fills the slots of those anew for whom not everything of that kind fits, or who follow the speaker.
    fn reassign_crowded(&mut self, now: Instant, room: RoomId, kind: MediaKind) {
        let router = &self.router;
        let concerned = self.peers.iter().filter(|(_, peer)| {
            let (_, audio, video) = &peer.announced;
            let missing = match kind {
                MediaKind::Audio => *audio,
                MediaKind::Video => *video,
            };
            let follows = kind == MediaKind::Video && peer.follows_speaker();
            (missing > 0 || follows) && router.room_of(peer.participant) == Some(room)
        });
        for key in concerned.map(|(key, _)| key).collect::<Vec<_>>() {
            self.reassign(now, key);
        }
    }
}
