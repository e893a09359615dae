// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts one source's sound on the common grid of samples.
//!
//! Times tell where a buffer belongs, but they jitter, and the source's clock is not ours: it drifts. So samples are put one
//! after the other, and where the times say more and more clearly that the sound comes early or late, buffers are stretched
//! or squeezed by at most 0.4 %, which nobody hears. Only what is far off starts anew.

use std::collections::VecDeque;

/// Sample rate of all mixing, in hertz.
pub const RATE: u32 = 48_000;
/// Interleaved channels of all mixing.
pub const CHANNELS: usize = 2;
/// Frames over which sound fades in and out where it begins or breaks off: 2.5 ms.
pub const FADE: usize = 120;
/// Most sound that is kept, in frames: 10 s.
pub const CAPACITY: usize = 10 * RATE as usize;

/// Times further off than this many frames (40 ms) are believed at once.
const RESYNC: u64 = 1920;
/// A mean deviation of fewer frames (0.5 ms) is left alone.
const TOLERANCE: f64 = 24.0;
/// How much each buffer's deviation weighs in the mean.
const WEIGHT: f64 = 1.0 / 32.0;
/// A buffer of this many frames may gain or lose one.
const STRETCH: usize = 250;

/// One source's sound, from when it comes until it is mixed.
#[derive(Debug, Default)]
pub struct Aligner {
    /// Interleaved.
    samples: VecDeque<f32>,
    /// Position of the first sample there is.
    start: i64,
    /// Mean of what times said in excess of what was counted, in frames.
    deviation: f64,
    /// 0 (silent) to 1, moving by at most 1/[`FADE`] each frame.
    presence: f32,
    /// Times it started anew because times were far off.
    resyncs: u64,
}

impl Aligner {
    /// Takes interleaved samples whose first frame belongs at position `at`.
    pub fn push(&mut self, at: i64, samples: &[f32]) {
        let frames = samples.len() / CHANNELS;
        let samples = &samples[..frames * CHANNELS];
        let off = at.saturating_sub(self.end());
        if self.samples.is_empty() || off.unsigned_abs() > RESYNC {
            self.restart(at, samples);
        } else {
            self.deviation += (off as f64 - self.deviation) * WEIGHT;
            self.append(samples, frames);
        }
        let surplus = self.frames().saturating_sub(CAPACITY);
        self.drop_front(surplus);
    }

    /// Position after the last sample.
    pub fn end(&self) -> i64 {
        self.start.saturating_add(self.frames() as i64)
    }

    /// Whether that many frames from a position on are there, with enough behind them to know that it goes on.
    pub fn is_ready(&self, at: i64, frames: usize) -> bool {
        self.end() >= at.saturating_add((frames + FADE) as i64)
    }

    /// How often it started anew because times were far off.
    pub fn resyncs(&self) -> u64 {
        self.resyncs
    }

    /// Writes what belongs from position `at` on, silence where nothing does; all of the past is forgotten.
    pub fn read(&mut self, at: i64, output: &mut [f32]) {
        self.forget_before(at);
        let lead = usize::try_from(self.start.saturating_sub(at)).unwrap_or_default();
        for (n, frame) in output.chunks_exact_mut(CHANNELS).enumerate() {
            if n < lead || self.samples.is_empty() {
                self.presence = 0.0;
                frame.fill(0.0);
                continue;
            }
            let step = 1.0 / FADE as f32;
            let lasts = self.frames() > FADE;
            let target = self.presence + if lasts { step } else { -step };
            self.presence = target.clamp(0.0, 1.0);
            for sample in frame {
                *sample = self.samples.pop_front().unwrap_or_default() * self.presence;
            }
            self.start += 1;
        }
    }

    /// Nothing more will come: what is left is just enough to fade out. False: nothing is.
    pub fn finish(&mut self) -> bool {
        self.samples.truncate(FADE * CHANNELS);
        !self.samples.is_empty() && self.presence > 0.0
    }

    fn frames(&self) -> usize {
        self.samples.len() / CHANNELS
    }

