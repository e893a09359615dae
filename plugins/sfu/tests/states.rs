// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting and stopping with every kind of source: no state change hangs, and each start gives packets again.

use gst::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Once, mpsc};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

const ROUNDS: usize = 10;

fn launch(description: &str) -> gst::Pipeline {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().expect("GStreamer starts");
        gstrtcsfu::plugin_register_static().expect("the plugin registers");
    });
    let pipeline = gst::parse::launch(description).expect("the description is right");
    pipeline.downcast().expect("it has many elements")
}

/// Counts what an element called `out` gets.
fn arrivals(pipeline: &gst::Pipeline) -> Arc<AtomicUsize> {
    let out = pipeline.by_name("out").expect("it is in the description");
    let count = Arc::new(AtomicUsize::new(0));
    let arrivals = count.clone();
    let pad = out.static_pad("sink").expect("sinks have one");
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        arrivals.fetch_add(1, Relaxed);
        gst::PadProbeReturn::Ok
    });
    count
}

/// Fails where the change does not return, instead of hanging as it does.
fn change(pipeline: &gst::Pipeline, state: gst::State, what: &str) {
    let (done, changed) = mpsc::channel();
    let pipeline = pipeline.clone();
    std::thread::spawn(move || {
        let _ = done.send(pipeline.set_state(state));
    });
    let result = changed.recv_timeout(DEADLINE);
    let result = result.unwrap_or_else(|_| panic!("{what}: the change to {state:?} hangs"));
    result.unwrap_or_else(|error| panic!("{what}: {error}"));
}

/// From NULL to PLAYING and back, again and again, by way of a pause every other time.
fn starts_and_stops(what: &str, pipeline: &gst::Pipeline) {
    let arrived = arrivals(pipeline);
    for round in 0..ROUNDS {
        let before = arrived.load(Relaxed);
        change(pipeline, gst::State::Playing, what);
        let end = Instant::now() + DEADLINE;
        while arrived.load(Relaxed) < before + 3 {
            assert!(Instant::now() < end, "{what}: nothing in round {round}");
            std::thread::sleep(Duration::from_millis(5));
        }
        if round % 2 == 1 {
            change(pipeline, gst::State::Paused, what);
        }
        change(pipeline, gst::State::Null, what);
    }
}

/// A room of `a`, and two whose sound is made of what others say.
const ROOM: &str = "rtcsfu name=sfu workers=1 listen=127.0.0.1:0 sink_0::participant=a \
     sink_1::participant=echo sink_2::participant=again";

/// What makes a source the sound of `a`.
const TO_ROOM: &str = "opusenc ! rtpopuspay ! sfu.sink_0";

const OUT: &str = "! fakesink name=out async=false sync=false";

#[test]
fn a_live_source() {
    let live = "audiotestsrc is-live=true";
    let pipeline = launch(&format!("{ROOM} sfu.audio_a {OUT} {live} ! {TO_ROOM}"));
    starts_and_stops("live", &pipeline);
}

#[test]
fn a_source_that_is_not_live() {
    let pipeline = launch(&format!(
        "{ROOM} sfu.audio_a {OUT} audiotestsrc ! {TO_ROOM}"
    ));
    starts_and_stops("not live", &pipeline);
}

/// What comes out of the room goes back into it, so a bin starts and stops the elements in any order; and a mixer pushes what
/// it has when it starts or pauses.
#[test]
fn mixers_in_a_circle() {
    let back = "rtpopusdepay ! opusdec ! audiomixer ! opusenc ! rtpopuspay";
    for source in ["audiotestsrc is-live=true", "audiotestsrc"] {
        let pipeline = launch(&format!(
            "{ROOM} {source} ! {TO_ROOM} sfu.audio_again {OUT} \
             sfu.audio_a ! {back} ! sfu.sink_1 sfu.audio_echo ! {back} ! sfu.sink_2"
        ));
        starts_and_stops(&format!("circle of {source}"), &pipeline);
    }
}

#[test]
fn an_application_that_pushes() {
    for is_live in [true, false] {
        let pipeline = launch(&format!(
            "{ROOM} sfu.audio_a {OUT} appsrc name=app format=time block=true is-live={is_live} do-timestamp={is_live} \
             caps=audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved ! {TO_ROOM}"
        ));
        let app = pipeline.by_name("app").expect("it is in the description");
        let stop = Arc::new(AtomicBool::new(false));
        let pusher = std::thread::spawn({
            let stop = stop.clone();
            move || push_until(&app, is_live, &stop)
        });
        starts_and_stops(&format!("appsrc is-live={is_live}"), &pipeline);
        stop.store(true, Relaxed);
        pusher.join().expect("pushing does not panic");
    }
}

/// Pushes 20 ms of silence every 20 ms, whatever state the source is in; each start begins at zero.
fn push_until(app: &gst::Element, is_live: bool, stop: &AtomicBool) {
    const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(20);
    let mut next = gst::ClockTime::ZERO;
    while !stop.load(Relaxed) {
        let mut buffer = gst::Buffer::from_mut_slice(vec![0u8; 1_920]);
        let writable = buffer.get_mut().expect("nobody else has it yet");
        writable.set_pts((!is_live).then_some(next));
        writable.set_duration(STEP);
        next = match app.emit_by_name("push-buffer", &[&buffer]) {
            gst::FlowReturn::Ok => next + STEP,
            _ => gst::ClockTime::ZERO,
        };
        std::thread::sleep(STEP.into());
    }
}
