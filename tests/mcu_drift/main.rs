// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ten minutes of people whose clocks are off, in less than one.
//!
//! The pipeline's clock goes on as the mix does, so that nothing is ever late on a slow machine.

mod own_clock;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gst_rtc::build::scratch;
use gst_rtc::embedded::Embedded;
use gst_rtc::media::Recording;
use gst_rtc::{Result, check};

use own_clock::OwnClock;

const SECONDS: u64 = 600;
/// Pictures a second, of cameras and of the mix.
const RATE: u64 = 10;
const WIDTH: usize = 160;
const HEIGHT: usize = 90;
/// By how much the clocks of the two are off: one makes too many samples, one too few.
const DRIFT: [f64; 2] = [200e-6, -200e-6];
/// Both flash and beep every five seconds, the one between two of the other.
const EVERY: f64 = 5.0;
const FIRST: [f64; 2] = [2.0, 4.0];
const MARK: f64 = 0.2;
/// How far the clock is ahead of what has been mixed, and inputs ahead of the clock.
const AHEAD: gst::ClockTime = gst::ClockTime::from_mseconds(300);
const EARLY: f64 = 0.2;
/// Samples at a time.
const BLOCK: u64 = 480;
/// For all ten minutes, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn after_ten_minutes_of_drift_picture_and_sound_are_still_together() -> Result {
    let path = scratch().join("mcu-drift.mkv");
    let camera =
        format!("video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={RATE}/1");
    let voice = "audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=1";
    let inputs = (0..2).map(|n| {
        format!(
            "appsrc name=camera{n} is-live=true format=time caps={camera} ! mcu.sink_{}
             appsrc name=voice{n} is-live=true format=time caps={voice} ! mcu.sink_{} ",
            2 * n,
            2 * n + 1
        )
    });
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width={WIDTH} height={HEIGHT} framerate={RATE}/1 names=false animation=0 latency=1000
         sink_0::participant=fast sink_1::participant=fast sink_2::participant=slow sink_3::participant=slow {}
         mcu.video ! video/x-vp8 ! queue ! matroskamux name=mux ! filesink location={}
         mcu.audio ! audio/x-opus ! queue ! mux.",
        inputs.collect::<String>(),
        path.display()
    ))?;
    let clock = OwnClock::new();
    pipeline.pipeline().use_clock(Some(&clock));
    follow(&pipeline, &clock)?;
    pipeline.play().await?;
    // It begins with running time 0.
    clock.go_to(AHEAD);
    let sources = ["camera0", "camera1", "voice0", "voice1"].map(|name| pipeline.element(name));
    let sources: Vec<_> = sources.into_iter().collect::<Result<_>>()?;
    let filmed = tokio::task::spawn_blocking(move || film(&sources, &clock));
    pipeline.ended(PATIENCE).await?;
    filmed.await??;
    pipeline.stop().await?;
    are_together(&path)
}

/// Lets the clock follow the mix.
fn follow(pipeline: &Embedded, clock: &OwnClock) -> Result {
    let mixed = Arc::new(Mutex::new([gst::ClockTime::ZERO; 2]));
    for (n, name) in ["video", "audio"].into_iter().enumerate() {
        let pad = pipeline.element("mcu")?.static_pad(name);
        let (mixed, clock) = (mixed.clone(), clock.clone());
        let followed = move |_: &gst::Pad, info: &mut gst::PadProbeInfo<'_>| {
            let time = info.buffer().and_then(|buffer| buffer.pts());
            let mut mixed = mixed.lock().expect("no panic");
            mixed[n] = mixed[n].max(time.unwrap_or_default());
            clock.go_to(mixed[0].min(mixed[1]) + AHEAD);
            gst::PadProbeReturn::Ok
        };
        let pad = pad.expect("it is in the description");
        pad.add_probe(gst::PadProbeType::BUFFER, followed);
    }
    Ok(())
}

/// Gives the cameras their pictures and the voices their samples, each when it is due, and ends them.
fn film(sources: &[gst::Element], clock: &OwnClock) -> Result {
    let mut sent = [0u64; 2];
    for picture in 0..SECONDS * RATE {
        let time = picture as f64 / RATE as f64;
        clock.wait_for(seconds(time - EARLY));
        for n in 0..2 {
            let luma = if is_marked(n, time) { 235 } else { 16 };
            let mut pixels = vec![128u8; WIDTH * HEIGHT * 3 / 2];
            pixels[..WIDTH * HEIGHT].fill(luma);
            push(&sources[n], pixels, time, 1.0 / RATE as f64)?;
            // Until the next picture.
            while sample_time(n, sent[n]) < time + 1.0 / RATE as f64 {
                let start = sample_time(n, sent[n]);
                let voice = voice(n, sent[n]);
                push(&sources[2 + n], voice, start, 0.01)?;
                sent[n] += BLOCK;
            }
        }
    }
    for source in sources {
        let flow: gst::FlowReturn = source.emit_by_name("end-of-stream", &[]);
        flow.into_result()?;
    }
    Ok(())
}

