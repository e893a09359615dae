// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first picture at once: newcomers get the newest group of pictures, and nobody asks the publisher for another.

use super::lab::Lab;
use super::{Camera, in_order, media};
use gst_rtc_core::engine::{Assignment, Engine, EngineEvent};
use gst_rtc_core::id::SessionId;
use gst_rtc_core::media::MediaKind::{Audio, Video};
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_micros(33_333);

/// A camera with a keyframe every ten seconds, that has run for a while with nobody looking.
fn camera(lab: &mut Lab, id: u32, frames: u64) -> Camera {
    let client = lab.publisher(id, &[Video]);
    lab.connect();
    let mut camera = Camera::new(client, id);
    camera.keyframes = 300;
    camera.run(lab, frames);
    lab.clients[client].keyframe_requests.clear();
    camera
}

/// Runs until the client is connected; when it was.
fn connected(lab: &mut Lab, camera: &mut Camera, client: usize) -> Instant {
    let deadline = lab.now + Duration::from_secs(10);
    let mut next = lab.now;
    while !lab.clients[client].connected {
        assert!(lab.now < deadline, "not connected");
        if lab.now >= next {
            camera.shoot(lab);
            next += FRAME;
        }
        lab.run(Duration::from_millis(1));
    }
    lab.now
}

/// Payload numbers from that of the keyframe on.
fn from_keyframe(camera: &Camera) -> std::ops::Range<u64> {
    let frames = (camera.frame - 1) % camera.keyframes + 1;
    camera.sequence - 3 * frames..camera.sequence
}

#[test]
fn a_newcomer_gets_the_newest_group_of_pictures_at_once_and_catches_up() {
    let mut lab = Lab::new(40);
    let mut camera = camera(&mut lab, 1, 280);
    let bob = lab.subscriber(2, &[Video]);
    let joined = connected(&mut lab, &mut camera, bob);
    while lab.clients[bob].packets.is_empty() {
        lab.run(Duration::from_millis(1));
    }
    let first = lab.now - joined;
    assert!(
        first < Duration::from_millis(60),
        "{first:?} to the first packet"
    );
    camera.run(&mut lab, 12);
    lab.run(Duration::from_secs(1));
    assert!(camera.frame < 300, "no keyframe has come by itself");
    assert_eq!(
        in_order(&lab, bob),
        from_keyframe(&camera).collect::<Vec<_>>()
    );
    assert_eq!(lab.clients[camera.client].keyframe_requests, []);
    let stats = lab
        .engine
        .session_stats()
        .find(|s| s.session == SessionId(bob as u32));
    let slot = stats.expect("connected").slots[0].clone();
    assert_eq!((slot.nacked, slot.retransmitted), (0, 0));
}

#[test]
fn the_first_picture_is_whole_150_ms_after_the_handshake() {
    let mut lab = Lab::new(47);
    let alice = lab.publisher(1, &[Video]);
    lab.connect();
    let mut camera = Camera::new(alice, 1);
    camera.keyframes = 300;
    // A keyframe of 45 kB, and small pictures for the rest of ten seconds.
    camera.parts = 100;
    camera.shoot(&mut lab);
    camera.parts = 3;
    camera.run(&mut lab, 250);
    lab.clients[alice].keyframe_requests.clear();
    let bob = lab.subscriber(2, &[Video]);
    let joined = connected(&mut lab, &mut camera, bob);
    let whole = |lab: &Lab| {
        let keyframe = 1_000..1_100;
        let packets = lab.clients[bob].packets.iter();
        let numbers = packets.map(|p| media::read_vp8(&p.payload).2);
        numbers.filter(|number| keyframe.contains(number)).count() == 100
    };
    while !whole(&lab) {
        assert!(lab.now - joined < Duration::from_millis(150));
        lab.run(Duration::from_millis(1));
    }
    assert_eq!(lab.clients[alice].keyframe_requests, []);
}

/// Timestamps in the order of sequence numbers, each once.
fn timestamps(lab: &Lab, client: usize) -> Vec<u32> {
    let packets = lab.clients[client].packets.iter();
    let mut times: Vec<_> = packets.map(|p| (*p.seq_no, p.header.timestamp)).collect();
    times.sort_unstable();
    times.dedup_by_key(|(_, time)| *time);
    times.into_iter().map(|(_, time)| time).collect()
}

