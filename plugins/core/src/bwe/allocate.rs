// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who gets how much: layers for the tracks one peer receives, within what its path carries.

use crate::layer::{Layer, LayerState};
use crate::media::MediaKind;

/// A step up must leave this share of the estimate free, so that it is not taken back at once.
const HEADROOM: f64 = 0.10;
/// What is forwarded already may exceed the estimate by this share: bitrates and estimates are never that exact.
const TOLERANCE: f64 = 0.05;
/// And by this one for a while, where the alternative is no picture at all.
const STRAIN: f64 = 0.5;
/// A picture of this share of the pixels asked for is large enough.
const LARGE_ENOUGH: f64 = 0.8;
/// With fewer pictures a second than this, motion is lost.
const FLUENT: f64 = 10.0;
/// A larger picture below that has to keep this share of the frame rate of a smaller one.
const AS_FLUENT: f64 = 0.75;
/// What a video is taken to need before anything is known of it, bit/s.
const LEAST_VIDEO: u64 = 30_000;

/// How much a track is wanted. Earlier ones are served first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Priority {
    /// The viewer has put it up front.
    Pinned,
    /// A shared screen.
    Screen,
    /// Any other.
    #[default]
    Normal,
    /// What the viewer would miss least.
    Low,
}

/// What a viewer wants of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Preference {
    /// Width at which it is shown, in pixels; 0 = unknown.
    pub width: u16,
    /// Height at which it is shown, in pixels; 0 = unknown.
    pub height: u16,
    /// How much it is wanted.
    pub priority: Priority,
    /// The highest layer wanted; `None` = the best.
    pub layer: Option<Layer>,
    /// Not shown at all: nothing is to be sent.
    pub paused: bool,
}

/// What a slot was given before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Last {
    /// Nothing has been decided yet.
    #[default]
    New,
    /// Paused.
    Paused,
    /// This layer.
    Layer(Layer),
}

/// One slot that wants bandwidth.
#[derive(Clone, Debug)]
pub struct Want {
    /// Audio or video. Audio is never paused for want of bandwidth.
    pub kind: MediaKind,
    /// What the viewer wants.
    pub preference: Preference,
    /// Its participant is the one who speaks.
    pub speaking: bool,
    /// What there is, from cheap to dear.
    pub layers: Vec<LayerState>,
    /// What it was given before.
    pub last: Last,
    /// It has just been taken down: no step up yet.
    pub held: bool,
    /// What it has does not fit for long enough to be believed: it is paused if need be.
    pub short: bool,
}

/// What there is to give, in bit/s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Budget {
    /// Nothing is known of the path, nor will be.
    Unlimited,
    /// Assumed until the path has shown its limit: nothing is paused for it.
    Assumed(u64),
    /// Measured: the path has shown its limit.
    Known(u64),
}

/// Why a slot gets what it gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// It is the best there is.
    Best,
    /// The path carries no more.
    Bandwidth,
    /// It is not shown any larger.
    Size,
    /// The viewer asked for this layer.
    Asked,
    /// The viewer does not want to see it.
    Paused,
    /// Nothing comes from its source.
    Inactive,
}

impl Reason {
    /// As it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Best => "best",
            Reason::Bandwidth => "bandwidth",
            Reason::Size => "size",
            Reason::Asked => "asked",
            Reason::Paused => "paused",
            Reason::Inactive => "inactive",
        }
    }
}

/// What one slot gets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Choice {
    /// The layer; `None` = nothing is forwarded.
    pub layer: Option<LayerState>,
    /// Why.
    pub reason: Reason,
    /// What it would get if bandwidth were no matter, in bit/s.
    pub wanted: u64,
    /// It is kept for a while though it does not fit.
    pub strained: bool,
}

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

impl Want {
    /// Slots of one class are served in turn.
    fn class(&self) -> (bool, Priority, bool) {
        let video = self.kind == MediaKind::Video;
        (video, self.preference.priority, !self.speaking)
    }

