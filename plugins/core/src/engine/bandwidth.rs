// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the path to each peer carries, and who gets it: feedback in, layers and probes out.

use super::{Engine, EngineEvent, Moment};
use crate::bwe::{
    Budget, Choice, Estimator, Last, Pace, Preference, Reason, Settings, Want, allocate,
};
use crate::id::SessionId;
use crate::layer::LayerState;
use crate::media::MediaKind;
use crate::peer::Peer;
use crate::rtcp::TransportFeedback;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The budget is divided anew about as often.
const INTERVAL: Duration = Duration::from_millis(500);
/// Sooner, while it is not known what a track needs.
const SOON: Duration = Duration::from_millis(100);
/// Assumed before anything is measured: enough for a picture of medium size.
const ASSUMED: u64 = 1_000_000;
/// The peer is told of changes no more often than this.
const TELL: Duration = Duration::from_secs(1);
/// What could be used is probed for with this much to spare.
const SPARE: f64 = 1.25;

/// A slot catches up with this: twenty times what most tracks have, and less than most links.
const CATCH_UP: u64 = 20_000_000;
/// And with this while nothing is known of the path.
const CAREFUL: u64 = 8_000_000;

/// What a session gets on one slot.
#[derive(Clone, PartialEq, Debug)]
pub struct SlotQuality {
    /// The slot.
    pub mid: String,
    /// What is forwarded; `None` = nothing.
    pub layer: Option<LayerState>,
    /// What there is, from cheap to dear.
    pub available: Vec<LayerState>,
    /// Why it gets that.
    pub reason: Reason,
}

/// How a session's bandwidth is divided, and what it was told of it.
#[derive(Debug, Default)]
pub(crate) struct Division {
    /// When it is divided anew.
    due: Option<Instant>,
    /// It has to be then, whatever is heard of the peer.
    soon: bool,
    told: Option<Instant>,
    /// What was given away, in bit/s.
    spent: u64,
    /// Somebody would have got more if there were more.
    tight: bool,
    /// What was told last: estimate, and for each slot a layer, the number of layers and a reason.
    last: (Option<u64>, Vec<Told>),
}

impl Division {
    /// When it is due, whatever is heard of the peer.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.due.filter(|_| self.soon)
    }
}

type Told = (Option<crate::layer::Layer>, usize, Reason);

impl Engine {
    /// Says what a viewer wants of one slot. False: no such session or mid.
    pub fn prefer(
        &mut self,
        now: Instant,
        session: SessionId,
        mid: &str,
        preference: Preference,
    ) -> bool {
        let Some(&key) = self.by_session.get(&session) else {
            return false;
        };
        let mut known = false;
        for slot in self.peers[key].slots_of(mid) {
            slot.share.preference = preference;
            known = true;
        }
        if known {
            self.divide(now, key);
        }
        known
    }

    /// Takes a peer's report of what arrived.
    pub(super) fn take_feedback(&mut self, now: Instant, key: usize, feedback: &TransportFeedback) {
        let peer = &mut self.peers[key];
        let Some(estimator) = &mut peer.estimator else {
            return;
        };
        let before = estimator.estimate();
        estimator.handle_feedback(now, feedback);
        let estimate = estimator.estimate();
        peer.set_pace();
        let first = before.is_none() && estimate.is_some();
        if first || estimate < before && estimate < Some(peer.division.spent) {
            self.divide(now, key);
        } else {
            self.divide_if_due(now, key);
        }
    }

    /// Takes a peer's own estimate, where it makes one (REMB).
    pub(super) fn take_remb(&mut self, now: Instant, key: usize, bitrate: u64) {
        self.peers[key].remb = Some(bitrate);
        self.peers[key].set_pace();
        self.divide_if_due(now, key);
    }

    /// Does what is due for a connected peer: probes, and its share of the budget.
    pub(super) fn mind_bandwidth(&mut self, now: Instant, key: usize) {
        self.probe(now, key);
        self.divide_if_due(now, key);
    }

