// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who gets how much: layers for the tracks one peer receives, within what its path carries.

mod ladder;
#[cfg(test)]
mod tests;
mod want;

use crate::layer::LayerState;
use crate::media::MediaKind;
use ladder::ladder;
pub use want::{Budget, Choice, Last, Preference, Priority, Reason, Want};

/// A step up must leave this share of the estimate free, so that it is not taken back at once.
const HEADROOM: f64 = 0.10;
/// What is forwarded already may exceed the estimate by this share: bitrates and estimates are never that exact.
const TOLERANCE: f64 = 0.05;
/// And by this one for a while, where the alternative is no picture at all.
const STRAIN: f64 = 0.5;
/// What a video is taken to need before anything is known of it, bit/s.
const LEAST_VIDEO: u64 = 30_000;

/// Divides the budget: audio first; then each video its least layer, the most wanted first, so that the least wanted are
/// paused where it does not fit; then better layers, again the most wanted first, and step by step among equals.
///
/// A step above what a slot had needs some headroom, what it has is kept as long as it fits, and the last layer of a picture for
/// somewhat longer; so a budget that wavers does not make the picture waver.
pub fn allocate(budget: Budget, wants: &[Want]) -> Vec<Choice> {
    let mut shares: Vec<_> = wants.iter().map(Share::new).collect();
    let mut purse = Purse { budget, spent: 0 };
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|index| wants[*index].rank());
    for index in &order {
        shares[*index].begin(&mut purse);
    }
    for class in order.chunk_by(|a, b| wants[*a].class() == wants[*b].class()) {
        loop {
            // Everybody takes a step before anybody takes two.
            let risen = class
                .iter()
                .filter(|index| shares[**index].rise(&mut purse))
                .count();
            if risen == 0 {
                break;
            }
        }
    }
    shares.iter().map(Share::choice).collect()
}

/// What is left to give.
struct Purse {
    budget: Budget,
    spent: u64,
}

impl Purse {
    /// Spends `more` if it is there; `new` spending must leave some headroom.
    fn spend(&mut self, more: u64, new: bool) -> bool {
        self.spend_up_to(more, if new { 1.0 - HEADROOM } else { 1.0 + TOLERANCE })
    }

    /// Spends `more` if that is within this share of the budget.
    fn spend_up_to(&mut self, more: u64, share: f64) -> bool {
        let fits = match self.budget {
            Budget::Unlimited => true,
            Budget::Assumed(most) | Budget::Known(most) => {
                (self.spent + more) as f64 <= most as f64 * share
            }
        };
        if fits {
            self.spent += more;
        }
        fits
    }

    fn spend_anyway(&mut self, more: u64) {
        self.spent += more;
    }
}

/// A slot while the budget is divided.
struct Share<'a> {
    want: &'a Want,
    /// The layers it may get, from cheap to dear and each worth more than the one before.
    ladder: Vec<LayerState>,
    /// Why the ladder does not reach up to the best.
    capped: Option<Reason>,
    rung: Option<usize>,
    /// The rung of what it had.
    last: Option<usize>,
    strained: bool,
}

impl<'a> Share<'a> {
    fn new(want: &'a Want) -> Share<'a> {
        let (ladder, capped) = ladder(want);
        let last = match want.last {
            Last::Layer(layer) => ladder.iter().rposition(|state| state.layer == layer),
            _ => None,
        };
        Share {
            want,
            ladder,
            capped,
            rung: None,
            last,
            strained: false,
        }
    }

    fn cost(&self, rung: usize) -> u64 {
        let state = &self.ladder[rung];
        match (self.want.kind, state.bitrate) {
            (MediaKind::Audio, bitrate) => bitrate,
            // About what encoders spend on a pixel in a second, until it is measured.
            (MediaKind::Video, 0) => u64::from(state.pixels()).max(LEAST_VIDEO),
            (MediaKind::Video, bitrate) => bitrate,
        }
    }

    /// Takes the first rung.
    fn begin(&mut self, purse: &mut Purse) {
        if self.ladder.is_empty() || self.want.preference.paused {
            return;
        }
        let cost = self.cost(0);
        let sure = self.want.kind == MediaKind::Audio || matches!(purse.budget, Budget::Assumed(_));
        if sure {
            purse.spend_anyway(cost);
            self.rung = Some(0);
        } else if self.want.last == Last::Paused {
            self.rung = (!self.want.held && purse.spend(cost, true)).then_some(0);
        } else if purse.spend(cost, false) {
            self.rung = Some(0);
        } else if self.may_strain() && purse.spend_up_to(cost, 1.0 + STRAIN) {
            (self.rung, self.strained) = (Some(0), true);
        }
    }

    fn may_strain(&self) -> bool {
        matches!(self.want.last, Last::Layer(_)) && !self.want.short
    }

    /// Takes one more rung. False: it stays where it is.
    fn rise(&mut self, purse: &mut Purse) -> bool {
        let Some(next) = self.rung.map(|rung| rung + 1) else {
            return false;
        };
        if next >= self.ladder.len() {
            return false;
        }
        let new = self.want.last != Last::New && self.last.is_none_or(|last| next > last);
        if new && self.want.held {
            return false;
        }
        let more = self.cost(next).saturating_sub(self.cost(next - 1));
        let taken = purse.spend(more, new);
        if taken {
            self.rung = Some(next);
        }
        taken
    }

    fn choice(&self) -> Choice {
        let top = self.ladder.len().checked_sub(1);
        let reason = match (self.rung, top) {
            _ if self.want.preference.paused => Reason::Paused,
            (_, None) => Reason::Inactive,
            (rung, top) if rung < top => Reason::Bandwidth,
            _ => self.capped.unwrap_or(Reason::Best),
        };
        let wanted = match top {
            Some(top) if !self.want.preference.paused => self.cost(top),
            _ => 0,
        };
        Choice {
            layer: self.rung.map(|rung| self.ladder[rung]),
            reason,
            wanted,
            strained: self.strained,
        }
    }
}
