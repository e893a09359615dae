// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brings the voice of somebody to about the loudness of everybody else's (automatic level control).

use super::aligner::{CHANNELS, RATE};

/// Turns a voice up or down towards the same mean power for all, slowly enough that nobody hears it move.
///
/// Only what is loud enough to be a voice counts: in a pause the gain stays where it is, so that its noise does not swell.
#[derive(Clone, Debug)]
pub struct Leveller {
    /// Mean square of the voice over the last [`WINDOW`] in which there was one.
    power: f64,
    /// How much of a window that is, in seconds.
    heard: f64,
    gain: f64,
}

/// The mean square a voice is brought to: −20 dBFS.
const TARGET: f64 = 0.01;
/// Below it, as mean square (−55 dBFS), there is no voice.
const QUIET: f64 = 3.2e-6;
/// Over how much of a voice its power is taken, in seconds, and after how much of it the gain begins to move.
const WINDOW: f64 = 3.0;
const FIRST: f64 = 0.1;
/// The gain is between these, −12 and +18 dB, and moves by no more than 24 dB down and 6 dB up in a second.
const GAINS: (f64, f64) = (0.25, 8.0);
const SPEEDS: (f64, f64) = (24.0, 6.0);

impl Default for Leveller {
    fn default() -> Leveller {
        Leveller {
            power: 0.0,
            heard: 0.0,
            gain: 1.0,
        }
    }
}

impl Leveller {
    /// Takes the next piece of interleaved sound, and says by what it is to be multiplied.
    pub fn measure(&mut self, samples: &[f32]) -> f32 {
        let seconds = (samples.len() / CHANNELS) as f64 / f64::from(RATE);
        let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        let power = sum / samples.len().max(1) as f64;
        if power > QUIET && power.is_finite() {
            self.heard = (self.heard + seconds).min(WINDOW);
            self.power += (power - self.power) * seconds / self.heard;
        }
        if self.heard >= FIRST {
            let wanted = (TARGET / self.power).sqrt().clamp(GAINS.0, GAINS.1);
            let step = |decibels: f64| 10f64.powf(decibels * seconds / 20.0);
            let (least, most) = (self.gain / step(SPEEDS.0), self.gain * step(SPEEDS.1));
            self.gain = wanted.clamp(least, most);
        }
        self.gain as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The gain after so many seconds of a tone of that amplitude.
    fn gain(leveller: &mut Leveller, amplitude: f32, seconds: usize) -> f32 {
        let block: Vec<f32> = (0..480 * CHANNELS)
            .map(|n| (n as f32 / CHANNELS as f32 * 0.1).sin() * amplitude)
            .collect();
        let blocks = (0..seconds * 100).map(|_| leveller.measure(&block));
        blocks.last().expect("some seconds")
    }

    #[test]
    fn quiet_and_loud_become_alike() {
        for amplitude in [0.03, 0.1, 0.2, 0.5] {
            let gain = gain(&mut Leveller::default(), amplitude, 6);
            // The power of a tone is half the square of its amplitude.
            assert!((gain * amplitude - 0.1414).abs() < 0.01, "{amplitude}");
        }
    }

    #[test]
    fn a_pause_and_its_noise_change_nothing() {
        let mut leveller = Leveller::default();
        let before = gain(&mut leveller, 0.1, 5);
        assert_eq!(gain(&mut leveller, 0.0, 60), before);
        assert_eq!(gain(&mut leveller, 0.001, 60), before);
        assert_eq!(gain(&mut Leveller::default(), 0.001, 60), 1.0);
    }

    #[test]
    fn nothing_is_turned_up_or_down_without_end() {
        assert_eq!(gain(&mut Leveller::default(), 0.005, 20), 8.0);
        assert_eq!(gain(&mut Leveller::default(), 1.0, 20), 0.25);
    }

    #[test]
    fn it_goes_up_slowly() {
        let after_a_second = gain(&mut Leveller::default(), 0.02, 1);
        assert!((1.7..2.1).contains(&after_a_second), "{after_a_second}");
    }

    proptest! {
        #[test]
        fn any_samples_give_a_gain_in_bounds(samples in proptest::collection::vec(any::<f32>(), 0..2000)) {
            let mut leveller = Leveller::default();
            for piece in samples.chunks(96) {
                let gain = leveller.measure(piece);
                prop_assert!((0.25..=8.0).contains(&gain));
            }
        }
    }
}
