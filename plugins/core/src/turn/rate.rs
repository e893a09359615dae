// SPDX-License-Identifier: MIT OR Apache-2.0
//! Token buckets: one for a rate of bytes, and a table of a fixed size for errors to strangers.

use super::path::{FiveTuple, Transport};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Buckets for errors. Strangers that share one share its tokens; so a flood makes nothing grow.
const BUCKETS: usize = 8192;

/// A rate that may be exceeded for a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// What is left, in nanoseconds of the rate.
    saved: u64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(now: Instant, burst: Duration) -> Bucket {
        Bucket {
            saved: burst.as_nanos() as u64,
            at: now,
        }
    }

    /// Takes `amount` at `per_second`, if that much is left. No rate is no limit.
    pub(super) fn take(
        &mut self,
        now: Instant,
        amount: u64,
        per_second: u64,
        burst: Duration,
    ) -> bool {
        let since = now.saturating_duration_since(self.at).as_nanos() as u64;
        self.at = now;
        self.saved = self
            .saved
            .saturating_add(since)
            .min(burst.as_nanos() as u64);
        let cost = amount.saturating_mul(1_000_000_000) / per_second.max(1);
        match self.saved.checked_sub(cost) {
            Some(rest) => {
                self.saved = rest;
                true
            }
            None => false,
        }
    }
}

/// Limits the errors that go to those nobody has vouched for.
pub(super) struct ErrorRate {
    per_second: u32,
    hasher: RandomState,
    buckets: Box<[Bucket]>,
}

impl ErrorRate {
    pub(super) fn new(now: Instant, per_second: u32) -> ErrorRate {
        ErrorRate {
            per_second,
            hasher: RandomState::new(),
            buckets: vec![Bucket::new(now, SECOND); BUCKETS].into(),
        }
    }

    /// Whether another one may go there.
    pub(super) fn allows(&mut self, now: Instant, to: &FiveTuple) -> bool {
        let mut hasher = self.hasher.build_hasher();
        match to.client.ip() {
            IpAddr::V4(ip) => hasher.write_u32(ip.to_bits()),
            // Whoever has one address of a /64 has them all.
            IpAddr::V6(ip) => hasher.write_u64((ip.to_bits() >> 64) as u64),
        }
        // Who shares an address with others has shown to be another one by connecting, and would not ask again if not answered.
        if to.transport != Transport::Udp {
            hasher.write_u16(to.client.port());
        }
        let at = hasher.finish() as usize % BUCKETS;
        self.per_second > 0 && self.buckets[at].take(now, 1, self.per_second.into(), SECOND)
    }
}

const SECOND: Duration = Duration::from_secs(1);
