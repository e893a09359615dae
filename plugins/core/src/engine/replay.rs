// SPDX-License-Identifier: MIT OR Apache-2.0
//! Slots that catch up: they are sent the newest group of pictures, at a pace that neither a path nor this worker is overrun by.

use super::forward::ARENA_BYTES;
use super::timers::Due;
use super::{Engine, EngineEvent, Flush};
use crate::bwe::Pace;
use crate::id::TrackId;
use crate::layer::MAX_ENCODINGS;
use crate::media::MediaKind;
use crate::router::{Group, Progress, Subscriber};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often slots that catch up are served.
const TICK: Duration = Duration::from_millis(5);
/// Bytes all of them together are sent in a tick, so that live packets do not wait for them.
const TICK_BYTES: usize = 512 * 1024;
/// Bytes one of them is sent in a row.
const TURN_BYTES: usize = 16 * 1024;

/// Packets of an encoding's past that another worker is sent, so that its mailbox keeps room for what is live.
const MOST_RELAYED: usize = 1_200;

/// The slots that catch up.
#[derive(Debug, Default)]
pub(super) struct Replays {
    queue: VecDeque<Subscriber>,
    /// When credit was given last.
    granted: Option<Instant>,
    /// Slots still to be served in this tick, and bytes they may be sent.
    turns: usize,
    bytes: usize,
}

impl Engine {
    /// A slot has nothing to show and now may: it gets the newest group of pictures, or else a keyframe is asked for.
    pub(super) fn begin_slot(&mut self, now: Instant, subscriber: Subscriber) {
        let Some((track, encoding)) = self.lacks(subscriber) else {
            return;
        };
        let group = self.group(track, encoding);
        if !group.is_some_and(|group| self.replay(now, subscriber, &group)) {
            self.request_keyframes(now, track, 1 << encoding);
        }
    }

    /// The same for slots of one track that found that out from a live packet.
    pub(super) fn begin_slots(&mut self, now: Instant, slots: &[Subscriber]) {
        let mut groups: [Option<Option<Group>>; MAX_ENCODINGS as usize] = Default::default();
        for subscriber in slots {
            let Some((track, encoding)) = self.lacks(*subscriber) else {
                continue;
            };
            let group = groups[usize::from(encoding)].take();
            let group = group.unwrap_or_else(|| self.group(track, encoding));
            if !group
                .as_ref()
                .is_some_and(|group| self.replay(now, *subscriber, group))
            {
                self.request_keyframes(now, track, 1 << encoding);
            }
            groups[usize::from(encoding)] = Some(group);
        }
    }

    /// The track and encoding of which a slot wants to show something and has nothing.
    fn lacks(&self, subscriber: Subscriber) -> Option<(TrackId, u8)> {
        let peer = self.peers.get(subscriber.peer).filter(|p| p.connected)?;
        let slot = peer.slots.get(subscriber.slot)?;
        let track = slot
            .track()
            .filter(|_| slot.spec.kind == MediaKind::Video)?;
        let encoding = slot.lacks(&self.router.track(track)?.view())?;
        Some((track, encoding))
    }

    fn group(&self, track: TrackId, encoding: u8) -> Option<Group> {
        let encodings = &self.router.track(track)?.encodings;
        encodings.get(usize::from(encoding))?.history.group()
    }

    fn replay(&mut self, now: Instant, subscriber: Subscriber, group: &Group) -> bool {
        let Some(view) = self.router.track(group.first.track).map(|t| t.view()) else {
            return false;
        };
        let peer = &mut self.peers[subscriber.peer];
        let rate = peer.spare().unwrap_or(0);
        let slot = &mut peer.slots[subscriber.slot];
        let begun = slot.begin_replay(now, group, &view, rate);
        if begun {
            let ssrc = slot.spec.ssrc.ssrc;
            peer.backlog.forget(ssrc);
            peer.want_more();
            self.queue_replay(now, subscriber);
        }
        begun
    }

    /// Serves a slot that catches up from the next flush on.
    pub(super) fn queue_replay(&mut self, now: Instant, subscriber: Subscriber) {
        if self.replays.queue.contains(&subscriber) {
            return;
        }
        self.replays.queue.push_back(subscriber);
        if self.replays.queue.len() == 1 {
            self.replays.granted = None;
            self.timers.push(now, Due::Replays);
        }
    }

