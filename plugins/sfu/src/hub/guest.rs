// SPDX-License-Identifier: MIT OR Apache-2.0
//! In a room whose home is another node: our participants are published there, and what taps ask for is fetched from there, over
//! connections that we dial like any client.

use super::NodeEvent;
use super::dial::Dial;
use super::state::{Elsewhere, Origin, Room, Side, State};
use crate::node::{self, Direction, Role};
use gst_rtc_core::codec::Codec;
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::MediaKind;
use gst_rtc_core::negotiate::{OfferedTrack, offer_publish, offer_receive, offered_payloads};
use rand::RngExt;
use std::time::{Duration, Instant};

/// How long after a connection to the home node failed the next is tried.
const RETRY: Duration = Duration::from_secs(2);

impl State {
    /// Brings the connections to the home node of a room in line with pads and taps. Elsewhere it does nothing.
    pub(super) fn dial_room(&mut self, id: RoomId) {
        let Some(room) = self
            .rooms
            .get(&id)
            .filter(|room| room.role == Some(Role::Guest))
        else {
            return;
        };
        if !self.link.ready || room.retry.is_some() {
            return;
        }
        let participants = room.participants.clone();
        self.dial_bridge(id);
        for participant in participants {
            match self.participants.get(&participant) {
                Some(p) if p.own => self.dial_publication(id, participant),
                Some(p) if p.is_visible() => self.dial_reception(id, participant),
                _ => {}
            }
        }
    }

    /// Tries again after a while.
    pub(super) fn dial_later(&mut self, room: RoomId) {
        if let Some(room) = self
            .rooms
            .get_mut(&room)
            .filter(|room| room.role == Some(Role::Guest))
        {
            room.retry = Some(Instant::now() + RETRY);
        }
    }