#[test]
fn time_passes_quickly_in_the_past_and_as_usual_once_it_has_caught_up() {
    let mut lab = Lab::new(41);
    let mut camera = camera(&mut lab, 1, 200);
    let bob = lab.subscriber(2, &[Video]);
    connected(&mut lab, &mut camera, bob);
    camera.run(&mut lab, 60);
    let times = timestamps(&lab, bob);
    let steps: Vec<_> = times.windows(2).map(|w| w[1].wrapping_sub(w[0])).collect();
    assert!(
        steps.iter().all(|step| (1..=3_000).contains(step)),
        "{steps:?}"
    );
    assert!(
        steps.iter().rev().take(50).all(|step| *step == 3_000),
        "{steps:?}"
    );
    // 600 packets of 450 bytes take a tenth of a second at 20 Mbit/s.
    let past: u32 = steps.iter().filter(|step| **step != 3_000).sum();
    assert!(past < 90_000 / 5, "{past} units for the past");
}

#[test]
fn another_source_is_shown_at_once_and_time_goes_on() {
    let mut lab = Lab::new(42);
    let mut cameras = [camera(&mut lab, 1, 40), camera(&mut lab, 3, 0)];
    cameras[1].timestamp = 3_000_000_000;
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    for round in 0..12 {
        for _ in 0..20 {
            cameras.iter_mut().for_each(|camera| camera.shoot(&mut lab));
            lab.run(FRAME);
        }
        let show = Assignment::Track(Lab::track(if round % 2 == 0 { 3 } else { 1 }, Video));
        lab.engine
            .assign(lab.now, SessionId(bob as u32), "s0", show);
        lab.collect();
        let before = lab.clients[bob].packets.len();
        lab.run(Duration::from_millis(40));
        let packet = lab.clients[bob]
            .packets
            .get(before)
            .expect("something at once");
        assert!(
            packet.payload[0] & 0x10 != 0 && packet.payload[6] & 1 == 0,
            "a keyframe"
        );
    }
    for camera in &cameras {
        assert_eq!(lab.clients[camera.client].keyframe_requests, []);
    }
    in_order_of_numbers(&lab, bob);
    let times = timestamps(&lab, bob);
    let step = |w: &[u32]| w[1].wrapping_sub(w[0]);
    let odd = times
        .windows(2)
        .map(step)
        .find(|s| !(1..12_000).contains(s));
    assert_eq!(odd, None);
    // What was shown took about as long as it took to show it: 12 times 20 pictures and 40 ms.
    let whole = times.last().expect("pictures").wrapping_sub(times[0]);
    let expected = 12 * (20 * 3_000 + 3_600);
    assert!(
        whole.abs_diff(expected) < expected / 10,
        "{whole} instead of {expected}"
    );
}

fn in_order_of_numbers(lab: &Lab, client: usize) {
    let packets = lab.clients[client].packets.iter();
    let mut numbers: Vec<_> = packets
        .map(|p| (*p.seq_no, media::read_vp8(&p.payload)))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    for pair in numbers.windows(2) {
        assert_eq!(pair[0].0 + 1, pair[1].0);
        let pictures = pair[1].1.0.wrapping_sub(pair[0].1.0) & 0x7fff;
        assert!(pictures <= 1, "{pair:?}");
    }
}

#[test]
fn a_group_of_pictures_with_a_hole_is_not_replayed() {
    let mut lab = Lab::new(43);
    let mut camera = camera(&mut lab, 1, 30);
    // Numbers that never come.
    camera.sequence += 2;
    camera.run(&mut lab, 60);
    lab.clients[camera.client].keyframe_requests.clear();
    let bob = lab.subscriber(2, &[Video]);
    connected(&mut lab, &mut camera, bob);
    camera.run(&mut lab, 5);
    assert_eq!(lab.clients[bob].packets.len(), 0);
    assert!(!lab.clients[camera.client].keyframe_requests.is_empty());
}

