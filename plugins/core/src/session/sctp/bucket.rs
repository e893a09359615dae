// SPDX-License-Identifier: MIT OR Apache-2.0

use std::time::{Duration, Instant};

/// What a message costs beside its bytes, so that many small ones are bounded too.
const OVERHEAD: u64 = 256;

/// Bursts may be as long as what the rate allows in this time.
const BURST: Duration = Duration::from_secs(1);

/// A bound on a rate in bytes per second (the generic cell rate algorithm, ITU-T I.371). What is let through may overdraw it.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u64,
    /// When everything let through would have come at exactly the rate.
    paid: Option<Instant>,
}

impl Bucket {
    /// `rate` is in bytes per second; 0 counts as 1.
    pub(super) fn new(rate: u32) -> Bucket {
        Bucket {
            rate: u64::from(rate.max(1)),
            paid: None,
        }
    }

    /// Whether a message may pass now.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.paid.is_none_or(|paid| paid <= now + BURST)
    }

    /// A message of `len` bytes passes.
    pub(super) fn take(&mut self, now: Instant, len: usize) {
        let bytes = len as u64 + OVERHEAD;
        let time = Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / self.rate);
        self.paid = Some(self.paid.map_or(now, |paid| paid.max(now)) + time);
    }

    /// From when on messages may pass; `None` when nothing has passed yet.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.paid?.checked_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_bursts_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100_000);
        let mut passed = 0_u64;
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            while bucket.is_open(now) {
                bucket.take(now, 744);
                passed += 1_000;
            }
        }
        assert!((1_090_000..=1_110_000).contains(&passed), "{passed}");
    }

    #[test]
    fn it_says_when_it_opens() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000);
        assert!(bucket.is_open(start));
        bucket.take(start, 10_000);
        let at = bucket.opens_at().expect("it is overdrawn");
        assert!(!bucket.is_open(at - Duration::from_nanos(1)));
        assert!(bucket.is_open(at));
    }
}
