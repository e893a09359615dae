// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element in pipelines, without a network: states, pads, properties, and from sink pads to src pads.

use gst::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().expect("GStreamer starts");
        gstrtcsfu::plugin_register_static().expect("the plugin registers");
    });
}

fn launch(description: &str) -> gst::Pipeline {
    init();
    let pipeline = gst::parse::launch(description).expect("the description is right");
    pipeline.downcast().unwrap_or_else(|element| {
        let pipeline = gst::Pipeline::new();
        pipeline.add(&element).expect("nothing else is in it");
        pipeline
    })
}

fn element(pipeline: &gst::Pipeline, name: &str) -> gst::Element {
    pipeline
        .by_name(name)
        .expect("the element is in the description")
}

/// Waits for a message; errors end the test.
fn wait_for(pipeline: &gst::Pipeline, wanted: impl Fn(&gst::Message) -> bool) -> gst::Message {
    let bus = pipeline.bus().expect("pipelines have a bus");
    let end = Instant::now() + DEADLINE;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        let timeout = gst::ClockTime::from_nseconds(left.as_nanos() as u64);
        let Some(message) = bus.timed_pop(timeout) else {
            break;
        };
        if wanted(&message) {
            return message;
        }
        if let gst::MessageView::Error(error) = message.view() {
            panic!("{}: {:?}", error.error(), error.debug());
        }
    }
    panic!("the message did not come");
}

fn wait_for_error(pipeline: &gst::Pipeline) -> gst::glib::Error {
    let message = wait_for(pipeline, |message| {
        message.type_() == gst::MessageType::Error
    });
    match message.view() {
        gst::MessageView::Error(error) => error.error(),
        _ => unreachable!("waited for an error"),
    }
}

/// Live: nothing waits in PAUSED for data that comes only in PLAYING.
fn no_preroll(pipeline: &gst::Pipeline) {
    let paused = pipeline.set_state(gst::State::Paused);
    assert_eq!(paused, Ok(gst::StateChangeSuccess::NoPreroll));
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Records what passes a pad: PTS by RTP timestamp, and flags.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Packet>>>);

#[derive(Clone, Copy, Debug)]
struct Packet {
    sequence: u16,
    timestamp: u32,
    pts: gst::ClockTime,
    flags: gst::BufferFlags,
}

