// SPDX-License-Identifier: MIT OR Apache-2.0
//! Going to PLAYING and back leaves nothing behind. Alone in its process, because it counts threads, descriptors and objects.

use gst::glib;
use gst::prelude::*;
use std::collections::BTreeSet;
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
    let mut ledger = Ledger::start();
    for _ in 0..10 {
        rounds(2);
        ledger.read();
    }
    until("threads end", || count("task") <= threads);
    until("descriptors are closed", || count("fd") <= descriptors);
    let end = Instant::now() + DEADLINE;
    while ledger.read() > 0 {
        assert!(Instant::now() < end, "left behind: {:?}", ledger.alive);
        std::thread::sleep(Duration::from_millis(10));
    }
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

/// What the leaks tracer has seen come and not go. (Its signal `get-live-objects` is of no use here: it takes references.)
struct Ledger {
    tracer: gst::Tracer,
    alive: BTreeSet<(String, String)>,
}

impl Ledger {
    fn start() -> Ledger {
        let mut tracers = gst::active_tracers().into_iter();
        let tracer = tracers.next().expect("the leaks tracer runs");
        tracer.emit_by_name::<()>("activity-start-tracking", &[]);
        Ledger {
            tracer,
            alive: BTreeSet::new(),
        }
    }

    /// Takes over what happened since the last time.
    fn read(&mut self) -> usize {
        let activity = self
            .tracer
            .emit_by_name::<gst::Structure>("activity-get-checkpoint", &[]);
        self.alive
            .extend(objects(&activity, "objects-created-list"));
        for object in objects(&activity, "objects-removed-list") {
            self.alive.remove(&object);
        }
        self.alive.len()
    }
}

/// Types and addresses.
fn objects(activity: &gst::StructureRef, list: &str) -> Vec<(String, String)> {
    let list = activity
        .get::<gst::List>(list)
        .expect("the tracer documents it");
    let object = |value: &glib::SendValue| {
        let object = value
            .get::<gst::Structure>()
            .expect("the tracer documents it");
        let text = |field| {
            object
                .get::<String>(field)
                .expect("the tracer documents it")
        };
        (text("type-name"), text("address"))
    };
    list.iter().map(object).collect()
}
