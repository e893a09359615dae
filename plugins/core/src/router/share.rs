// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a slot is given of a peer's bandwidth, and how patiently it asks for more.

use crate::bwe::{Choice, Last, Preference, Reason};
use std::time::{Duration, Instant};

/// A slot that was taken down waits so long before it goes up again: at first, and at most.
const PATIENCE: Duration = Duration::from_secs(2);
const MOST_PATIENCE: Duration = Duration::from_secs(8);
/// The last layer of a picture does not fit for so long before it is paused.
const STRAIN: Duration = Duration::from_secs(1);
/// One that could stay up for so long was right to go up.
const PROVEN: Duration = Duration::from_secs(20);

/// The share of one slot.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pub(crate) preference: Preference,
    pub(crate) last: Last,
    /// No step up before.
    pub(crate) held: Option<Instant>,
    /// It is kept though it does not fit, since then.
    strained: Option<Instant>,
    /// When it went up, and how long it waits after the next step down.
    rose: Option<Instant>,
    patience: Option<Duration>,
}

impl Share {
    /// Another track: what was given to the one before means nothing, what the viewer wants stays.
    pub(crate) fn renew(&mut self) {
        *self = Share {
            preference: self.preference,
            ..Share::default()
        };
    }

    /// True when it has been kept though it does not fit for long enough.
    pub(crate) fn is_short(&self, now: Instant) -> bool {
        self.strained.is_some_and(|since| now >= since + STRAIN)
    }

    /// Takes what it was given; `bitrate` is what it had before. True when that is something else than before.
    pub(crate) fn take(&mut self, now: Instant, choice: &Choice, bitrate: u64) -> bool {
        self.strained = choice.strained.then(|| self.strained.unwrap_or(now));
        let given = choice
            .layer
            .map_or(Last::Paused, |state| Last::Layer(state.layer));
        if given == self.last {
            return false;
        }
        let before = std::mem::replace(&mut self.last, given);
        let less = choice.layer.map_or(0, |state| state.bitrate) < bitrate;
        if before == Last::New {
            return true;
        }
        if less && choice.reason == Reason::Bandwidth {
            self.went_down(now);
        } else if !less {
            self.rose = Some(now);
        }
        true
    }

    fn went_down(&mut self, now: Instant) {
        let in_vain = self.rose.is_some_and(|at| now < at + PROVEN);
        let patience = match self.patience {
            Some(patience) if in_vain => (patience * 2).min(MOST_PATIENCE),
            _ => PATIENCE,
        };
        self.patience = Some(patience);
        self.held = Some(now + patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Layer, LayerState};

    fn choice(encoding: u8) -> Choice {
        let layer = Layer {
            encoding,
            ..Layer::default()
        };
        Choice {
            layer: Some(LayerState {
                layer,
                bitrate: 100_000 * (u64::from(encoding) + 1),
                resolution: None,
                frame_rate: None,
                active: true,
            }),
            reason: Reason::Bandwidth,
            wanted: 0,
            strained: false,
        }
    }

    #[test]
    fn a_slot_that_goes_up_in_vain_waits_longer_each_time() {
        let mut now = Instant::now();
        let mut share = Share::default();
        assert!(share.take(now, &choice(1), 0));
        let mut waits = Vec::new();
        for _ in 0..5 {
            assert!(share.take(now, &choice(0), 200_000));
            waits.push(share.held.expect("held") - now);
            now = share.held.expect("held");
            assert!(share.take(now, &choice(1), 100_000));
            now += Duration::from_secs(1);
        }
        assert_eq!(
            waits.iter().map(Duration::as_secs).collect::<Vec<_>>(),
            [2, 4, 8, 8, 8]
        );
        now += PROVEN;
        share.take(now, &choice(0), 200_000);
        assert_eq!(share.held, Some(now + PATIENCE));
    }

    #[test]
    fn what_does_not_fit_is_short_after_a_while_and_not_when_it_fits_in_between() {
        let mut now = Instant::now();
        let mut share = Share::default();
        for (strained, short) in [(true, false), (true, true), (false, false), (true, false)] {
            let choice = Choice {
                strained,
                ..choice(0)
            };
            share.take(now, &choice, 100_000);
            assert_eq!(share.is_short(now), short);
            now += STRAIN;
        }
    }

    #[test]
    fn the_same_again_is_nothing_new() {
        let now = Instant::now();
        let mut share = Share::default();
        assert!(share.take(now, &choice(1), 0));
        assert!(!share.take(now, &choice(1), 200_000));
    }
}
