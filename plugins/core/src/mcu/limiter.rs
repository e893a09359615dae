// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps a sum of voices from clipping.

use super::aligner::CHANNELS;

/// Turns a sum down as far as its peaks need, at once, and up again slowly.
///
/// What stays below the threshold passes unchanged, bit by bit.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// The peak that gain is still held down for.
    envelope: f32,
}

/// Peaks above it are turned down: −0.5 dBFS.
const THRESHOLD: f32 = 0.944;
/// What is left of the envelope after each frame: 6 dB in 150 ms at 48 kHz.
const RELEASE: f32 = 0.999_904;

impl Default for Limiter {
    fn default() -> Limiter {
        Limiter {
            envelope: THRESHOLD,
        }
    }
}

impl Limiter {
    /// Limits interleaved samples in place; full scale is 1. All channels of a frame are turned down alike.
    pub fn process(&mut self, samples: &mut [f32]) {
        for frame in samples.chunks_exact_mut(CHANNELS) {
            let peak = frame.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
            self.envelope = (self.envelope * RELEASE).max(THRESHOLD).max(peak);
            if self.envelope > THRESHOLD {
                let gain = THRESHOLD / self.envelope;
                frame.iter_mut().for_each(|sample| *sample *= gain);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quiet_sound_is_not_touched() {
        let mut samples: Vec<f32> = (0..960).map(|n| (n as f32 * 0.1).sin() * 0.9).collect();
        let before = samples.clone();
        Limiter::default().process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn gain_comes_back_after_a_peak() {
        let mut limiter = Limiter::default();
        limiter.process(&mut [4.0, -4.0]);
        let mut soon = [0.5, 0.5];
        limiter.process(&mut soon);
        assert!(soon[0] < 0.2, "held down: {}", soon[0]);
        let mut second = vec![0.5; 48_000 * CHANNELS];
        limiter.process(&mut second);
        assert_eq!(second.last(), Some(&0.5));
    }

    proptest! {
        #[test]
        fn nothing_clips(samples in proptest::collection::vec(-20.0f32..20.0, 2..2000)) {
            let mut samples = samples;
            samples.truncate(samples.len() & !1);
            Limiter::default().process(&mut samples);
            prop_assert!(samples.iter().all(|sample| sample.abs() <= THRESHOLD * 1.0001));
        }
    }
}
