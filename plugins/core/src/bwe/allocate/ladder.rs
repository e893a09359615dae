// SPDX-License-Identifier: MIT OR Apache-2.0
//! The layers that are worth their price to a viewer, from cheap to dear.

use super::want::{Preference, Priority, Reason, Want};
use crate::layer::{Layer, LayerState};

/// A picture of this share of the pixels asked for is large enough.
const LARGE_ENOUGH: f64 = 0.8;
/// With fewer pictures a second than this, motion is lost.
const FLUENT: f64 = 10.0;
/// A larger picture below that has to keep this share of the frame rate of a smaller one.
const AS_FLUENT: f64 = 0.75;

/// The layers a slot may get, and what keeps the best from it.
pub(super) fn ladder(want: &Want) -> (Vec<LayerState>, Option<Reason>) {
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
