// SPDX-License-Identifier: MIT OR Apache-2.0
//! A track in three encodings, and subscribers who each get the one that suits them.

use super::client::Packet;
use super::lab::Lab;
use super::link::Impairment;
use super::media;
use gst_rtc_core::engine::Assignment;
use gst_rtc_core::id::SessionId;
use gst_rtc_core::layer::{Layer, LayerState};
use gst_rtc_core::media::MediaKind::Video;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

const RIDS: [&str; 3] = ["l", "m", "h"];
const SIZES: [(u16, u16); 3] = [(320, 180), (640, 360), (1280, 720)];
/// Packets of one picture.
const PACKETS: [u64; 3] = [1, 3, 9];
/// What tells the packets of the encodings apart.
const STRIDE: u64 = 1_000_000;
const FRAME: Duration = Duration::from_micros(33_333);

/// The number of one encoding's next picture.
struct Encoder {
    sequence: u64,
    picture_id: u16,
    tl0: u8,
    keyframe: bool,
    off: bool,
}

/// A source of VP8 in three encodings at 30 pictures a second. Keyframes come when asked for.
pub(super) struct Studio {
    pub(super) client: usize,
    id: u32,
    timestamp: u32,
    encoders: Vec<Encoder>,
    answered: usize,
}

impl Studio {
    pub(super) fn new(lab: &mut Lab, id: u32) -> Studio {
        let encoder = |n: u64| Encoder {
            sequence: 65_000 + 100 * n,
            picture_id: 32_700 + 9 * n as u16,
            tl0: 250 - n as u8,
            keyframe: true,
            off: false,
        };
        Studio {
            client: lab.simulcast_publisher(id, &RIDS),
            id,
            timestamp: u32::MAX - 100_000 * id,
            encoders: (0..3).map(encoder).collect(),
            answered: 0,
        }
    }

    fn shoot(&mut self, lab: &mut Lab) {
        self.answer(lab);
        for index in 0..3 {
            self.encode(lab, index);
        }
        self.timestamp = self.timestamp.wrapping_add(3_000);
    }

    /// Makes keyframes of what was asked for since.
    fn answer(&mut self, lab: &Lab) {
        let requests = &lab.clients[self.client].keyframe_requests;
        for (_, _, rid) in &requests[self.answered..] {
            let rid = rid.expect("a request is for one encoding");
            let index = RIDS.iter().position(|known| *rid == **known);
            self.encoders[index.expect("a known rid")].keyframe = true;
        }
        self.answered = requests.len();
    }

    fn encode(&mut self, lab: &mut Lab, index: usize) {
        let encoder = &mut self.encoders[index];
        if encoder.off {
            return;
        }
        let keyframe = std::mem::take(&mut encoder.keyframe);
        for part in 0..PACKETS[index] {
            let number = STRIDE * index as u64 + encoder.sequence;
            let (picture, tl0) = (encoder.picture_id, encoder.tl0);
            let payload = if part == 0 && keyframe {
                media::vp8_keyframe(number, picture, tl0, SIZES[index])
            } else {
                media::vp8(number, picture, tl0, part == 0, false)
            };
            let packet = Packet {
                ssrc: Lab::ssrc(self.id, Video) + 10 * index as u32,
                pt: media::VP8_PT,
                sequence: encoder.sequence,
                timestamp: self.timestamp.wrapping_add(7_000 * index as u32),
                marker: part + 1 == PACKETS[index],
                payload,
                audio_level: None,
            };
            encoder.sequence += 1;
            lab.send(self.client, packet);
        }
        encoder.picture_id = (encoder.picture_id + 1) & 0x7fff;
        encoder.tl0 = encoder.tl0.wrapping_add(1);
    }

    pub(super) fn run(&mut self, lab: &mut Lab, frames: usize) {
        for _ in 0..frames {
            self.shoot(lab);
            lab.run(FRAME);
        }
    }
}

fn encoding(encoding: u8) -> Option<Layer> {
    Some(Layer {
        encoding,
        ..Layer::default()
    })
}

fn choose(lab: &mut Lab, client: usize, target: Option<Layer>) {
    assert!(
        lab.engine
            .set_target(SessionId(client as u32), "s0", target)
    );
}

