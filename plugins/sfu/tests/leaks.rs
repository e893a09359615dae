// SPDX-License-Identifier: MIT OR Apache-2.0
//! Going to PLAYING and back leaves nothing behind. Alone in its process, because it counts threads, descriptors and objects.

use gst::glib;
use gst::prelude::*;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

const LOOP: &str = "rtcsfu name=sfu workers=2 sink_0::participant=alice sink_1::participant=alice \
     videotestsrc is-live=true ! video/x-raw,width=160,height=120 ! vp8enc deadline=1 ! rtpvp8pay ! sfu.sink_0 \
     audiotestsrc is-live=true ! opusenc ! rtpopuspay ! sfu.sink_1 \
     sfu.video_alice ! fakesink name=v sync=false signal-handoffs=true sfu.audio_alice ! fakesink sync=false \
     sfu.video_nobody ! fakesink async=false";

#[test]
fn twenty_times_null_to_playing_leaves_no_thread_no_descriptor_and_no_object() {
    // SAFETY: nothing else runs yet.
    unsafe { std::env::set_var("GST_TRACERS", "leaks") };
    gst::init().expect("GStreamer starts");
    gstrtcsfu::plugin_register_static().expect("the plugin registers");
    // The first rounds fill what GLib keeps for good, its pools of threads for one.
    rounds(2);
    let (threads, descriptors) = (count("task"), count("fd"));
    rounds(20);
    until("threads end", || count("task") <= threads);
    until("descriptors are closed", || count("fd") <= descriptors);
    assert_eq!(live_objects(), [""; 0]);
}

fn rounds(rounds: usize) {
    let pipeline = gst::parse::launch(LOOP).expect("the description is right");
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .expect("it describes a pipeline");
    let (sender, buffers) = std::sync::mpsc::channel();
    let sink = pipeline.by_name("v").expect("it is in the description");
    sink.connect("handoff", false, move |_| {
        let _ = sender.send(());
        None
    });
    for _ in 0..rounds {
        pipeline.set_state(gst::State::Playing).expect("it plays");
        buffers.recv_timeout(DEADLINE).expect("a packet comes out");
        pipeline.set_state(gst::State::Null).expect("it stops");
        while buffers.try_recv().is_ok() {}
    }
    let bus = pipeline.bus().expect("pipelines have one");
    bus.set_flushing(true);
}

fn count(what: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{what}"))
        .expect("Linux")
        .count()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What the registry keeps for good.
const REGISTRY: [&str; 3] = ["GstPlugin", "GstElementFactory", "GstPadTemplate"];

/// Types of the objects the leaks tracer knows of, apart from the registry's.
fn live_objects() -> Vec<String> {
    let mut tracers = gst::active_tracers().into_iter();
    let tracer = tracers.next().expect("the leaks tracer runs");
    let objects = tracer.emit_by_name::<gst::Structure>("get-live-objects", &[]);
    let list = objects
        .get::<gst::List>("live-objects-list")
        .expect("the tracer documents it");
    let name = |value: &glib::SendValue| {
        let structure = value
            .get::<gst::Structure>()
            .expect("the tracer documents it");
        structure
            .value("object")
            .expect("the tracer documents it")
            .type_()
            .name()
            .to_owned()
    };
    let names = list.iter().map(name);
    let names = names
        .filter(|name| !REGISTRY.contains(&name.as_str()))
        .collect();
    // The tracer of GStreamer 1.22 hands out references it does not own.
    std::mem::forget(objects);
    names
}
