// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was sent and not reported yet, by transport-wide sequence number.

/// Packets remembered at first: half a second of a video of 150 packets/s.
const FIRST_CAPACITY: usize = 64;
/// Packets remembered at most: a second at 40 Mbit/s.
const MAX_CAPACITY: usize = 4096;
/// A packet without a report for so long will have none: its room is taken rather than more.
const FORGOTTEN_MICROS: u32 = 1_000_000;
/// Room that a burst took is given back after so long, µs.
const TRIM: u64 = 2_000_000;

/// What is known of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Fate {
    Unknown,
    Lost,
    Received,
}

/// A packet: eight bytes of memory.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Microseconds since the log began, wrapping after 71 minutes.
    at: u32,
    bytes: u16,
    cluster: u8,
    fate: Fate,
}

const EMPTY: Entry = Entry {
    at: 0,
    bytes: 0,
    cluster: 0,
    fate: Fate::Received,
};

/// A packet that a report speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    /// Microseconds since the log began.
    pub(super) at: u64,
    pub(super) bytes: u16,
    /// Probe cluster it belongs to; 0: none.
    pub(super) cluster: u8,
    /// An earlier report called it lost.
    pub(super) was_lost: bool,
}

/// The log: a ring that grows with what is in flight, up to 32 KiB.
#[derive(Debug)]
pub(super) struct SentLog {
    ring: Box<[Entry]>,
    next: u64,
    /// Packets before it are forgotten.
    oldest: u64,
    trimmed: u64,
}

impl Default for SentLog {
    fn default() -> Self {
        SentLog {
            ring: Box::new([EMPTY; FIRST_CAPACITY]),
            // Not 0, so that a report about something older is not before the beginning.
            next: 1,
            oldest: 1,
            trimmed: 0,
        }
    }
}

impl SentLog {
    /// The sequence number of the packet that is noted next.
    #[inline]
    pub(super) fn next(&self) -> u16 {
        self.next as u16
    }

    /// Notes a packet sent at `at` µs and says its sequence number.
    #[inline]
    pub(super) fn push(&mut self, at: u64, bytes: usize, cluster: u8) -> u16 {
        if self.next - self.oldest >= self.ring.len() as u64 {
            self.make_room(at);
        }
        let index = self.index(self.next);
        self.ring[index] = Entry {
            at: at as u32,
            bytes: bytes.min(usize::from(u16::MAX)) as u16,
            cluster,
            fate: Fate::Unknown,
        };
        self.next += 1;
        (self.next - 1) as u16
    }

    /// The packet of that number arrived. `None`: unknown, or known before.
    pub(super) fn received(&mut self, now: u64, sequence: u16) -> Option<Sent> {
        self.settle(now, sequence, Fate::Received)
    }

    /// The packet of that number did not arrive. `None`: unknown, or known before.
    pub(super) fn lost(&mut self, now: u64, sequence: u16) -> Option<Sent> {
        self.settle(now, sequence, Fate::Lost)
    }

    /// Forgets now and then what nobody will report any more, and gives its room back.
    pub(super) fn trim(&mut self, now: u64) {
        if now < self.trimmed + TRIM {
            return;
        }
        self.trimmed = now;
        let awaited = |n: &u64| {
            let age = (now as u32).wrapping_sub(self.ring[self.index(*n)].at);
            age < FORGOTTEN_MICROS
        };
        let recent = (self.oldest..self.next).rev().take_while(awaited).count();
        let capacity = (2 * recent).next_power_of_two().max(FIRST_CAPACITY);
        if capacity < self.ring.len() {
            self.oldest = self.next - recent as u64;
            self.resize(capacity);
        }
    }