/// One packet as a subscriber got it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Got {
    sequence: u64,
    timestamp: u32,
    picture: u16,
    tl0: u8,
    encoding: u64,
    keyframe: bool,
}

/// What a client got, in the order of sequence numbers; asserts that those have no gap.
fn received(lab: &Lab, client: usize) -> Vec<Got> {
    let packets = lab.clients[client].packets.iter();
    let mut got: Vec<_> = packets
        .map(|packet| {
            let (picture, tl0, number) = media::read_vp8(&packet.payload);
            Got {
                sequence: *packet.seq_no,
                timestamp: packet.header.timestamp,
                picture,
                tl0,
                encoding: number / STRIDE,
                keyframe: packet.payload[0] & 0x10 != 0 && packet.payload[6] & 1 == 0,
            }
        })
        .collect();
    got.sort_unstable();
    got.dedup();
    let gap = got.windows(2).find(|w| w[0].sequence + 1 != w[1].sequence);
    assert_eq!(gap, None, "the sequence numbers have no gap");
    got
}

/// Asserts that every number goes on at every packet; how often the encoding changes.
fn switches(got: &[Got]) -> usize {
    let mut switches = 0;
    for pair in got.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let pictures = b.picture.wrapping_sub(a.picture) & 0x7fff;
        assert!(pictures <= 1, "{a:?} {b:?}");
        assert_eq!(
            u16::from(b.tl0.wrapping_sub(a.tl0)),
            pictures,
            "{a:?} {b:?}"
        );
        let step = b.timestamp.wrapping_sub(a.timestamp);
        let moves = if pictures == 0 { 0..1 } else { 1..500_000 };
        assert!(moves.contains(&step), "{a:?} {b:?}");
        if a.encoding != b.encoding {
            assert!(b.keyframe && pictures == 1, "{a:?} {b:?}");
            switches += 1;
        }
    }
    switches
}

#[test]
fn three_subscribers_get_three_encodings_at_once() {
    let mut lab = Lab::new(20);
    let mut studio = Studio::new(&mut lab, 1);
    let viewers: Vec<_> = (0..3).map(|n| lab.subscriber(10 + n, &[Video])).collect();
    lab.connect();
    for (index, viewer) in viewers.iter().enumerate() {
        choose(&mut lab, *viewer, encoding(index as u8));
    }
    studio.run(&mut lab, 90);
    for (index, viewer) in viewers.iter().enumerate() {
        let got = received(&lab, *viewer);
        // Before the other encodings were heard there was only the first.
        let wanted: Vec<_> = got.iter().filter(|g| g.encoding == index as u64).collect();
        assert!(
            wanted.len() as u64 >= 80 * PACKETS[index],
            "{}",
            wanted.len()
        );
        assert!(got.len() - wanted.len() <= 30);
        switches(&got);
    }
}

#[test]
fn a_subscriber_who_asks_for_nothing_gets_the_best_there_is() {
    let mut lab = Lab::new(21);
    let mut studio = Studio::new(&mut lab, 1);
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    studio.run(&mut lab, 60);
    assert_eq!(received(&lab, bob).last().map(|g| g.encoding), Some(2));
    studio.encoders[2].off = true;
    studio.run(&mut lab, 60);
    assert_eq!(received(&lab, bob).last().map(|g| g.encoding), Some(1));
    studio.encoders[2].off = false;
    studio.run(&mut lab, 60);
    let got = received(&lab, bob);
    assert_eq!(got.last().map(|g| g.encoding), Some(2));
    assert!(switches(&got) <= 6);
}

