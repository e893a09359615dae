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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A generator that received `sequences` at the returned time.
    fn after(sequences: impl IntoIterator<Item = u64>) -> (Generator, Instant) {
        let (mut generator, now) = (Generator::new(), Instant::now());
        sequences
            .into_iter()
            .for_each(|sequence| generator.received(now, sequence));
        (generator, now)
    }

    #[test]
    fn a_stream_without_gaps_asks_for_nothing() {
        let (mut generator, now) = after(1..100);
        assert_eq!(generator.next_timeout(), None);
        assert_eq!(generator.poll(now + millis(1000)), None);
    }

    #[test]
    fn a_gap_is_asked_for_after_the_reorder_grace() {
        let (mut generator, now) = after([65_534, 65_537, 65_539]);
        assert_eq!(generator.next_timeout(), Some(now + REORDER_GRACE));
        assert_eq!(generator.poll(now + millis(9)), None);
        // The numbers on the wire wrap.
        assert_eq!(
            generator.poll(now + REORDER_GRACE),
            Some(vec![65_535, 0, 2])
        );
        assert_eq!(generator.poll(now + REORDER_GRACE), None);
    }

    #[test]
    fn reordered_packets_are_never_asked_for() {
        let (mut generator, now) = after([1, 4]);
        generator.received(now + millis(5), 2);
        generator.received(now + millis(9), 3);
        assert_eq!(generator.next_timeout(), None);
        assert_eq!(generator.poll(now + millis(10)), None);
        assert_eq!(
            generator.stats(),
            Stats {
                requested: 0,
                recovered: 2,
                abandoned: 0
            }
        );
    }

    #[test]
    fn duplicates_change_nothing() {
        let (mut generator, now) = after([1, 3, 3, 1, 2, 2, 3]);
        assert_eq!(generator.poll(now + millis(10)), None);
        assert_eq!(generator.stats().recovered, 1);
    }

    #[test]
    fn packets_before_the_first_are_not_missing() {
        let (mut generator, now) = after([100, 99, 98]);
        assert_eq!(generator.poll(now + millis(10)), None);
    }

    #[test]
    fn what_does_not_come_is_asked_for_again_after_the_round_trip() {
        let (mut generator, now) = after([1, 3]);
        generator.set_round_trip(millis(60));
        assert!(generator.poll(now + millis(10)).is_some());
        assert_eq!(generator.next_timeout(), Some(now + millis(70)));
        assert_eq!(generator.poll(now + millis(69)), None);
        assert_eq!(generator.poll(now + millis(70)), Some(vec![2]));
        generator.received(now + millis(71), 2);
        assert_eq!(generator.next_timeout(), None);
    }

    #[test]
    fn repetitions_keep_a_distance_whatever_the_round_trip() {
        for (round_trip, repeat) in [(0, 20), (10_000, 400)] {
            let (mut generator, now) = after([1, 3]);
            generator.set_round_trip(millis(round_trip));
            generator.poll(now + millis(10));
            assert_eq!(generator.next_timeout(), Some(now + millis(10 + repeat)));
        }
    }

    /// Times, in milliseconds, at which a single lost packet is asked for.
    fn requests(round_trip: Duration) -> Vec<u128> {
        let (mut generator, start) = after([1, 3]);
        generator.set_round_trip(round_trip);
        let mut times = Vec::new();
        while let Some(now) = generator.next_timeout() {
            times.extend(generator.poll(now).map(|_| (now - start).as_millis()));
        }
        assert_eq!(generator.stats().abandoned, 1);
        times
    }

    #[test]
    fn a_packet_is_given_up_after_ten_tries() {
        assert_eq!(
            requests(millis(20)),
            [10, 30, 50, 70, 90, 110, 130, 150, 170, 190]
        );
    }

    #[test]
    fn a_packet_is_given_up_after_a_second() {
        assert_eq!(requests(millis(400)), [10, 410, 810]);
    }

    #[test]
    fn a_big_jump_is_a_restart_and_not_a_loss() {
        let (mut generator, now) = after([1, 3, 3 + MAX_GAP + 1]);
        assert_eq!(generator.poll(now + millis(10)), None);
        generator.received(now, 3 + MAX_GAP + 3);
        assert_eq!(
            generator.poll(now + millis(10)),
            Some(vec![(3 + MAX_GAP + 2) as u16])
        );
    }

    #[test]
    fn the_biggest_gap_that_is_a_loss_is_asked_for_in_lists() {
        let (mut generator, now) = after([70_000, 70_000 + MAX_GAP]);
        let lists: Vec<_> = std::iter::from_fn(|| generator.poll(now + millis(10))).collect();
        assert!(lists.iter().all(|list| list.len() <= MAX_LIST));
        let expected: Vec<u16> = (70_001..70_000 + MAX_GAP)
            .map(|sequence| sequence as u16)
            .collect();
        assert_eq!(lists.concat(), expected);
    }

    #[test]
    fn a_source_that_restarts_lower_is_followed_after_two_packets() {
        let (mut generator, now) = after([50_000, 10_000, 10_001, 10_003]);
        assert_eq!(generator.poll(now + millis(10)), Some(vec![10_002]));
    }

    #[test]
    fn a_single_packet_far_behind_is_ignored() {
        let (mut generator, now) = after([50_000, 10_000, 50_002]);
        assert_eq!(generator.poll(now + millis(10)), Some(vec![50_001]));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_are_given_up() {
        // Every second packet is lost.
        let (mut generator, now) = after((0..5_000).map(|n| n * 2));
        assert_eq!(generator.missing.len(), MAX_MISSING);
        assert_eq!(generator.stats().abandoned, 4_999 - MAX_MISSING as u64);
        assert_eq!(
            generator.poll(now + millis(10)).unwrap()[0],
            (9_998 - 2 * MAX_MISSING + 1) as u16
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn exactly_what_is_lost_is_asked_for(lost in prop::collection::btree_set(1u64..300, 0..100), first in 60_000u64..70_000) {
            let sent = (0..=300).filter(|n| !lost.contains(n)).map(|n| first + n);
            let (mut generator, now) = after(sent);
            let asked: Vec<u16> = std::iter::from_fn(|| generator.poll(now + REORDER_GRACE)).flatten().collect();
            let expected: Vec<u16> = lost.iter().map(|n| (first + n) as u16).collect();
            prop_assert_eq!(asked, expected);
        }

        #[test]
        fn arbitrary_sequence_numbers_stay_bounded_and_come_to_rest(sequences in prop::collection::vec(any::<u32>(), 0..64)) {
            let (mut generator, mut now) = after(sequences.into_iter().map(|sequence| u64::from(sequence % 8_000)));
            prop_assert!(generator.missing.len() <= MAX_MISSING);
            let mut polls = 0;
            while let Some(timeout) = generator.next_timeout() {
                now = now.max(timeout);
                generator.poll(now);
                polls += 1;
                prop_assert!(polls < 200);
            }
            let stats = generator.stats();
            prop_assert!(stats.requested <= stats.abandoned * u64::from(MAX_TRIES));
        }
    }
}
