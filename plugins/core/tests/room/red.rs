// SPDX-License-Identifier: MIT OR Apache-2.0
//! Redundant audio (RFC 2198): as it is to those who take it, its newest frames to the others.

use super::client::Packet;
use super::lab::Lab;
use super::media;
use gst_rtc_core::codec::Codec;
use gst_rtc_core::engine::{EngineEvent, SessionMediaStats};
use gst_rtc_core::media::MediaKind::Audio;
use gst_rtc_core::media::PayloadParams;
use std::time::Duration;

const FRAME: Duration = Duration::from_millis(20);

/// Formats of a peer: Opus by that number, and redundant audio made of it, if it takes that.
fn formats(opus: u8, red: Option<u8>) -> Vec<PayloadParams> {
    let mut payloads = media::payloads(Audio);
    payloads[0].pt = opus;
    let redundant = red.map(|pt| PayloadParams {
        pt,
        codec: Codec::Red,
        fmtp: format!("{opus}/{opus}"),
        ..payloads[0].clone()
    });
    payloads.extend(redundant);
    payloads
}

fn frame(number: u64) -> Vec<u8> {
    vec![number as u8; 30 + (number % 50) as usize]
}

/// A frame and the two before it.
fn redundant(number: u64, opus: u8) -> Vec<u8> {
    let mut payload = Vec::new();
    for back in [2, 1] {
        let (offset, length) = (960 * back as u16, frame(number - back).len() as u16);
        let [a, b] = (offset << 2 | length >> 8).to_be_bytes();
        payload.extend([0x80 | opus, a, b, length as u8]);
    }
    payload.push(opus);
    payload.extend((0..3).rev().flat_map(|back| frame(number - back)));
    payload
}

fn say(lab: &mut Lab, client: usize, pt: u8, number: u64, payload: Vec<u8>) {
    let packet = Packet {
        ssrc: Lab::ssrc(1, Audio),
        pt,
        sequence: number,
        timestamp: number as u32 * 960,
        marker: false,
        payload,
        audio_level: Some(-20),
    };
    lab.send(client, packet);
    lab.run(FRAME);
}

/// What a client got, in order, as (payload type, payload); asserts that no number is missing.
fn heard(lab: &Lab, client: usize) -> Vec<(u8, Vec<u8>)> {
    let mut packets: Vec<_> = lab.clients[client].packets.iter().collect();
    packets.sort_by_key(|packet| *packet.seq_no);
    let numbers = packets.windows(2);
    assert!(
        numbers
            .into_iter()
            .all(|w| *w[0].seq_no + 1 == *w[1].seq_no)
    );
    let heard = packets.into_iter();
    heard
        .map(|packet| (*packet.header.payload_type, packet.payload.to_vec()))
        .collect()
}

fn stats(lab: &Lab, client: usize) -> SessionMediaStats {
    let mut all = lab.engine.session_stats();
    all.find(|stats| stats.session.0 == client as u32)
        .expect("the session lives")
}

#[test]
fn redundancy_reaches_those_who_take_it_and_is_stripped_for_the_others() {
    let mut lab = Lab::new(80);
    let alice = lab.speaker(1, formats(111, Some(63)));
    let plain = lab.listener(2, formats(111, None));
    let same = lab.listener(3, formats(111, Some(63)));
    let others = lab.listener(4, formats(100, Some(62)));
    lab.connect();
    for number in 10..60u64 {
        // Senders may change from one to the other at any time.
        if number.is_multiple_of(10) {
            say(&mut lab, alice, 111, number, frame(number));
        } else {
            say(&mut lab, alice, 63, number, redundant(number, 111));
        }
    }
    lab.run(FRAME);
    let expect = |opus: u8, red: Option<u8>| -> Vec<_> {
        let packet = |number: u64| match red.filter(|_| !number.is_multiple_of(10)) {
            Some(red) => (red, redundant(number, opus)),
            None => (opus, frame(number)),
        };
        (10..60).map(packet).collect()
    };
    assert_eq!(heard(&lab, plain), expect(111, None));
    assert_eq!(heard(&lab, same), expect(111, Some(63)));
    assert_eq!(heard(&lab, others), expect(100, Some(62)));
    let octets: usize = (10..60).map(|number| frame(number).len()).sum();
    assert_eq!(stats(&lab, plain).slots[0].octets, octets as u64);
}

#[test]
fn what_is_cut_or_lies_about_its_lengths_reaches_nobody() {
    let mut lab = Lab::new(81);
    let alice = lab.speaker(1, formats(111, Some(63)));
    let plain = lab.listener(2, formats(111, None));
    let red = lab.listener(3, formats(111, Some(63)));
    lab.connect();
    let whole = redundant(7, 111);
    let begin = whole.len() - frame(7).len();
    let before = lab.engine.stats().invalid_rtp;
    for length in 0..=begin {
        say(
            &mut lab,
            alice,
            63,
            100 + length as u64,
            whole[..length].to_vec(),
        );
    }
    // Frames of a format that was not negotiated, and redundancy in redundancy.
    for (number, pt) in [(400, 99), (401, 63)] {
        let mut payload = whole.clone();
        payload[8] = pt;
        say(&mut lab, alice, 63, number, payload);
    }
    lab.run(FRAME);
    assert_eq!(heard(&lab, plain), []);
    assert_eq!(heard(&lab, red), []);
    let dropped = lab.engine.stats().invalid_rtp - before;
    assert_eq!(dropped, begin as u64 + 3);
}

#[test]
fn a_pad_gets_the_newest_frames() {
    let mut lab = Lab::new(82);
    let alice = lab.speaker(1, formats(111, Some(63)));
    lab.connect();
    lab.engine.set_tap(lab.now, Lab::track(1, Audio), true);
    for number in 10..20 {
        say(&mut lab, alice, 63, number, redundant(number, 111));
    }
    let tapped = lab.events.iter().filter_map(|event| match event {
        EngineEvent::Media {
            packet, tap: true, ..
        } => Some(packet),
        _ => None,
    });
    let tapped: Vec<_> = tapped
        .map(|packet| {
            (
                packet.codec,
                packet.payload_type,
                packet.bytes()[1] & 0x7f,
                packet.payload().to_vec(),
            )
        })
        .collect();
    let expected: Vec<_> = (10..20)
        .map(|number| (Codec::Opus, 111, 111, frame(number)))
        .collect();
    assert_eq!(tapped, expected);
}
