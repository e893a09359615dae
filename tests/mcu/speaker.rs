// SPDX-License-Identifier: MIT OR Apache-2.0
//! Listens to the sound that a `fakesink` gets.

use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{DEADLINE, Failure, Result};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

const RATE: f64 = 48_000.0;

/// What a pipeline needs before the sink: one channel of samples at 48 kHz.
pub(crate) const FORMAT: &str =
    "audioconvert ! audioresample ! audio/x-raw,format=F32LE,rate=48000,channels=1";

/// The samples of a sink since it was made or last asked.
pub(crate) struct Speaker(Arc<(Mutex<Heard>, Condvar)>);

#[derive(Default)]
struct Heard {
    samples: Vec<f32>,
    next: Option<gst::ClockTime>,
    gaps: Vec<String>,
}

/// A piece of sound.
pub(crate) struct Sound(pub(crate) Vec<f32>);

impl Speaker {
    /// Listens to the `fakesink` of that name, which must have `signal-handoffs` and [`FORMAT`].
    pub(crate) fn of(pipeline: &Embedded, sink: &str) -> Result<Speaker> {
        let shared = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let heard = shared.clone();
        pipeline
            .element(sink)?
            .connect("handoff", false, move |args| {
                let buffer = args[1]
                    .get::<gst::Buffer>()
                    .expect("the second argument is the buffer");
                heard.0.lock().expect("no panic").take(&buffer);
                heard.1.notify_all();
                None
            });
        Ok(Speaker(shared))
    }

    /// The next so many seconds from now on.
    pub(crate) async fn listen(&self, seconds: f64) -> Result<Sound> {
        let (shared, wanted) = (self.0.clone(), (seconds * RATE) as usize);
        let wait = move || {
            let until = Instant::now() + DEADLINE;
            let mut heard = shared.0.lock().expect("no panic");
            heard.samples.clear();
            while heard.samples.len() < wanted {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Failure::new(format!(
                        "only {} samples",
                        heard.samples.len()
                    )));
                }
                heard = shared.1.wait_timeout(heard, left).expect("no panic").0;
            }
            Ok(Sound(heard.samples.drain(..wanted).collect()))
        };
        tokio::task::spawn_blocking(wait).await?
    }

    /// Listens until this holds of half a second: on a busy machine sources may come late at first.
    pub(crate) async fn hears(&self, what: &str, holds: impl Fn(&Sound) -> bool) -> Result<Sound> {
        let until = Instant::now() + DEADLINE;
        loop {
            let sound = self.listen(0.5).await?;
            if holds(&sound) {
                return Ok(sound);
            }
            if Instant::now() > until {
                let tones =
                    [300.0, 400.0, 500.0, 700.0, 1100.0].map(|hertz| (hertz, sound.tone(hertz)));
                return Err(Failure::new(format!("never heard: {what}; last {tones:?}")));
            }
        }
    }

    /// Where a buffer did not begin where the one before it ended.
    pub(crate) fn gaps(&self) -> Vec<String> {
        self.0.0.lock().expect("no panic").gaps.clone()
    }
}

impl Heard {
    fn take(&mut self, buffer: &gst::Buffer) {
        let bytes = buffer.map_readable().expect("it is memory");
        let samples = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        self.samples.extend(samples);
        let (Some(start), Some(duration)) = (buffer.pts(), buffer.duration()) else {
            self.gaps.push("a buffer without a time".to_owned());
            return;
        };
        if let Some(next) = self
            .next
            .filter(|next| next.absdiff(start) > gst::ClockTime::from_useconds(50))
        {
            self.gaps.push(format!("{start} instead of {next}"));
        }
        self.next = Some(start + duration);
    }
}

impl Sound {
    /// Amplitude of a tone, 1 at full scale.
    pub(crate) fn tone(&self, hertz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        let length = self.0.len() as f64;
        for (n, sample) in self.0.iter().enumerate() {
            // A window, so that strong tones do not spill over weak ones.
            let window = 1.0 - (std::f64::consts::TAU * n as f64 / length).cos();
            let angle = std::f64::consts::TAU * hertz * n as f64 / RATE;
            re += f64::from(*sample) * window * angle.cos();
            im += f64::from(*sample) * window * angle.sin();
        }
        2.0 * re.hypot(im) / length
    }

    /// The same against another amplitude, in decibels.
    pub(crate) fn decibels(&self, hertz: f64, against: f64) -> f64 {
        20.0 * (self.tone(hertz).max(1e-9) / against).log10()
    }

    /// The peak of the quietest 20 ms.
    pub(crate) fn quietest(&self) -> f32 {
        let peak = |part: &[f32]| part.iter().fold(0.0, |peak: f32, s| peak.max(s.abs()));
        let peaks = self.0.chunks_exact(RATE as usize / 50).map(peak);
        peaks.fold(f32::INFINITY, f32::min)
    }

    /// The largest step from one sample to the next.
    pub(crate) fn largest_step(&self) -> f32 {
        let steps = self.0.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        steps.fold(0.0, f32::max)
    }
}
