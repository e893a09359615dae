// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much may be sent at once: bursts leave no faster than the path digests them.
//!
//! Two leaky buckets hold what was sent lately. One leaks at a multiple of the estimate and holds little: it spreads a burst
//! over time. The other leaks at the estimate itself, as the narrowest link on the path does, and stands for the queue before it:
//! it keeps that queue short. What fits in both goes at once, so a stream below the estimate never waits.
//!
//! Everything that is sent counts; only the caller decides what waits. Sound does not.

/// A burst leaves at this multiple of the estimate, in halves: 2.5, as senders of libwebrtc do.
const SPREAD_HALVES: u64 = 5;
/// As much of the estimate may go in one piece, in µs of it: a picture of a stream that fits, at 25 a second and more.
const AT_ONCE: u64 = 40_000;
/// As much of it may wait in the queue of the path, µs.
const IN_PATH: u64 = 100_000;
/// A byte, in the unit of a bucket.
const BYTE: u64 = 1_000_000;

/// Before anything is known of the path: a keyframe of usual size goes, spread to this many bytes a second, …
const FIRST_SPREAD: u64 = 1_000_000;
const FIRST: u64 = 40_000 * BYTE;
/// … and then this many bytes a second, which most tracks need.
const FIRST_RATE: u64 = 2_000_000 / 8;

/// What the path carries, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// Nobody will ever say.
    Unlimited,
    /// Nobody has said yet.
    Unknown,
    /// So many bit/s.
    Known(u64),
}

/// What was sent and has not leaked out yet, in millionths of a byte.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u64,
    /// It is full from here on.
    depth: u64,
    /// Bytes per second, which is millionths of a byte per µs.
    rate: u64,
}

impl Bucket {
    const BOTTOMLESS: Bucket = Bucket {
        level: 0,
        depth: u64::MAX,
        rate: u64::MAX,
    };

    fn set(&mut self, rate: u64, depth: u64) {
        (self.rate, self.depth) = (rate.max(1), depth.max(1));
    }

    fn leak(&mut self, elapsed: u64) {
        self.level = self.level.saturating_sub(elapsed.saturating_mul(self.rate));
    }

    /// What goes beyond twice its depth is forgotten: what was sent regardless does not hold up the rest for long.
    fn pour(&mut self, bytes: usize) {
        let most = self.depth.saturating_mul(2);
        self.level = self.level.saturating_add(bytes as u64 * BYTE).min(most);
    }

    fn is_full(&self) -> bool {
        self.level >= self.depth
    }

    /// When it is not full any more, µs from now.
    fn wait(&self) -> u64 {
        let over = self.level.saturating_sub(self.depth - 1);
        over.div_ceil(self.rate)
    }
}

/// The pacer of the path to one peer. Times are in µs of the caller's clock.
#[derive(Debug)]
pub(crate) struct Pacer {
    at: u64,
    spread: Bucket,
    path: Bucket,
}

impl Default for Pacer {
    fn default() -> Self {
        Pacer {
            at: 0,
            spread: Bucket::BOTTOMLESS,
            path: Bucket::BOTTOMLESS,
        }
    }
}

