// SPDX-License-Identifier: MIT OR Apache-2.0
//! One moment on two clocks: the system's monotonic one, on which packets are stamped, and the pipeline's.

use gst::prelude::*;
use std::time::{Duration, Instant};

/// Two readings this close together count as one moment.
const CLOSE_ENOUGH: Duration = Duration::from_micros(100);

/// How far a buffer's time may be from now before it is taken for nonsense.
const PLAUSIBLE: Duration = Duration::from_secs(10);

/// One moment, seen on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockSample {
    instant: Instant,
    /// Running time in nanoseconds; negative before the pipeline began.
    running_time: i64,
}

impl ClockSample {
    /// Reads both clocks. `None` while the element has no clock.
    pub(super) fn take(element: &impl IsA<gst::Element>) -> Option<ClockSample> {
        let clock = element.clock()?;
        let base_time = element.base_time()?;
        Some(ClockSample::read(&clock, base_time))
    }

    /// The two clocks cannot be read at once: between the readings the thread may lose the processor. Takes the best of three.
    fn read(clock: &gst::Clock, base_time: gst::ClockTime) -> ClockSample {
        let mut best: Option<(Duration, ClockSample)> = None;
        for _ in 0..3 {
            let before = Instant::now();
            let time = clock.time();
            let width = before.elapsed();
            let running_time = time.nseconds() as i64 - base_time.nseconds() as i64;
            if best.as_ref().is_none_or(|(w, _)| width < *w) {
                best = Some((
                    width,
                    ClockSample {
                        instant: before + width / 2,
                        running_time,
                    },
                ));
            }
            if width < CLOSE_ENOUGH {
                break;
            }
        }
        best.expect("the loop runs at least once").1
    }

    /// For elements without a clock: running time began at `instant`, or lies as given.
    pub(super) fn new(instant: Instant, running_time: i64) -> ClockSample {
        ClockSample {
            instant,
            running_time,
        }
    }

    /// The running time at an instant, in nanoseconds.
    pub(super) fn running_time(&self, instant: Instant) -> i64 {
        match instant.checked_duration_since(self.instant) {
            Some(later) => self.running_time.saturating_add(later.as_nanos() as i64),
            None => self
                .running_time
                .saturating_sub((self.instant - instant).as_nanos() as i64),
        }
    }

    /// The instant of a running time; times more than ten seconds off are taken as now.
    pub(super) fn instant(&self, running_time: gst::ClockTime) -> Instant {
        let ahead = running_time.nseconds() as i64 - self.running_time;
        let distance = Duration::from_nanos(ahead.unsigned_abs());
        let instant = match ahead {
            _ if distance > PLAUSIBLE => None,
            0.. => self.instant.checked_add(distance),
            _ => self.instant.checked_sub(distance),
        };
        instant.unwrap_or(self.instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_running_times_are_inverse() {
        let now = Instant::now() + Duration::from_secs(60);
        let sample = ClockSample::new(now, 5_000_000_000);
        let earlier = now - Duration::from_millis(40);
        assert_eq!(sample.running_time(earlier), 4_960_000_000);
        assert_eq!(
            sample.instant(gst::ClockTime::from_mseconds(4_960)),
            earlier
        );
        assert_eq!(
            sample.running_time(sample.instant(gst::ClockTime::from_mseconds(5_250))),
            5_250_000_000
        );
    }

    #[test]
    fn implausible_running_times_are_now() {
        let now = Instant::now();
        let sample = ClockSample::new(now, 0);
        assert_eq!(sample.instant(gst::ClockTime::from_seconds(3_600)), now);
    }
}
