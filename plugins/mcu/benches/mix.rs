// SPDX-License-Identifier: MIT OR Apache-2.0
//! What mixing costs: nine participants in one picture, against the sum of what cannot be avoided.
//!
//! The parts are nine decoders, one compositor that scales to the same tiles, and one encoder, each measured alone in this run,
//! with the same pictures. What the element spends beyond them is its overhead; its budget is 15 %.

use gst::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const PARTICIPANTS: u32 = 9;
/// Ten seconds at 30 pictures a second.
const PICTURES: u32 = 300;
/// As the element sets its own encoder.
const ENCODER: &str = "vp8enc deadline=1 cpu-used=4 end-usage=cbr error-resilient=default threads=4 keyframe-max-dist=60 \
     lag-in-frames=0 target-bitrate=2000000";
/// Where pictures are counted.
const OUT: &str = "fakesink name=out";
/// A picture of the same size that costs nothing after the first.
const STILL: &str =
    "videotestsrc num-buffers=1 ! video/x-raw,format=I420,width=640,height=360,framerate=30/1";

fn main() -> Result {
    // `cargo test` only wants to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    gst::init()?;
    gstrtcmcu::plugin_register_static()?;
    let clip = Clip::make()?;
    let decode =
        run(&format!("{} ! vp8dec ! fakesink name=out", clip.source()))? * f64::from(PARTICIPANTS);
    let compose = run(&grid(
        &format!("{STILL} ! imagefreeze num-buffers={PICTURES}"),
        OUT,
    ))?;
    let encode = clip.encode()?;
    let parts = decode + compose + encode;
    let whole = clip.mix()?;
    println!(
        "{PARTICIPANTS} participants, 640×360 to 1280×720, 30 pictures a second; CPU per picture of the mix:"
    );
    for (name, milliseconds) in [
        ("nine decoders", decode),
        ("scale and compose", compose),
        ("encoder", encode),
        ("sum of the parts", parts),
        ("rtcmcu", whole),
    ] {
        println!("  {name:<18} {milliseconds:7.2} ms");
    }
    let overhead = 100.0 * (whole / parts - 1.0);
    println!("  overhead           {overhead:7.1} %  (budget 15 %)");
    Ok(())
}

/// A participant's picture, encoded; the file goes with it.
struct Clip(PathBuf);

impl Clip {
    fn make() -> Result<Clip> {
        let path = std::env::temp_dir().join(format!("rtcmcu-bench-{}.mkv", std::process::id()));
        let clip = Clip(path);
        run(&format!(
            "videotestsrc num-buffers={PICTURES} horizontal-speed=3 ! video/x-raw,format=I420,width=640,height=360,framerate=30/1
             ! vp8enc deadline=1 cpu-used=4 target-bitrate=800000 keyframe-max-dist=60 ! matroskamux
             ! filesink name=out location={}",
            clip.path().display()
        ))?;
        Ok(clip)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn source(&self) -> String {
        format!("filesrc location={} ! matroskademux", self.path().display())
    }

    /// Encoding alone cannot be fed for nothing: what feeds it is measured without it and taken off. At the pace of the pictures,
    /// because the encoder takes the time it has.
    fn encode(&self) -> Result<f64> {
        let decoded = format!("{} ! vp8dec", self.source());
        let without = run(&grid(&decoded, &format!("identity sync=true ! {OUT}")))?;
        let with = run(&grid(
            &decoded,
            &format!("identity sync=true ! {ENCODER} ! {OUT}"),
        ))?;
        Ok(with - without)
    }

    /// The element, live, with all that belongs to it.
    fn mix(&self) -> Result<f64> {
        let inputs: String = (0..PARTICIPANTS)
            .map(|n| format!("{} ! mcu.sink_{n} ", self.source()))
            .collect();
        run(&format!(
            "rtcmcu name=mcu width=1280 height=720 framerate=30/1 {inputs} mcu.video ! video/x-vp8 ! {OUT}"
        ))
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The pictures of nine such sources in the tiles of a grid.
fn grid(source: &str, then: &str) -> String {
    let (width, height) = (1280 / 3, 720 / 3);
    let tiles: String = (0..PARTICIPANTS)
        .map(|n| {
            let (x, y) = (n % 3 * width, n / 3 * height);
            format!("sink_{n}::xpos={x} sink_{n}::ypos={y} sink_{n}::width={width} sink_{n}::height={height} ")
        })
        .collect();
    let inputs: String = (0..PARTICIPANTS)
        .map(|n| format!("{source} ! mix.sink_{n} "))
        .collect();
    format!(
        "compositor name=mix {tiles} {inputs} mix.src
         ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! {then}"
    )
}

/// Runs a pipeline to its end; the CPU time in milliseconds that this process spent on each picture that came to `out`.
fn run(description: &str) -> Result<f64> {
    let pipeline = gst::parse::launch(description)?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "no pipeline")?;
    let pictures = Arc::new(AtomicU32::new(0));
    let out = pipeline.by_name("out").ok_or("no out")?;
    let pad = out.static_pad("sink").ok_or("sinks have one")?;
    let count = pictures.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let before = cpu_time()?;
    let ended = play(&pipeline);
    let spent = cpu_time()? - before;
    pipeline.set_state(gst::State::Null)?;
    ended.map_err(|error| format!("{description}: {error}"))?;
    Ok(spent.as_secs_f64() * 1e3 / f64::from(pictures.load(Ordering::Relaxed).max(1)))
}

fn play(pipeline: &gst::Pipeline) -> Result {
    let bus = pipeline.bus().ok_or("a pipeline has a bus")?;
    pipeline.set_state(gst::State::Playing)?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => Err(error.error().into()),
        _ => Err("no end within two minutes".into()),
    }
}

/// What this process has spent so far, of all threads, also of those that have ended (proc(5), `stat`).
fn cpu_time() -> Result<Duration> {
    /// Of the kernel's counters, the same on every Linux.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    // The 14th and 15th field of the line, which is the 12th and 13th behind the name.
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks
        .map(str::parse::<u32>)
        .sum::<std::result::Result<_, _>>()?;
    Ok(TICK * ticks)
}