impl Pacer {
    /// What the path carries.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        match pace {
            Pace::Unlimited => (self.spread, self.path) = (Bucket::BOTTOMLESS, Bucket::BOTTOMLESS),
            Pace::Unknown => {
                self.spread.set(FIRST_SPREAD, FIRST_SPREAD * AT_ONCE);
                self.path.set(FIRST_RATE, FIRST);
            }
            Pace::Known(rate) => {
                let bytes = rate / 8;
                self.spread.set(bytes * SPREAD_HALVES / 2, bytes * AT_ONCE);
                self.path.set(bytes, bytes * IN_PATH);
            }
        }
    }

    /// Time passes.
    #[inline]
    pub(crate) fn advance(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.at);
        if elapsed > 0 {
            self.at = now;
            self.spread.leak(elapsed);
            self.path.leak(elapsed);
        }
    }

    /// Something was sent.
    #[inline]
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.spread.pour(bytes);
        self.path.pour(bytes);
    }

    /// What can wait has to wait.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.spread.is_full() || self.path.is_full()
    }

    /// How long it stays full, µs; 0: it is not.
    pub(crate) fn wait(&self) -> u64 {
        self.spread.wait().max(self.path.wait())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1_200;

    /// Sends as much as it lets pass until `end`, looking every millisecond: bytes.
    fn flood(pacer: &mut Pacer, begin: u64, end: u64) -> usize {
        let mut sent = 0;
        for now in (begin..end).step_by(1_000) {
            pacer.advance(now);
            while !pacer.is_full() {
                pacer.spend(PACKET);
                sent += PACKET;
            }
        }
        sent
    }

    fn paced(rate: u64) -> Pacer {
        let mut pacer = Pacer::default();
        pacer.set_pace(Pace::Known(rate));
        pacer
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pacer = Pacer::default();
        for _ in 0..1_000_000 {
            pacer.spend(PACKET);
            assert!(!pacer.is_full() && pacer.wait() == 0);
        }
        pacer.set_pace(Pace::Known(1_000_000));
        pacer.set_pace(Pace::Unlimited);
        pacer.spend(1 << 30);
        assert!(!pacer.is_full());
    }

    #[test]
    fn a_path_that_is_not_known_gets_a_keyframe_and_what_most_tracks_need() {
        let mut pacer = Pacer::default();
        pacer.set_pace(Pace::Unknown);
        let soon = flood(&mut pacer, 0, 50_000);
        assert!((40_000..55_000).contains(&soon), "{soon}");
        let then = flood(&mut pacer, 50_000, 450_000);
        assert!((95_000..105_000).contains(&then), "{then}");
    }

    #[test]
    fn a_picture_of_a_stream_that_fits_goes_at_once() {
        let mut pacer = paced(1_650_000);
        for picture in 0..300u64 {
            pacer.advance(picture * 33_333);
            // 1.5 Mbit/s at 30 pictures a second.
            for _ in 0..5 {
                assert!(!pacer.is_full(), "picture {picture}");
                pacer.spend(1_250);
            }
        }
    }

    #[test]
    fn a_burst_goes_out_at_two_and_a_half_times_the_rate_and_then_at_the_rate() {
        let mut pacer = paced(3_000_000);
        let at_once = flood(&mut pacer, 0, 1_000);
        assert!((15_000..=16_200).contains(&at_once), "{at_once}");
        let then = flood(&mut pacer, 1_000, 21_000);
        assert!((18_000..=20_000).contains(&then), "{then}");
        flood(&mut pacer, 21_000, 100_000);
        let at_last = flood(&mut pacer, 100_000, 1_100_000);
        assert!((370_000..=380_000).contains(&at_last), "{at_last}");
    }

    #[test]
    fn the_queue_of_a_path_of_that_rate_stays_short() {
        let mut pacer = paced(300_000);
        let mut sent = 0;
        for begin in (0..5_000_000u64).step_by(1_000) {
            sent += flood(&mut pacer, begin, begin + 1_000);
            let gone = (begin / 1_000 * 300 / 8) as usize;
            let waiting = sent.saturating_sub(gone) * 8 / 300;
            assert!(waiting < 140, "{waiting} ms after {begin} µs");
        }
    }

    #[test]
    fn the_time_to_wait_is_right() {
        for rate in [40_000, 300_000, 5_000_000] {
            let mut pacer = paced(rate);
            let mut now = 0;
            for _ in 0..100 {
                while !pacer.is_full() {
                    pacer.spend(PACKET);
                }
                let wait = pacer.wait();
                pacer.advance(now + wait - 1);
                assert!(pacer.is_full());
                now += wait;
                pacer.advance(now);
                assert!(!pacer.is_full());
            }
        }
    }

    #[test]
    fn what_is_sent_regardless_is_not_held_against_the_rest_for_ever() {
        let mut pacer = paced(300_000);
        pacer.spend(1_000_000);
        assert!(pacer.wait() <= IN_PATH + 1, "{}", pacer.wait());
    }
}
