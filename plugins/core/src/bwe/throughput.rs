// SPDX-License-Identifier: MIT OR Apache-2.0
//! What arrives: the rate by the receiver's own clock, smoothed by how far it can be trusted.

use super::bits_per_second;

/// Time over which a rate is taken, µs: the first, and all others.
const FIRST_WINDOW: i64 = 500_000;
const WINDOW: i64 = 150_000;
/// Time after which the first rate of a full path may be told, µs.
const LEAST_WINDOW: i64 = 100_000;
/// After a pause of this length the past says nothing, µs.
const PAUSE: i64 = 2_000_000;
/// How much a sample that differs from the estimate is distrusted.
const DISTRUST: f64 = 10.0;

/// The rate at which packets arrive.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    begin: Option<i64>,
    last: i64,
    bytes: u64,
    /// kbit/s and its variance.
    estimate: Option<(f64, f64)>,
    /// kbit/s in the newest window.
    newest: f64,
}

impl Throughput {
    /// Takes an arrival, in the order they came.
    #[inline]
    pub(super) fn packet(&mut self, arrival: i64, bytes: u16) {
        let begin = *self.begin.get_or_insert(arrival);
        let paused = arrival - self.last > PAUSE && self.bytes > 0;
        if arrival < begin || paused {
            *self = Throughput {
                begin: Some(arrival),
                last: arrival,
                bytes: u64::from(bytes),
                ..Throughput::default()
            };
            return;
        }
        // The first window is longer.
        let elapsed = arrival - begin;
        if elapsed >= WINDOW && (elapsed >= FIRST_WINDOW || self.estimate.is_some()) {
            // What arrived at `begin` belongs to the time before it, this packet to the time up to it.
            let rate = bits_per_second(self.bytes, elapsed as u64);
            self.sample(rate as f64 / 1e3);
            (self.begin, self.bytes) = (Some(arrival), 0);
        }
        self.last = arrival;
        self.bytes += u64::from(bytes);
    }

    /// bit/s; `None` before half a second of packets.
    pub(super) fn rate(&self) -> Option<u64> {
        self.estimate.map(|(rate, _)| (rate * 1e3) as u64)
    }

    /// bit/s of a path that is full: the smoothed rate lags behind one that has just risen.
    pub(super) fn of_full_path(&self) -> Option<u64> {
        match self.estimate {
            Some((rate, _)) => Some((rate.max(self.newest) * 1e3) as u64),
            None => self.so_far(),
        }
    }

    /// bit/s of the first window, as far as it goes.
    fn so_far(&self) -> Option<u64> {
        let elapsed = self.last - self.begin?;
        (elapsed >= LEAST_WINDOW).then(|| bits_per_second(self.bytes, elapsed as u64))
    }

    fn sample(&mut self, sample: f64) {
        self.newest = sample;
        let Some((estimate, variance)) = self.estimate else {
            self.estimate = Some((sample, 50.0));
            return;
        };
        let uncertainty = DISTRUST * (estimate - sample).abs() / estimate.max(1.0);
        let (of_sample, of_past) = (uncertainty * uncertainty, variance + 5.0);
        self.estimate = Some((
            (of_sample * estimate + of_past * sample) / (of_sample + of_past),
            of_sample * of_past / (of_sample + of_past),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_rate_within_5_percent() {
        let mut throughput = Throughput::default();
        for n in 0..200 {
            throughput.packet(n * 10_000, 1_250);
        }
        let rate = throughput.rate().expect("two seconds of packets");
        assert!((950_000..1_050_000).contains(&rate), "{rate}");
        for n in 0..200 {
            throughput.packet(2_000_000 + n * 20_000, 1_250);
        }
        let rate = throughput.rate().expect("two seconds of packets");
        assert!((475_000..525_000).contains(&rate), "{rate}");
    }

    #[test]
    fn a_pause_begins_anew() {
        let mut throughput = Throughput::default();
        for n in 0..100 {
            throughput.packet(n * 10_000, 1_250);
        }
        assert!(throughput.rate().is_some());
        throughput.packet(10_000_000, 1_250);
        assert_eq!(throughput.rate(), None);
    }
}
