// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tracks that are encrypted end to end: their payloads may be anything, and pass as they are.

use super::client::Packet;
use super::lab::Lab;
use super::link::Impairment;
use super::media;
use gst_rtc_core::engine::Assignment;
use gst_rtc_core::id::SessionId;
use gst_rtc_core::media::MediaKind::Video;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::time::Duration;

const FRAME: Duration = Duration::from_micros(33_333);
const RIDS: [&str; 3] = ["l", "m", "h"];

/// A camera whose encodings nobody can read: 30 pictures a second, of a few packets of random bytes each.
struct Cipher {
    client: usize,
    id: u32,
    random: StdRng,
    timestamp: u32,
    /// All that was sent of each encoding, in order.
    sent: Vec<Vec<Vec<u8>>>,
}

impl Cipher {
    fn new(lab: &mut Lab, id: u32, encodings: usize) -> Cipher {
        lab.encrypted = true;
        let client = match encodings {
            1 => lab.publisher(id, &[Video]),
            _ => lab.simulcast_publisher(id, &RIDS[..encodings]),
        };
        Cipher {
            client,
            id,
            random: StdRng::seed_from_u64(u64::from(id)),
            timestamp: 77 * id,
            sent: vec![Vec::new(); encodings],
        }
    }

    fn shoot(&mut self, lab: &mut Lab) {
        for encoding in 0..self.sent.len() {
            let packets = self.random.random_range(1..5);
            for index in 0..packets {
                let mut payload = vec![0; self.random.random_range(20..600)];
                self.random.fill_bytes(&mut payload);
                self.send(lab, encoding, index + 1 == packets, payload);
            }
        }
        self.timestamp = self.timestamp.wrapping_add(3_000);
    }

    fn send(&mut self, lab: &mut Lab, encoding: usize, marker: bool, payload: Vec<u8>) {
        let sent = &mut self.sent[encoding];
        sent.push(payload.clone());
        let packet = Packet {
            ssrc: Lab::ssrc(self.id, Video) + 10 * encoding as u32,
            pt: media::VP8_PT,
            sequence: 500 + sent.len() as u64,
            timestamp: self.timestamp,
            marker,
            payload,
            audio_level: None,
        };
        lab.send(self.client, packet);
    }

    fn run(&mut self, lab: &mut Lab, pictures: usize) {
        for _ in 0..pictures {
            self.shoot(lab);
            lab.run(FRAME);
        }
    }

    fn asked(&self, lab: &Lab) -> usize {
        lab.clients[self.client].keyframe_requests.len()
    }
}

/// What a client got, in order; asserts that no number is missing.
fn got(lab: &Lab, client: usize) -> Vec<Vec<u8>> {
    let packets = lab.clients[client].packets.iter();
    let mut got: Vec<_> = packets.map(|p| (*p.seq_no, p.payload.to_vec())).collect();
    got.sort_unstable();
    got.dedup();
    assert!(got.windows(2).all(|w| w[0].0 + 1 == w[1].0), "a gap");
    got.into_iter().map(|(_, payload)| payload).collect()
}

/// Asserts that `got` is a stretch of `sent`, to its end, and not a short one.
fn assert_end_of(sent: &[Vec<u8>], got: &[Vec<u8>]) {
    assert!(
        got.len() > sent.len() / 2,
        "{} of {}",
        got.len(),
        sent.len()
    );
    assert!(sent.ends_with(got), "payloads differ");
}

#[test]
fn payloads_pass_bit_by_bit_and_keyframes_are_asked_for_once() {
    let mut lab = Lab::new(90);
    let mut cipher = Cipher::new(&mut lab, 1, 1);
    let viewers = [10, 11].map(|id| lab.subscriber(id, &[Video]));
    lab.connect();
    cipher.run(&mut lab, 100);
    lab.run(FRAME);
    for viewer in viewers {
        assert_end_of(&cipher.sent[0], &got(&lab, viewer));
    }
    assert!(
        (1..=2).contains(&cipher.asked(&lab)),
        "{}",
        cipher.asked(&lab)
    );
}

#[test]
fn losses_are_repaired_with_the_same_bits() {
    let mut lab = Lab::new(91);
    let mut cipher = Cipher::new(&mut lab, 1, 1);
    let viewer = lab.subscriber(2, &[Video]);
    lab.connect();
    lab.impair(viewer, Impairment::BAD);
    cipher.run(&mut lab, 200);
    lab.impair(viewer, Impairment::GOOD);
    cipher.run(&mut lab, 10);
    lab.run(Duration::from_secs(1));
    assert_end_of(&cipher.sent[0], &got(&lab, viewer));
}

#[test]
fn another_source_begins_at_once_and_is_asked_for_a_keyframe() {
    let mut lab = Lab::new(92);
    let mut ciphers = [1, 2].map(|id| Cipher::new(&mut lab, id, 1));
    let viewer = lab.subscriber(3, &[Video]);
    lab.connect();
    for round in 0..6 {
        let shown = round % 2;
        let track = Assignment::Track(Lab::track(ciphers[shown].id, Video));
        lab.engine
            .assign(lab.now, SessionId(viewer as u32), "s0", track);
        lab.collect();
        let (before, asked) = (got(&lab, viewer).len(), ciphers[shown].asked(&lab));
        let begin = ciphers[shown].sent[0].len();
        for _ in 0..30 {
            ciphers.iter_mut().for_each(|cipher| cipher.shoot(&mut lab));
            lab.run(FRAME);
        }
        let new = got(&lab, viewer)[before..].to_vec();
        assert_eq!(new, ciphers[shown].sent[0][begin..]);
        assert!(ciphers[shown].asked(&lab) > asked);
    }
}

#[test]
fn an_encoding_is_forwarded_as_it_is_whatever_it_looks_like() {
    let mut lab = Lab::new(93);
    let mut cipher = Cipher::new(&mut lab, 1, 3);
    let viewer = lab.subscriber(2, &[Video]);
    lab.connect();
    cipher.run(&mut lab, 60);
    // What looks like keyframes of other sizes is not taken for such.
    for picture in 0..30 {
        for encoding in 0..3 {
            let payload = media::vp8_keyframe(picture, 1, 1, (64 << encoding, 64));
            cipher.send(&mut lab, encoding, true, payload);
        }
        cipher.timestamp += 3_000;
        lab.run(FRAME);
    }
    lab.run(FRAME);
    let got = got(&lab, viewer);
    let track = Lab::track(1, Video);
    let layers = lab.engine.layers(lab.now, track);
    assert!(layers.iter().all(|layer| layer.resolution.is_none()));
    // Each comes from one of the encodings, unchanged.
    let sent = |payload: &Vec<u8>| cipher.sent.iter().any(|sent| sent.contains(payload));
    assert!(got.len() > 60 && got.iter().all(sent));
}