#[test]
fn random_switches_of_layer_and_source_leave_no_break_in_any_number() {
    let mut lab = Lab::new(22);
    let mut random = StdRng::seed_from_u64(22);
    let mut studios = [Studio::new(&mut lab, 1), Studio::new(&mut lab, 3)];
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    // Disorder and duplicates. Loss is left out, as the other side gives up too soon after the bursts of the past.
    let impairment = Impairment {
        loss: 0.0,
        ..Impairment::BAD
    };
    lab.impair(bob, impairment);
    let session = SessionId(bob as u32);
    for _ in 0..300 {
        let shown = if random.random_bool(0.5) { 1 } else { 3 };
        let show = Assignment::Track(Lab::track(shown, Video));
        assert!(lab.engine.assign(lab.now, session, "s0", show));
        let target = random.random_bool(0.9).then(|| random.random_range(0..3));
        choose(&mut lab, bob, target.and_then(encoding));
        for _ in 0..random.random_range(2..12) {
            studios.iter_mut().for_each(|studio| studio.shoot(&mut lab));
            lab.run(FRAME);
        }
    }
    choose(&mut lab, bob, encoding(0));
    lab.impair(bob, Impairment::GOOD);
    for _ in 0..20 {
        studios.iter_mut().for_each(|studio| studio.shoot(&mut lab));
        lab.run(FRAME);
    }
    lab.run(Duration::from_secs(2));
    let got = received(&lab, bob);
    assert!(switches(&got) >= 80, "{} switches", switches(&got));
}

#[test]
fn a_paused_slot_sends_nothing_and_goes_on_without_a_gap() {
    let mut lab = Lab::new(23);
    let mut studio = Studio::new(&mut lab, 1);
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    studio.run(&mut lab, 40);
    choose(&mut lab, bob, None);
    lab.run(Duration::from_millis(100));
    let before = lab.clients[bob].packets.len();
    let requests = lab.clients[studio.client].keyframe_requests.len();
    studio.run(&mut lab, 100);
    assert_eq!(lab.clients[bob].packets.len(), before);
    assert_eq!(lab.clients[studio.client].keyframe_requests.len(), requests);
    choose(&mut lab, bob, encoding(1));
    studio.run(&mut lab, 40);
    let got = received(&lab, bob);
    assert!(got.len() > before + 90);
    assert_eq!(got[before].encoding, 1);
    switches(&got);
}

#[test]
fn only_the_encoding_that_is_waited_for_is_asked_for_a_keyframe() {
    let mut lab = Lab::new(24);
    let mut studio = Studio::new(&mut lab, 1);
    let bob = lab.subscriber(2, &[Video]);
    lab.connect();
    studio.run(&mut lab, 90);
    lab.clients[studio.client].keyframe_requests.clear();
    studio.answered = 0;
    choose(&mut lab, bob, encoding(0));
    studio.run(&mut lab, 60);
    let requests = &lab.clients[studio.client].keyframe_requests;
    let rids: Vec<_> = requests
        .iter()
        .map(|(_, _, rid)| rid.expect("a rid").to_string())
        .collect();
    assert_eq!(rids, ["l"]);
}

#[test]
fn the_layers_of_a_track_are_known_from_its_stream() {
    let mut lab = Lab::new(25);
    let mut studio = Studio::new(&mut lab, 1);
    lab.connect();
    let track = Lab::track(1, Video);
    assert_eq!(lab.engine.layers(lab.now, track), []);
    studio.run(&mut lab, 100);
    let layers = lab.engine.layers(lab.now, track);
    assert_eq!(
        layers.iter().map(|l| l.layer.encoding).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    for (index, state) in layers.iter().enumerate() {
        check(index, state);
    }
    studio.encoders[2].off = true;
    studio.run(&mut lab, 60);
    let layers = lab.engine.layers(lab.now, track);
    let active: Vec<_> = layers
        .iter()
        .map(|l| (l.layer.encoding, l.active))
        .collect();
    assert_eq!(active, [(2, false), (0, true), (1, true)]);
    assert_eq!((layers[0].bitrate, layers[0].frame_rate), (0, None));
}

fn check(index: usize, state: &LayerState) {
    assert!(state.active);
    assert_eq!(state.resolution, Some(SIZES[index]));
    let rate = state.frame_rate.expect("known by now");
    assert!((28.0..32.0).contains(&rate), "{rate}");
    // About 450 bytes a packet with its header.
    let expected = (PACKETS[index] * 30 * 450 * 8) as f64;
    let ratio = state.bitrate as f64 / expected;
    assert!(
        (0.9..1.1).contains(&ratio),
        "{} of {expected}",
        state.bitrate
    );
}
