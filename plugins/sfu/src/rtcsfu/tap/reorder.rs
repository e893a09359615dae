// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts packets back into order and gives lost ones the time to be repaired.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// More packets than this never wait; the gap before them is given up.
const CAPACITY: usize = 2_048;

/// A packet this far behind is not late: its source counts anew.
const RESTART: u64 = 1_000;

/// Packets by extended sequence number, waiting for those before them.
#[derive(Debug)]
pub(super) struct Reorder<T> {
    latency: Duration,
    next: Option<u64>,
    waiting: BTreeMap<u64, (Instant, T)>,
}

impl<T> Reorder<T> {
    /// `latency`: how long a packet waits for an earlier one.
    pub(super) fn new(latency: Duration) -> Reorder<T> {
        Reorder {
            latency,
            next: None,
            waiting: BTreeMap::new(),
        }
    }

    /// Takes a packet. False: it came too late, or twice.
    pub(super) fn insert(&mut self, now: Instant, sequence: u64, value: T) -> bool {
        let next = *self.next.get_or_insert(sequence);
        if sequence < next {
            if next - sequence < RESTART {
                return false;
            }
            self.waiting.clear();
            self.next = Some(sequence);
        }
        if self.waiting.contains_key(&sequence) {
            return false;
        }
        self.waiting.insert(sequence, (now, value));
        true
    }

    /// The next packet in order, and whether packets before it are missing for good.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(T, bool)> {
        let next = self.next?;
        let (sequence, (arrival, _)) = self.waiting.first_key_value()?;
        let gap = *sequence != next;
        if gap && now < *arrival + self.latency && self.waiting.len() < CAPACITY {
            return None;
        }
        let (sequence, (_, value)) = self.waiting.pop_first()?;
        self.next = Some(sequence + 1);
        Some((value, gap))
    }

    /// When the gap at the front is given up.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.waiting
            .first_key_value()
            .map(|(_, (arrival, _))| *arrival + self.latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(100);

    fn drain(reorder: &mut Reorder<u64>, now: Instant) -> Vec<(u64, bool)> {
        std::iter::from_fn(|| reorder.pop(now)).collect()
    }

    #[test]
    fn swapped_packets_come_out_in_order_at_once() {
        let now = Instant::now();
        let mut reorder = Reorder::new(LATENCY);
        assert!(reorder.insert(now, 10, 10));
        assert_eq!(drain(&mut reorder, now), [(10, false)]);
        reorder.insert(now, 12, 12);
        assert_eq!(drain(&mut reorder, now), []);
        reorder.insert(now, 11, 11);
        assert_eq!(drain(&mut reorder, now), [(11, false), (12, false)]);
    }

    #[test]
    fn a_gap_is_given_up_after_the_latency_and_reported() {
        let now = Instant::now();
        let mut reorder = Reorder::new(LATENCY);
        reorder.insert(now, 1, 1);
        reorder.insert(now, 3, 3);
        assert_eq!(drain(&mut reorder, now), [(1, false)]);
        assert_eq!(reorder.timeout(), Some(now + LATENCY));
        assert_eq!(drain(&mut reorder, now + LATENCY), [(3, true)]);
        assert!(!reorder.insert(now + LATENCY, 2, 2), "too late");
    }

    #[test]
    fn duplicates_are_refused() {
        let now = Instant::now();
        let mut reorder = Reorder::new(LATENCY);
        assert!(reorder.insert(now, 1, 1));
        assert!(reorder.insert(now, 3, 3));
        assert!(!reorder.insert(now, 3, 3));
        drain(&mut reorder, now);
        assert!(!reorder.insert(now, 1, 1));
    }

    #[test]
    fn a_source_counting_anew_is_followed() {
        let now = Instant::now();
        let mut reorder = Reorder::new(LATENCY);
        reorder.insert(now, 100_000, 1);
        drain(&mut reorder, now);
        assert!(reorder.insert(now, 70_000, 2));
        assert_eq!(drain(&mut reorder, now), [(2, false)]);
    }

    #[test]
    fn a_full_buffer_gives_up_the_gap() {
        let now = Instant::now();
        let mut reorder = Reorder::new(LATENCY);
        reorder.insert(now, 0, 0);
        for sequence in 2..CAPACITY as u64 + 2 {
            reorder.insert(now, sequence, sequence);
        }
        assert_eq!(drain(&mut reorder, now).len(), CAPACITY + 1);
    }
}