#[test]
fn three_hundred_join_within_a_second_and_the_publisher_hears_of_it_once_at_most() {
    let mut lab = Lab::new(44);
    let mut camera = camera(&mut lab, 1, 60);
    let mut viewers = Vec::new();
    for n in 0..300 {
        viewers.push(lab.subscriber(10 + n, &[Video]));
        if n % 10 == 9 {
            camera.run(&mut lab, 1);
        }
    }
    camera.run(&mut lab, 60);
    let asked = lab.clients[camera.client].keyframe_requests.len();
    assert!(asked <= 1, "asked {asked} times");
    let newest = camera.sequence - 1;
    for viewer in viewers {
        let got = in_order(&lab, viewer);
        assert_eq!(
            (got[0], got.last()),
            (from_keyframe(&camera).start, Some(&newest))
        );
    }
}

#[test]
fn a_keyframe_that_comes_live_ends_the_past() {
    let mut lab = Lab::new(45);
    let mut camera = camera(&mut lab, 1, 297);
    let bob = lab.subscriber(2, &[Video, Audio]);
    camera.frame = 297;
    let joined = lab.now;
    while !lab.clients[bob].connected {
        lab.run(Duration::from_millis(1));
    }
    assert!(lab.now - joined < Duration::from_secs(1));
    camera.run(&mut lab, 20);
    lab.run(Duration::from_secs(1));
    let got = in_order(&lab, bob);
    assert_eq!(got.last(), Some(&(camera.sequence - 1)));
    assert_eq!(lab.clients[camera.client].keyframe_requests, []);
}

/// Gives another worker the packets of one picture, as a pad there does.
fn shoot_elsewhere(worker: &mut Engine, now: Instant, frame: u16) {
    for part in 0..3 {
        let number = u64::from(frame) * 3 + part;
        let (start, keyframe) = (part == 0, frame == 0);
        let mut packet = vec![0x80, media::VP8_PT];
        packet.extend((number as u16).to_be_bytes());
        packet.extend((u32::from(frame) * 3_000).to_be_bytes());
        packet.extend(7u32.to_be_bytes());
        packet.extend(media::vp8(number, frame, frame as u8, start, keyframe));
        worker.handle_local_rtp(now, (Lab::track(1, Video), 0), &packet, now);
    }
    while worker.flush(now) != gst_rtc_core::engine::Flush::Done {}
}

/// Carries packets and interest from one worker to the other, as a node does.
fn relay(lab: &mut Lab, worker: &mut Engine) {
    for event in std::mem::take(&mut lab.events) {
        match event {
            EngineEvent::Interest { track, wanted } => {
                worker.set_interest(lab.now, track, 0, wanted)
            }
            EngineEvent::KeyframeNeeded { .. } => panic!("a keyframe is asked for"),
            _ => {}
        }
    }
    while let Some(event) = worker.poll_event() {
        match event {
            EngineEvent::Media {
                packet, workers: 1, ..
            } => lab.engine.handle_relayed(lab.now, &packet),
            EngineEvent::KeyframeNeeded { .. } => panic!("a keyframe is asked for"),
            _ => {}
        }
    }
    lab.collect();
}

#[test]
fn a_newcomer_at_another_worker_gets_the_group_of_pictures_too() {
    let mut lab = Lab::new(46);
    let mut worker = lab.other_worker(1);
    for frame in 0..100 {
        shoot_elsewhere(&mut worker, lab.now, frame);
        lab.run(FRAME);
    }
    let bob = lab.subscriber(2, &[Video]);
    relay(&mut lab, &mut worker);
    for frame in 100..160 {
        shoot_elsewhere(&mut worker, lab.now, frame);
        relay(&mut lab, &mut worker);
        lab.run(FRAME);
    }
    lab.run(Duration::from_secs(1));
    assert_eq!(in_order(&lab, bob), (0..480).collect::<Vec<_>>());
    let steps: Vec<_> = timestamps(&lab, bob)
        .windows(2)
        .map(|w| w[1].wrapping_sub(w[0]))
        .collect();
    assert!(
        steps.iter().take(90).all(|step| *step < 3_000),
        "the past is compressed: {steps:?}"
    );
}
