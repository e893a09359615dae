// SPDX-License-Identifier: MIT OR Apache-2.0
//! A link: a rate, a delay, jitter, loss, and a queue that drops what does not fit.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What a link is like. Times in µs, rates in bit/s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) rate: u64,
    pub(super) delay: u64,
    pub(super) jitter: u64,
    /// Probability that a packet is lost, outside a burst.
    pub(super) loss: f64,
    /// Probability that a burst of loss begins, and its mean length in packets.
    pub(super) burst: (f64, f64),
    /// The longest the queue may become.
    pub(super) queue: u64,
    /// How long at most the receiver's processor leaves a packet lying.
    pub(super) busy: u64,
    /// Bytes that pass at once after a time of less, as the buckets of access links let them.
    pub(super) bucket: u64,
}

impl Shape {
    pub(super) fn of(rate: u64) -> Shape {
        Shape {
            rate,
            delay: 20_000,
            jitter: 0,
            loss: 0.0,
            burst: (0.0, 1.0),
            queue: 300_000,
            busy: 0,
            bucket: 0,
        }
    }
}

/// The link. Packets never overtake each other.
pub(super) struct Link {
    pub(super) shape: Shape,
    random: StdRng,
    free: u64,
    last_arrival: u64,
    in_burst: bool,
    pub(super) dropped: u64,
}

impl Link {
    pub(super) fn new(shape: Shape, seed: u64) -> Link {
        Link {
            shape,
            random: StdRng::seed_from_u64(seed),
            free: 0,
            last_arrival: 0,
            in_burst: false,
            dropped: 0,
        }
    }

    /// Takes another shape; what is queued drains at the new rate.
    pub(super) fn reshape(&mut self, now: u64, shape: Shape) {
        let backlog = self.backlog(now) as u128 * u128::from(self.shape.rate);
        self.free = now + (backlog / u128::from(shape.rate)) as u64;
        self.shape = shape;
    }

    /// How long a packet would wait now.
    pub(super) fn backlog(&self, now: u64) -> u64 {
        self.free.saturating_sub(now)
    }

    /// When a packet arrives; `None`: never.
    pub(super) fn send(&mut self, now: u64, bytes: usize) -> Option<u64> {
        let took = bytes as u64 * 8_000_000 / self.shape.rate;
        if self.backlog(now) + took > self.shape.queue {
            self.dropped += 1;
            return None;
        }
        let saved = self.shape.bucket * 8_000_000 / self.shape.rate;
        self.free = self.free.max(now.saturating_sub(saved)) + took;
        if self.is_lost() {
            return None;
        }
        let jitter = self.random.random_range(0..=self.shape.jitter);
        let arrival = self.free.max(now) + self.shape.delay + jitter;
        self.last_arrival = self.last_arrival.max(self.noticed(arrival));
        Some(self.last_arrival)
    }

    /// When a busy processor gets to what comes in at `arrival`: later and later for a sixth of a second, and then, every two
    /// seconds, at once again.
    fn noticed(&self, arrival: u64) -> u64 {
        let share = (arrival % 2_000_000).min(150_000) as f64 / 150e3;
        arrival + (self.shape.busy as f64 * share) as u64
    }

    fn is_lost(&mut self) -> bool {
        let (begins, length) = self.shape.burst;
        let change = if self.in_burst { 1.0 / length } else { begins };
        self.in_burst ^= self.random.random_bool(change);
        self.in_burst || self.random.random_bool(self.shape.loss)
    }
}
