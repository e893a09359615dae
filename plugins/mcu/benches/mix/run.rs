// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a pipeline and counts what it spends.

use super::Result;
use gst::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A pipeline from its launch line.
pub(super) fn pipeline(description: &str) -> Result<gst::Pipeline> {
    let pipeline = gst::parse::launch(description)?;
    let pipeline = pipeline.downcast::<gst::Pipeline>();
    pipeline.map_err(|_| "no pipeline".into())
}

/// Runs it to its end; the CPU time in milliseconds that this process spent on each picture that came to `out`.
pub(super) fn cost(pipeline: &gst::Pipeline) -> Result<f64> {
    let pictures = Arc::new(AtomicU32::new(0));
    let out = pipeline.by_name("out").ok_or("no out")?;
    let pad = out.static_pad("sink").ok_or("sinks have one")?;
    let count = pictures.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let before = cpu_time()?;
    let ended = play(pipeline);
    let spent = cpu_time()? - before;
    pipeline.set_state(gst::State::Null)?;
    ended?;
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
