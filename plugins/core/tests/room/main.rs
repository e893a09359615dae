// SPDX-License-Identifier: MIT OR Apache-2.0
//! A room in virtual time: our engine on one side, str0m on the other, seeded links between them.

mod bandwidth;
mod client;
mod data;
mod encrypted;
mod lab;
mod link;
mod long_call;
mod loss;
mod media;
mod pacing;
mod red;
mod replay;
mod simulcast;
mod speakers;
mod timers;
mod wraps;

use client::Packet;
use gst_rtc_core::engine::{Assignment, CloseReason, EngineEvent};
use gst_rtc_core::id::{ParticipantId, SessionId};
use gst_rtc_core::media::MediaKind::{Audio, Video};
use lab::Lab;
use link::Impairment;
use std::collections::BTreeSet;
use std::time::Duration;

/// A source of VP8: 30 frames a second, `parts` packets each, a keyframe every `keyframes` frames.
struct Camera {
    client: usize,
    id: u32,
    keyframes: u64,
    parts: u64,
    frame: u64,
    sequence: u64,
    timestamp: u32,
    picture_id: u16,
    tl0: u8,
}

impl Camera {
    fn new(client: usize, id: u32) -> Camera {
        Camera {
            client,
            id,
            keyframes: 30,
            parts: 3,
            frame: 0,
            sequence: 1_000,
            timestamp: 1,
            picture_id: 5,
            tl0: 9,
        }
    }

    fn shoot(&mut self, lab: &mut Lab) {
        let keyframe = self.frame.is_multiple_of(self.keyframes);
        for part in 0..self.parts {
            let payload = media::vp8(
                self.sequence,
                self.picture_id,
                self.tl0,
                part == 0,
                keyframe,
            );
            let packet = Packet {
                ssrc: Lab::ssrc(self.id, Video),
                pt: media::VP8_PT,
                sequence: self.sequence,
                timestamp: self.timestamp,
                marker: part + 1 == self.parts,
                payload,
                audio_level: None,
            };
            lab.send(self.client, packet);
            self.sequence += 1;
        }
        self.frame += 1;
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.tl0 = self.tl0.wrapping_add(1);
    }

    fn run(&mut self, lab: &mut Lab, frames: u64) {
        for _ in 0..frames {
            self.shoot(lab);
            lab.run(Duration::from_micros(33_333));
        }
    }
}

/// The numbers of the payloads a client got, in the order of their sequence numbers; asserts that those have no gap.
fn in_order(lab: &Lab, client: usize) -> Vec<u64> {
    let mut packets: Vec<_> = lab.clients[client]
        .packets
        .iter()
        .map(|p| (*p.seq_no, media::read_vp8(&p.payload).2))
        .collect();
    packets.sort_unstable();
    packets.dedup();
    assert!(
        packets.windows(2).all(|w| w[0].0 + 1 == w[1].0),
        "a gap in the sequence numbers"
    );
    packets.into_iter().map(|(_, number)| number).collect()
}

fn closed(lab: &Lab) -> Vec<(SessionId, CloseReason)> {
    let closed = |event: &EngineEvent| match event {
        EngineEvent::SessionClosed { session, reason } => Some((*session, reason.clone())),
        _ => None,
    };
    lab.events.iter().filter_map(closed).collect()
}

#[test]
fn a_subscriber_gets_every_packet_from_a_keyframe_on() {
    let mut lab = Lab::new(1);
    let alice = lab.publisher(1, &[Video]);
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    let mut camera = Camera::new(alice, 1);
    camera.frame = 7; // in the middle of a group of pictures
    camera.run(&mut lab, 100);
    lab.run(Duration::from_secs(1));
    let first_keyframe = 1_000 + 3 * 23;
    assert_eq!(
        in_order(&lab, bob),
        (first_keyframe..1_300).collect::<Vec<_>>()
    );
    let asked = lab.clients[alice].keyframe_requests.len();
    assert!(
        (1..=4).contains(&asked),
        "the publisher was asked {asked} times"
    );
}

