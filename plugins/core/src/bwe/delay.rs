// SPDX-License-Identifier: MIT OR Apache-2.0
//! Does the queue grow? The trend of the delay against a threshold that adapts, so that a flow that fills the queue
//! does not starve this one (draft-ietf-rmcat-gcc-02 §5.3, §5.4).

use super::groups::Delta;

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
/// Groups spread over less time have no trend: variance times the square of their number, ms².
const LEAST_SPREAD: f64 = 1e-3;
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
    window: Window,
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
            window: Window::default(),
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

    /// Takes the distance of two groups.
    pub(super) fn group(&mut self, delta: Delta) {
        self.groups = (self.groups + 1).min(MAX_GROUPS);
        self.accumulated += delta.delay;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        self.window.push(delta.arrival, self.smoothed);
        let before = self.slope;
        if let Some(slope) = self.window.slope() {
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
        self.smoothed - self.window.least()
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

/// The newest groups, and the sums that the trend is made of.
#[derive(Debug, Default)]
struct Window {
    /// Arrival and smoothed delay in milliseconds, in no order.
    groups: [(f64, f64); WINDOW],
    count: usize,
    /// Where the next one goes: in the place of the oldest.
    next: usize,
    /// What is subtracted from both before they are summed up, so that the squares stay small.
    origin: (f64, f64),
    sums: Sums,
}

#[derive(Debug, Default)]
struct Sums {
    x: f64,
    y: f64,
    xy: f64,
    xx: f64,
}

impl Sums {
    fn add(&mut self, (x, y): (f64, f64), sign: f64) {
        self.x += sign * x;
        self.y += sign * y;
        self.xy += sign * x * y;
        self.xx += sign * x * x;
    }
}

impl Window {
    fn push(&mut self, arrival: f64, delay: f64) {
        let group = (arrival, delay);
        let oldest = std::mem::replace(&mut self.groups[self.next], group);
        let is_full = self.count == WINDOW;
        self.count += usize::from(!is_full);
        self.next += 1;
        if self.next == WINDOW {
            // Summed up anew now and then, before rounding adds up.
            self.next = 0;
            self.origin = group;
            self.sums = Sums::default();
            for group in self.groups {
                self.sums.add(self.relative(group), 1.0);
            }
            return;
        }
        self.sums.add(self.relative(group), 1.0);
        if is_full {
            self.sums.add(self.relative(oldest), -1.0);
        }
    }

    fn relative(&self, (arrival, delay): (f64, f64)) -> (f64, f64) {
        (arrival - self.origin.0, delay - self.origin.1)
    }

    /// Least squares; `None` when there are too few, or all arrived at once.
    fn slope(&self) -> Option<f64> {
        if self.count < WINDOW {
            return None;
        }
        let Sums { x, y, xy, xx } = self.sums;
        let n = WINDOW as f64;
        let under = n * xx - x * x;
        (under > LEAST_SPREAD).then(|| (n * xy - x * y) / under)
    }

    fn least(&self) -> f64 {
        let delays = self.groups[..self.count].iter().map(|(_, delay)| *delay);
        delays.fold(f64::INFINITY, f64::min)
    }
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
    fn the_sums_of_the_window_are_those_of_its_groups() {
        let mut window = Window::default();
        let at = |n: u32| {
            let n = f64::from(n);
            (1e9 + n * 33.3, (n * 0.7).sin() * 20.0 + n * 0.5)
        };
        for n in 0..1_000 {
            let (arrival, delay) = at(n);
            window.push(arrival, delay);
            let newest = (n.saturating_sub(WINDOW as u32 - 1)..=n).map(at);
            let groups: Vec<_> = newest.collect();
            assert_eq!(window.slope().is_some(), groups.len() == WINDOW);
            let mean = |of: fn(&(f64, f64)) -> f64| {
                groups.iter().map(of).sum::<f64>() / groups.len() as f64
            };
            let (x, y) = (mean(|g| g.0), mean(|g| g.1));
            let over: f64 = groups.iter().map(|g| (g.0 - x) * (g.1 - y)).sum();
            let under: f64 = groups.iter().map(|g| (g.0 - x).powi(2)).sum();
            if let Some(slope) = window.slope() {
                assert!((slope - over / under).abs() < 1e-6, "{n}: {slope}");
            }
        }
    }

    #[test]
    fn groups_that_arrive_at_once_have_no_trend() {
        let mut window = Window::default();
        (0..100).for_each(|n| window.push(5e9, f64::from(n)));
        assert_eq!(window.slope(), None);
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