impl Seen {
    fn on(pad: &gst::Pad) -> Seen {
        let seen = Seen::default();
        let packets = seen.0.clone();
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(kinds, move |_, info| {
            let mut packets = packets.lock().expect("no test panics with it");
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => packets.push(packet(buffer)),
                Some(gst::PadProbeData::BufferList(list)) => {
                    packets.extend(list.iter().map(packet))
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        })
        .expect("the pad takes a probe");
        seen
    }

    fn packets(&self) -> Vec<Packet> {
        self.0.lock().expect("no test panics with it").clone()
    }

    fn len(&self) -> usize {
        self.packets().len()
    }
}

fn packet(buffer: &gst::BufferRef) -> Packet {
    let map = buffer.map_readable().expect("buffers can be read");
    Packet {
        sequence: u16::from_be_bytes([map[2], map[3]]),
        timestamp: u32::from_be_bytes([map[4], map[5], map[6], map[7]]),
        pts: buffer.pts().expect("payloaders keep times"),
        flags: buffer.flags(),
    }
}

const ALICE: &str = "rtcsfu name=sfu workers=1 listen=127.0.0.1:0 sink_0::participant=alice sink_1::participant=alice \
     videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 \
       ! vp8enc deadline=1 keyframe-max-dist=25 ! rtpvp8pay name=vpay ! sfu.sink_0 \
     audiotestsrc is-live=true samplesperbuffer=960 ! audio/x-raw,rate=48000 ! opusenc ! rtpopuspay ! sfu.sink_1 ";

#[test]
fn what_goes_in_on_sink_pads_comes_out_on_src_pads_with_its_times() {
    let pipeline = launch(&format!(
        "{ALICE} sfu.video_alice ! queue ! rtpvp8depay ! fakesink name=v sync=false \
         sfu.audio_alice ! queue ! rtpopusdepay ! fakesink name=a sync=false"
    ));
    let sfu = element(&pipeline, "sfu");
    let pad = |name| sfu.static_pad(name).expect("the description asks for it");
    let pairs = [
        (Seen::on(&pad("sink_0")), Seen::on(&pad("video_alice"))),
        (Seen::on(&pad("sink_1")), Seen::on(&pad("audio_alice"))),
    ];
    no_preroll(&pipeline);
    pipeline.set_state(gst::State::Playing).expect("it plays");
    until("packets come out", || {
        pairs.iter().all(|(_, out)| out.len() > 100)
    });
    for (input, output) in &pairs {
        same_times(&input.packets(), &output.packets());
    }
    let video = pairs[0].1.packets();
    assert!(
        video[0].flags.contains(gst::BufferFlags::DISCONT),
        "the first packet is a discontinuity"
    );
    assert!(
        !video[0].flags.contains(gst::BufferFlags::DELTA_UNIT),
        "the first packet begins a keyframe"
    );
    assert!(
        video
            .iter()
            .any(|packet| packet.flags.contains(gst::BufferFlags::DELTA_UNIT))
    );
    assert!(
        video
            .iter()
            .any(|packet| packet.flags.contains(gst::BufferFlags::MARKER))
    );
    pipeline.set_state(gst::State::Null).expect("it stops");
}

/// Packets in order, none missing, and each with the running time it went in with, to 5 ms.
fn same_times(input: &[Packet], output: &[Packet]) {
    let times: HashMap<u32, gst::ClockTime> = input
        .iter()
        .map(|packet| (packet.timestamp, packet.pts))
        .collect();
    for pair in output.windows(2) {
        assert_eq!(
            pair[1].sequence,
            pair[0].sequence.wrapping_add(1),
            "{pair:?}"
        );
        assert!(pair[1].pts >= pair[0].pts, "{pair:?}");
    }
    for packet in output {
        let went_in = times[&packet.timestamp];
        assert!(
            packet.pts.absdiff(went_in) < gst::ClockTime::from_mseconds(5),
            "{packet:?} went in at {went_in}"
        );
    }
}

#[test]
fn caps_stream_start_and_segment_come_before_the_first_buffer() {
    let pipeline = launch(&format!(
        "{ALICE} sfu.video_alice ! fakesink name=v sync=false sfu.audio_alice ! fakesink sync=false"
    ));
    let sfu = element(&pipeline, "sfu");
    let (video, audio) = (
        sfu.static_pad("video_alice").expect("pad"),
        sfu.static_pad("audio_alice").expect("pad"),
    );
    let seen = [Seen::on(&video), Seen::on(&audio)];
    pipeline.set_state(gst::State::Playing).expect("it plays");
    until("packets come out", || {
        seen.iter().all(|seen| seen.len() > 0)
    });
    let caps = video.current_caps().expect("caps");
    let s = caps.structure(0).expect("one structure");
    assert_eq!(s.get::<&str>("encoding-name"), Ok("VP8"));
    assert_eq!(s.get::<i32>("clock-rate"), Ok(90_000));
    let segment = video
        .sticky_event::<gst::event::Segment>(0)
        .expect("segment");
    assert_eq!(segment.segment().format(), gst::Format::Time);
    let start = |pad: &gst::Pad| {
        pad.sticky_event::<gst::event::StreamStart>(0)
            .expect("stream-start")
    };
    assert_eq!(start(&video).stream_id(), "rtcsfu//alice/video");
    assert_eq!(start(&audio).stream_id(), "rtcsfu//alice/audio");
    assert_eq!(start(&video).group_id(), start(&audio).group_id());
    let mut latency = gst::query::Latency::new();
    assert!(video.query(&mut latency));
    assert_eq!(
        latency.result(),
        (true, gst::ClockTime::from_mseconds(100), None)
    );
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn a_recording_is_finished_by_eos_on_the_pipeline() {
    let file = std::env::temp_dir().join(format!("rtcsfu-loop-{}.mkv", std::process::id()));
    let pipeline = launch(&format!(
        "{ALICE} sfu.video_alice ! rtpvp8depay ! queue ! matroskamux name=mux ! filesink location={} \
         sfu.audio_alice ! rtpopusdepay ! queue ! mux.",
        file.display()
    ));
    let sfu = element(&pipeline, "sfu");
    let seen = Seen::on(&sfu.static_pad("video_alice").expect("pad"));
    pipeline.set_state(gst::State::Playing).expect("it plays");
    until("two seconds are recorded", || {
        seen.packets().iter().filter(|packet| marks(packet)).count() >= 50
    });
    pipeline.send_event(gst::event::Eos::new());
    wait_for(&pipeline, |message| {
        message.type_() == gst::MessageType::Eos
    });
    pipeline.set_state(gst::State::Null).expect("it stops");
    let (video, audio) = read_back(&file);
    std::fs::remove_file(&file).expect("it was written");
    assert!(video.len() >= 50, "{} pictures", video.len());
    for pair in video.windows(2) {
        let step = (pair[1] - pair[0]).mseconds();
        assert!(
            (38..=42).contains(&step),
            "a step of {step} ms between pictures"
        );
    }
    let spread = |times: &[gst::ClockTime]| times[times.len() - 1] - times[0];
    assert!(
        spread(&audio).absdiff(spread(&video)) < gst::ClockTime::from_mseconds(500),
        "{audio:?} {video:?}"
    );
}

fn marks(packet: &Packet) -> bool {
    packet.flags.contains(gst::BufferFlags::MARKER)
}

/// The times of the decoded pictures and of the audio buffers in a file.
fn read_back(file: &std::path::Path) -> (Vec<gst::ClockTime>, Vec<gst::ClockTime>) {
    let pipeline = launch(&format!(
        "filesrc location={} ! matroskademux name=d d.video_0 ! queue ! vp8dec ! fakesink name=v \
         d.audio_0 ! queue ! opusdec ! fakesink name=a",
        file.display()
    ));
    let times = |name| {
        let times = Arc::new(Mutex::new(Vec::new()));
        let into = times.clone();
        let pad = element(&pipeline, name)
            .static_pad("sink")
            .expect("sinks have one");
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let pts = info.buffer().and_then(|buffer| buffer.pts());
            into.lock().expect("no test panics with it").extend(pts);
            gst::PadProbeReturn::Ok
        });
        times
    };
    let (video, audio) = (times("v"), times("a"));
    pipeline.set_state(gst::State::Playing).expect("it plays");
    wait_for(&pipeline, |message| {
        message.type_() == gst::MessageType::Eos
    });
    pipeline.set_state(gst::State::Null).expect("it stops");
    let take = |times: Arc<Mutex<Vec<gst::ClockTime>>>| {
        times.lock().expect("no test panics with it").clone()
    };
    (take(video), take(audio))
}

