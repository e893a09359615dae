// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waits to be sent to a peer because its path is full.
//!
//! Packets wait as they came in, without numbers of ours: what becomes of them is decided when they are sent, so a layer that
//! is not wanted any more costs nothing, and the numbers of the peer stay in the order of sending.

use crate::packet::MediaPacket;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nothing waits longer, nor more than this: what is beyond is sent, whatever the path.
const MOST_AGE: Duration = Duration::from_secs(3);
const MOST_BYTES: usize = 1024 * 1024;
/// Requests for packets that wait; a peer that still misses what is beyond asks again.
const MOST_REPAIRS: usize = 256;
/// It is looked after no more often than this.
const TICK: Duration = Duration::from_millis(5);

/// Something that waits, for the slot of this SSRC.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A packet of its track.
    Live(u32, Arc<MediaPacket>),
    /// A packet that is to be sent again, by our number.
    Again(u32, u16),
}

#[derive(Debug)]
struct Live {
    since: Instant,
    ssrc: u32,
    packet: Arc<MediaPacket>,
}

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    live: VecDeque<Live>,
    repairs: VecDeque<(u32, u16)>,
    bytes: usize,
    due: Option<Instant>,
}

impl Backlog {
    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.repairs.is_empty()
    }

    /// When it is to be looked after.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Says that there will be room in `wait` µs.
    pub(crate) fn wait(&mut self, now: Instant, wait: u64) {
        let wait = Duration::from_micros(wait).max(TICK);
        self.due = (!self.is_empty()).then(|| now + wait);
    }

    /// A packet has to wait.
    pub(crate) fn push(&mut self, since: Instant, ssrc: u32, packet: &Arc<MediaPacket>) {
        self.bytes += packet.bytes().len();
        self.live.push_back(Live {
            since,
            ssrc,
            packet: packet.clone(),
        });
    }

    /// A packet to be sent again has to wait.
    pub(crate) fn push_repair(&mut self, ssrc: u32, sequence: u16) {
        let repair = (ssrc, sequence);
        if self.repairs.len() < MOST_REPAIRS && !self.repairs.contains(&repair) {
            self.repairs.push_back(repair);
        }
    }

    /// True when something waits that must not wait longer.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        let old = |live: &Live| now.saturating_duration_since(live.since) >= MOST_AGE;
        self.bytes > MOST_BYTES || self.live.front().is_some_and(old)
    }

    /// What is to be sent next: what the peer misses comes first, as pictures wait for it.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        if let Some((ssrc, sequence)) = self.repairs.pop_front() {
            return Some(Waiting::Again(ssrc, sequence));
        }
        let live = self.live.pop_front()?;
        self.bytes -= live.packet.bytes().len();
        if self.live.is_empty() {
            // A burst is rare; its room is not kept at rest.
            self.live = VecDeque::new();
        }
        Some(Waiting::Live(live.ssrc, live.packet))
    }

    /// A slot begins with something else, in which all this is contained.
    pub(crate) fn forget(&mut self, ssrc: u32) {
        self.live.retain(|live| live.ssrc != ssrc);
        self.bytes = self.live.iter().map(|live| live.packet.bytes().len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::id::TrackId;
    use crate::media::ExtensionMap;
    use crate::packet::Origin;
    use crate::rtp::Header;

    fn packet(now: Instant, sequence: u64, bytes: usize) -> Arc<MediaPacket> {
        let mut data = vec![0; bytes];
        data[0] = 0x80;
        let header = Header::parse(&data).expect("a packet");
        let origin = Origin {
            track: TrackId(1),
            layer: 0,
            epoch: 1,
            sequence,
            codec: Codec::Vp8,
            encrypted: false,
            clock_rate: 90_000,
            arrival: now,
            capture: now,
            capture_synced: true,
        };
        let map = ExtensionMap::default();
        Arc::new(MediaPacket::new(data.into(), header, &map, origin))
    }

    fn number(waiting: Option<Waiting>) -> Option<u64> {
        match waiting? {
            Waiting::Live(_, packet) => Some(packet.sequence),
            Waiting::Again(_, sequence) => Some(u64::from(sequence)),
        }
    }

    #[test]
    fn what_is_missed_comes_first_and_the_rest_in_its_order() {
        let now = Instant::now();
        let mut backlog = Backlog::default();
        for sequence in 10..13 {
            backlog.push(now, 1, &packet(now, sequence, 100));
        }
        for sequence in [5, 6, 5] {
            backlog.push_repair(1, sequence);
        }
        let order: Vec<_> = std::iter::from_fn(|| number(backlog.pop())).collect();
        assert_eq!(order, [5, 6, 10, 11, 12]);
        assert!(backlog.is_empty());
        backlog.wait(now, 1_000);
        assert_eq!(backlog.timeout(), None);
    }

    #[test]
    fn nothing_waits_too_long_and_not_too_much() {
        let now = Instant::now();
        let mut backlog = Backlog::default();
        backlog.push(now, 1, &packet(now, 1, 1_000));
        assert!(!backlog.is_overdue(now + MOST_AGE - TICK));
        assert!(backlog.is_overdue(now + MOST_AGE));
        for sequence in 2..1_500 {
            backlog.push(now, 1, &packet(now, sequence, 1_000));
        }
        assert!(backlog.is_overdue(now));
        while backlog.is_overdue(now) {
            assert!(backlog.pop().is_some());
        }
        assert_eq!(backlog.bytes, MOST_BYTES / 1_000 * 1_000);
        for sequence in 0..2_000 {
            backlog.push_repair(1, sequence);
        }
        assert_eq!(backlog.repairs.len(), MOST_REPAIRS);
    }

    #[test]
    fn only_the_slot_that_begins_anew_is_forgotten() {
        let now = Instant::now();
        let mut backlog = Backlog::default();
        backlog.push(now, 1, &packet(now, 1, 100));
        backlog.push(now, 2, &packet(now, 2, 200));
        backlog.forget(1);
        assert_eq!((backlog.bytes, number(backlog.pop())), (200, Some(2)));
    }
}