    /// When [`State::handle_timeout`] is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let retries = self.rooms.values().filter_map(|room| room.retry);
        retries.chain(self.review).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.review.take_if(|at| *at <= now).is_some() {
            self.review_demand(now);
        }
        if self.rooms.values().any(|room| room.retry.is_some()) {
            self.dial_again(now);
        }
    }

    fn dial_again(&mut self, now: Instant) {
        let due = |room: &&mut Room| room.retry.is_some_and(|at| at <= now);
        self.rooms
            .values_mut()
            .filter(due)
            .for_each(|room| room.retry = None);
        let rooms = self
            .rooms
            .iter()
            .filter(|(_, room)| room.retry.is_none())
            .map(|(id, _)| *id);
        rooms
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|room| self.dial_room(room));
    }

    pub(super) fn dialled(
        &self,
        participant: ParticipantId,
        direction: Direction,
    ) -> Option<(SessionId, &Dial)> {
        let mut sessions = self
            .sessions
            .iter()
            .filter(|(_, s)| s.participant == participant && s.direction == direction);
        sessions.find_map(|(id, session)| match &session.side {
            Side::Dialled(dial) => Some((*id, &**dial)),
            Side::Answered(_) => None,
        })
    }

    fn dial_publication(&mut self, room: RoomId, participant: ParticipantId) {
        let Some(owner) = self
            .participants
            .get(&participant)
            .filter(|p| p.wire.is_some())
        else {
            return;
        };
        // What is meant for one would be seen by all at the home node, which knows of no audience.
        let shared = |id: &TrackId| {
            self.tracks
                .get(id)
                .is_some_and(|track| track.audience.is_none())
        };
        let mut active: Vec<TrackId> = owner.tracks.iter().copied().filter(shared).collect();
        let worker = owner.worker;
        let known = self
            .dialled(participant, Direction::Publish)
            .map(|(id, dial)| (id, dial.waiting, &dial.active, &dial.tracks));
        let (session, mut tracks) = match known {
            Some((_, true, ..)) => return,
            Some((id, _, offered, _)) if *offered == active && !self.has_new_rids(id) => return,
            Some((id, ..)) if active.is_empty() => return self.hang_up(id),
            Some((id, _, _, tracks)) => (Some(id), tracks.clone()),
            None if active.is_empty() => return,
            None => (None, Vec::new()),
        };
        let mut new: Vec<TrackId> = active.clone();
        new.retain(|id| !tracks.contains(id));
        // An offer says of all that it adds whether it is encrypted. What is otherwise follows once this one is answered.
        let is_encrypted = |id: &TrackId| self.tracks.get(id).is_some_and(|t| t.encrypted);
        let encrypted = new.first().is_some_and(is_encrypted);
        active.retain(|id| !new.contains(id) || is_encrypted(id) == encrypted);
        new.retain(|id| is_encrypted(id) == encrypted);
        tracks.extend(new);
        let id = session.or_else(|| self.new_dial(room, participant, worker, Direction::Publish));
        let Some(id) = id else { return };
        let offered: Vec<OfferedTrack> = tracks
            .iter()
            .map(|track| self.offered(*track, participant))
            .collect();
        self.offer(id, encrypted, |local, previous| {
            offer_publish(&offered, local, previous, &mut || rand::rng().random())
        });
        if let Some(dial) = self.dial_mut(id) {
            (dial.tracks, dial.active) = (tracks, active);
        }
    }

    /// Encodings of a track have got names since they were offered.
    fn has_new_rids(&self, id: SessionId) -> bool {
        let Some(Side::Dialled(dial)) = self.sessions.get(&id).map(|session| &session.side) else {
            return false;
        };
        let mut lines = dial.tracks.iter().zip(&dial.offer.media);
        lines.any(|(track, line)| {
            let rids = self.tracks.get(track).map(|track| &track.rids);
            rids.is_some_and(|rids| rids.len() > 1 && *rids != line.rids)
        })
    }

    /// A track as it is offered; one that is gone keeps its place.
    fn offered(&self, id: TrackId, participant: ParticipantId) -> OfferedTrack {
        let stream = self
            .participants
            .get(&participant)
            .map(|p| p.name.replace(' ', "_"))
            .unwrap_or_default();
        match self.tracks.get(&id) {
            Some(track) => OfferedTrack {
                kind: track.kind,
                payloads: track.payloads.clone(),
                stream,
                active: true,
                rids: track.rids.clone(),
            },
            None => OfferedTrack {
                kind: MediaKind::Video,
                payloads: Vec::new(),
                stream,
                active: false,
                rids: Vec::new(),
            },
        }
    }

    fn dial_reception(&mut self, room: RoomId, participant: ParticipantId) {
        let (audio, video) = self.wanted(room, participant);
        let session = match self.dialled(participant, Direction::Receive) {
            Some((_, dial)) if dial.waiting => return,
            Some((id, _)) if audio + video == 0 => return self.hang_up(id),
            Some((_, dial)) if dial.has(audio, video) => return,
            Some((id, _)) => Some(id),
            None if audio + video == 0 => return,
            None => self.new_dial(room, participant, self.least_busy(), Direction::Receive),
        };
        let Some(session) = session else { return };
        self.offer(session, false, |local, previous| {
            offer_receive(audio, video, local, previous)
        });
    }

    /// How many audio and video tracks of a participant taps ask for: all of a kind when one of it is asked for, since only the home
    /// node's slots tell which is which.
    fn wanted(&self, room: RoomId, participant: ParticipantId) -> (usize, usize) {
        let Some(them) = self.participants.get(&participant) else {
            return (0, 0);
        };
        let name = self.room_name(room);
        let count = |kind| {
            let asked = self
                .taps
                .values()
                .any(|tap| tap.room == name && tap.asks(&them.name, kind));
            if asked {
                them.elsewhere.iter().filter(|t| t.kind == kind).count()
            } else {
                0
            }
        };
        (count(MediaKind::Audio), count(MediaKind::Video))
    }

    /// Somebody publishes at the home node.
    pub(super) fn heard_track(&mut self, room: &str, participant: &str, track: &node::Track) {
        let Some(&room_id) = self.room_ids.get(room) else {
            return;
        };
        let (Some(id), Some(kind)) = (self.by_wire(room_id, participant), kind_of(track)) else {
            return;
        };
        let Some(them) = self.participants.get_mut(&id).filter(|p| !p.own) else {
            return;
        };
        if them.elsewhere.iter().any(|known| known.name == track.track) {
            return;
        }
        them.elsewhere.push(Elsewhere {
            name: track.track.clone(),
            kind,
            encrypted: track.encrypted,
        });
        let codec = Codec::from_name(&track.codec);
        if let Some(payload) = offered_payloads(kind)
            .into_iter()
            .find(|p| Some(p.codec) == codec)
        {
            let (room, participant, track) =
                (room.to_owned(), them.name.clone(), track.track.clone());
            self.out.tell(NodeEvent::TrackAdded {
                room,
                participant,
                track,
                kind,
                payload,
            });
        }
        self.dial_room(room_id);
    }

    pub(super) fn heard_no_track(&mut self, room: &str, participant: &str, track: &str) {
        let Some(&room_id) = self.room_ids.get(room) else {
            return;
        };
        let Some(id) = self.by_wire(room_id, participant) else {
            return;
        };
        let Some(them) = self.participants.get_mut(&id).filter(|p| !p.own) else {
            return;
        };
        them.elsewhere.retain(|known| known.name != track);
        let (room, participant, track) = (room.to_owned(), them.name.clone(), track.to_owned());
        self.out.tell(NodeEvent::TrackRemoved {
            room,
            participant,
            track,
        });
        self.dial_room(room_id);
    }

    pub(super) fn heard_speaking(&self, room: &str, participant: &str, speaking: bool) {
        let id = self
            .room_ids
            .get(room)
            .and_then(|room| self.by_wire(*room, participant));
        if let Some(them) = id.and_then(|id| self.participants.get(&id)) {
            self.out.tell(NodeEvent::Speaking {
                room: room.to_owned(),
                participant: them.name.clone(),
                speaking,
            });
        }
    }
}

/// `None` for kinds of which a newer signaller may know.
fn kind_of(track: &node::Track) -> Option<MediaKind> {
    [MediaKind::Audio, MediaKind::Video]
        .into_iter()
        .find(|kind| kind.as_str() == track.kind)
}

/// Where the tracks of a session come from.
pub(super) fn origin_of(side: &Side) -> Origin {
    match side {
        Side::Answered(_) => Origin::Peer,
        Side::Dialled(_) => Origin::Home,
    }
}
