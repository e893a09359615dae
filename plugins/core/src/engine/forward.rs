// SPDX-License-Identifier: MIT OR Apache-2.0
//! From tracks to slots: the path every forwarded packet takes.

use super::timers::Due;
use super::{Engine, EngineEvent};
use crate::id::TrackId;
use crate::layer::MAX_ENCODINGS;
use crate::media::MediaKind;
use crate::packet::MediaPacket;
use crate::router::Subscriber;
use std::sync::Arc;
use std::time::Instant;

/// The arena is handed out for sending when it holds this much: small enough to stay in the processor's cache.
pub(super) const ARENA_BYTES: usize = 256 * 1024;

/// Whether [`Engine::flush`] has more to forward.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "when there is more, send and clear the arena and flush again"]
pub enum Flush {
    /// The arena is full: send it, clear it, call again.
    More,
    /// Everything that came in has been forwarded; the arena holds the rest.
    Done,
}

/// How far a flush has come.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    subscriber: usize,
}

impl Engine {
    /// Takes a packet of a track that came in here.
    pub(super) fn route(&mut self, now: Instant, packet: MediaPacket) {
        let packet = Arc::new(packet);
        let Some(track) = self.router.track_mut(packet.track) else {
            return;
        };
        if !track.accept(now, &packet) {
            self.stats.duplicates += 1;
            return;
        }
        self.stats.received += 1;
        if track.pending.len() == 1 {
            self.dirty.push(packet.track);
        }
        if track.interest != 0 || track.tap {
            let (workers, tap) = (track.interest, track.tap);
            // A pad has one format for all of a track.
            let newest = packet.newest_frame().filter(|_| tap);
            if workers != 0 || newest.is_none() {
                self.events.push_back(EngineEvent::Media {
                    packet: packet.clone(),
                    workers,
                    tap: tap && newest.is_none(),
                });
            }
            self.events.extend(newest.map(|newest| EngineEvent::Media {
                packet: Arc::new(newest),
                workers: 0,
                tap,
            }));
        }
        self.hear(now, &packet);
    }

    /// Takes a packet that came in at another worker.
    pub fn handle_relayed(&mut self, now: Instant, packet: &Arc<MediaPacket>) {
        let Some(track) = self.router.track_mut(packet.track) else {
            return;
        };
        let waited = !track.pending.is_empty();
        if track.accept(now, packet) && !waited && !track.pending.is_empty() {
            self.dirty.push(packet.track);
        }
    }

    /// Forwards what came in since the last flush, subscriber by subscriber, so that the packets to one peer lie side by
    /// side and one system call can take them.
    pub fn flush(&mut self, now: Instant) -> Flush {
        let moment = self.moment(now);
        while let Some(&id) = self.dirty.last() {
            let Some(track) = self.router.track_mut(id) else {
                self.next_track();
                continue;
            };
            let (pending, view) = (std::mem::take(&mut track.pending), track.view());
            let mut keyframes = 0u8;
            let mut waiting = Vec::new();
            while let Some(&subscriber) = track.subscribers.get(self.cursor.subscriber) {
                if self.arena.len() >= ARENA_BYTES {
                    track.pending = pending;
                    self.request_keyframes(now, id, keyframes);
                    self.begin_slots(now, &waiting);
                    return Flush::More;
                }
                self.cursor.subscriber += 1;
                let Some(peer) = self.peers.get_mut(subscriber.peer) else {
                    continue;
                };
                let taken = peer.take(&moment, subscriber.slot, &pending, &view, &mut self.arena);
                self.stats.forwarded += taken.sent;
                match taken.wanting {
                    Some(_) if peer.lacks(subscriber.slot, &view) => waiting.push(subscriber),
                    Some(encoding) => keyframes |= 1 << encoding,
                    None => {}
                }
                if taken.first {
                    // The first report tells the receiver how audio and video belong together; it should not have to wait.
                    peer.report_soon(now);
                }
                if (taken.first || taken.waits)
                    && let Some(at) = peer.timeout()
                {
                    peer.scheduled = Some(at);
                    self.timers.push(at, Due::Peer(subscriber.peer));
                }
            }
            let mut pending = pending;
            pending.clear();
            track.pending = pending;
            self.request_keyframes(now, id, keyframes);
            self.begin_slots(now, &waiting);
            self.next_track();
        }
        self.flush_replays(now)
    }

    fn next_track(&mut self) {
        self.dirty.pop();
        self.cursor.subscriber = 0;
    }

