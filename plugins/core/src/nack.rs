// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asking for lost packets again: which sequence numbers to NACK, and when (RFC 4585 §6.2.1).

use crate::rtp::Restart;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a packet may be late before it is asked for: reordering is not loss.
pub const REORDER_GRACE: Duration = Duration::from_millis(10);
/// How often a packet is asked for.
pub const MAX_TRIES: u8 = 10;
/// How long a packet is asked for; later it would not be played any more.
pub const MAX_AGE: Duration = Duration::from_secs(1);
/// Packets asked for at the same time; the oldest are given up for new ones.
pub const MAX_MISSING: usize = 1000;
/// A larger step of the sequence number is a source that restarted, not a loss.
pub const MAX_GAP: u64 = MAX_MISSING as u64;
/// Sequence numbers in one list: so many fit into one packet whatever they are.
pub const MAX_LIST: usize = 256;

/// Round-trip time until one was measured.
const DEFAULT_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Repeating faster than this helps nobody, slower wastes the age of the packet.
const REPEAT: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(20)..=Duration::from_millis(400);

/// Finds the gaps of one received stream and says what to NACK.
///
/// Tell it every packet with [`received`](Self::received), retransmissions under their original number. Call
/// [`poll`](Self::poll) until it returns `None` when [`next_timeout`](Self::next_timeout) has come.
#[derive(Clone, Debug)]
pub struct Generator {
    /// In order of sequence number.
    missing: VecDeque<Missing>,
    highest: Option<u64>,
    restart: Restart,
    round_trip: Duration,
    timeout: Option<Instant>,
    stats: Stats,
}

#[derive(Clone, Debug)]
struct Missing {
    sequence: u64,
    since: Instant,
    next: Instant,
    tries: u8,
}

impl Missing {
    fn is_hopeless(&self, now: Instant) -> bool {
        self.tries >= MAX_TRIES || now.saturating_duration_since(self.since) >= MAX_AGE
    }
}

/// Counters since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Sequence numbers asked for, repetitions counted.
    pub requested: u64,
    /// Packets that were missing and came.
    pub recovered: u64,
    /// Packets that never came.
    pub abandoned: u64,
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

impl Generator {
    /// Nothing received yet.
    pub fn new() -> Self {
        Generator {
            missing: VecDeque::new(),
            highest: None,
            restart: Restart::default(),
            round_trip: DEFAULT_ROUND_TRIP,
            timeout: None,
            stats: Stats::default(),
        }
    }

    /// Sets the measured round-trip time: a packet is asked for again after it, but not before 20 ms and not after 400 ms.
    /// Default 100 ms.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Takes the extended sequence number of a packet that came.
    pub fn received(&mut self, now: Instant, sequence: u64) {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return;
        };
        if sequence > highest.saturating_add(MAX_GAP) {
            self.reset(sequence);
        } else if sequence > highest {
            self.highest = Some(sequence);
            (highest + 1..sequence).for_each(|lost| self.lost(now, lost));
        } else if sequence.saturating_add(MAX_GAP) < highest {
            if self.restart.is_confirmed_by(sequence) {
                self.reset(sequence);
            }
        } else if let Ok(index) = self
            .missing
            .binary_search_by_key(&sequence, |missing| missing.sequence)
        {
            self.missing.remove(index);
            self.stats.recovered += 1;
        }
    }

    /// What to ask for now: at most [`MAX_LIST`] sequence numbers in order. `None`: nothing (more).
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u16>> {
        if self.timeout.is_none_or(|timeout| timeout > now) {
            return None;
        }
        self.give_up(now);
        let repeat = now + self.round_trip.clamp(*REPEAT.start(), *REPEAT.end());
        let due = self
            .missing
            .iter_mut()
            .filter(|missing| missing.next <= now)
            .take(MAX_LIST);
        let list: Vec<u16> = due
            .map(|missing| {
                missing.tries += 1;
                missing.next = repeat;
                missing.sequence as u16
            })
            .collect();
        self.timeout = self.missing.iter().map(|missing| missing.next).min();
        self.stats.requested += list.len() as u64;
        (!list.is_empty()).then_some(list)
    }

    /// When to call [`poll`](Self::poll) next; `None` while nothing is missing.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timeout.filter(|_| !self.missing.is_empty())
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Goes on from `sequence` as if it were the first.
    fn reset(&mut self, sequence: u64) {
        self.stats.abandoned += self.missing.len() as u64;
        self.missing.clear();
        self.timeout = None;
        self.highest = Some(sequence);
    }

    fn lost(&mut self, now: Instant, sequence: u64) {
        if self.missing.len() == MAX_MISSING {
            self.missing.pop_front();
            self.stats.abandoned += 1;
        }
        let next = now + REORDER_GRACE;
        self.missing.push_back(Missing {
            sequence,
            since: now,
            next,
            tries: 0,
        });
        self.timeout = Some(self.timeout.map_or(next, |timeout| timeout.min(next)));
    }

    fn give_up(&mut self, now: Instant) {
        let before = self.missing.len();
        self.missing
            .retain(|missing| !(missing.next <= now && missing.is_hopeless(now)));
        self.stats.abandoned += (before - self.missing.len()) as u64;
    }
}
