// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sink pads that feed one track together, each an encoding of the same picture.

use gst::prelude::*;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_pad_gets_the_largest_encoding_that_comes() {
    let pipeline = three_sizes(["q", "h", "f"]);
    let started = pipeline.set_state(gst::State::Playing);
    assert!(started.is_ok(), "{started:?}");
    shows(&pipeline, 640);
    assert_eq!(tracks(&pipeline), 1);

    // Its encoder makes a keyframe when asked for one, and at no other time: so the one that is asked is the right one.
    silence(&pipeline, 2);
    shows(&pipeline, 320);
    silence(&pipeline, 1);
    shows(&pipeline, 160);
    (0..2).for_each(|place| end(&pipeline, place));
    assert_eq!(tracks(&pipeline), 1);
    end(&pipeline, 2);
    until("the track goes with its last encoding", || {
        tracks(&pipeline) == 0
    });
    pipeline
        .set_state(gst::State::Null)
        .expect("pipelines stop");
}

#[test]
fn a_name_that_another_encoding_has_is_an_error_that_says_so() {
    let pipeline = three_sizes(["q", "q", "f"]);
    let started = pipeline.set_state(gst::State::Playing);
    assert!(started.is_ok(), "{started:?}");
    let bus = pipeline.bus().expect("pipelines have a bus");
    let timeout = gst::ClockTime::try_from(DEADLINE).expect("it is short");
    let message = bus.timed_pop_filtered(timeout, &[gst::MessageType::Error]);
    let message = message.expect("an error");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!("others are filtered out");
    };
    let text = error.error().to_string();
    assert!(text.contains("encoding \"q\""), "{text}");
    pipeline
        .set_state(gst::State::Null)
        .expect("pipelines stop");
}

/// One picture in three sizes, and a pad that takes it out of the room.
fn three_sizes(rids: [&str; 3]) -> gst::Pipeline {
    gst::init().expect("GStreamer starts");
    gstrtcsfu::plugin_register_static().expect("the plugin registers");
    let (mut labels, mut encoders) = (String::new(), String::new());
    for (place, rid) in rids.into_iter().enumerate() {
        let width = 160 << place;
        labels += &format!("sink_{place}::participant=cam sink_{place}::rid={rid} ");
        encoders += &format!(
            "sizes. ! valve name=valve{place} ! queue ! videoscale ! video/x-raw,width={width}
             ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=10000 target-bitrate={width}000
             ! rtpvp8pay ! sfu.sink_{place}\n"
        );
    }
    let description = format!(
        "rtcsfu name=sfu {labels}
         videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=15/1 ! tee name=sizes
         {encoders}
         sfu.video_cam ! rtpvp8depay ! vp8dec ! fakesink name=seen sync=false async=false"
    );
    let pipeline = gst::parse::launch(&description);
    let pipeline = pipeline.expect("the description is right");
    pipeline
        .downcast()
        .expect("several elements are a pipeline")
}

fn sfu(pipeline: &gst::Pipeline) -> gst::Element {
    pipeline.by_name("sfu").expect("it is in the description")
}

/// How many tracks the room has.
fn tracks(pipeline: &gst::Pipeline) -> u32 {
    let stats: gst::Structure = sfu(pipeline).property("stats");
    stats.get("tracks").expect("there is such a number")
}

/// No more pictures come to an encoder.
fn silence(pipeline: &gst::Pipeline, place: u32) {
    let valve = pipeline.by_name(&format!("valve{place}"));
    valve.expect("there are three").set_property("drop", true);
}

/// Ends what one encoder sends.
fn end(pipeline: &gst::Pipeline, place: u32) {
    let pad = sfu(pipeline).static_pad(&format!("sink_{place}"));
    let pad = pad.expect("it was requested");
    assert!(pad.send_event(gst::event::Eos::new()));
}

/// Waits until pictures of that width come out of the room.
fn shows(pipeline: &gst::Pipeline, width: i32) {
    let seen = pipeline.by_name("seen").expect("it is in the description");
    let pad = seen.static_pad("sink").expect("sinks have one");
    until(&format!("a picture of width {width}"), || {
        let caps = pad.current_caps();
        caps.and_then(|caps| caps.structure(0)?.get("width").ok()) == Some(width)
    });
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