    fn probe(&mut self, now: Instant, key: usize) {
        let moment = self.moment(now);
        let peer = &mut self.peers[key];
        let Some(estimator) = &mut peer.estimator else {
            return;
        };
        let mut bytes = estimator.poll(now);
        peer.set_pace();
        if bytes == 0 {
            return;
        }
        // What waits anyway is better than padding.
        bytes = bytes.saturating_sub(self.release(now, key, bytes));
        self.pad(&moment, key, bytes);
    }

    /// Sends so many bytes for a probe: what went out last once more, over RTX, and padding where that does not fit.
    fn pad(&mut self, moment: &Moment, key: usize, mut bytes: usize) {
        let router = &self.router;
        let Some((slots, mut out)) = self.peers[key].outlet(&mut self.arena) else {
            return;
        };
        let Some(slot) = slots.iter_mut().find(|slot| slot.can_pad()) else {
            return;
        };
        let held = |track, encoding, epoch, sequence| router.held(track, encoding, epoch, sequence);
        let mut back = 0;
        while bytes > 0 {
            let again = slot.pad_with_past(moment, bytes, back, held, &mut out);
            let Some(sent) = again.or_else(|| slot.pad(moment, bytes, &mut out)) else {
                return;
            };
            self.stats.padding += 1;
            self.stats.padding_again += u64::from(again.is_some());
            bytes = bytes.saturating_sub(sent);
            back += 1;
        }
    }

    fn divide_if_due(&mut self, now: Instant, key: usize) {
        if self.peers[key].division.due.is_none_or(|at| at <= now) {
            self.divide(now, key);
        }
    }

    /// Divides what the path carries over the slots.
    pub(super) fn divide(&mut self, now: Instant, key: usize) {
        let wants = self.wants(now, key);
        let peer = &mut self.peers[key];
        let unknown = |layer: &LayerState| layer.active && layer.bitrate == 0;
        peer.division.soon = wants.iter().any(|w| w.layers.iter().any(unknown));
        let wait = if peer.division.soon { SOON } else { INTERVAL };
        peer.division.due = Some(now + wait);
        if !peer.connected || wants.is_empty() {
            return;
        }
        let choices = allocate(peer.budget(), &wants);
        peer.take_choices(now, &wants, &choices);
        if let Some(event) = peer.quality(now, &wants, &choices) {
            self.events.push_back(event);
        }
    }

    /// What each slot wants; nothing of those without a track.
    fn wants(&mut self, now: Instant, key: usize) -> Vec<Want> {
        let router = &mut self.router;
        let want = |slot: &crate::router::Slot| {
            let track = slot.track().and_then(|id| router.track_mut(id));
            let offer = track.map(|t| (t.spec.participant, t.listed_layers(now)));
            let (participant, layers) = offer.unzip();
            let mut layers = layers.unwrap_or_default();
            let ours = |state: &LayerState| slot.is_for(state.layer.encoding);
            if !layers.iter().all(ours) {
                Arc::make_mut(&mut layers).retain(ours);
            }
            Want {
                kind: slot.spec.kind,
                preference: slot.share.preference,
                speaking: participant.is_some_and(|id| router.is_speaking(id)),
                layers,
                last: slot.share.last,
                held: slot.share.held.is_some_and(|until| now < until),
                short: slot.share.is_short(now),
            }
        };
        self.peers[key].slots.iter().map(want).collect()
    }
}

impl Peer {
    /// Begins to measure the path, where the peer reports what arrives.
    pub(crate) fn begin_estimating(&mut self, now: Instant, epoch: Instant) {
        let wide = self.slots.iter().any(|slot| slot.is_numbered());
        if wide && self.estimator.is_none() {
            let estimator = Estimator::new(now, epoch, Settings::default());
            self.estimator = Some(Box::new(estimator));
            self.set_pace();
        }
    }

    /// The estimate of the path to it, in bit/s: our own, else the peer's.
    pub(crate) fn estimate(&self) -> Option<u64> {
        match &self.estimator {
            Some(estimator) => estimator.estimate(),
            None => self.remb,
        }
    }

