// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which encodings of a simulcast track somebody needs. Its publisher is told, so that it need not send the others.
//!
//! What is needed follows from what viewers asked for and from the sizes of the encodings, not from what their paths carry: who could
//! take more would not get it back in time. The smallest encoding is always needed, so that whoever comes has a picture at once.

use super::state::{Session, Side, State};
use crate::node::{Direction, ToSignaller, Wish};
use gst_rtc_core::engine::SlotQuality;
use gst_rtc_core::id::{SessionId, TrackId};
use gst_rtc_core::layer::LayerState;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long an encoding is sent although nobody needs it.
const LINGER: Duration = Duration::from_secs(5);
/// How long changes are collected before they are looked at.
const COLLECT: Duration = Duration::from_millis(100);

/// The encodings of a track and who needs them.
#[derive(Clone, Debug, Default)]
pub(super) struct Demand {
    /// Pixels of each encoding, in the order of the offer; 0 while they are not known.
    pixels: Vec<u32>,
    /// What the publisher was told; it sends all until told.
    told: Vec<bool>,
    /// Since when it is told more than somebody needs.
    idle: Option<Instant>,
}

/// What one viewer needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Need {
    Nothing,
    /// The smallest with so many pixels.
    Pixels(u32),
    Everything,
}

impl Demand {
    /// For a track with so many encodings.
    pub(super) fn new(encodings: usize) -> Demand {
        Demand {
            pixels: vec![0; encodings],
            told: vec![true; encodings],
            idle: None,
        }
    }

    /// The track has so many encodings now: those added are sent, and their sizes are not known yet.
    pub(super) fn resize(&mut self, encodings: usize) {
        self.pixels.resize(encodings, 0);
        self.told.resize(encodings, true);
    }

    fn is_choice(&self) -> bool {
        self.pixels.len() > 1
    }

    /// Whether the publisher was told not to send an encoding.
    pub(super) fn is_paused(&self, encoding: u8) -> bool {
        self.told.get(usize::from(encoding)) == Some(&false)
    }

    /// An encoding comes in that size; 0: nobody knows. False: that was known. Those that are paused follow the smallest, which always
    /// comes: where one source grows or shrinks, so do all its encodings.
    fn learn(&mut self, encoding: usize, pixels: u32) -> bool {
        let before = self.pixels[encoding];
        if pixels == 0 || pixels == before {
            return false;
        }
        let is_smallest = self.pixels.iter().all(|other| *other >= before);
        self.pixels[encoding] = pixels;
        if is_smallest && before > 0 {
            for (known, told) in self.pixels.iter_mut().zip(&self.told) {
                if !told {
                    let scaled = u64::from(*known) * u64::from(pixels) / u64::from(before);
                    *known = u32::try_from(scaled).unwrap_or(u32::MAX).max(1);
                }
            }
        }
        true
    }

    /// The encodings that satisfy a need. All of them, as long as the size of one is not known.
    fn of(&self, need: Need) -> Vec<bool> {
        let known = !self.pixels.contains(&0);
        let smallest = self.pixels.iter().copied().min().unwrap_or(0);
        let most = match need {
            Need::Nothing => smallest,
            Need::Pixels(wanted) => {
                let enough = self.pixels.iter().copied().filter(|have| *have >= wanted);
                enough.min().unwrap_or(u32::MAX)
            }
            Need::Everything => u32::MAX,
        };
        self.pixels.iter().map(|p| !known || *p <= most).collect()
    }

    /// What the publisher is to be told now, if anything.
    fn decide(&mut self, now: Instant, need: Need) -> Option<Vec<bool>> {
        let wanted = self.of(need);
        let more = wanted.iter().zip(&self.told).any(|(w, t)| *w && !*t);
        if wanted == self.told {
            self.idle = None;
            return None;
        }
        let idle = *self.idle.get_or_insert(now);
        if !more && now < idle + LINGER {
            return None;
        }
        self.idle = None;
        self.told.clone_from(&wanted);
        Some(wanted)
    }
}

impl State {
    /// Something has changed on which it depends what is needed.
    pub(super) fn demand_changed(&mut self) {
        let choice = self.tracks.values().any(|track| track.demand.is_choice());
        if choice && self.review.is_none() {
            self.review = Some(Instant::now() + COLLECT);
        }
    }

    /// A viewer was told what its slots get: sizes of encodings are learned from that.
    pub(super) fn learn_sizes(&mut self, session: SessionId, slots: &[SlotQuality]) {
        let mut learned = false;
        for slot in slots {
            let Some(track) = self.shown(session, &slot.mid) else {
                continue;
            };
            let demand = self.tracks.get_mut(&track).map(|track| &mut track.demand);
            let Some(demand) = demand.filter(|demand| demand.is_choice()) else {
                continue;
            };
            for encoding in 0..demand.pixels.len() {
                let of_it = |s: &&LayerState| s.active && usize::from(s.layer.encoding) == encoding;
                let states = slot.available.iter().filter(of_it);
                let pixels = states.map(LayerState::pixels).max().unwrap_or(0);
                learned |= demand.learn(encoding, pixels);
            }
        }
        if learned {
            self.demand_changed();
        }
    }

    /// The track that a slot shows.
    pub(super) fn shown(&self, session: SessionId, mid: &str) -> Option<TrackId> {
        let slots = &self.sessions.get(&session)?.slots;
        slots.iter().find(|slot| slot.mid == mid)?.track
    }