#[test]
fn ten_percent_loss_on_every_link_is_repaired() {
    let mut lab = Lab::new(2);
    let alice = lab.publisher(1, &[Video]);
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    lab.impair(alice, Impairment::BAD);
    lab.impair(bob, Impairment::BAD);
    let mut camera = Camera::new(alice, 1);
    camera.run(&mut lab, 900);
    lab.run(Duration::from_secs(2));
    let got: BTreeSet<_> = lab.clients[bob]
        .packets
        .iter()
        .map(|p| media::read_vp8(&p.payload).2)
        .collect();
    let first = *got.first().expect("packets");
    let share = got.len() as f64 / (1_000 + 2_700 - first) as f64;
    assert!(share >= 0.995, "{:.2} % delivered", share * 100.0);
    assert_eq!(
        got.len(),
        lab.clients[bob].packets.len(),
        "a packet came twice"
    );
}

#[test]
fn every_counter_wraps_without_a_trace() {
    let mut lab = Lab::new(3);
    let alice = lab.publisher(1, &[Video]);
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    let mut camera = Camera::new(alice, 1);
    (camera.sequence, camera.timestamp, camera.picture_id) = (65_000, u32::MAX - 30_000, 32_700);
    camera.keyframes = 300;
    camera.run(&mut lab, 25_000);
    lab.run(Duration::from_secs(1));
    let got = in_order(&lab, bob);
    assert_eq!(
        got.len(),
        75_000,
        "more than 65,536, so our own numbers wrapped too"
    );
    assert_eq!(got, (65_000..140_000).collect::<Vec<_>>());
    let pictures: BTreeSet<_> = lab.clients[bob]
        .packets
        .iter()
        .map(|p| (*p.seq_no, media::read_vp8(&p.payload)))
        .collect();
    let mut pictures = pictures
        .into_iter()
        .map(|(_, (picture, tl0, _))| (picture, tl0))
        .step_by(3);
    let mut last = pictures.next().expect("a picture");
    for picture in pictures {
        assert_eq!(picture, ((last.0 + 1) & 0x7fff, last.1.wrapping_add(1)));
        last = picture;
    }
}

#[test]
fn a_source_switch_leaves_no_break_in_any_number() {
    let mut lab = Lab::new(4);
    let alice = lab.publisher(1, &[Video]);
    let carol = lab.publisher(3, &[Video]);
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    let mut cameras = [Camera::new(alice, 1), Camera::new(carol, 3)];
    (
        cameras[1].sequence,
        cameras[1].picture_id,
        cameras[1].timestamp,
    ) = (40_000, 20_000, 77_777);
    cameras[1].frame = 11;
    for round in 0..20 {
        let shown = if round % 2 == 0 { 1 } else { 3 };
        let told = lab.engine.assign(
            lab.now,
            SessionId(2),
            "s0",
            Assignment::Track(Lab::track(shown, Video)),
        );
        assert!(told);
        lab.collect();
        for _ in 0..47 {
            cameras[0].shoot(&mut lab);
            cameras[1].shoot(&mut lab);
            lab.run(Duration::from_micros(33_333));
        }
    }
    lab.run(Duration::from_secs(1));
    let mut packets: Vec<_> = lab.clients[bob]
        .packets
        .iter()
        .map(|p| (*p.seq_no, p.header.timestamp, media::read_vp8(&p.payload)))
        .collect();
    packets.sort_unstable();
    packets.dedup();
    let mut switches = 0;
    for pair in packets.windows(2) {
        let ((seq_a, time_a, a), (seq_b, time_b, b)) = (pair[0], pair[1]);
        assert_eq!(seq_a + 1, seq_b);
        let step = time_b.wrapping_sub(time_a);
        assert!(step <= 200_000, "the timestamp moves by {step}");
        let pictures = b.0.wrapping_sub(a.0) & 0x7fff;
        assert!(pictures <= 1, "the picture id moves by {pictures}");
        assert_eq!(
            b.1.wrapping_sub(a.1),
            pictures as u8,
            "TL0PICIDX moves with the picture id"
        );
        if a.2.abs_diff(b.2) > 1 {
            switches += 1;
            assert_eq!(pictures, 1, "a switch begins a picture");
        }
    }
    assert!(switches >= 19, "{switches} switches");
}

