// SPDX-License-Identifier: MIT OR Apache-2.0
//! One access link that loses a tenth of everything: what its subscriber misses, and that the others miss nothing.

use super::client::Packet;
use super::lab::Lab;
use super::link::Impairment;
use super::{Camera, media};
use gst_rtc_core::media::MediaKind::{Audio, Video};
use std::collections::BTreeSet;
use std::time::Duration;

/// Packets of one picture.
const PARTS: u64 = 3;
/// Five frames of sound, three pictures.
const TENTH: Duration = Duration::from_millis(100);

/// A camera with a microphone.
struct Source {
    camera: Camera,
    spoken: u64,
}

impl Source {
    fn run(&mut self, lab: &mut Lab, tenths: u64) {
        for _ in 0..tenths {
            for _ in 0..5 {
                self.speak(lab);
                lab.run(TENTH / 10);
            }
            for _ in 0..3 {
                self.camera.shoot(lab);
                lab.run(TENTH / 6);
            }
        }
    }

    fn speak(&mut self, lab: &mut Lab) {
        let packet = Packet {
            ssrc: Lab::ssrc(1, Audio),
            pt: media::OPUS_PT,
            sequence: 1 + self.spoken,
            timestamp: self.spoken as u32 * 960,
            marker: false,
            payload: self.spoken.to_be_bytes().to_vec(),
            audio_level: Some(-20),
        };
        self.spoken += 1;
        lab.send(self.camera.client, packet);
    }
}

/// Numbers of the pictures, of which all has come, and of the frames of sound; each of them from `first` on.
fn received(lab: &Lab, client: usize, first: (u64, u64)) -> (usize, BTreeSet<u64>) {
    let (mut packets, mut sound) = (BTreeSet::new(), BTreeSet::new());
    for packet in &lab.clients[client].packets {
        if *packet.header.payload_type == media::VP8_PT {
            packets.insert(media::read_vp8(&packet.payload).2);
        } else {
            let number = packet.payload[..].try_into();
            sound.insert(u64::from_be_bytes(number.expect("eight bytes")));
        }
    }
    let pictures = packets.range(first.0..).filter(|number| {
        let begins = (*number - first.0).is_multiple_of(PARTS);
        begins && (0..PARTS).all(|part| packets.contains(&(*number + part)))
    });
    (pictures.count(), sound.split_off(&first.1))
}

#[test]
fn a_tenth_lost_on_one_access_link_is_made_good_and_costs_the_others_nothing() {
    let mut lab = Lab::new(75);
    let alice = lab.publisher(1, &[Audio, Video]);
    let lossy = lab.subscriber(2, &[Video, Audio]);
    let others = [3, 4].map(|id| lab.subscriber(id, &[Video, Audio]));
    // As in browsers, which ask for pictures only.
    lab.touch(lossy, |client| client.never_ask(Lab::slot_ssrc(1)));
    lab.connect();
    let mut source = Source {
        camera: Camera::new(alice, 1),
        spoken: 0,
    };
    source.run(&mut lab, 10);
    lab.impair(lossy, Impairment::BAD);
    let first = (source.camera.sequence, source.spoken);
    source.run(&mut lab, 600);
    lab.run(Duration::from_secs(2));
    let pictures = ((source.camera.sequence - first.0) / PARTS) as usize;
    let frames = (source.spoken - first.1) as usize;

    let (whole, sound) = received(&lab, lossy, first);
    let share = whole as f64 / pictures as f64;
    assert!(share >= 0.995, "{:.2} % of the pictures", share * 100.0);
    // Opus carries each frame once more, in the packet after it (RFC 6716 §2.1.7); so does redundant audio.
    let heard = (first.1..source.spoken)
        .filter(|n| sound.contains(n) || sound.contains(&(n + 1)))
        .count();
    let share = heard as f64 / frames as f64;
    assert!(share >= 0.97, "{:.2} % of the sound", share * 100.0);
    assert!(sound.len() < frames * 95 / 100, "the link was not that bad");

    for other in others {
        assert_eq!(
            received(&lab, other, first),
            (pictures, (first.1..source.spoken).collect())
        );
    }
}

#[test]
fn silence_is_left_out_by_the_sender_and_put_in_by_nobody() {
    let mut lab = Lab::new(76);
    let alice = lab.publisher(1, &[Audio]);
    let bob = lab.subscriber(2, &[Audio]);
    lab.connect();
    // Opus with DTX: a frame of one byte every 400 ms (RFC 7587 §3.1.3), and speech that begins with a marker.
    let mut sent = Vec::new();
    let mut timestamp = u32::MAX - 50_000;
    for number in 0..60u64 {
        let silent = (20..40).contains(&number);
        let payload = vec![0x78; if silent { 1 } else { 70 }];
        let packet = Packet {
            ssrc: Lab::ssrc(1, Audio),
            pt: media::OPUS_PT,
            sequence: 65_500 + number,
            timestamp,
            marker: number == 40,
            payload: payload.clone(),
            audio_level: Some(if silent { -127 } else { -20 }),
        };
        sent.push((number, timestamp, number == 40, payload));
        lab.send(alice, packet);
        let step = if silent { 20 } else { 1 };
        timestamp = timestamp.wrapping_add(960 * step);
        lab.run(Duration::from_millis(20) * step);
    }
    let got = &lab.clients[bob].packets;
    let (begin, time) = (*got[0].seq_no, got[0].header.timestamp);
    let shift = sent[0].1.wrapping_sub(time);
    let received: Vec<_> = got
        .iter()
        .map(|p| {
            let time = p.header.timestamp.wrapping_add(shift);
            (*p.seq_no - begin, time, p.header.marker, p.payload.to_vec())
        })
        .collect();
    assert_eq!(received, sent);
}
