// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limit by loss (draft-ietf-rmcat-gcc-02 §6), with one addition: a path that loses as much at half the rate loses by
//! itself, and sending less would not help it.

/// Loss above this much more than the path's own is congestion, below this much more is none (§6).
const HIGH: f64 = 0.10;
const LOW: f64 = 0.02;
/// Packets and time over which loss is taken, µs.
const PACKETS: u32 = 60;
const WINDOW: u64 = 300_000;
/// After so long fewer packets must do, µs.
const LONG_WINDOW: u64 = 1_000_000;
/// Growth of the limit per second without loss (§6: 5 % per report, reports being about 1 s apart).
const GROWTH: f64 = 1.08;
/// Loss below this share of what it was has changed.
const STEADY: f64 = 0.7;
/// The limit never falls below this share of what arrives.
const OF_ARRIVING: f64 = 0.85;
/// The most a path may lose by itself.
const MAX_OWN: f64 = 0.35;

/// A stretch of loss.
#[derive(Debug)]
struct Episode {
    rate: f64,
    loss: f64,
    /// Sum and number of the windows since.
    since: (f64, f64),
}

/// What a report says of packets that were not known before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) received: u32,
    pub(super) lost: u32,
    /// Received after an earlier report had called them lost.
    pub(super) recovered: u32,
}

/// The limit.
#[derive(Debug, Default)]
pub(super) struct LossControl {
    limit: Option<f64>,
    received: u32,
    lost: u32,
    /// Lost by the newest report: the next one says which of them were only late.
    doubtful: u32,
    begin: Option<u64>,
    /// A queue stood in this window.
    queued: bool,
    /// Share the path loses however little is sent.
    own: f64,
    episode: Option<Episode>,
    /// Share lost in the newest window.
    fraction: f64,
}

impl LossControl {
    /// bit/s; `None`: loss does not limit.
    pub(super) fn limit(&self) -> Option<u64> {
        self.limit.map(|limit| limit as u64)
    }

    /// Share of packets lost lately, 0 to 1.
    pub(super) fn fraction(&self) -> f64 {
        self.fraction
    }

    /// True while so much is lost that more would be wrong.
    pub(super) fn is_high(&self) -> bool {
        self.fraction > self.own + HIGH
    }

    /// Nothing was heard for a while: what was lost before it says nothing of now.
    pub(super) fn forget(&mut self) {
        (self.begin, self.received, self.lost) = (None, 0, 0);
        self.doubtful = 0;
        self.fraction = 0.0;
    }

    /// A probe has shown that so much passes.
    pub(super) fn probed(&mut self, rate: u64) {
        self.limit = self.limit.map(|limit| limit.max(rate as f64));
    }

    /// Takes a report. `rate` is what the delay allows and `arriving` what arrives, in bit/s; with a queue standing, loss is never the path's own.
    pub(super) fn update(
        &mut self,
        now: u64,
        tally: Tally,
        queued: bool,
        rate: u64,
        arriving: u64,
    ) {
        self.received += tally.received;
        self.lost = (self.lost + self.doubtful).saturating_sub(tally.recovered);
        self.doubtful = tally.lost;
        self.queued |= queued;
        let begin = *self.begin.get_or_insert(now);
        let (elapsed, count) = (now.saturating_sub(begin), self.received + self.lost);
        if elapsed < WINDOW || count == 0 || count < PACKETS && elapsed < LONG_WINDOW {
            return;
        }
        self.fraction = f64::from(self.lost) / f64::from(count);
        (self.begin, self.received, self.lost) = (Some(now), 0, 0);
        self.judge(elapsed as f64 / 1e6, rate as f64, arriving as f64);
        self.queued = false;
    }

    fn judge(&mut self, seconds: f64, rate: f64, arriving: f64) {
        let loss = self.fraction;
        if loss < self.own * STEADY {
            self.own += (loss - self.own) * 0.05;
        }
        let limit = self.limit.unwrap_or(rate).min(rate);
        if loss > self.own + HIGH {
            let reduced = limit * (1.0 - 0.5 * (loss - self.own));
            // What arrives is the capacity, however much more was sent.
            let reduced = reduced.max(limit.min(arriving * OF_ARRIVING));
            self.limit = Some(reduced);
            self.learn(loss, limit, reduced);
        } else if loss < self.own + LOW {
            self.episode = None;
            let grown = limit * GROWTH.powf(seconds.min(1.0));
            self.limit = (self.limit.is_some() && grown < rate).then_some(grown);
        }
    }

    /// Whether sending less has helped.
    fn learn(&mut self, loss: f64, before: f64, after: f64) {
        let episode = self.episode.get_or_insert(Episode {
            rate: before,
            loss,
            since: (0.0, 0.0),
        });
        episode.since = (episode.since.0 + loss, episode.since.1 + 1.0);
        if after < episode.rate / 2.0 {
            let mean = episode.since.0 / episode.since.1;
            if loss > episode.loss * STEADY && !self.queued {
                self.own = mean.min(MAX_OWN);
            }
            self.episode = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `seconds` on a path that loses `loss(rate)` and says the limit.
    fn run(control: &mut LossControl, seconds: u64, loss: impl Fn(u64) -> f64) -> u64 {
        let rate = 1_000_000;
        let start = control.begin.unwrap_or(0);
        for n in 1..=seconds * 10 {
            let lost = (1_000.0 * loss(control.limit().unwrap_or(rate))) as u32;
            let tally = Tally {
                received: 1_000 - lost,
                lost,
                recovered: 0,
            };
            control.update(start + n * 100_000, tally, false, rate, 0);
        }
        control.limit().unwrap_or(rate)
    }

    #[test]
    fn little_loss_does_not_limit() {
        let mut control = LossControl::default();
        run(&mut control, 20, |_| 0.015);
        assert_eq!(control.limit(), None);
    }

    #[test]
    fn loss_by_congestion_limits_to_what_passes_and_is_forgotten_after() {
        let mut control = LossControl::default();
        let limit = run(&mut control, 20, |rate| {
            (1.0 - 500_000.0 / rate as f64).max(0.0)
        });
        assert!((420_000..600_000).contains(&limit), "{limit}");
        run(&mut control, 20, |_| 0.0);
        assert_eq!(control.limit(), None);
    }

    #[test]
    fn a_path_that_loses_by_itself_does_not_starve() {
        let mut control = LossControl::default();
        let least = run(&mut control, 30, |_| 0.15);
        assert!(least > 300_000, "{least}");
        assert!(run(&mut control, 30, |_| 0.15) > 900_000);
    }

    #[test]
    fn packets_that_came_after_all_are_not_lost() {
        let mut control = LossControl::default();
        let tally = |received, lost, recovered| Tally {
            received,
            lost,
            recovered,
        };
        control.update(0, tally(50, 50, 0), false, 1_000_000, 0);
        // The window ends with a report whose packets may be late as well.
        control.update(400_000, tally(50, 50, 50), false, 1_000_000, 0);
        assert_eq!((control.fraction(), control.limit()), (0.0, None));
        control.update(800_000, tally(50, 0, 0), false, 1_000_000, 0);
        assert_eq!((control.fraction(), control.limit().is_some()), (0.5, true));
    }
}