#[test]
fn a_hundred_viewers_in_trouble_cost_the_publisher_two_keyframes_a_second() {
    let mut lab = Lab::new(5);
    let alice = lab.publisher(1, &[Video]);
    let viewers: Vec<_> = (0..30).map(|n| lab.subscriber(10 + n, &[Video])).collect();
    lab.connect();
    let mut camera = Camera::new(alice, 1);
    camera.keyframes = 1_000;
    camera.run(&mut lab, 30);
    lab.clients[alice].keyframe_requests.clear();
    for _ in 0..50 {
        for viewer in &viewers {
            lab.request_keyframe(*viewer, Lab::slot_ssrc(0));
        }
        camera.run(&mut lab, 3);
    }
    let asked = lab.clients[alice].keyframe_requests.len();
    assert!((5..=11).contains(&asked), "asked {asked} times in 5 s");
}

#[test]
fn who_leaves_is_gone_and_nobody_else_is_disturbed() {
    let mut lab = Lab::new(6);
    let alice = lab.publisher(1, &[Audio, Video]);
    lab.publisher(3, &[Video]);
    let bob = lab.subscriber(2, &[Video, Audio, Video]);
    lab.connect();
    let mut camera = Camera::new(alice, 1);
    camera.run(&mut lab, 30);
    lab.engine.remove_participant(lab.now, ParticipantId(3));
    lab.collect();
    assert_eq!(closed(&lab), [(SessionId(1), CloseReason::Local)]);
    let before = lab.clients[bob].packets.len();
    camera.run(&mut lab, 30);
    lab.run(Duration::from_millis(100));
    assert!(lab.clients[bob].packets.len() >= before + 87);
    let shown = lab.events.iter().rev().find_map(|event| match event {
        EngineEvent::Slots { slots, .. } => {
            Some(slots.iter().filter_map(|s| s.track).collect::<Vec<_>>())
        }
        _ => None,
    });
    let mut shown = shown.expect("the slots were told");
    shown.sort_unstable();
    assert_eq!(shown, [Lab::track(1, Audio), Lab::track(1, Video)]);
}

#[test]
fn speech_is_noticed_and_its_end_too() {
    let mut lab = Lab::new(7);
    let alice = lab.publisher(1, &[Audio]);
    lab.connect();
    for n in 0..200u64 {
        let packet = Packet {
            ssrc: Lab::ssrc(1, Audio),
            pt: media::OPUS_PT,
            sequence: 1 + n,
            timestamp: n as u32 * 960,
            marker: false,
            payload: vec![0xfc; 60],
            audio_level: Some(if (50..100).contains(&n) { -20 } else { -100 }),
        };
        lab.send(alice, packet);
        lab.run(Duration::from_millis(20));
    }
    let speaking = |event: &EngineEvent| match event {
        EngineEvent::Speaking {
            participant,
            speaking,
        } => Some((participant.0, *speaking)),
        _ => None,
    };
    assert_eq!(
        lab.events.iter().filter_map(speaking).collect::<Vec<_>>(),
        [(1, true), (1, false)]
    );
}

#[test]
fn a_stranger_can_neither_inject_nor_steal_nor_end_anything() {
    let mut lab = Lab::new(8);
    let alice = lab.publisher(1, &[Video]);
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    let mut camera = Camera::new(alice, 1);
    let stranger = ([10, 9, 9, 9], 9).into();
    for round in 0..60u8 {
        camera.run(&mut lab, 1);
        let address = lab.clients[alice].addr;
        for from in [stranger, address] {
            lab.inject(from, vec![round; 100]);
            lab.inject(from, [[0x80, 96, 0, round].as_slice(), &[0; 200]].concat());
            lab.inject(from, [[0x80, 200, 0, 6].as_slice(), &[0; 60]].concat());
            lab.inject(from, [[22, 0xfe, 0xfd].as_slice(), &[round; 90]].concat());
            lab.inject(
                from,
                [
                    [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42].as_slice(),
                    &[round; 12],
                ]
                .concat(),
            );
        }
    }
    lab.run(Duration::from_secs(1));
    assert_eq!(in_order(&lab, bob).len(), 180);
    assert!(closed(&lab).is_empty());
    assert!(lab.engine.stats().unknown_peer >= 120);
}