    fn rank(&self) -> ((bool, Priority, bool), std::cmp::Reverse<u32>) {
        let Preference { width, height, .. } = self.preference;
        let pixels = u32::from(width) * u32::from(height);
        (self.class(), std::cmp::Reverse(pixels))
    }
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

/// The layers a slot may get, and what keeps the best from it.
fn ladder(want: &Want) -> (Vec<LayerState>, Option<Reason>) {
    let mut ladder = worthwhile(want.layers.iter().filter(|state| state.active));
    match want.preference {
        Preference { layer: Some(_), .. } => {}
        Preference {
            priority: Priority::Screen,
            ..
        } => drop_smaller(&mut ladder),
        _ => drop_choppy(&mut ladder),
    }
    let all = ladder.len();
    if let Some(highest) = want.preference.layer {
        keep_up_to(&mut ladder, highest);
    }
    let asked = ladder.len();
    keep_large_enough(&mut ladder, &want.preference);
    let capped = if ladder.len() < asked {
        Some(Reason::Size)
    } else if asked < all {
        Some(Reason::Asked)
    } else {
        None
    };
    (ladder, capped)
}

/// Drops what costs more and shows no more than something cheaper.
fn worthwhile<'a>(layers: impl Iterator<Item = &'a LayerState>) -> Vec<LayerState> {
    let mut ladder: Vec<LayerState> = Vec::new();
    for state in layers {
        let worse = |than: &LayerState| {
            let rates = state.frame_rate.zip(than.frame_rate);
            let slower = rates.is_none_or(|(rate, than)| rate <= than * 1.1);
            state.pixels() != 0 && state.pixels() <= than.pixels() && slower
        };
        if !ladder.iter().any(worse) {
            ladder.push(*state);
        }
    }
    ladder
}

/// Drops larger pictures of which only a few come in a second where a cheaper layer has clearly more. Their prices are often
/// nearly the same, and from one second to the next now this and now that one would be the dearer.
fn drop_choppy(ladder: &mut Vec<LayerState>) {
    let mut rates: Vec<f64> = Vec::new();
    ladder.retain(|state| {
        let Some(rate) = state.frame_rate.map(f64::from) else {
            return true;
        };
        let choppy = |than: &f64| rate < FLUENT && rate < than * AS_FLUENT;
        let keep = !rates.iter().any(choppy);
        rates.push(rate);
        keep
    });
}

/// Drops what is smaller than something cheaper, however many pictures it has: of a screen every letter counts.
fn drop_smaller(ladder: &mut Vec<LayerState>) {
    let mut largest = 0;
    ladder.retain(|state| {
        let keep = state.pixels() == 0 || state.pixels() >= largest;
        largest = largest.max(state.pixels());
        keep
    });
}

/// Drops what is above the layer asked for. One that does not come now means nothing.
fn keep_up_to(ladder: &mut Vec<LayerState>, highest: Layer) {
    let Some(place) = ladder.iter().rposition(|s| highest.includes(s.layer)) else {
        return;
    };
    ladder.truncate(place + 1);
    ladder.retain(|s| s.layer.encoding != highest.encoding || highest.includes(s.layer));
}

