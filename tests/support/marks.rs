// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a recording's picture changes between black and white, and when it beeps.
//!
//! Decoded by `ffmpeg`, so that the times are those a player would use.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::media::Recording;
use crate::{Failure, Result};

const RATE: usize = 48_000;
/// A sample louder than this begins a beep; between beeps there is silence.
const LOUD: i16 = 3000;
/// Silence after which a loud sample begins another beep, in samples.
const PAUSE: usize = RATE / 5;

/// Times in seconds of the file, or of the clock that they were taken by.
#[derive(Debug, Deserialize)]
pub struct Marks {
    /// When the picture changed between dark and bright.
    pub flips: Vec<f64>,
    /// When a beep began.
    pub beeps: Vec<f64>,
}

impl Marks {
    /// Decodes a whole file.
    pub fn read(path: &Path) -> Result<Marks> {
        let recording = Recording::read(path)?;
        let times = recording.times(recording.only("video")?);
        let size = "scale=1:1:flags=area,format=gray";
        let pictures = decode(
            path,
            &["-map", "0:v", "-vf", size, "-fps_mode", "passthrough"],
        )?;
        let bright: Vec<bool> = pictures.iter().map(|level| *level > 127).collect();
        let changes = bright.windows(2).zip(times.iter().skip(1));
        let flips = changes
            .filter(|(pair, _)| pair[0] != pair[1])
            .map(|(_, time)| *time);

        // Every packet of Opus decodes to as many samples, so a sample's packet says when it is played.
        let starts = recording.times(recording.only("audio")?);
        let sound = decode(path, &["-map", "0:a", "-ac", "1", "-c:a", "pcm_s16le"])?;
        let samples: Vec<i16> = sound
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let each = samples.len() / starts.len().max(1);
        if each * starts.len() != samples.len() {
            let words = format!("{} samples of {} packets", samples.len(), starts.len());
            return Err(Failure::new(words));
        }
        let time = |at: usize| starts[at / each] + (at % each) as f64 / RATE as f64;
        Ok(Marks {
            flips: flips.collect(),
            beeps: onsets(&samples).into_iter().map(time).collect(),
        })
    }

    /// For each flip how much later the nearest beep is, in seconds.
    pub fn offsets(&self) -> Vec<f64> {
        let nearest = |flip: f64| {
            let distances = self.beeps.iter().map(|beep| beep - flip);
            distances.min_by(|a, b| a.abs().total_cmp(&b.abs()))
        };
        self.flips
            .iter()
            .filter_map(|flip| nearest(*flip))
            .filter(|d| d.abs() < 0.4)
            .collect()
    }
}

/// The samples at which beeps begin.
fn onsets(samples: &[i16]) -> Vec<usize> {
    let mut beeps = Vec::new();
    let mut loud: Option<usize> = None;
    for (at, _) in samples
        .iter()
        .enumerate()
        .filter(|(_, sample)| sample.unsigned_abs() > LOUD as u16)
    {
        if loud.is_none_or(|last| at - last > PAUSE) {
            beeps.push(at);
        }
        loud = Some(at);
    }
    beeps
}

/// The raw output of `ffmpeg`.
fn decode(path: &Path, options: &[&str]) -> Result<Vec<u8>> {
    let raw = if options.contains(&"pcm_s16le") {
        "s16le"
    } else {
        "rawvideo"
    };
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-copyts", "-flags2", "skip_manual", "-i"])
        .arg(path)
        .args(options)
        .args(["-f", raw, "-"])
        .output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("ffmpeg {}: {words}", path.display())));
    }
    Ok(output.stdout)
}

/// The middle value, which a single odd one does not move.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