    /// Tells publishers what is needed of their tracks.
    pub(super) fn review_demand(&mut self, now: Instant) {
        let needs = self.needs();
        let mut told = Vec::new();
        for (id, track) in &mut self.tracks {
            if !track.demand.is_choice() {
                continue;
            }
            let need = needs.get(id).copied().unwrap_or(Need::Nothing);
            if let Some(active) = track.demand.decide(now, need) {
                told.push((*id, active));
            }
        }
        for (track, active) in told {
            self.say_layers(track, active);
        }
        let idle = self.tracks.values().filter_map(|track| track.demand.idle);
        self.review = idle.min().map(|since| (since + LINGER).max(now + COLLECT));
    }

    /// What is needed of each track that somebody receives.
    fn needs(&self) -> HashMap<TrackId, Need> {
        let mut needs = HashMap::new();
        let mut note = |track, need: Need| {
            let known = needs.entry(track).or_insert(need);
            *known = need.max(*known);
        };
        for session in self.sessions.values() {
            for slot in &session.slots {
                if let Some(track) = slot.track {
                    let wish = session.wishes.get(&slot.mid);
                    note(
                        track,
                        wish.map_or(Need::Everything, |w| self.need(track, w)),
                    );
                }
            }
        }
        // Pads carry the largest.
        let taps = self.taps.values().filter_map(|tap| tap.track);
        taps.for_each(|track| note(track, Need::Everything));
        needs
    }

    fn need(&self, track: TrackId, wish: &Wish) -> Need {
        let pixels = u32::from(wish.width) * u32::from(wish.height);
        let sizes = self.tracks.get(&track).map(|track| &track.demand.pixels);
        let asked = wish.layer.map(|layer| usize::from(layer.encoding));
        let asked = asked.and_then(|encoding| sizes?.get(encoding).copied());
        match (wish.paused, asked, pixels) {
            (true, ..) => Need::Nothing,
            (_, Some(asked), _) => Need::Pixels(asked),
            (_, None, 0) => Need::Everything,
            (_, None, pixels) => Need::Pixels(pixels),
        }
    }

    /// What is said to the publisher, if it publishes from outside.
    fn say_layers(&self, id: TrackId, active: Vec<bool>) {
        let Some(track) = self.tracks.get(&id) else {
            return;
        };
        let publishes = |session: &&Session| {
            session.direction == Direction::Publish && matches!(session.side, Side::Answered(_))
        };
        let mut of_track = self
            .sessions
            .values()
            .filter(publishes)
            .flat_map(|session| {
                let lines = session.lines.iter().filter(|line| line.track == id);
                lines.map(move |line| (session, line))
            });
        if let Some((session, line)) = of_track.next() {
            self.out.say(ToSignaller::Layers {
                session: session.name.clone(),
                track: track.name.clone(),
                mid: line.spec.mid.clone(),
                active,
            });
        }
    }

    /// The signaller is back: it may have missed what was said of tracks some encodings of which are paused.
    pub(super) fn repeat_layers(&self) {
        for (id, track) in &self.tracks {
            if track.demand.told.contains(&false) {
                self.say_layers(*id, track.demand.told.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Demand {
        Demand {
            // In no order: that of an offer says nothing of sizes.
            pixels: vec![640 * 360, 1_280 * 720, 320 * 180],
            ..Demand::new(3)
        }
    }

    #[test]
    fn the_smallest_that_is_large_enough_is_needed_and_all_below() {
        let demand = known();
        assert_eq!(demand.of(Need::Nothing), [false, false, true]);
        assert_eq!(demand.of(Need::Pixels(1)), [false, false, true]);
        assert_eq!(demand.of(Need::Pixels(640 * 360)), [true, false, true]);
        assert_eq!(demand.of(Need::Pixels(640 * 361)), [true, true, true]);
        assert_eq!(demand.of(Need::Pixels(4_000_000)), [true, true, true]);
        assert_eq!(demand.of(Need::Everything), [true, true, true]);
    }

    #[test]
    fn nothing_is_paused_before_all_sizes_are_known() {
        let demand = Demand {
            pixels: vec![640 * 360, 0, 320 * 180],
            ..Demand::new(3)
        };
        assert_eq!(demand.of(Need::Nothing), [true, true, true]);
    }

    #[test]
    fn paused_encodings_grow_and_shrink_with_their_source() {
        let mut demand = known();
        demand.told = vec![true, false, true];
        assert!(!demand.learn(2, 320 * 180) && !demand.learn(1, 0));
        assert!(demand.learn(0, 320 * 180) && demand.learn(2, 160 * 90));
        assert_eq!(demand.pixels, [320 * 180, 640 * 360, 160 * 90]);
    }

    #[test]
    fn an_encoding_is_paused_after_a_while_and_asked_back_at_once() {
        let (mut demand, start) = (known(), Instant::now());
        assert_eq!(demand.decide(start, Need::Pixels(640 * 360)), None);
        let late = start + LINGER;
        assert_eq!(demand.decide(late - COLLECT, Need::Pixels(640 * 360)), None);
        let paused = demand.decide(late, Need::Pixels(640 * 360));
        assert_eq!(paused, Some(vec![true, false, true]));
        assert!(demand.is_paused(1) && !demand.is_paused(0));
        assert_eq!(demand.decide(late, Need::Pixels(640 * 360)), None);
        let back = demand.decide(late, Need::Everything);
        assert_eq!(back, Some(vec![true, true, true]));
    }

    #[test]
    fn a_need_that_comes_back_in_time_pauses_nothing() {
        let (mut demand, start) = (known(), Instant::now());
        assert_eq!(demand.decide(start, Need::Nothing), None);
        assert_eq!(demand.decide(start + LINGER / 2, Need::Everything), None);
        assert_eq!(demand.decide(start + LINGER, Need::Nothing), None);
        assert!(demand.decide(start + LINGER * 2, Need::Nothing).is_some());
    }
}