    /// Sends what is due of the past. Only after everything live has been forwarded: what is in the history then
    /// is exactly what slots that have caught up will not see again.
    pub(super) fn flush_replays(&mut self, now: Instant) -> Flush {
        if self.replays.queue.is_empty() || !self.begin_tick(now) {
            return Flush::Done;
        }
        while self.replays.turns > 0 && self.replays.bytes > 0 {
            if self.arena.len() >= ARENA_BYTES {
                return Flush::More;
            }
            self.replays.turns -= 1;
            let Some(subscriber) = self.replays.queue.pop_front() else {
                break;
            };
            if self.serve(now, subscriber) != Progress::Done {
                self.replays.queue.push_back(subscriber);
            }
        }
        self.replays.turns = 0;
        if !self.replays.queue.is_empty() {
            self.timers.push(now + TICK, Due::Replays);
        }
        Flush::Done
    }

    /// True when a tick has begun or is still going on.
    fn begin_tick(&mut self, now: Instant) -> bool {
        if self.replays.turns > 0 {
            return true;
        }
        let elapsed = match self.replays.granted {
            Some(at) if now < at + TICK => return false,
            Some(at) => now.saturating_duration_since(at).min(4 * TICK),
            None => Duration::ZERO,
        };
        self.replays.granted = Some(now);
        self.replays.turns = self.replays.queue.len();
        self.replays.bytes = TICK_BYTES;
        for subscriber in &self.replays.queue {
            let Some(peer) = self.peers.get_mut(subscriber.peer) else {
                continue;
            };
            let known = peer.pace() != Pace::Unknown;
            let rate = known.then(|| peer.spare().unwrap_or(0));
            if let Some(slot) = peer.slots.get_mut(subscriber.slot) {
                slot.grant(elapsed, rate);
            }
        }
        true
    }

    fn serve(&mut self, now: Instant, subscriber: Subscriber) -> Progress {
        let moment = self.moment(now);
        let Some(peer) = self.peers.get_mut(subscriber.peer) else {
            return Progress::Done;
        };
        let Some((slots, mut out)) = peer.outlet(&mut self.arena) else {
            return Progress::Later;
        };
        let Some(slot) = slots.get_mut(subscriber.slot) else {
            return Progress::Done;
        };
        let Some((current, track)) = slot
            .current()
            .filter(|_| slot.is_replaying())
            .zip(slot.track().and_then(|track| self.router.track(track)))
        else {
            return Progress::Done;
        };
        let Some(encoding) = track.encodings.get(usize::from(current.encoding)) else {
            return Progress::Done;
        };
        out.pacer.advance(moment.micros);
        let (before, packets) = (out.arena.len(), slot.counters.packets);
        let view = track.view();
        let progress = slot.replay(&moment, &encoding.history, &view, TURN_BYTES, &mut out);
        let sent = out.arena.len() - before;
        let lags = slot.lags(now).then_some(track.spec.id);
        self.replays.bytes = self.replays.bytes.saturating_sub(sent);
        self.stats.forwarded += slot.counters.packets - packets;
        if packets == 0 && sent > 0 {
            peer.report_soon(now);
            self.schedule(subscriber.peer);
        }
        if let Some(track) = lags {
            self.request_keyframes(now, track, 1 << current.encoding);
        }
        progress
    }

    /// Sends another worker the newest group of pictures of every encoding, so that its subscribers need not wait either. False:
    /// there is none.
    pub(super) fn relay_groups(&mut self, id: TrackId, worker: u8) -> bool {
        let encodings = self.router.track(id).map(|track| &track.encodings);
        let workers = 1u64.checked_shl(u32::from(worker)).unwrap_or(0);
        let before = self.events.len();
        for encoding in encodings.into_iter().flatten() {
            let packets = encoding.history.newest_group().take(MOST_RELAYED);
            self.events.extend(packets.map(|packet| EngineEvent::Media {
                packet: packet.clone(),
                workers,
                tap: false,
            }));
        }
        self.events.len() > before
    }
}
