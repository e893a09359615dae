// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everybody's sum, and for each the sum without their own voice.
//!
//! Every source is read once per block and added once to the whole; somebody's own mix is the whole minus their own sum. So the
//! work grows with the sources plus the listeners, not with their product, and what is taken out is exactly what was put in.

use super::aligner::{Aligner, CHANNELS, RATE};
use super::leveller::Leveller;
use super::limiter::Limiter;
use std::collections::BTreeMap;

/// Names a source of sound.
pub type SourceId = u32;

/// Mixes sources block by block.
#[derive(Debug, Default)]
pub struct Mixer {
    sources: BTreeMap<SourceId, Source>,
    /// Sources that were removed and still fade out.
    leaving: Vec<Source>,
    total: Vec<f32>,
    /// Sums of participants with at least one source, this block's.
    own: BTreeMap<String, Vec<f32>>,
    /// How loud each participant was in this block: mean square of what was heard.
    powers: BTreeMap<String, f64>,
    position: i64,
    auto_level: bool,
}

#[derive(Debug)]
struct Source {
    participant: String,
    aligner: Aligner,
    volume: f32,
    muted: bool,
    leveller: Leveller,
    /// What the volume has reached on its way.
    gain: f32,
    block: Vec<f32>,
}

/// One listener's output: everything, or everything but one participant.
#[derive(Debug, Default)]
pub struct Listener {
    limiter: Limiter,
}

/// How far the volume moves each frame: full scale in 10 ms.
const SLEW: f32 = 100.0 / RATE as f32;

impl Mixer {
    /// Adds a source, silent until samples come.
    pub fn add(&mut self, id: SourceId, participant: &str) {
        let source = Source {
            participant: participant.to_owned(),
            aligner: Aligner::default(),
            volume: 1.0,
            muted: false,
            leveller: Leveller::default(),
            gain: 1.0,
            block: Vec::new(),
        };
        self.sources.insert(id, source);
    }

    /// Removes a source; it fades out in the next block.
    pub fn remove(&mut self, id: SourceId) {
        if let Some(mut source) = self.sources.remove(&id)
            && source.aligner.finish()
        {
            self.leaving.push(source);
        }
    }

    /// Whose voice it is. Unknown sources are ignored, here and below.
    pub fn set_participant(&mut self, id: SourceId, participant: &str) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.participant = participant.to_owned();
        }
    }

    /// Linear, 1 as it comes; reached within 10 ms per unit.
    pub fn set_volume(&mut self, id: SourceId, volume: f32) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.volume = volume;
        }
    }

    /// A muted source is not heard; nor does it make its participant the speaker.
    pub fn set_muted(&mut self, id: SourceId, muted: bool) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.muted = muted;
        }
    }

    /// Whether all sources are brought to about the same loudness, on top of their volume. Default: false.
    pub fn set_auto_level(&mut self, auto_level: bool) {
        self.auto_level = auto_level;
    }

    /// Takes interleaved samples of which the first frame belongs at that position.
    pub fn push(&mut self, id: SourceId, at: i64, samples: &[f32]) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.aligner.push(at, samples);
        }
    }

    /// Whether a source has all of the next block.
    pub fn is_ready(&self, id: SourceId, frames: usize) -> bool {
        let source = self.sources.get(&id);
        source.is_some_and(|source| source.aligner.is_ready(self.position, frames))
    }

    /// Position of the next block, in frames since running time 0.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Goes to another position; sounds that belong before it are not heard.
    pub fn seek(&mut self, position: i64) {
        self.position = position;
    }

    /// Mixes the next block of that many frames.
    pub fn mix(&mut self, frames: usize) {
        let length = frames * CHANNELS;
        self.reset(length);
        let present = self.sources.values_mut();
        for source in present.chain(self.leaving.iter_mut()) {
            source.read(self.position, length, self.auto_level);
            add(&mut self.total, &source.block);
            let own =
                (self.own.entry(source.participant.clone())).or_insert_with(|| vec![0.0; length]);
            add(own, &source.block);
            let power = self.powers.entry(source.participant.clone()).or_default();
            *power += source.power();
        }
        // A fade is shorter than any block.
        self.leaving.clear();
        self.position += frames as i64;
    }

    /// Writes everybody's sum of this block.
    pub fn write_all(&self, listener: &mut Listener, output: &mut [f32]) {
        output.copy_from_slice(&self.total);
        listener.limiter.process(output);
    }

    /// Writes the sum of everybody but one. Of somebody who makes no sound, that is everybody's.
    pub fn write_without(&self, participant: &str, listener: &mut Listener, output: &mut [f32]) {
        output.copy_from_slice(&self.total);
        if let Some(own) = self.own.get(participant) {
            for (sample, own) in output.iter_mut().zip(own) {
                *sample -= own;
            }
        }
        listener.limiter.process(output);
    }

    /// How loud each participant was in this block: mean square of what was heard, 1 at full scale.
    pub fn powers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.powers.iter().map(|(name, power)| (&**name, *power))
    }

    /// How often sources started anew because their times were far off.
    pub fn resyncs(&self) -> u64 {
        let sources = self.sources.values();
        sources.map(|source| source.aligner.resyncs()).sum()
    }

    fn reset(&mut self, length: usize) {
        self.total.clear();
        self.total.resize(length, 0.0);
        let there = |name: &String| {
            let mut sources = self.sources.values().chain(&self.leaving);
            sources.any(|source| source.participant == *name)
        };
        self.own.retain(|name, _| there(name));
        for own in self.own.values_mut() {
            own.clear();
            own.resize(length, 0.0);
        }
        self.powers.clear();
    }
}

