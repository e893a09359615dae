// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much later a picture is seen for having been mixed, from the sink pad to the composed picture.
//!
//! Nine cameras, none in step with the canvas or with another. One of them changes its colour; the time until the canvas has
//! the new colour is what mixing adds. Its budget is one picture of the canvas and 20 ms.

use super::{Result, run};
use gst::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

const PARTICIPANTS: u32 = 9;
/// Of colour, and pictures from one to the next.
const CHANGES: u32 = 60;
const PICTURES_EACH: u32 = 7;
/// What comes first shows how long everything takes to begin.
const WARM_UP: usize = 5;
const FORMAT: &str = "video/x-raw,format=I420,width=640,height=360,framerate=30/1";
const BUDGET: f64 = 1e3 / 30.0 + 20.0;
/// When something is wrong.
const DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn report() -> Result {
    let mut delays = (0..4).map(measure).collect::<Result<Vec<_>>>()?.concat();
    delays.sort_by(f64::total_cmp);
    let part = |of: f64| delays[((delays.len() - 1) as f64 * of) as usize];
    println!(
        "from sink pad to composed picture, {} changes of colour among {PARTICIPANTS} cameras:\n  \
         median {:.1} ms, 95 % {:.1} ms, most {:.1} ms  (budget {BUDGET:.1} ms)",
        delays.len(),
        part(0.5),
        part(0.95),
        part(1.0)
    );
    Ok(())
}

/// Delays in milliseconds, with the cameras as far from the step of the canvas as that.
fn measure(step: u32) -> Result<Vec<f64>> {
    let camera = |n: u32| {
        let late = gst::ClockTime::from_mseconds(((step * 8 + n * 11) % 33).into());
        format!(
            "videotestsrc is-live=true timestamp-offset={} ! {FORMAT} ! mcu.sink_{n} ",
            late.nseconds()
        )
    };
    let cameras: String = (1..PARTICIPANTS).map(camera).collect();
    let pipeline = run::pipeline(&format!(
        "rtcmcu name=mcu width=1280 height=720 framerate=30/1 animation=0
         appsrc name=camera is-live=true format=time do-timestamp=true caps={FORMAT} ! mcu.sink_0 {cameras}
         mcu.video ! video/x-raw,format=I420 ! fakesink name=out"
    ))?;
    let source = pipeline.by_name("camera").and_downcast::<gst_app::AppSrc>();
    let seen = seen(&pipeline.by_name("out").ok_or("no out")?)?;
    pipeline.set_state(gst::State::Playing)?;
    let sent = film(
        &source.ok_or("no camera")?,
        Duration::from_millis(u64::from(step) * 8),
    )?;
    let seen: Vec<Instant> = (sent.iter())
        .map(|_| seen.recv_timeout(DEADLINE))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| "a colour has not been seen")?;
    pipeline.set_state(gst::State::Null)?;
    let delays = sent.iter().zip(seen).skip(WARM_UP);
    let milliseconds = |(sent, seen): (&Instant, Instant)| {
        seen.saturating_duration_since(*sent).as_secs_f64() * 1e3
    };
    Ok(delays.map(milliseconds).collect())
}

/// Sends white and black pictures, several of each; when the first of each was sent.
fn film(camera: &gst_app::AppSrc, after: Duration) -> Result<Vec<Instant>> {
    let begin = Instant::now() + after;
    let mut changes = Vec::new();
    for n in 0..CHANGES * PICTURES_EACH {
        let due = begin + Duration::from_secs_f64(f64::from(n) / 30.0);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let is_white = (n / PICTURES_EACH).is_multiple_of(2);
        let luma = if is_white { 235 } else { 16 };
        let mut pixels = vec![128u8; 640 * 360 * 3 / 2];
        pixels[..640 * 360].fill(luma);
        let mut picture = gst::Buffer::from_mut_slice(pixels);
        let fields = picture.get_mut().ok_or("it is shared")?;
        fields.set_duration(gst::ClockTime::SECOND / 30);
        if n % PICTURES_EACH == 0 {
            changes.push(Instant::now());
        }
        camera.push_buffer(picture)?;
    }
    Ok(changes)
}

/// When the first tile of the composed picture becomes white, black, white, and so on.
fn seen(out: &gst::Element) -> Result<Receiver<Instant>> {
    let (sender, receiver) = mpsc::channel();
    let pad = out.static_pad("sink").ok_or("sinks have one")?;
    let was_white = AtomicBool::new(false);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let map = info.buffer().and_then(|buffer| buffer.map_readable().ok());
        // Above its name.
        let luma = map.and_then(|map| map.get(60 * 1280 + 60).copied());
        let is_white = match luma {
            Some(luma) if luma > 200 => true,
            Some(luma) if luma < 20 => false,
            _ => return gst::PadProbeReturn::Ok,
        };
        if is_white != was_white.swap(is_white, Ordering::Relaxed) {
            // The measurement may have ended.
            let _ = sender.send(Instant::now());
        }
        gst::PadProbeReturn::Ok
    });
    Ok(receiver)
}