    /// A subscriber or a pad needs a keyframe of a track.
    pub fn request_keyframe(&mut self, now: Instant, id: TrackId) {
        if let Some(best) = self.router.track(id).map(|track| track.view().best) {
            self.request_keyframes(now, id, 1 << best);
        }
    }

    /// Another worker needs a keyframe of one encoding of a track.
    pub fn request_keyframe_of(&mut self, now: Instant, id: TrackId, encoding: u8) {
        if encoding < MAX_ENCODINGS {
            self.request_keyframes(now, id, 1 << encoding);
        }
    }

    /// Keyframes are needed of those encodings of a track, one bit each.
    pub(super) fn request_keyframes(&mut self, now: Instant, id: TrackId, encodings: u8) {
        let Some(track) = self.router.track_mut(id) else {
            return;
        };
        if track.spec.kind != MediaKind::Video || encodings == 0 {
            return;
        }
        track.want_keyframes(encodings);
        // A track in the set has a timer running.
        if self.keyframe_tracks.insert(id) {
            self.schedule_keyframes(now);
        }
    }

    fn schedule_keyframes(&mut self, at: Instant) {
        if self.keyframes_at.is_none_or(|scheduled| at < scheduled) {
            self.keyframes_at = Some(at);
            self.timers.push(at, Due::Keyframes);
        }
    }

    /// Asks every source that is due at a time for which that was scheduled, unless it was scheduled for another since; keeps the
    /// rest for later.
    pub(super) fn request_due_keyframes(&mut self, now: Instant, at: Instant) {
        if self
            .keyframes_at
            .take_if(|scheduled| *scheduled == at)
            .is_none()
        {
            return;
        }
        self.stats.wakes += 1;
        let mut next: Option<Instant> = None;
        for id in std::mem::take(&mut self.keyframe_tracks) {
            let Some(track) = self.router.track_mut(id) else {
                continue;
            };
            let mut asked = Vec::new();
            for (index, encoding) in track.encodings.iter_mut().enumerate() {
                if encoding.gate.poll(now) {
                    asked.push(index as u8);
                }
                if let Some(at) = encoding.gate.timeout(now) {
                    next = Some(next.map_or(at, |next| next.min(at)));
                    self.keyframe_tracks.insert(id);
                }
            }
            for layer in asked {
                self.ask_keyframe(id, layer);
            }
        }
        if let Some(at) = next {
            self.schedule_keyframes(at);
        }
    }

    fn ask_keyframe(&mut self, id: TrackId, layer: u8) {
        self.stats.keyframe_requests += 1;
        let number = self.stats.keyframe_requests as u8;
        let publisher = self
            .peers
            .iter()
            .find(|(_, p)| p.receiver.lines.iter().any(|l| l.track == id))
            .map(|(key, _)| key);
        match publisher.and_then(|key| self.peers.get_mut(key)) {
            Some(peer) => {
                if let Some(request) = peer.keyframe_request(id, layer, number) {
                    peer.send_rtcp(request, &mut self.arena);
                }
            }
            None => self.events.push_back(EngineEvent::KeyframeNeeded {
                track: id,
                encoding: layer,
            }),
        }
    }

    /// Adds or removes a subscriber, telling the track's home worker when that changes whether it is needed here.
    pub(super) fn subscribe(&mut self, now: Instant, id: TrackId, subscriber: Subscriber) {
        let Some(track) = self.router.track_mut(id) else {
            return;
        };
        if track.subscribers.contains(&subscriber) {
            return;
        }
        track.subscribers.push(subscriber);
        if track.subscribers.len() == 1 && track.spec.home != self.config.worker {
            self.events.push_back(EngineEvent::Interest {
                track: id,
                wanted: true,
            });
        }
        // One that cannot receive yet begins when it can; asking now would only delay the answer to that.
        self.begin_slot(now, subscriber);
    }

    pub(super) fn unsubscribe(&mut self, id: TrackId, subscriber: Subscriber) {
        let Some(track) = self.router.track_mut(id) else {
            return;
        };
        let before = track.subscribers.len();
        track.subscribers.retain(|s| *s != subscriber);
        let gone = before > 0 && track.subscribers.is_empty();
        if gone && track.spec.home != self.config.worker {
            track.end_relay();
            self.events.push_back(EngineEvent::Interest {
                track: id,
                wanted: false,
            });
        }
    }
}
