// SPDX-License-Identifier: MIT OR Apache-2.0
//! A link that delays, reorders, duplicates and loses datagrams, by a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};

/// The longest a datagram waits for a link of some rate.
const QUEUE: Duration = Duration::from_millis(300);

/// What a link does to what crosses it.
#[derive(Clone, Copy, Debug)]
pub struct Impairment {
    /// Share lost, 0 to 1.
    pub loss: f64,
    /// Share delivered twice.
    pub duplicate: f64,
    /// One way.
    pub delay: Duration,
    /// Bits per second, with a queue before it; `None`: any number.
    pub rate: Option<u64>,
    /// Bytes that queue holds; `None`: 300 ms of them.
    pub queue: Option<usize>,
    /// Added at random, up to this; more than the distance between packets reorders them.
    pub jitter: Duration,
}

impl Impairment {
    /// 10 ms and nothing else.
    pub const GOOD: Impairment = Impairment {
        loss: 0.0,
        duplicate: 0.0,
        delay: Duration::from_millis(10),
        rate: None,
        queue: None,
        jitter: Duration::ZERO,
    };

    /// A tenth lost, some twice, 20 to 28 ms.
    pub const BAD: Impairment = Impairment {
        loss: 0.1,
        duplicate: 0.01,
        delay: Duration::from_millis(20),
        rate: None,
        queue: None,
        jitter: Duration::from_millis(8),
    };
}

/// One direction of a link.
pub struct Link {
    pub impairment: Impairment,
    random: StdRng,
    /// When what is queued has left.
    free: Option<Instant>,
    /// Datagrams that found no room in the queue.
    pub overflowed: usize,
    /// The longest that one had to wait there.
    pub longest: Duration,
}

impl Link {
    pub fn new(seed: u64) -> Link {
        Link {
            impairment: Impairment::GOOD,
            random: StdRng::seed_from_u64(seed),
            free: None,
            overflowed: 0,
            longest: Duration::ZERO,
        }
    }

    /// When a datagram sent now arrives: not at all, once or twice.
    pub fn arrivals(&mut self, now: Instant, bytes: usize) -> Vec<Instant> {
        let Some(sent) = self.queue(now, bytes) else {
            return Vec::new();
        };
        let copies = 1 + usize::from(self.random.random_bool(self.impairment.duplicate));
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            let jitter = self.impairment.jitter.mul_f64(self.random.random::<f64>());
            if !self.random.random_bool(self.impairment.loss) {
                arrivals.push(sent + self.impairment.delay + jitter);
            }
        }
        arrivals
    }

    /// When a datagram has left the queue; `None`: it found no room there.
    fn queue(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate) = self.impairment.rate else {
            return Some(now);
        };
        let start = self.free.unwrap_or(now).max(now);
        let wait = start - now;
        let room = match self.impairment.queue {
            Some(queue) => wait.as_secs_f64() * rate as f64 / 8.0 + bytes as f64 <= queue as f64,
            None => wait <= QUEUE,
        };
        if !room {
            self.overflowed += 1;
            return None;
        }
        self.longest = self.longest.max(wait);
        let sent = start + Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64);
        self.free = Some(sent);
        Some(sent)
    }
}
