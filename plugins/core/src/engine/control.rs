// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands: rooms, participants, tracks, sessions, assignments.

use super::{Assign, Assignment, CloseReason, Engine, EngineEvent, SessionSpec, TrackSpec};
use crate::id::{ParticipantId, RoomId, SessionId, TrackId};
use crate::media::{MediaKind, ReceiveSpec, SlotSpec};
use crate::peer::{Peer, Receiver};
use crate::router::Subscriber;
use crate::session::{Session, SessionConfig, SessionError, SrtpProfile};
use rand::RngExt;
use std::time::Instant;

/// Why a session was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The worker is full.
    #[error("this worker already has {0} sessions; raise the limit or use more workers")]
    TooMany(usize),
    /// A session of this id, or with this ICE user name fragment, exists.
    #[error("a session of this id or ICE user name fragment exists already")]
    Exists,
    /// The transport refused what it was given.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Engine {
    /// Makes a room. One that exists stays as it is.
    pub fn add_room(&mut self, room: RoomId) {
        self.router.add_room(room);
    }

    /// Removes a room with everybody in it.
    pub fn remove_room(&mut self, now: Instant, room: RoomId) {
        for participant in self.router.participants_of(room).to_vec() {
            self.remove_participant(now, participant);
        }
        self.router.remove_room(room);
    }

    /// Makes a participant known.
    pub fn add_participant(&mut self, room: RoomId, participant: ParticipantId) {
        self.router.add_participant(room, participant, self.epoch);
    }

    /// Removes a participant, its tracks, and its sessions on this worker.
    pub fn remove_participant(&mut self, now: Instant, participant: ParticipantId) {
        let of_it = |(key, peer): (usize, &Peer)| (peer.participant == participant).then_some(key);
        for key in self.peers.iter().filter_map(of_it).collect::<Vec<_>>() {
            self.end_session(now, key, CloseReason::Local);
        }
        let tracks = self
            .router
            .participant(participant)
            .map(|p| p.tracks.clone())
            .unwrap_or_default();
        for track in tracks {
            self.remove_track(now, track);
        }
        self.router.remove_participant(participant);
    }

    /// Makes a track known; free slots of the room's subscribers take it.
    pub fn add_track(&mut self, now: Instant, spec: TrackSpec) {
        let room = self.router.room_of(spec.participant);
        self.router.add_track(spec);
        self.reassign_room(now, room);
    }

    /// Removes a track; the slots that showed it take others.
    pub fn remove_track(&mut self, now: Instant, id: TrackId) {
        self.local.retain(|(track, _), _| *track != id);
        let Some(track) = self.router.remove_track(id) else {
            return;
        };
        for subscriber in &track.subscribers {
            if let Some(slot) = self
                .peers
                .get_mut(subscriber.peer)
                .and_then(|p| p.slots.get_mut(subscriber.slot))
            {
                slot.show(None);
            }
        }
        let owner = track.spec.participant;
        if track.spec.kind == MediaKind::Audio
            && let Some(speaking) = self.router.participant(owner).and_then(|p| p.speech.stop())
        {
            self.tell_speaking(now, owner, speaking);
        }
        self.reassign_room(now, self.router.room_of(owner));
    }

    /// Whether packets of a track are to be handed out as [`EngineEvent::Media`] with `tap` set.
    pub fn set_tap(&mut self, now: Instant, id: TrackId, tap: bool) {
        if let Some(track) = self.router.track_mut(id) {
            track.tap = tap;
            if tap {
                self.request_keyframe(now, id);
            }
        }
    }

    /// Whether another worker needs a track that comes in here.
    pub fn set_interest(&mut self, now: Instant, id: TrackId, worker: u8, wanted: bool) {
        let Some(track) = self.router.track_mut(id) else {
            return;
        };
        let bit = 1u64.checked_shl(u32::from(worker)).unwrap_or(0);
        if wanted {
            track.interest |= bit;
            if !self.relay_groups(id, worker) {
                self.request_keyframe(now, id);
            }
        } else {
            track.interest &= !bit;
        }
    }

    /// Opens a session.
    ///
    /// # Errors
    /// When the worker is full, the id or the ICE user name fragment is taken, or the transport refuses its parameters.
    pub fn open_session(&mut self, now: Instant, spec: SessionSpec) -> Result<(), OpenError> {
        if self.peers.len() >= self.config.limits.sessions {
            return Err(OpenError::TooMany(self.peers.len()));
        }
        if self.by_session.contains_key(&spec.id) || self.by_ufrag.contains_key(&spec.local_ufrag) {
            return Err(OpenError::Exists);
        }
        let ufrag = spec.local_ufrag.clone();
        let peer = self.new_peer(now, spec)?;
        let id = peer.id;
        let key = self.peers.insert(peer);
        self.by_session.insert(id, key);
        self.by_ufrag.insert(ufrag, key);
        self.stats.sessions_opened += 1;
        self.reassign(now, key);
        self.drain_session(now, key);
        self.schedule(key);
        Ok(())
    }

    fn new_peer(&mut self, now: Instant, spec: SessionSpec) -> Result<Peer, OpenError> {
        let config = SessionConfig {
            ice: spec.ice,
            local_ufrag: spec.local_ufrag,
            local_pwd: spec.local_pwd,
            local_candidates: spec.local_candidates,
            remote: spec.remote,
            dtls_client: spec.dtls_client,
            certificate: self.config.certificate.clone(),
            profiles: SrtpProfile::PREFERRED.to_vec(),
            data: spec.data,
            data_rate: self.config.limits.data_rate,
        };
        let session = Session::new(now, self.random.random(), config)?;
        let receiver = Receiver::new(
            spec.receive,
            self.random.random(),
            self.config.limits.streams_per_session,
        );
        let mut peer = Peer::new(
            spec.id,
            spec.participant,
            session,
            receiver,
            spec.slots,
            spec.assign,
            &mut self.random,
        );
        peer.sender = spec.sender;
        Ok(peer)
    }

    /// Takes the m-lines of a renegotiation; the transport and what is unchanged go on. False: no such session.
    pub fn update_session(
        &mut self,
        now: Instant,
        session: SessionId,
        receive: Vec<(TrackId, ReceiveSpec)>,
        slots: Vec<SlotSpec>,
    ) -> bool {
        let Some(&key) = self.by_session.get(&session) else {
            return false;
        };
        self.unsubscribe_all(key);
        let peer = &mut self.peers[key];
        peer.receiver.update(receive);
        peer.update_slots(slots, &mut self.random);
        let shown: Vec<_> = peer
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, s)| Some((slot, s.track()?)))
            .collect();
        for (slot, track) in shown {
            let subscriber = Subscriber { peer: key, slot };
            self.subscribe(now, track, subscriber);
            if self.peers[key].slots[slot].is_replaying() {
                self.queue_replay(now, subscriber);
            }
        }
        self.reassign(now, key);
        true
    }

    /// Closes a session: the peer is told, everything is freed.
    pub fn close_session(&mut self, now: Instant, session: SessionId) {
        if let Some(&key) = self.by_session.get(&session) {
            self.end_session(now, key, CloseReason::Local);
        }
    }

    pub(super) fn end_session(&mut self, now: Instant, key: usize, reason: CloseReason) {
        self.unsubscribe_all(key);
        let mut peer = self.peers.remove(key);
        peer.session.close(now);
        while let Some(transmit) = peer.session.poll_transmit() {
            self.arena.push(&transmit.path, &transmit.data);
        }
        self.by_session.remove(&peer.id);
        self.by_ufrag.retain(|_, other| *other != key);
        self.by_path.retain(|_, other| *other != key);
        self.events.push_back(EngineEvent::SessionClosed {
            session: peer.id,
            reason,
        });
    }

    fn unsubscribe_all(&mut self, key: usize) {
        let shown: Vec<_> = self.peers[key]
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, s)| Some((slot, s.track()?)))
            .collect();
        for (slot, track) in shown {
            self.unsubscribe(track, Subscriber { peer: key, slot });
        }
    }

    /// Says what the slots of a session show unless told one by one.
    pub fn set_assign(&mut self, now: Instant, session: SessionId, assign: Assign) {
        if let Some(&key) = self.by_session.get(&session) {
            self.peers[key].assign = assign;
            self.reassign(now, key);
        }
    }

    /// Says what the slot of an m-line shows, or all of them. False: no such session or mid, or a track this peer may not receive.
    pub fn assign(
        &mut self,
        now: Instant,
        session: SessionId,
        mid: &str,
        assignment: Assignment,
    ) -> bool {
        let Some(&key) = self.by_session.get(&session) else {
            return false;
        };
        let peer = &mut self.peers[key];
        if let Assignment::Track(track) = assignment
            && !self.router.may_receive(peer.participant, track)
        {
            return false;
        }
        let mut known = false;
        for slot in peer.slots_of(mid) {
            slot.assignment = assignment;
            known = true;
        }
        if known {
            self.reassign(now, key);
        }
        known
    }

    fn reassign_room(&mut self, now: Instant, room: Option<RoomId>) {
        let Some(room) = room else { return };
        let router = &self.router;
        let in_room = |(key, peer): (usize, &Peer)| {
            (router.room_of(peer.participant) == Some(room)).then_some(key)
        };
        for key in self.peers.iter().filter_map(in_room).collect::<Vec<_>>() {
            self.reassign(now, key);
        }
    }

    /// Fills the slots of one session and says so when something changed.
    pub(super) fn reassign(&mut self, now: Instant, key: usize) {
        let plan = self.plan(key);
        for (slot, wanted) in plan.shows.into_iter().enumerate() {
            self.show(now, Subscriber { peer: key, slot }, wanted);
        }
        let peer = &mut self.peers[key];
        let (states, connected) = (peer.slot_states(), peer.connected);
        let announcement = (states.clone(), plan.missing_audio, plan.missing_video);
        if connected {
            self.peers[key].begin_estimating(now, self.epoch);
            self.divide(now, key);
        }
        let peer = &mut self.peers[key];
        if !states.is_empty() && peer.announced != announcement {
            peer.announced = announcement;
            self.events.push_back(EngineEvent::Slots {
                session: peer.id,
                slots: states,
                missing_audio: plan.missing_audio,
                missing_video: plan.missing_video,
            });
        }
    }

    fn show(&mut self, now: Instant, subscriber: Subscriber, wanted: Option<TrackId>) {
        let slot = &mut self.peers[subscriber.peer].slots[subscriber.slot];
        let shown = slot.track();
        if shown == wanted {
            return;
        }
        let track = wanted.and_then(|id| self.router.track(id));
        slot.show(track.map(|track| &track.spec));
        if let Some(old) = shown {
            self.unsubscribe(old, subscriber);
        }
        // What fits of the new one is to be known before it begins.
        self.divide(now, subscriber.peer);
        if let Some(new) = wanted {
            self.subscribe(now, new, subscriber);
        }
    }

    /// Which slot shows what: told assignments first, then each automatic slot keeps what it has if that is still wanted, then free
    /// slots take what is left. Where there are fewer slots than tracks, only those are wanted that come first by speaking.
    fn plan(&self, key: usize) -> Plan {
        let peer = &self.peers[key];
        let mut wanted = match peer.assign {
            Assign::Auto => self.router.offered_to(peer.participant),
            Assign::Only(of) => self.tracks_of(peer, of),
            Assign::Manual => Vec::new(),
        };
        let mut shows = vec![None; peer.slots.len()];
        for (slot, show) in peer.slots.iter().zip(&mut shows) {
            let told = match slot.assignment {
                Assignment::Track(track) => Some(track),
                Assignment::Speaker => self
                    .router
                    .speaker_track(peer.participant)
                    .or_else(|| self.first_video(&wanted)),
                Assignment::Auto | Assignment::Nothing => None,
            };
            if let Some(track) = told
                && self.router.may_receive(peer.participant, track)
            {
                *show = Some(track);
                wanted.retain(|other| *other != track);
            }
        }
        let automatic = || {
            peer.slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| slot.assignment == Assignment::Auto)
        };
        let mut crowded_out = Vec::new();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let places = automatic()
                .filter(|(_, slot)| slot.spec.kind == kind)
                .count();
            crowded_out.extend(self.crowded_out(peer.participant, &wanted, kind, places));
        }
        wanted.retain(|track| !crowded_out.contains(track));
        for (index, slot) in automatic() {
            if let Some(track) = slot.track().filter(|track| wanted.contains(track)) {
                shows[index] = Some(track);
                wanted.retain(|other| *other != track);
            }
        }
        wanted.extend(crowded_out);
        for (index, slot) in automatic()
            .filter(|(index, _)| shows[*index].is_none())
            .collect::<Vec<_>>()
        {
            let fits = |id: &TrackId| {
                self.router
                    .track(*id)
                    .is_some_and(|t| slot.can_show(t.spec.kind, &t.spec.payloads))
            };
            if let Some(place) = wanted.iter().position(fits) {
                shows[index] = Some(wanted.remove(place));
            }
        }
        let missing = |kind| {
            let of_kind =
                |id: &&TrackId| self.router.track(**id).is_some_and(|t| t.spec.kind == kind);
            wanted
                .iter()
                .filter(of_kind)
                .count()
                .min(usize::from(u16::MAX)) as u16
        };
        Plan {
            shows,
            missing_audio: missing(MediaKind::Audio),
            missing_video: missing(MediaKind::Video),
        }
    }

    /// Those of a kind for which there is no place, by who spoke last.
    fn crowded_out(
        &self,
        receiver: ParticipantId,
        wanted: &[TrackId],
        kind: MediaKind,
        places: usize,
    ) -> Vec<TrackId> {
        let of_kind = |id: &TrackId| self.router.track(*id).is_some_and(|t| t.spec.kind == kind);
        let mut tracks: Vec<_> = wanted.iter().copied().filter(of_kind).collect();
        if tracks.len() <= places {
            return Vec::new();
        }
        self.router.rank(receiver, &mut tracks);
        tracks.split_off(places)
    }

    fn first_video(&self, wanted: &[TrackId]) -> Option<TrackId> {
        let is_video = |id: &TrackId| {
            let track = self.router.track(*id);
            track.is_some_and(|t| t.spec.kind == MediaKind::Video)
        };
        wanted.iter().copied().find(is_video)
    }

    fn tracks_of(&self, peer: &Peer, of: ParticipantId) -> Vec<TrackId> {
        let mut tracks = self.router.tracks_of(of);
        tracks.retain(|track| self.router.may_receive(peer.participant, *track));
        tracks
    }
}

/// What the slots of a session are to show.
struct Plan {
    shows: Vec<Option<TrackId>>,
    missing_audio: u16,
    missing_video: u16,
}