    /// Bits per second at which it may be sent what has been before, besides what it gets; `None` where the path is full already.
    pub(crate) fn spare(&self) -> Option<u64> {
        match self.budget() {
            Budget::Unlimited => Some(CATCH_UP),
            Budget::Assumed(assumed) => Some(assumed.clamp(CAREFUL, CATCH_UP)),
            Budget::Known(_) => Some(CATCH_UP).filter(|_| !self.division.tight),
        }
    }

    /// How fast it may be sent something.
    pub(super) fn pace(&self) -> Pace {
        match (self.budget(), self.estimate()) {
            (Budget::Unlimited, _) => Pace::Unlimited,
            (_, Some(estimate)) => Pace::Known(estimate),
            (_, None) => Pace::Unknown,
        }
    }

    fn budget(&self) -> Budget {
        match (&self.estimator, self.estimate()) {
            (Some(estimator), Some(estimate)) if !estimator.is_limited() => {
                Budget::Assumed(estimate)
            }
            (_, Some(estimate)) => Budget::Known(estimate),
            (Some(_), None) => Budget::Assumed(ASSUMED),
            (None, None) => Budget::Unlimited,
        }
    }

    fn take_choices(&mut self, now: Instant, wants: &[Want], choices: &[Choice]) {
        let free = self.budget() == Budget::Unlimited;
        for ((slot, want), choice) in self.slots.iter_mut().zip(wants).zip(choices) {
            let nobody_cares = free && want.preference == Preference::default();
            if !nobody_cares || want.last != Last::New {
                slot.take_choice(now, want, choice);
            } else {
                slot.relax();
            }
        }
        let bitrates = choices.iter().filter_map(|c| c.layer).map(|l| l.bitrate);
        self.division.spent = bitrates.sum();
        let short = |choice: &Choice| choice.reason == Reason::Bandwidth;
        self.division.tight = choices.iter().any(short);
        if let Some(estimator) = &mut self.estimator {
            let wanted: u64 = choices.iter().map(|c| c.wanted).sum();
            let wanted = (wanted as f64 * SPARE) as u64;
            let catches_up = self.slots.iter().any(|slot| slot.is_replaying());
            estimator.set_wanted(wanted.max(if catches_up { CAREFUL } else { 0 }));
        }
    }

    /// A slot begins to catch up: the sooner it is known what the path carries, the sooner it has.
    pub(super) fn want_more(&mut self) {
        if let Some(estimator) = &mut self.estimator {
            estimator.set_wanted(CAREFUL);
        }
    }

    /// What to tell the viewer, when that has changed.
    fn quality(&mut self, now: Instant, wants: &[Want], choices: &[Choice]) -> Option<EngineEvent> {
        let shown = || {
            let slots = self.slots.iter().zip(wants).zip(choices);
            slots.filter(|((slot, _), _)| {
                slot.spec.kind == MediaKind::Video && slot.track().is_some()
            })
        };
        let estimate = self.estimate();
        let told: Vec<Told> = shown()
            .map(|((_, want), choice)| {
                let layer = choice.layer.map(|l| l.layer);
                (layer, want.layers.len(), choice.reason)
            })
            .collect();
        let same = told == self.division.last.1 && alike(estimate, self.division.last.0);
        if same || self.division.told.is_some_and(|at| now < at + TELL) {
            return None;
        }
        let slots = shown()
            .map(|((slot, want), choice)| SlotQuality {
                mid: slot.spec.mid.clone(),
                layer: choice.layer,
                available: want.layers.to_vec(),
                reason: choice.reason,
            })
            .collect();
        self.division.told = Some(now);
        self.division.last = (estimate, told);
        Some(EngineEvent::Quality {
            session: self.id,
            estimate,
            slots,
        })
    }
}

/// True when the difference is not worth a word.
fn alike(a: Option<u64>, b: Option<u64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.abs_diff(b) <= a.max(b) / 5,
        (a, b) => a == b,
    }
}