#[test]
fn src_pads_come_and_go_while_playing() {
    let pipeline = launch(ALICE);
    let sfu = element(&pipeline, "sfu");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    for round in 0..10 {
        let pad = sfu
            .request_pad_simple("video_alice")
            .expect("the pad exists at once");
        let seen = Seen::on(&pad);
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .build()
            .expect("core element");
        pipeline.add(&sink).expect("the name is free");
        sink.sync_state_with_parent().expect("it plays");
        pad.link(&sink.static_pad("sink").expect("sinks have one"))
            .expect("any caps do");
        until(&format!("round {round} gives packets"), || seen.len() > 3);
        assert!(
            !seen.packets()[0]
                .flags
                .contains(gst::BufferFlags::DELTA_UNIT),
            "round {round} begins with a keyframe"
        );
        let before = Instant::now();
        sfu.release_request_pad(&pad);
        assert!(
            before.elapsed() < Duration::from_secs(5),
            "released in {:?}",
            before.elapsed()
        );
        assert!(sfu.static_pad("video_alice").is_none());
        pipeline.remove(&sink).expect("it is there");
        sink.set_state(gst::State::Null).expect("it stops");
    }
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn a_pad_whose_downstream_blocks_can_be_released() {
    let pipeline = launch(&format!(
        "{ALICE} sfu.video_alice ! identity name=wall ! fakesink sync=false"
    ));
    let sfu = element(&pipeline, "sfu");
    let wall = element(&pipeline, "wall")
        .static_pad("src")
        .expect("identity has one");
    let (reached, hits) = std::sync::mpsc::channel();
    wall.add_probe(
        gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER,
        move |_, _| {
            let _ = reached.send(());
            gst::PadProbeReturn::Ok
        },
    );
    pipeline.set_state(gst::State::Playing).expect("it plays");
    hits.recv_timeout(DEADLINE)
        .expect("a buffer reaches the wall");
    let pad = sfu.static_pad("video_alice").expect("pad");
    let before = Instant::now();
    sfu.release_request_pad(&pad);
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "released in {:?}",
        before.elapsed()
    );
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn a_pad_for_somebody_who_never_comes_holds_nothing_up() {
    let pipeline = launch(
        "rtcsfu name=sfu workers=1 listen=127.0.0.1:0 sfu.video_nobody ! rtpvp8depay ! fakesink",
    );
    no_preroll(&pipeline);
    pipeline.set_state(gst::State::Playing).expect("it plays");
    pipeline.send_event(gst::event::Eos::new());
    wait_for(&pipeline, |message| {
        message.type_() == gst::MessageType::Eos
    });
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn sink_pads_end_with_an_eos_message() {
    let pipeline = launch(
        "rtcsfu name=sfu workers=1 listen=127.0.0.1:0 videotestsrc num-buffers=30 ! video/x-raw,width=320,height=240,framerate=30/1 \
         ! vp8enc deadline=1 ! rtpvp8pay ! sfu.sink_0",
    );
    let before = Instant::now();
    pipeline.set_state(gst::State::Playing).expect("it plays");
    wait_for(&pipeline, |message| {
        message.type_() == gst::MessageType::Eos
    });
    assert!(
        before.elapsed() > Duration::from_millis(900),
        "a source that is not live plays at its own speed"
    );
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn properties_of_children_can_be_set_in_a_description() {
    let pipeline = launch(
        "rtcsfu name=sfu signaller::uri=ws://127.0.0.1:1 signaller::token=t room=r sink_0::participant=bob sink_0::track=cam \
         video_alice::track=screen fakesrc ! sfu.sink_0 sfu.video_alice ! fakesink",
    );
    let sfu = element(&pipeline, "sfu");
    let proxy = sfu
        .dynamic_cast_ref::<gst::ChildProxy>()
        .expect("it has children");
    let text = |name: &str| proxy.child_property::<String>(name);
    assert_eq!(text("signaller::uri"), "ws://127.0.0.1:1");
    assert_eq!(text("sink_0::participant"), "bob");
    assert_eq!(text("sink_0::track"), "cam");
    assert_eq!(text("video_alice::participant"), "alice");
    assert_eq!(text("video_alice::track"), "screen");
    assert_eq!(proxy.children_count(), 3);
}

#[test]
fn an_encoding_browsers_do_not_take_is_an_error_that_says_which_they_do() {
    let pipeline = launch(
        "rtcsfu name=sfu workers=1 listen=127.0.0.1:0 videotestsrc is-live=true ! jpegenc ! rtpjpegpay ! sfu.sink_0",
    );
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let error = wait_for_error(&pipeline);
    assert!(error.matches(gst::StreamError::Format), "{error}");
    assert!(
        error.message().contains("JPEG") && error.message().contains("VP8"),
        "{error}"
    );
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let address = taken.local_addr().expect("bound");
    let pipeline = launch(&format!("rtcsfu workers=1 listen={address}"));
    let played = pipeline.set_state(gst::State::Playing);
    assert!(played.is_err(), "the port is taken");
    let error = wait_for_error(&pipeline);
    assert!(error.matches(gst::ResourceError::OpenReadWrite), "{error}");
    assert!(
        error.message().contains("listen") && error.message().contains(&address.to_string()),
        "{error}"
    );
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn an_address_that_is_none_is_an_error_with_an_example() {
    let pipeline = launch("rtcsfu listen=everywhere");
    let played = pipeline.set_state(gst::State::Playing);
    assert!(played.is_err(), "not an address");
    let error = wait_for_error(&pipeline);
    assert!(error.matches(gst::ResourceError::Settings), "{error}");
    assert!(
        error.message().contains("listen") && error.message().contains("everywhere"),
        "{error}"
    );
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn the_port_and_the_statistics_can_be_read() {
    let pipeline = launch(&format!("{ALICE} sfu.video_alice ! fakesink sync=false"));
    let sfu = element(&pipeline, "sfu");
    assert_eq!(sfu.property::<u32>("port"), 0);
    let seen = Seen::on(&sfu.static_pad("video_alice").expect("pad"));
    pipeline.set_state(gst::State::Playing).expect("it plays");
    until("packets come out", || seen.len() > 10);
    assert_ne!(sfu.property::<u32>("port"), 0);
    let stats = sfu.property::<gst::Structure>("stats");
    assert_eq!(stats.name(), "application/x-rtcsfu-stats");
    assert_eq!(stats.get::<u32>("participants"), Ok(1));
    assert_eq!(stats.get::<u32>("tracks"), Ok(2));
    let pads = stats
        .get::<gst::ArrayRef<'_>>("src-pads")
        .expect("an array");
    let pad = pads[0].get::<gst::Structure>().expect("structures");
    assert!(pad.get::<u64>("packets").expect("a counter") > 0);
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn joins_and_tracks_are_told_by_signal_and_by_message() {
    let pipeline = launch(ALICE);
    let sfu = element(&pipeline, "sfu");
    let (sender, receiver) = std::sync::mpsc::channel();
    sfu.connect("participant-joined", false, move |args| {
        let _ = sender.send(args[3].get::<String>().expect("a name"));
        None
    });
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let message = wait_for(&pipeline, |message| {
        message.structure().is_some_and(|s| {
            s.name() == "rtcsfu-track-added" && s.get::<&str>("kind") == Ok("video")
        })
    });
    let s = message.structure().expect("an element message");
    assert_eq!(s.get::<&str>("participant"), Ok("alice"));
    assert_eq!(s.get::<&str>("encoding-name"), Ok("VP8"));
    assert_eq!(receiver.recv_timeout(DEADLINE).as_deref(), Ok("alice"));
    pipeline.set_state(gst::State::Null).expect("it stops");
}
