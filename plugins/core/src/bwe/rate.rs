// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rate by delay: up by little steps, down at once (draft-ietf-rmcat-gcc-02 §5.5).

use super::delay::Usage;
use std::time::Duration;

/// What arrives is multiplied with this on over-use (§5.5).
const BETA: f64 = 0.85;
/// Growth per second far from the capacity (§5.5).
const GROWTH: f64 = 1.08;
/// The rate never grows beyond what arrives by more than this factor and offset, bit/s (§5.5 has 1.5; probes do the rest).
const HEADROOM: (f64, f64) = (1.25, 10_000.0);
/// Least growth per second near the capacity, bit/s.
const MIN_STEP: f64 = 4_000.0;
/// Bits in a large packet, and frames per second: near the capacity the rate grows by half a packet per response.
const PACKET_BITS: f64 = 1_200.0 * 8.0;
const FRAMES: f64 = 30.0;
/// A queue is drained by this share of what arrives.
const DRAIN: f64 = 0.7;
/// A probe proves its rate for so long, µs.
const PROOF: u64 = 600_000;
/// What the feedback adds to the round trip.
const REACTION: Duration = Duration::from_millis(100);

/// The state of §5.5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Hold,
    Increase,
}

/// The rate.
#[derive(Debug)]
pub(super) struct RateControl {
    rate: f64,
    limits: (f64, f64),
    state: State,
    capacity: Capacity,
    changed: Option<u64>,
    reduced: Option<u64>,
    /// When a probe has shown how much.
    probed: Option<(u64, f64)>,
    before_drain: f64,
}

impl RateControl {
    /// Begins at `start`, stays between `limits`; all in bit/s.
    pub(super) fn new(start: u64, limits: (u64, u64)) -> RateControl {
        RateControl {
            rate: start as f64,
            limits: (limits.0 as f64, limits.1 as f64),
            state: State::Increase,
            capacity: Capacity::default(),
            changed: None,
            reduced: None,
            probed: None,
            before_drain: 0.0,
        }
    }

    /// bit/s.
    pub(super) fn rate(&self) -> u64 {
        self.rate as u64
    }

    /// Takes the verdict on the delay at `now` µs, of packets of which the newest was sent at `sent` µs.
    pub(super) fn update(
        &mut self,
        now: u64,
        sent: u64,
        usage: Usage,
        arriving: Option<u64>,
        round_trip: Duration,
    ) {
        let arriving = arriving.map(|rate| rate as f64);
        match usage {
            Usage::Over => {
                if self.may_reduce(sent) {
                    self.decrease(now, arriving);
                }
                self.state = State::Hold;
            }
            Usage::Under => self.state = State::Hold,
            Usage::Normal if self.state == State::Hold => self.state = State::Increase,
            Usage::Normal => self.increase(now, arriving, round_trip),
        }
        self.changed = Some(now);
    }

    /// A probe has shown that so much passes. A rate that nobody uses is not believed against it.
    pub(super) fn probed(&mut self, now: u64, shown: u64, filled: bool, arriving: Option<u64>) {
        self.probed = Some((now, shown as f64));
        let least = match arriving {
            Some(arriving) if filled => self.rate.min(arriving as f64),
            _ => self.rate,
        };
        self.set(least.max(shown as f64));
        if self.capacity.upper().is_some_and(|upper| self.rate > upper) {
            self.capacity = Capacity::default();
        }
    }

    /// Sends less than arrives, so that a queue drains.
    pub(super) fn drain(&mut self, arriving: Option<u64>) {
        if let Some(arriving) = arriving {
            self.before_drain = self.rate;
            self.set(self.rate.min(arriving as f64 * DRAIN));
        }
        self.state = State::Hold;
    }

    /// The queue is not ours: goes on as before it was tried.
    pub(super) fn restore(&mut self) {
        self.set(self.rate.max(self.before_drain));
    }

    /// Nothing is heard of the peer: less.
    pub(super) fn starve(&mut self) {
        self.set(self.rate / 2.0);
    }

    /// What was sent before the last reduction speaks of the rate before it.
    fn may_reduce(&self, sent: u64) -> bool {
        self.reduced.is_none_or(|at| sent > at)
    }

    fn decrease(&mut self, now: u64, arriving: Option<f64>) {
        // A probe fills the queue for a moment, and what arrives is measured over a while: neither speaks against what it has shown.
        let shown = self.probed.filter(|(at, _)| now < at + PROOF);
        if shown.is_some_and(|(_, shown)| self.rate <= shown) {
            return;
        }
        self.reduced = Some(now);
        let Some(arriving) = arriving else {
            self.set(self.rate / 2.0);
            return;
        };
        let mut target = BETA * arriving;
        if target > self.rate
            && let Some(capacity) = self.capacity.mean()
        {
            target = BETA * capacity;
        }
        if arriving < self.rate && self.capacity.lower().is_some_and(|lower| arriving < lower) {
            self.capacity = Capacity::default();
        }
        self.capacity.sample(arriving);
        self.set(self.rate.min(target));
    }

