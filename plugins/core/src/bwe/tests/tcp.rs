// SPDX-License-Identifier: MIT OR Apache-2.0
//! A bulk transfer beside the media: loss-based congestion control with Reno's or CUBIC's growth (RFC 5681, RFC 9438).

use super::link::Link;
use std::collections::VecDeque;

const SEGMENT: usize = 1_500;
/// CUBIC's constants (RFC 9438 §4.1).
const CUBIC_C: f64 = 0.4;
const CUBIC_BETA: f64 = 0.7;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Growth {
    Reno,
    Cubic,
}

pub(super) struct Tcp {
    growth: Growth,
    window: f64,
    threshold: f64,
    /// When each packet in flight is known to have arrived (true) or not.
    flight: VecDeque<(u64, bool)>,
    reduced: u64,
    /// CUBIC: window before the last loss.
    most: f64,
    pub(super) delivered: u64,
}

impl Tcp {
    pub(super) fn new(growth: Growth) -> Tcp {
        Tcp {
            growth,
            window: 10.0,
            threshold: f64::INFINITY,
            flight: VecDeque::new(),
            reduced: 0,
            most: 0.0,
            delivered: 0,
        }
    }

    /// Takes what is acknowledged and sends what the window allows.
    pub(super) fn run(&mut self, now: u64, link: &mut Link) {
        while self.flight.front().is_some_and(|(at, _)| *at <= now) {
            match self.flight.pop_front() {
                Some((_, true)) => self.acknowledged(now),
                _ => self.lost(now, link),
            }
        }
        while (self.flight.len() as f64) < self.window {
            let back = link.shape.delay;
            let arrival = link.send(now, SEGMENT);
            // A loss is seen by the acknowledgements of what came after it.
            let known = arrival.unwrap_or(now + link.backlog(now) + back) + back;
            let known = known.max(self.flight.back().map_or(0, |(at, _)| *at));
            self.flight.push_back((known, arrival.is_some()));
        }
    }

    fn acknowledged(&mut self, now: u64) {
        self.delivered += SEGMENT as u64;
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        let target = match self.growth {
            Growth::Reno => self.window + 1.0,
            Growth::Cubic => self.cubic(now),
        };
        self.window += ((target - self.window) / self.window).clamp(0.0, 0.5);
    }

    fn cubic(&self, now: u64) -> f64 {
        let t = now.saturating_sub(self.reduced) as f64 / 1e6;
        let k = (self.most * (1.0 - CUBIC_BETA) / CUBIC_C).cbrt();
        CUBIC_C * (t - k).powi(3) + self.most
    }

    fn lost(&mut self, now: u64, link: &Link) {
        let round_trip = link.backlog(now) + 2 * link.shape.delay;
        if now < self.reduced + round_trip {
            return;
        }
        self.reduced = now;
        self.most = self.window;
        self.window *= match self.growth {
            Growth::Reno => 0.5,
            Growth::Cubic => CUBIC_BETA,
        };
        self.window = self.window.max(2.0);
        self.threshold = self.window;
    }
}