/// Drops what is larger than the smallest picture that is large enough.
fn keep_large_enough(ladder: &mut Vec<LayerState>, preference: &Preference) {
    let shown = u32::from(preference.width) * u32::from(preference.height);
    let enough = |pixels: u32| f64::from(pixels) >= f64::from(shown) * LARGE_ENOUGH;
    let sizes = ladder.iter().map(LayerState::pixels);
    let smallest = sizes.filter(|pixels| *pixels > 0 && enough(*pixels)).min();
    if let Some(smallest) = smallest.filter(|_| shown > 0) {
        ladder.retain(|state| state.pixels() <= smallest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AUDIO: u64 = 40_000;

    fn layer(encoding: u8) -> Layer {
        Layer {
            encoding,
            ..Layer::default()
        }
    }

    fn state(encoding: u8, bitrate: u64, resolution: (u16, u16)) -> LayerState {
        LayerState {
            layer: layer(encoding),
            bitrate,
            resolution: Some(resolution),
            frame_rate: Some(30.0),
            active: true,
        }
    }

    fn want() -> Want {
        Want {
            kind: MediaKind::Video,
            preference: Preference::default(),
            speaking: false,
            layers: vec![
                state(0, 150_000, (320, 180)),
                state(1, 500_000, (640, 360)),
                state(2, 2_000_000, (1280, 720)),
            ],
            last: Last::New,
            held: false,
            short: true,
        }
    }

    fn temporal(encoding: u8, temporal: u8, bitrate: u64, frame_rate: f32) -> LayerState {
        let mut state = state(
            encoding,
            bitrate,
            [(320, 180), (640, 360)][usize::from(encoding)],
        );
        state.layer.temporal = temporal;
        state.frame_rate = Some(frame_rate);
        state
    }

    #[test]
    fn a_larger_picture_is_not_worth_a_choppy_one() {
        let small = [temporal(0, 0, 80_000, 5.0), temporal(0, 1, 150_000, 9.0)];
        for large in [140_000, 160_000] {
            let mut want = want();
            want.layers = small.to_vec();
            want.layers.push(temporal(1, 0, large, 5.0));
            want.layers.push(temporal(1, 1, 400_000, 9.0));
            want.layers.sort_by_key(|state| state.bitrate);
            let chosen = |want: &Want, budget| {
                allocate(Budget::Known(budget), std::slice::from_ref(want))[0].layer
            };
            assert_eq!(chosen(&want, 200_000), Some(small[1]));
            assert_eq!(
                chosen(&want, 500_000).map(|state| state.bitrate),
                Some(400_000)
            );
            want.preference.priority = Priority::Screen;
            assert_eq!(
                chosen(&want, 160_000).map(|state| state.bitrate),
                Some(large)
            );
        }
    }

    fn prefer(preference: Preference) -> Want {
        Want {
            preference,
            ..want()
        }
    }

    fn audio() -> Want {
        Want {
            kind: MediaKind::Audio,
            layers: vec![LayerState {
                resolution: None,
                ..state(0, AUDIO, (0, 0))
            }],
            ..want()
        }
    }

    /// The encodings chosen and why.
    fn chosen(budget: u64, wants: &[Want]) -> Vec<(Option<u8>, Reason)> {
        allocate(Budget::Known(budget), wants)
            .iter()
            .map(|c| (c.layer.map(|l| l.layer.encoding), c.reason))
            .collect()
    }

    #[test]
    fn one_video_gets_the_best_layer_that_fits() {
        let best = |budget| chosen(budget, &[want()])[0];
        assert_eq!(best(5_000_000), (Some(2), Reason::Best));
        assert_eq!(best(1_000_000), (Some(1), Reason::Bandwidth));
        assert_eq!(best(300_000), (Some(0), Reason::Bandwidth));
        assert_eq!(best(100_000), (None, Reason::Bandwidth));
    }

    #[test]
    fn without_an_estimate_everything_is_forwarded() {
        let choices = allocate(Budget::Unlimited, &[want(), want(), audio()]);
        assert!(choices.iter().all(|c| c.reason == Reason::Best));
        let choices = allocate(Budget::Assumed(50_000), &[want(), want()]);
        assert!(choices.iter().all(|c| c.layer.is_some()));
    }

    #[test]
    fn audio_comes_first_and_is_never_paused() {
        let wants = [want(), audio(), audio()];
        let got: Vec<_> = chosen(50_000, &wants).iter().map(|c| c.0).collect();
        assert_eq!(got, [None, Some(0), Some(0)]);
    }

    #[test]
    fn pinned_before_screen_before_speaker_before_size() {
        let of = |priority, width| Preference {
            priority,
            width,
            height: width * 9 / 16,
            ..Preference::default()
        };
        let wants = [
            prefer(of(Priority::Low, 1280)),
            prefer(of(Priority::Normal, 640)),
            prefer(of(Priority::Normal, 1280)),
            Want {
                speaking: true,
                ..prefer(of(Priority::Normal, 320))
            },
            prefer(of(Priority::Screen, 1280)),
            prefer(of(Priority::Pinned, 1280)),
        ];
        let got = |budget| -> Vec<_> { chosen(budget, &wants).iter().map(|c| c.0).collect() };
        assert_eq!(got(160_000), [None, None, None, None, None, Some(0)]);
        assert_eq!(got(310_000), [None, None, None, None, Some(0), Some(0)]);
        assert_eq!(got(460_000)[3], Some(0));
        assert_eq!(got(610_000)[1..3], [None, Some(0)]);
        assert_eq!(got(900_000), [Some(0); 6]);
        assert_eq!(got(3_000_000)[4..], [Some(1), Some(2)]);
    }

    #[test]
    fn equals_rise_step_by_step() {
        let got: Vec<_> = chosen(1_100_000, &[want(), want()]);
        assert_eq!(got, [(Some(1), Reason::Bandwidth); 2]);
    }

    #[test]
    fn no_more_is_sent_than_can_be_seen_or_was_asked_for() {
        let small = prefer(Preference {
            width: 320,
            height: 180,
            ..Preference::default()
        });
        assert_eq!(chosen(9_000_000, &[small])[0], (Some(0), Reason::Size));
        let asked = prefer(Preference {
            layer: Some(layer(1)),
            ..Preference::default()
        });
        assert_eq!(chosen(9_000_000, &[asked])[0], (Some(1), Reason::Asked));
        let paused = prefer(Preference {
            paused: true,
            ..Preference::default()
        });
        assert_eq!(chosen(9_000_000, &[paused])[0], (None, Reason::Paused));
    }

    #[test]
    fn a_source_of_which_nothing_comes_is_inactive() {
        let mut idle = want();
        idle.layers.iter_mut().for_each(|l| l.active = false);
        assert_eq!(chosen(9_000_000, &[idle])[0], (None, Reason::Inactive));
    }

    #[test]
    fn the_last_layer_is_kept_for_a_while_if_not_much_is_short() {
        let mut want = want();
        want.layers.truncate(1);
        (want.last, want.short) = (Last::Layer(layer(0)), false);
        let kept = |want: &Want, budget| {
            let choice = allocate(Budget::Known(budget), std::slice::from_ref(want))[0];
            (choice.layer.is_some(), choice.strained)
        };
        assert_eq!(kept(&want, 145_000), (true, false));
        assert_eq!(kept(&want, 110_000), (true, true));
        assert_eq!(kept(&want, 90_000), (false, false));
        want.short = true;
        assert_eq!(kept(&want, 110_000), (false, false));
        (want.last, want.short) = (Last::New, false);
        assert_eq!(kept(&want, 110_000), (false, false));
    }

    #[test]
    fn a_dear_layer_that_shows_no_more_is_passed_over() {
        let mut wasteful = want();
        wasteful.layers[1].resolution = Some((320, 180));
        assert_eq!(chosen(1_000_000, &[wasteful])[0].0, Some(0));
    }

    #[test]
    fn a_step_up_needs_headroom_and_what_is_there_is_kept() {
        let had = |encoding, held| Want {
            last: Last::Layer(layer(encoding)),
            held,
            ..want()
        };
        assert_eq!(chosen(520_000, &[had(0, false)])[0].0, Some(0));
        assert_eq!(chosen(560_000, &[had(0, false)])[0].0, Some(1));
        assert_eq!(chosen(560_000, &[had(0, true)])[0].0, Some(0));
        assert_eq!(chosen(480_000, &[had(1, false)])[0].0, Some(1));
        assert_eq!(chosen(470_000, &[had(1, false)])[0].0, Some(0));
    }

    proptest! {
        #[test]
        fn never_spends_more_than_there_is(
            budget in 0u64..10_000_000,
            wants in prop::collection::vec((0u8..4, any::<bool>(), 0u16..2000, 1u64..3_000_000), 1..12),
        ) {
            let wants: Vec<_> = wants.into_iter().map(|(priority, speaking, width, rate)| {
                let priority = [Priority::Pinned, Priority::Screen, Priority::Normal, Priority::Low][usize::from(priority)];
                let preference = Preference { priority, width, height: width, ..Preference::default() };
                let layers = vec![state(0, rate / 4, (320, 180)), state(1, rate, (640, 360))];
                Want { speaking, layers, ..prefer(preference) }
            }).collect();
            let choices = allocate(Budget::Known(budget), &wants);
            let spent: u64 = choices.iter().filter_map(|c| c.layer).map(|l| l.bitrate).sum();
            prop_assert!(spent as f64 <= budget as f64 * (1.0 + TOLERANCE));
        }

        #[test]
        fn the_same_estimate_gives_the_same_again(budget in 0u64..10_000_000, count in 1usize..8) {
            let mut wants = vec![want(); count];
            for _ in 0..4 {
                let before: Vec<_> = wants.iter().map(|w| w.last).collect();
                let choices = allocate(Budget::Known(budget), &wants);
                for (want, choice) in wants.iter_mut().zip(choices) {
                    want.last = choice.layer.map_or(Last::Paused, |l| Last::Layer(l.layer));
                }
                let after: Vec<_> = wants.iter().map(|w| w.last).collect();
                prop_assert!(before == after || before.contains(&Last::New));
            }
        }
    }
}