    fn increase(&mut self, now: u64, arriving: Option<f64>, round_trip: Duration) {
        let seconds = self
            .changed
            .map_or(0.0, |at| now.saturating_sub(at) as f64 / 1e6)
            .min(1.0);
        if let (Some(rate), Some(upper)) = (arriving, self.capacity.upper())
            && rate > upper
        {
            self.capacity = Capacity::default();
        }
        let step = if self.capacity.mean().is_some() {
            self.step_per_second(round_trip) * seconds
        } else {
            (self.rate * (GROWTH.powf(seconds) - 1.0)).max(1_000.0 * seconds)
        };
        // A flow that does not use what it has learns nothing about more.
        let most = arriving.map_or(f64::INFINITY, |rate| HEADROOM.0 * rate + HEADROOM.1);
        if self.rate < most {
            self.set((self.rate + step).min(most));
        }
        // What arrives and leaves no queue behind fits.
        self.set(self.rate.max(arriving.unwrap_or(0.0)));
    }

    /// Half a packet per response time (§5.5).
    fn step_per_second(&self, round_trip: Duration) -> f64 {
        let per_frame = self.rate / FRAMES;
        let packet = per_frame / (per_frame / PACKET_BITS).ceil();
        let response = (round_trip + REACTION).as_secs_f64() * 2.0;
        (packet / response).max(MIN_STEP)
    }

    fn set(&mut self, rate: f64) {
        self.rate = rate.clamp(self.limits.0, self.limits.1);
    }
}

/// What arrived while the path was over-used, in kbit/s: where the next over-use is to be expected.
#[derive(Debug, Default)]
struct Capacity {
    /// Mean, and variance normalised by the mean.
    estimate: Option<(f64, f64)>,
}

impl Capacity {
    fn sample(&mut self, rate: f64) {
        const WEIGHT: f64 = 0.05;
        let sample = rate / 1e3;
        let (mean, variance) = self.estimate.map_or((sample, 0.4), |(mean, variance)| {
            (mean + WEIGHT * (sample - mean), variance)
        });
        let error = mean - sample;
        let variance = (1.0 - WEIGHT) * variance + WEIGHT * error * error / mean.max(1.0);
        self.estimate = Some((mean, variance.clamp(0.4, 2.5)));
    }

    fn mean(&self) -> Option<f64> {
        self.estimate.map(|(mean, _)| mean * 1e3)
    }

    fn upper(&self) -> Option<f64> {
        self.estimate
            .map(|(mean, variance)| (mean + 3.0 * (variance * mean).sqrt()) * 1e3)
    }

    fn lower(&self) -> Option<f64> {
        self.estimate
            .map(|(mean, variance)| (mean - 3.0 * (variance * mean).sqrt()).max(0.0) * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    fn control() -> RateControl {
        RateControl::new(1_000_000, (50_000, 50_000_000))
    }

    #[test]
    fn grows_by_8_percent_per_second_while_it_is_used() {
        let mut control = control();
        for n in 0..=11 {
            control.update(
                n * 100_000,
                n * 100_000,
                Usage::Normal,
                Some(control.rate()),
                ROUND_TRIP,
            );
        }
        assert!(
            (1_075_000..1_095_000).contains(&control.rate()),
            "{}",
            control.rate()
        );
    }

    #[test]
    fn falls_to_85_percent_of_what_arrives() {
        let mut control = control();
        control.update(0, 0, Usage::Over, Some(800_000), ROUND_TRIP);
        assert_eq!(control.rate(), 680_000);
        // Packets from before that say nothing new.
        control.update(90_000, 0, Usage::Over, Some(600_000), ROUND_TRIP);
        assert_eq!(control.rate(), 680_000);
        control.update(90_000, 10_000, Usage::Over, Some(600_000), ROUND_TRIP);
        assert_eq!(control.rate(), 510_000);
    }

    #[test]
    fn a_flow_that_sends_little_is_not_trusted_with_more() {
        let mut control = control();
        for n in 0..200 {
            control.update(
                n * 100_000,
                n * 100_000,
                Usage::Normal,
                Some(700_000),
                ROUND_TRIP,
            );
        }
        assert!(control.rate() <= 1_060_000, "{}", control.rate());
        control.probed(0, 3_000_000, false, None);
        assert_eq!(control.rate(), 3_000_000);
    }

    #[test]
    fn stays_within_its_limits() {
        let mut control = control();
        control.update(0, 0, Usage::Over, Some(1_000), ROUND_TRIP);
        assert_eq!(control.rate(), 50_000);
        control.probed(0, u64::MAX, false, None);
        assert_eq!(control.rate(), 50_000_000);
    }
}