impl Source {
    /// Its next block, at its volume.
    fn read(&mut self, at: i64, length: usize, auto_level: bool) {
        self.block.resize(length, 0.0);
        self.aligner.read(at, &mut self.block);
        let level = if auto_level {
            self.leveller.measure(&self.block)
        } else {
            self.leveller = Leveller::default();
            1.0
        };
        let target = if self.muted { 0.0 } else { self.volume * level };
        if self.gain == target && target == 1.0 {
            return;
        }
        for frame in self.block.chunks_exact_mut(CHANNELS) {
            self.gain += (target - self.gain).clamp(-SLEW, SLEW);
            frame.iter_mut().for_each(|sample| *sample *= self.gain);
        }
    }

    fn power(&self) -> f64 {
        let sum: f64 = self.block.iter().map(|s| f64::from(*s).powi(2)).sum();
        sum / self.block.len().max(1) as f64
    }
}

fn add(sum: &mut [f32], samples: &[f32]) {
    for (sum, sample) in sum.iter_mut().zip(samples) {
        *sum += sample;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: usize = 480;

    fn tone(hertz: f32, from: usize, frames: usize) -> Vec<f32> {
        let sample = |n: usize| {
            let turns = (n as f64 * f64::from(hertz) / f64::from(RATE)).fract();
            (turns * std::f64::consts::TAU).sin() as f32 * 0.2
        };
        (from..from + frames)
            .flat_map(|n| [sample(n); CHANNELS])
            .collect()
    }

    /// A second of somebody's mix, and of everybody's.
    fn second(mixer: &mut Mixer, tones: &[(u32, f32)], without: &str) -> (Vec<f32>, Vec<f32>) {
        let (mut all, mut minus) = (Listener::default(), Listener::default());
        let (mut heard, mut rest) = (Vec::new(), Vec::new());
        let mut out = vec![0.0; BLOCK * CHANNELS];
        for _ in 0..100 {
            let at = mixer.position();
            for (id, hertz) in tones {
                // One block ahead, as live sources are.
                let ahead = if at == 0 { 0 } else { at + BLOCK as i64 };
                let frames = if at == 0 { 2 * BLOCK } else { BLOCK };
                mixer.push(*id, ahead, &tone(*hertz, ahead as usize, frames));
            }
            mixer.mix(BLOCK);
            mixer.write_all(&mut all, &mut out);
            heard.extend_from_slice(&out);
            mixer.write_without(without, &mut minus, &mut out);
            rest.extend_from_slice(&out);
        }
        (heard, rest)
    }

    /// Amplitude of a tone in a second of sound, without the beginning.
    fn amplitude(samples: &[f32], hertz: f32) -> f64 {
        let left: Vec<f64> = (samples.iter().step_by(CHANNELS).skip(4800))
            .map(|sample| f64::from(*sample))
            .collect();
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in left.iter().enumerate() {
            let angle = std::f64::consts::TAU * f64::from(hertz) * n as f64 / f64::from(RATE);
            re += sample * angle.cos();
            im += sample * angle.sin();
        }
        2.0 * re.hypot(im) / left.len() as f64
    }

    #[test]
    fn everybody_hears_all_but_themselves() {
        let mut mixer = Mixer::default();
        let tones = [(0, 300.0), (1, 500.0), (2, 700.0)];
        for (id, name) in [(0, "a"), (1, "b"), (2, "c")] {
            mixer.add(id, name);
        }
        let (all, minus) = second(&mut mixer, &tones, "b");
        for (_, hertz) in tones {
            assert!((amplitude(&all, hertz) - 0.2).abs() < 0.01, "{hertz}");
        }
        assert!(amplitude(&minus, 300.0) > 0.19 && amplitude(&minus, 700.0) > 0.19);
        let left = 20.0 * (amplitude(&minus, 500.0) / 0.2).log10();
        assert!(left < -100.0, "their own voice at {left} dB");
    }

    #[test]
    fn two_sources_of_one_are_both_taken_out() {
        let mut mixer = Mixer::default();
        mixer.add(0, "a");
        mixer.add(1, "a");
        mixer.add(2, "b");
        let (_, minus) = second(&mut mixer, &[(0, 300.0), (1, 500.0), (2, 700.0)], "a");
        assert!(amplitude(&minus, 300.0) < 1e-5 && amplitude(&minus, 500.0) < 1e-5);
        assert!(amplitude(&minus, 700.0) > 0.19);
    }

    #[test]
    fn volume_and_mute_arrive_without_a_click() {
        let mut mixer = Mixer::default();
        mixer.add(0, "a");
        second(&mut mixer, &[(0, 100.0)], "");
        mixer.set_volume(0, 0.5);
        let (half, _) = second(&mut mixer, &[(0, 100.0)], "");
        assert!((amplitude(&half, 100.0) - 0.1).abs() < 0.01);
        mixer.set_muted(0, true);
        let (silent, _) = second(&mut mixer, &[(0, 100.0)], "");
        assert!(amplitude(&silent, 100.0) < 1e-6);
        let steps = [half, silent];
        for samples in &steps {
            let left: Vec<f32> = samples.iter().step_by(CHANNELS).copied().collect();
            let jump = |pair: &[f32]| (pair[1] - pair[0]).abs();
            assert!(left.windows(2).map(jump).fold(0.0, f32::max) < 0.01);
        }
    }

    #[test]
    fn who_leaves_fades_out() {
        let mut mixer = Mixer::default();
        mixer.add(0, "a");
        for n in 0..3 {
            mixer.push(0, n * BLOCK as i64, &vec![0.5; BLOCK * CHANNELS]);
        }
        let mut out = vec![0.0; BLOCK * CHANNELS];
        let mut heard = Vec::new();
        for n in 0..4 {
            if n == 2 {
                mixer.remove(0);
            }
            mixer.mix(BLOCK);
            mixer.write_all(&mut Listener::default(), &mut out);
            heard.extend(out.iter().step_by(CHANNELS).copied());
        }
        let click = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        assert!(click.fold(0.0f32, f32::max) < 0.01);
        assert_eq!((heard[900], heard[1900]), (0.5, 0.0));
    }

    proptest! {
        #[test]
        fn each_mix_is_the_sum_of_the_others(
            voices in proptest::collection::vec((0..4u32, -0.1f32..0.1), 1..9),
        ) {
            let mut mixer = Mixer::default();
            for (id, (owner, value)) in voices.iter().enumerate() {
                mixer.add(id as u32, &owner.to_string());
                mixer.push(id as u32, 0, &vec![*value; 4 * BLOCK * CHANNELS]);
            }
            mixer.mix(BLOCK);
            mixer.mix(BLOCK);
            let mut out = vec![0.0; BLOCK * CHANNELS];
            for listener in 0..5u32 {
                mixer.write_without(&listener.to_string(), &mut Listener::default(), &mut out);
                let expected: f32 = (voices.iter())
                    .filter(|(owner, _)| *owner != listener)
                    .map(|(_, value)| value)
                    .sum();
                prop_assert!((out[BLOCK] - expected).abs() < 1e-5);
            }
        }
    }
}