    fn restart(&mut self, at: i64, samples: &[f32]) {
        self.resyncs += u64::from(!self.samples.is_empty());
        self.deviation = 0.0;
        let gap = at.saturating_sub(self.end());
        if !self.samples.is_empty() && (0..CAPACITY as i64).contains(&gap) {
            self.append_after(gap as usize, samples);
            return;
        }
        self.samples.clear();
        self.samples.extend(samples);
        self.start = at;
        self.presence = 0.0;
    }

    /// What is there is still to be heard; then comes silence, then what is new.
    fn append_after(&mut self, silence: usize, samples: &[f32]) {
        let part = |n: usize| ((n / CHANNELS) as f32 / FADE as f32).min(1.0);
        let tail = self.samples.iter_mut().rev().take(FADE * CHANNELS);
        tail.enumerate().for_each(|(n, sample)| *sample *= part(n));
        let silence = silence * CHANNELS;
        self.samples.extend(std::iter::repeat_n(0.0, silence));
        let faded = samples.iter().enumerate().map(|(n, s)| s * part(n));
        self.samples.extend(faded);
    }

    /// Appends, longer or shorter by what corrects the mean deviation.
    fn append(&mut self, samples: &[f32], frames: usize) {
        let most = (frames / STRETCH).max(usize::from(frames >= 64)) as f64;
        let wanted = if self.deviation.abs() > TOLERANCE {
            self.deviation.clamp(-most, most)
        } else {
            0.0
        };
        let correction = wanted.trunc() as i64;
        if correction == 0 || frames < 2 {
            self.samples.extend(samples);
            return;
        }
        self.deviation -= correction as f64;
        let target = frames.saturating_add_signed(correction as isize);
        self.samples.extend(stretched(samples, frames, target));
    }

    fn forget_before(&mut self, at: i64) {
        let late = usize::try_from(at.saturating_sub(self.start)).unwrap_or_default();
        if late > 0 && !self.samples.is_empty() {
            // What is cut off was never heard, so what is left begins anew.
            self.presence = 0.0;
        }
        self.drop_front(late);
        if self.samples.is_empty() {
            self.start = self.start.max(at);
        }
    }

    fn drop_front(&mut self, frames: usize) {
        let frames = frames.min(self.frames());
        self.samples.drain(..frames * CHANNELS);
        self.start = self.start.saturating_add(frames as i64);
    }
}