    /// Bytes of memory of the ring.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.ring)
    }

    fn settle(&mut self, now: u64, sequence: u16, fate: Fate) -> Option<Sent> {
        let back = u64::from((self.next as u16).wrapping_sub(sequence));
        if back == 0 || back > self.next - self.oldest {
            return None;
        }
        let index = self.index(self.next - back);
        let entry = &mut self.ring[index];
        if entry.fate == Fate::Received || entry.fate == fate {
            return None;
        }
        let was_lost = entry.fate == Fate::Lost;
        entry.fate = fate;
        Some(Sent {
            at: widen(now, entry.at),
            bytes: entry.bytes,
            cluster: entry.cluster,
            was_lost,
        })
    }

    fn index(&self, sequence: u64) -> usize {
        sequence as usize & (self.ring.len() - 1)
    }

    /// Forgets the oldest packet, or grows where that one may still be reported.
    #[inline]
    fn make_room(&mut self, now: u64) {
        let oldest = self.ring[self.index(self.oldest)];
        let awaited =
            oldest.fate == Fate::Unknown && (now as u32).wrapping_sub(oldest.at) < FORGOTTEN_MICROS;
        if awaited && self.ring.len() < MAX_CAPACITY {
            self.grow();
        } else {
            self.oldest += 1;
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.resize(self.ring.len() * 2);
    }

    /// Moves what is remembered, which has to fit, to a ring of that length, a power of two.
    fn resize(&mut self, length: usize) {
        let mut ring = vec![EMPTY; length].into_boxed_slice();
        for n in self.oldest..self.next {
            ring[n as usize & (length - 1)] = self.ring[self.index(n)];
        }
        self.ring = ring;
    }
}

/// The time of which `low` are the lowest bits, not after `now`.
fn widen(now: u64, low: u32) -> u64 {
    now.saturating_sub(u64::from((now as u32).wrapping_sub(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_eight_bytes() {
        assert_eq!(size_of::<Entry>(), 8);
    }

    #[test]
    fn each_packet_is_reported_once_and_a_loss_may_be_taken_back() {
        let mut log = SentLog::default();
        let first = log.push(1_000, 100, 0);
        let second = log.push(2_000, 200, 3);
        assert_eq!(second, first + 1);
        let sent = log.received(9_000, first).expect("in flight");
        assert_eq!((sent.at, sent.bytes, sent.cluster), (1_000, 100, 0));
        assert_eq!(log.received(9_000, first), None);
        assert_eq!(log.lost(9_000, first), None);
        assert!(!log.lost(9_000, second).expect("in flight").was_lost);
        assert_eq!(log.lost(9_000, second), None);
        assert!(log.received(9_000, second).expect("late").was_lost);
    }

    #[test]
    fn numbers_that_were_never_used_are_not_known() {
        let mut log = SentLog::default();
        let first = log.push(0, 100, 0);
        assert_eq!(log.received(1, first.wrapping_add(1)), None);
        assert_eq!(log.received(1, first.wrapping_sub(1)), None);
        assert_eq!(log.received(1, first.wrapping_add(0x8000)), None);
    }

    #[test]
    fn the_ring_grows_only_for_packets_in_flight() {
        let mut log = SentLog::default();
        for n in 0..1_000 {
            let sequence = log.push(n, 100, 0);
            log.received(n, sequence);
        }
        assert_eq!(log.ring.len(), FIRST_CAPACITY);
        let first = log.push(2_000, 100, 0);
        for n in 0..500 {
            log.push(2_000 + n, 100, 0);
        }
        assert_eq!(log.ring.len(), 512);
        assert!(log.received(3_000, first).is_some());
        for n in 0..100_000 {
            log.push(4_000 + n, 100, 0);
        }
        assert_eq!(log.ring.len(), MAX_CAPACITY);
    }

    #[test]
    fn the_room_of_a_burst_is_given_back_and_nothing_awaited_with_it() {
        let mut log = SentLog::default();
        for n in 0..3_000 {
            log.push(n, 100, 0);
        }
        assert_eq!(log.ring.len(), MAX_CAPACITY);
        let later: Vec<u16> = (0..500)
            .map(|n| log.push(3_000_000 + n * 5_000, 100, 0))
            .collect();
        log.trim(5_500_000);
        assert_eq!(log.ring.len(), 512);
        let known: Vec<_> = later
            .iter()
            .map(|sequence| log.received(5_500_000, *sequence).map(|sent| sent.at))
            .collect();
        assert_eq!(known.iter().flatten().count(), 199);
        assert_eq!(known.last(), Some(&Some(5_495_000)));
        for n in 0..200 {
            log.push(5_500_000 + n, 100, 0);
        }
        assert_eq!(log.received(5_600_000, *later.last().expect("one")), None);
    }

    #[test]
    fn sequence_numbers_and_times_wrap() {
        let mut log = SentLog::default();
        for n in 0..200_000u64 {
            let now = n * 50_000;
            let sequence = log.push(now, 100, 0);
            let sent = log.received(now + 40_000, sequence).expect("in flight");
            assert_eq!(sent.at, now);
        }
    }
}