/// The next 10 ms of somebody's voice.
fn voice(n: usize, from: u64) -> Vec<u8> {
    let ends = [from, from + BLOCK].map(|sample| sample_time(n, sample));
    if !ends.iter().any(|end| is_marked(n, *end)) {
        return vec![0; BLOCK as usize * 4];
    }
    let sample = |sample| {
        let at = sample_time(n, sample);
        let tone = (at * 1000.0 * std::f64::consts::TAU).sin() * 0.5;
        let value = if is_marked(n, at) { tone as f32 } else { 0.0 };
        value.to_le_bytes()
    };
    (from..from + BLOCK).flat_map(sample).collect()
}

/// When somebody's sample was made, by the clock of all.
fn sample_time(n: usize, sample: u64) -> f64 {
    sample as f64 / 48_000.0 / (1.0 + DRIFT[n])
}

/// Whether somebody flashes and beeps.
fn is_marked(n: usize, time: f64) -> bool {
    // A picture that begins with the mark belongs to it.
    let since = time - FIRST[n] + 1e-6;
    since >= 0.0 && since % EVERY < MARK
}

fn seconds(time: f64) -> gst::ClockTime {
    gst::ClockTime::from_nseconds((time.max(0.0) * 1e9) as u64)
}

fn push(source: &gst::Element, bytes: Vec<u8>, time: f64, duration: f64) -> Result {
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let fields = buffer.get_mut().expect("it was just made");
    fields.set_pts(seconds(time));
    fields.set_duration(seconds(duration));
    let flow: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
    flow.into_result()?;
    Ok(())
}

/// Every flash of the last minute is within 20 ms of its beep, and both are where they belong.
fn are_together(path: &Path) -> Result {
    let file = File::read(path)?;
    let pictures = file.times.len() as u64;
    check!(pictures >= SECONDS * RATE - RATE, "{pictures} pictures");
    let minute = SECONDS as f64 - 60.0;
    for (n, first) in FIRST.into_iter().enumerate() {
        let marks = (0..11).map(|mark| minute + first + EVERY * f64::from(mark));
        for mark in marks {
            let (flash, beep) = (file.flash(n, mark), file.beep(mark));
            let near = |a: Option<f64>, b: Option<f64>| {
                a.zip(b).is_some_and(|(a, b)| (a - b).abs() < 0.02)
            };
            check!(
                near(flash, beep) && near(flash, Some(mark)),
                "{n} at {mark} s: flash at {flash:?}, beep at {beep:?}"
            );
        }
    }
    Ok(())
}

/// What is in the file.
struct File {
    times: Vec<f64>,
    pictures: Vec<u8>,
    samples: Vec<u8>,
}

impl File {
    fn read(path: &Path) -> Result<File> {
        let recording = Recording::read(path)?;
        let gray = "-fps_mode passthrough -pix_fmt gray -f rawvideo";
        Ok(File {
            times: recording.times(recording.only("video")?),
            pictures: decoded(path, gray)?,
            samples: decoded(path, "-ac 1 -ar 48000 -f f32le")?,
        })
    }

    /// When somebody's tile is bright for the first time around that time.
    fn flash(&self, n: usize, mark: f64) -> Option<f64> {
        // In the middle of the left or the right tile.
        let spot = HEIGHT / 2 * WIDTH + WIDTH / 4 + n * WIDTH / 2;
        let pictures = self.pictures.chunks_exact(WIDTH * HEIGHT);
        let mut near = (self.times.iter().zip(pictures))
            .filter(|(time, _)| (mark - 0.5..mark + 0.5).contains(*time));
        near.find(|(_, picture)| picture[spot] > 150)
            .map(|(time, _)| *time)
    }

    /// When it is loud for the first time around that time.
    fn beep(&self, mark: f64) -> Option<f64> {
        let from = ((mark - 0.5) * 48_000.0) as usize;
        let mut near = self.samples.chunks_exact(4).skip(from).take(48_000);
        let loud = near.position(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).abs() > 0.1)?;
        Some((from + loud) as f64 / 48_000.0)
    }
}

/// What `ffmpeg` makes of a file.
fn decoded(path: &Path, format: &str) -> Result<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path);
    command.args(format.split_whitespace()).arg("-");
    Ok(command.output()?.stdout)
}
