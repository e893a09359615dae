// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long an aggregator waits for inputs that are late, changed while it runs.
//!
//! Longer is simple: the next output waits. Shorter must not come at once, for then all outputs that were not due before would be due
//! now, without what is still on its way to them through decoders. So they are due a little sooner each, until it is caught up.

use gst::prelude::*;
use gst_base::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Each output is due sooner by this part of its duration while there is something to catch up.
const CATCH_UP: u64 = 4;
/// How much is caught up until the pipeline is told again. What leaves sooner waits in the sinks until it is.
const TELL: gst::ClockTime = gst::ClockTime::from_mseconds(250);

/// See the module; one for each aggregator.
#[derive(Default)]
pub(crate) struct Patience {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wanted: gst::ClockTime,
    now: gst::ClockTime,
    told: gst::ClockTime,
}

impl State {
    /// After an output: the new time, and whether the pipeline is to know. None: there is nothing to catch up.
    fn catch_up(&mut self, duration: gst::ClockTime) -> Option<(gst::ClockTime, bool)> {
        if self.now <= self.wanted {
            return None;
        }
        let sooner = self.now.saturating_sub(duration / CATCH_UP);
        self.now = sooner.max(self.wanted);
        let tell = self.now == self.wanted || self.told.saturating_sub(self.now) >= TELL;
        if tell {
            self.told = self.now;
        }
        Some((self.now, tell))
    }
}

impl Patience {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it waits that long for what is late, or for longer if an input announces it. It does so when the pipeline has
    /// distributed its latency again, which the caller asks for.
    pub(crate) fn set(&self, aggregator: &gst_base::Aggregator, latency: gst::ClockTime) {
        let mut state = self.lock();
        state.wanted = latency;
        let runs = aggregator.current_state() > gst::State::Ready;
        if !runs || latency >= state.now {
            (state.now, state.told) = (latency, latency);
            set_minimum(aggregator, latency);
        }
    }

    /// The aggregator has made an output of that duration.
    pub(crate) fn handle_output(
        &self,
        aggregator: &gst_base::Aggregator,
        duration: gst::ClockTime,
    ) {
        let tell = {
            let mut state = self.lock();
            let Some((now, tell)) = state.catch_up(duration) else {
                return;
            };
            set_minimum(aggregator, now);
            tell
        };
        // It reckons with what it found when it was asked last.
        aggregator.src_pad().query(&mut gst::query::Latency::new());
        if tell {
            let message = gst::message::Latency::builder().src(aggregator).build();
            // Refused only where nobody listens.
            let _ = aggregator.post_message(message);
        }
    }
}

fn set_minimum(aggregator: &gst_base::Aggregator, latency: gst::ClockTime) {
    aggregator.set_property("min-upstream-latency", latency);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_caught_up_is_told_now_and_then_and_at_the_end() {
        let milliseconds = gst::ClockTime::from_mseconds;
        let mut state = State {
            wanted: milliseconds(100),
            now: milliseconds(711),
            told: milliseconds(711),
        };
        let steps: Vec<_> =
            std::iter::from_fn(|| state.catch_up(gst::ClockTime::from_mseconds(40))).collect();
        assert_eq!(steps.len(), 62);
        assert_eq!(steps[0], (milliseconds(701), false));
        assert_eq!(steps[61], (milliseconds(100), true));
        let told: Vec<_> = steps.iter().filter(|(_, tell)| *tell).collect();
        assert_eq!(told[0].0, milliseconds(461));
        assert_eq!(told.len(), 3);
        assert_eq!(state.catch_up(milliseconds(40)), None);
    }
}