/// The same sound in `target` frames, by linear interpolation.
fn stretched(samples: &[f32], frames: usize, target: usize) -> impl Iterator<Item = f32> {
    let ratio = (frames - 1) as f64 / (target.max(2) - 1) as f64;
    (0..target * CHANNELS).map(move |n| {
        let (frame, channel) = (n / CHANNELS, n % CHANNELS);
        let position = frame as f64 * ratio;
        let (whole, part) = (position as usize, position.fract() as f32);
        let sample = |frame: usize| samples[frame.min(frames - 1) * CHANNELS + channel];
        sample(whole) + (sample(whole + 1) - sample(whole)) * part
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: usize = 480;

    fn block(value: f32, frames: usize) -> Vec<f32> {
        vec![value; frames * CHANNELS]
    }

    #[test]
    fn sound_comes_out_where_its_times_put_it() {
        let mut aligner = Aligner::default();
        aligner.push(100, &block(0.5, 1100));
        assert!(aligner.is_ready(0, BLOCK) && aligner.is_ready(BLOCK as i64, BLOCK));
        assert!(!aligner.is_ready(2 * BLOCK as i64, BLOCK));
        let mut out = block(9.0, BLOCK);
        aligner.read(0, &mut out);
        assert!(out[..200].iter().all(|sample| *sample == 0.0));
        assert!(
            out[200] > 0.0 && out[200] < 0.01,
            "it fades in: {}",
            out[200]
        );
        assert_eq!(out[BLOCK * CHANNELS - 1], 0.5);
    }

    #[test]
    fn a_source_that_stops_fades_out_and_one_that_returns_fades_in() {
        let mut aligner = Aligner::default();
        aligner.push(0, &block(1.0, BLOCK + BLOCK / 2));
        let mut all = Vec::new();
        let mut out = block(0.0, BLOCK);
        for n in 0..6i64 {
            if n == 4 {
                aligner.push(4 * BLOCK as i64, &block(1.0, 3 * BLOCK));
            }
            aligner.read(n * BLOCK as i64, &mut out);
            all.extend_from_slice(&out);
        }
        let steps = all.chunks(CHANNELS).collect::<Vec<_>>();
        let largest = steps
            .windows(2)
            .map(|pair| (pair[1][0] - pair[0][0]).abs())
            .fold(0.0f32, f32::max);
        assert!(largest < 0.01, "a click of {largest}");
        assert_eq!(
            (steps[400][0], steps[1000][0], steps[2800][0]),
            (1.0, 0.0, 1.0)
        );
    }

    #[test]
    fn jitter_changes_no_sample() {
        let mut aligner = Aligner::default();
        let ramp: Vec<f32> = (0..BLOCK * 50).flat_map(|n| [n as f32; 2]).collect();
        let mut heard = Vec::new();
        for (n, piece) in ramp.chunks(BLOCK * CHANNELS).enumerate() {
            let jitter = [0, 100, -100, 30, -30][n % 5];
            aligner.push((n * BLOCK) as i64 + jitter, piece);
        }
        let mut out = block(0.0, BLOCK);
        for n in 0..49 {
            aligner.read(n * BLOCK as i64, &mut out);
            heard.extend_from_slice(&out);
        }
        assert_eq!(heard[FADE * CHANNELS..], ramp[FADE * CHANNELS..heard.len()]);
        assert_eq!(aligner.resyncs(), 0);
    }

    /// Three minutes of a source whose clock is off; how far what is heard is from where it belongs, at most, in frames.
    fn worst_offset(ppm: f64) -> (f64, u64) {
        let mut aligner = Aligner::default();
        let mut out = block(0.0, BLOCK);
        let (mut sent, mut worst) = (0usize, 0.0f64);
        for n in 0..18_000i64 {
            // Its crystal makes a frame in another time than ours; the samples carry the time they were made at.
            let time_of = |frame: usize| frame as f64 * (1.0 + ppm / 1e6);
            while time_of(sent) < (n + 3) as f64 * BLOCK as f64 {
                let piece = (sent..sent + 960).flat_map(|frame| [time_of(frame) as f32; 2]);
                aligner.push(time_of(sent) as i64, &piece.collect::<Vec<_>>());
                sent += 960;
            }
            aligner.read(n * BLOCK as i64, &mut out);
            if n > 10 {
                let belongs = n as f64 * BLOCK as f64;
                worst = worst.max((f64::from(out[0]) - belongs).abs());
            }
        }
        (worst, aligner.resyncs())
    }

    #[test]
    fn drift_of_200_ppm_stays_within_two_milliseconds() {
        for ppm in [-200.0, 0.0, 200.0] {
            let (worst, resyncs) = worst_offset(ppm);
            assert!(worst < 96.0, "{ppm} ppm: {worst} frames off");
            assert_eq!(resyncs, 0, "{ppm} ppm");
        }
    }

    #[test]
    fn far_off_times_are_believed() {
        let mut aligner = Aligner::default();
        aligner.push(0, &block(1.0, BLOCK));
        aligner.push(48_000, &block(1.0, BLOCK));
        assert_eq!(aligner.end(), 48_480, "a gap is silence");
        aligner.push(1000, &block(1.0, BLOCK));
        assert_eq!(
            (aligner.end(), aligner.resyncs()),
            (1480, 2),
            "going back starts anew"
        );
    }

    proptest! {
        #[test]
        fn any_times_and_sizes_are_bounded_and_do_not_panic(
            pushes in proptest::collection::vec((any::<i64>(), 0..3000usize), 0..20), at in any::<i64>(),
        ) {
            let mut aligner = Aligner::default();
            let mut out = block(0.0, BLOCK);
            for (time, frames) in pushes {
                aligner.push(time, &block(0.25, frames));
                aligner.read(at, &mut out);
                prop_assert!(aligner.frames() <= CAPACITY);
                prop_assert!(out.iter().all(|sample| sample.abs() <= 0.25));
            }
        }
    }
}
