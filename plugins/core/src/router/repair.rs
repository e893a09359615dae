// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of a slot's past may be sent again.
//!
//! Retransmissions never exceed the flow's own rate, so a peer that asks for everything again gains nothing by it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A packet is not sent again sooner than this: the peer's next NACK may have crossed the first retransmission.
const AGAIN: Duration = Duration::from_millis(20);
/// Bytes that can be saved up.
const MOST_CREDIT: usize = 512 * 1024;
/// Bytes granted at the start, so that the first packets can be repaired.
const FIRST_CREDIT: usize = 64 * 1024;
/// Retransmissions remembered.
const REMEMBERED: usize = 128;

/// The repair state of one slot.
#[derive(Debug)]
pub(crate) struct Repair {
    credit: usize,
    recent: VecDeque<(u64, Instant)>,
    next_sequence: u64,
}

impl Repair {
    /// RTX numbers begin at `first_sequence`.
    pub(crate) fn new(first_sequence: u64) -> Repair {
        Repair {
            credit: FIRST_CREDIT,
            recent: VecDeque::new(),
            next_sequence: first_sequence,
        }
    }

    /// A packet of the flow went out: as much may be repaired.
    pub(crate) fn earn(&mut self, bytes: usize) {
        self.credit = (self.credit + bytes).min(MOST_CREDIT);
    }

    /// The number of the next packet on the RTX stream.
    pub(crate) fn sequence(&self) -> u64 {
        self.next_sequence
    }

    /// A packet of a probe has taken the next number on the RTX stream.
    pub(crate) fn skip(&mut self) {
        self.next_sequence += 1;
    }

    /// Whether the packet of that number may be sent again now.
    pub(crate) fn allows(&self, now: Instant, sequence: u64, bytes: usize) -> bool {
        let just_sent = self
            .recent
            .iter()
            .any(|(sent, at)| *sent == sequence && now < *at + AGAIN);
        !just_sent && bytes <= self.credit
    }

    /// It was sent again.
    pub(crate) fn sent(&mut self, now: Instant, sequence: u64, bytes: usize, over_rtx: bool) {
        self.credit = self.credit.saturating_sub(bytes);
        self.next_sequence += u64::from(over_rtx);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((sequence, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retransmissions_never_exceed_the_flow() {
        let now = Instant::now();
        let mut repair = Repair::new(1);
        let (mut flow, mut again) = (FIRST_CREDIT, 0);
        for n in 0..10_000u64 {
            repair.earn(1_000);
            flow += 1_000;
            for lost in 0..17 {
                if repair.allows(now, n * 17 + lost, 1_000) {
                    repair.sent(now, n * 17 + lost, 1_000, true);
                    again += 1_000;
                }
            }
        }
        assert!(again <= flow && again > flow / 2, "{again} of {flow}");
    }

    #[test]
    fn one_packet_is_not_sent_twice_within_20_ms() {
        let now = Instant::now();
        let mut repair = Repair::new(1);
        assert!(repair.allows(now, 5, 100));
        repair.sent(now, 5, 100, false);
        assert!(!repair.allows(now + Duration::from_millis(19), 5, 100));
        assert!(repair.allows(now + Duration::from_millis(20), 5, 100));
        assert_eq!(repair.sequence(), 1);
    }
}
