// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;
use crate::layer::Layer;
use proptest::prelude::*;
use std::sync::Arc;

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
        layers: Arc::new(vec![
            state(0, 150_000, (320, 180)),
            state(1, 500_000, (640, 360)),
            state(2, 2_000_000, (1280, 720)),
        ]),
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
        let mut layers = small.to_vec();
        layers.push(temporal(1, 0, large, 5.0));
        layers.push(temporal(1, 1, 400_000, 9.0));
        layers.sort_by_key(|state| state.bitrate);
        want.layers = Arc::new(layers);
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
        layers: Arc::new(vec![LayerState {
            resolution: None,
            ..state(0, AUDIO, (0, 0))
        }]),
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
    Arc::make_mut(&mut idle.layers)
        .iter_mut()
        .for_each(|l| l.active = false);
    assert_eq!(chosen(9_000_000, &[idle])[0], (None, Reason::Inactive));
}

#[test]
fn the_last_layer_is_kept_for_a_while_if_not_much_is_short() {
    let mut want = want();
    Arc::make_mut(&mut want.layers).truncate(1);
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
    Arc::make_mut(&mut wasteful.layers)[1].resolution = Some((320, 180));
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
            let layers = Arc::new(vec![state(0, rate / 4, (320, 180)), state(1, rate, (640, 360))]);
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
