// SPDX-License-Identifier: MIT OR Apache-2.0
//! Does the queue grow? The trend of the delay against a threshold that adapts, so that a flow that fills the queue
//! does not starve this one (draft-ietf-rmcat-gcc-02 §5.3, §5.4).

use super::groups::Delta;
use std::collections::VecDeque;

/// Groups of which the trend is taken.
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// What the slope is multiplied with before it is compared, with the number of groups up to [`MAX_GROUPS`].
const GAIN: f64 = 4.0;
const MAX_GROUPS: u32 = 60;
/// Threshold in milliseconds: at first, and its limits (§5.4).
const FIRST_THRESHOLD: f64 = 12.5;
const THRESHOLDS: (f64, f64) = (6.0, 600.0);
/// How fast the threshold rises and falls, per millisecond. §5.4 has it fall at 0.00018, which leaves half a second of queue
/// on a narrow link; browsers at 0.039, which leaves nothing beside TCP.
const RISE: f64 = 0.0087;
const FALL: f64 = 0.0015;
/// A trend this far above the threshold is a spike it does not follow (§5.4).
const SPIKE: f64 = 15.0;
/// A queue that has grown by less than this over the window is none, ms.
const LEAST_RISE: f64 = 3.0;
/// A trend must stay above the threshold so long to be over-use, ms.
const OVERUSE: f64 = 10.0;

/// What the delay says of the path (§5.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Usage {
    /// The queue is steady.
    #[default]
    Normal,
    /// The queue drains.
    Under,
    /// The queue grows.
    Over,
}

/// The detector.
#[derive(Debug)]
pub(super) struct DelayDetector {
    usage: Usage,
    groups: u32,
    accumulated: f64,
    smoothed: f64,
    /// Arrival and smoothed delay, in milliseconds.
    window: VecDeque<(f64, f64)>,
    slope: f64,
    threshold: f64,
    threshold_at: Option<f64>,
    /// How long and how often the trend has been above the threshold.
    above: Option<(f64, u32)>,
}

impl Default for DelayDetector {
    fn default() -> Self {
        DelayDetector {
            usage: Usage::Normal,
            groups: 0,
            accumulated: 0.0,
            smoothed: 0.0,
            window: VecDeque::new(),
            slope: 0.0,
            threshold: FIRST_THRESHOLD,
            threshold_at: None,
            above: None,
        }
    }
}

impl DelayDetector {
    /// The newest verdict.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Bytes of memory on the heap.
    pub(super) fn memory(&self) -> usize {
        self.window.capacity() * size_of::<(f64, f64)>()
    }

    /// Takes the distance of two groups.
    pub(super) fn group(&mut self, delta: Delta) {
        self.groups = (self.groups + 1).min(MAX_GROUPS);
        self.accumulated += delta.delay;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back((delta.arrival, self.smoothed));
        let before = self.slope;
        if self.window.len() == WINDOW
            && let Some(slope) = slope(&self.window)
        {
            self.slope = slope;
        }
        if self.groups >= 2 {
            let trend = f64::from(self.groups) * self.slope * GAIN;
            self.usage = self.judge(trend, self.slope >= before, delta.sent);
            self.adapt(trend, delta.arrival);
        }
    }

    fn judge(&mut self, trend: f64, rising: bool, sent: f64) -> Usage {
        if trend > self.threshold {
            let (lasted, times) = self.above.map_or((sent / 2.0, 1), |(lasted, times)| {
                (lasted + sent, times + 1)
            });
            self.above = Some((lasted, times));
            if lasted > OVERUSE && times > 1 && rising && self.rise() > LEAST_RISE {
                self.above = None;
                return Usage::Over;
            }
            return self.usage;
        }
        self.above = None;
        if trend < -self.threshold {
            Usage::Under
        } else {
            Usage::Normal
        }
    }

    /// How much the delay has grown over the window.
    fn rise(&self) -> f64 {
        let least = self.window.iter().map(|(_, delay)| *delay);
        self.smoothed - least.fold(f64::INFINITY, f64::min)
    }

    fn adapt(&mut self, trend: f64, at: f64) {
        let elapsed = at - self.threshold_at.replace(at).unwrap_or(at);
        let distance = trend.abs() - self.threshold;
        if distance > SPIKE {
            return;
        }
        let speed = if distance < 0.0 { FALL } else { RISE };
        let threshold = self.threshold + speed * distance * elapsed.clamp(0.0, 100.0);
        self.threshold = threshold.clamp(THRESHOLDS.0, THRESHOLDS.1);
    }
}

/// Least squares; `None` when all arrived at once.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let n = points.len() as f64;
    let (sum_x, sum_y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let (over, under) = points.iter().fold((0.0, 0.0), |(over, under), (x, y)| {
        let dx = x - mean_x;
        (over + dx * (y - mean_y), under + dx * dx)
    });
    (under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts on groups every 20 ms whose delay grows by `delay(n)` ms.
    fn verdicts(count: u32, delay: impl Fn(u32) -> f64) -> Vec<Usage> {
        let mut detector = DelayDetector::default();
        let mut arrival = 0.0;
        (0..count)
            .map(|n| {
                arrival += 20.0 + delay(n);
                detector.group(Delta {
                    sent: 20.0,
                    delay: delay(n),
                    arrival,
                });
                detector.usage()
            })
            .collect()
    }

    #[test]
    fn a_steady_delay_is_normal() {
        assert!(verdicts(500, |_| 0.0).iter().all(|u| *u == Usage::Normal));
    }

    #[test]
    fn jitter_of_a_few_milliseconds_is_normal() {
        let jitter = |n: u32| if n.is_multiple_of(2) { 4.0 } else { -4.0 };
        assert!(verdicts(500, jitter).iter().all(|u| *u == Usage::Normal));
    }

    #[test]
    fn a_growing_delay_is_overuse_within_a_second() {
        assert!(verdicts(50, |_| 2.0).contains(&Usage::Over));
    }

    #[test]
    fn a_draining_queue_is_underuse() {
        let grows_then_drains = |n| if n < 50 { 4.0 } else { -4.0 };
        assert_eq!(verdicts(90, grows_then_drains).last(), Some(&Usage::Under));
    }
}
