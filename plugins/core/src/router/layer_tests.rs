// SPDX-License-Identifier: MIT OR Apache-2.0
//! Layered streams of a model encoder, cut down at random, checked by a model decoder: whatever passes can be decoded.

use super::formats::formats;
use super::numbers::Placed;
use super::run::{Admitted, First, Run};
use super::selector::Level;
use crate::codec::{Codec, DependencyReader};
use crate::id::TrackId;
use crate::media::{Extension, ExtensionMap, Feedback, PayloadParams};
use crate::packet::{MediaPacket, Origin};
use crate::rtp::{Header, HeaderWriter};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const PT: u8 = 96;
const DESCRIPTOR: u8 = 5;
const SPATIAL: u8 = 3;
/// Temporal layers of four pictures in a row.
const PATTERN: [u8; 4] = [0, 2, 1, 2];

/// A scalable stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kind {
    codec: Codec,
    spatial: u8,
    /// Dependency descriptors are sent.
    described: bool,
    /// Spatial layers depend on each other in key pictures only.
    key_only: bool,
}

/// A frame of one spatial layer.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Frame {
    picture: u64,
    spatial: u8,
    temporal: u8,
    key: bool,
    /// Picture and spatial layer of what it depends on.
    references: Vec<(u64, u8)>,
    packets: usize,
}

/// Frame, which of its packets, and the packet.
type Sent = (Frame, usize, MediaPacket);

impl Kind {
    fn stream(self, pictures: u64, keyframes: u64, random: &mut StdRng) -> Vec<Sent> {
        let mut reader = DependencyReader::default();
        let (mut sequence, mut sent) = (65_500, Vec::new());
        for picture in 0..pictures {
            for spatial in 0..self.spatial {
                let frame = self.frame(picture, picture % keyframes, spatial, random);
                for part in 0..frame.packets {
                    let mut packet = self.packet(&frame, part, sequence);
                    packet.read_dependency(&mut reader);
                    assert_eq!(packet.dependency().is_some(), self.described);
                    assert_eq!(packet.layers(), (spatial, frame.temporal));
                    sequence += 1;
                    sent.push((frame.clone(), part, packet));
                }
            }
        }
        sent
    }

    fn frame(self, picture: u64, since_key: u64, spatial: u8, random: &mut StdRng) -> Frame {
        let temporal = PATTERN[since_key as usize % 4];
        let mut references = Vec::new();
        let back = match (since_key, temporal) {
            (0, _) => 0,
            (_, 0) => 4,
            (_, 1) => 2,
            _ => 1,
        };
        if back > 0 {
            references.push((picture - back, spatial));
        }
        if spatial > 0 && (since_key == 0 || !self.key_only) {
            references.push((picture, spatial - 1));
        }
        Frame {
            picture,
            spatial,
            temporal,
            key: since_key == 0,
            references,
            packets: random.random_range(1..4),
        }
    }

    fn packet(self, frame: &Frame, part: usize, sequence: u64) -> MediaPacket {
        let (first, last) = (part == 0, part + 1 == frame.packets);
        let mut data = vec![0; 400];
        let marker = last && frame.spatial + 1 == self.spatial;
        let timestamp = frame.picture as u32 * 3_000;
        let mut writer =
            HeaderWriter::new_two_byte(&mut data, PT, marker, sequence as u16, timestamp, 1);
        if self.described {
            writer.extension(DESCRIPTOR, &self.descriptor(frame, first, last));
        }
        let header = writer.finish();
        let payload = self.payload(frame, first, last);
        data[header..header + payload.len()].copy_from_slice(&payload);
        data.truncate(header + payload.len());
        let mut map = ExtensionMap::default();
        map.set(Extension::DependencyDescriptor, DESCRIPTOR);
        let header = Header::parse(&data).expect("a packet");
        MediaPacket::new(data.into(), header, &map, self.origin(sequence))
    }

    fn origin(self, sequence: u64) -> Origin {
        let now = Instant::now();
        Origin {
            track: TrackId(1),
            layer: 0,
            epoch: 1,
            sequence,
            codec: self.codec,
            encrypted: false,
            clock_rate: 90_000,
            arrival: now,
            capture: now,
            capture_synced: true,
        }
    }

    fn payload(self, frame: &Frame, first: bool, last: bool) -> Vec<u8> {
        let [high, low] = (0x8000 | frame.picture as u16 & 0x7fff).to_be_bytes();
        let tl0 = (frame.picture / 4) as u8;
        let bit = |set: bool, bit: u8| u8::from(set) << bit;
        // Nothing of the upper layers depends on its own layer before.
        let sync = frame.temporal > 0;
        match self.codec {
            Codec::Vp8 => vec![
                0x80 | bit(first, 4),
                0xE0,
                high,
                low,
                tl0,
                frame.temporal << 6 | bit(sync, 5),
                bit(!frame.key, 0),
                0,
                0,
            ],
            Codec::Vp9 => vec![
                0xA0 | bit(!frame.key, 6) | bit(first, 3) | bit(last, 2),
                high,
                low,
                frame.temporal << 5 | bit(sync, 4) | frame.spatial << 1,
                tl0,
                1,
            ],
            _ => vec![
                bit(first && frame.key && frame.spatial == 0, 3) | 0x10,
                0x30,
                1,
            ],
        }
    }

    /// As libwebrtc writes it: a decode target for each pair of layers, templates for each kind of frame.
    fn descriptor(self, frame: &Frame, first: bool, last: bool) -> Vec<u8> {
        let templates = self.templates();
        let number =
            |(picture, spatial): (u64, u8)| picture * u64::from(self.spatial) + u64::from(spatial);
        let own = number((frame.picture, frame.spatial));
        let references: Vec<_> = frame.references.iter().map(|r| own - number(*r)).collect();
        let like = (frame.spatial, frame.temporal, frame.key, references);
        let template = templates
            .iter()
            .position(|t| *t == like)
            .expect("a template");
        let mut bits = format!(
            "{}{}{template:06b}{:016b}",
            u8::from(first),
            u8::from(last),
            own as u16
        );
        if frame.key && frame.spatial == 0 && first {
            bits += "10000";
            bits += &self.structure(&templates);
        }
        bits.as_bytes()
            .chunks(8)
            .map(|byte| {
                let text = std::str::from_utf8(byte).expect("digits");
                u8::from_str_radix(&format!("{text:0<8}"), 2).expect("digits")
            })
            .collect()
    }

    fn templates(self) -> Vec<(u8, u8, bool, Vec<u64>)> {
        let mut templates = Vec::new();
        let layers = u64::from(self.spatial);
        for spatial in 0..self.spatial {
            for temporal in 0..3 {
                let below = |key: bool| (spatial > 0 && (key || !self.key_only)).then_some(1);
                if temporal == 0 {
                    templates.push((spatial, 0, true, below(true).into_iter().collect()));
                }
                let back = [4, 2, 1][usize::from(temporal)] * layers;
                let references = std::iter::once(back).chain(below(false)).collect();
                templates.push((spatial, temporal, false, references));
            }
        }
        templates
    }

    fn structure(self, templates: &[(u8, u8, bool, Vec<u64>)]) -> String {
        let targets: Vec<_> = (0..self.spatial)
            .flat_map(|s| (0..3u8).map(move |t| (s, t)))
            .collect();
        let mut bits = format!("000000{:05b}", targets.len() - 1);
        for pair in templates.windows(2) {
            let step = if pair[0].0 != pair[1].0 {
                "10"
            } else if pair[0].1 != pair[1].1 {
                "01"
            } else {
                "00"
            };
            bits += step;
        }
        bits += "11";
        for (spatial, temporal, key, _) in templates {
            for target in &targets {
                bits += self.indication((*spatial, *temporal), *key, *target);
            }
        }
        for (.., references) in templates {
            for back in references {
                bits += &format!("1{:04b}", back - 1);
            }
            bits += "0";
        }
        // No chains: a number below 10, or below 4, that is 0.
        bits += if self.spatial == 3 { "000" } else { "00" };
        bits + "0"
    }

    /// libwebrtc: `ScalabilityStructureFullSvc::Dti`, `ScalabilityStructureKeySvc::Dti`.
    fn indication(self, own: (u8, u8), key: bool, target: (u8, u8)) -> &'static str {
        let apart = own.0 != target.0;
        if own.0 > target.0 || own.1 > target.1 || self.key_only && apart && !key {
            "00"
        } else if key || !apart && (target.1 == 0 || target.1 > own.1) {
            "10"
        } else if !apart {
            "01"
        } else {
            "11"
        }
    }
}

fn run(packet: &MediaPacket, wanted: Level) -> Run {
    let payload = PayloadParams {
        pt: PT,
        codec: packet.codec,
        clock_rate: 90_000,
        channels: None,
        fmtp: String::new(),
        rtx_pt: None,
        feedback: Feedback::default(),
    };
    let formats = formats(
        std::slice::from_ref(&payload),
        std::slice::from_ref(&payload),
        false,
    );
    let first = First {
        sequence: 100,
        timestamp: 0,
    };
    Run::new(packet, formats, wanted, first, None)
}

/// What a receiver got: our number, the frame, which of its packets, the marker bit, our picture id.
struct Receiver {
    got: BTreeMap<u64, (Frame, usize, bool, u16)>,
    padding: BTreeSet<u64>,
}

impl Receiver {
    fn take(&mut self, run: &Run, sent: &Sent, admitted: Admitted) {
        let (frame, part, packet) = sent;
        let Placed { sequence, .. } = admitted.placed;
        if !admitted.passes {
            assert!(self.padding.insert(sequence));
            return;
        }
        let mut payload = packet.payload().to_vec();
        let format = run.format(packet.payload_type).expect("it was negotiated");
        run.rewrite(packet, admitted.placed, format, &mut payload);
        let at = if packet.codec == Codec::Vp8 { 2 } else { 1 };
        let picture = u16::from_be_bytes([payload[at], payload[at + 1]]);
        let value = (frame.clone(), *part, admitted.marker, picture);
        assert!(self.got.insert(sequence, value).is_none(), "a number twice");
    }

    /// The frames that are complete and of which everything is there on which they depend; asserts that nothing else came
    /// whole.
    fn decode(&self, strict: bool) -> BTreeSet<(u64, u8)> {
        let mut packets: BTreeMap<(u64, u8), (usize, &Frame)> = BTreeMap::new();
        for (frame, ..) in self.got.values() {
            packets
                .entry((frame.picture, frame.spatial))
                .or_insert((0, frame))
                .0 += 1;
        }
        let mut decoded = BTreeSet::new();
        for (id, (count, frame)) in &packets {
            let whole = *count == frame.packets;
            let ready = frame.references.iter().all(|r| decoded.contains(r));
            assert!(!strict || whole && ready, "{frame:?} cannot be decoded");
            if whole && ready {
                decoded.insert(*id);
            }
        }
        decoded
    }

    fn assert_without_gap(&self) {
        let numbers: Vec<_> = self.got.keys().collect();
        assert!(
            numbers.windows(2).all(|w| w[0] + 1 == *w[1]),
            "a gap in the numbers"
        );
    }

    /// Pictures end with a marker, and only there; unless another layer is taken that does not need what has passed.
    fn assert_marked(&self) {
        let got: Vec<_> = self.got.values().collect();
        for pair in got.windows(2) {
            let (frame, next) = (&pair[0].0, &pair[1].0);
            let ends = frame.picture != next.picture;
            let apart = frame.spatial != next.spatial
                && !next.references.contains(&(frame.picture, frame.spatial));
            assert!(
                pair[0].2 == ends || pair[0].2 && apart,
                "{:?} before {:?}",
                pair[0],
                pair[1]
            );
        }
    }
}

const KINDS: [Kind; 6] = [
    kind(Codec::Vp8, 1, false, false),
    kind(Codec::Vp8, 1, true, false),
    kind(Codec::Vp9, 3, false, false),
    kind(Codec::Vp9, 3, true, true),
    kind(Codec::Av1, 3, true, false),
    kind(Codec::Av1, 3, true, true),
];

const fn kind(codec: Codec, spatial: u8, described: bool, key_only: bool) -> Kind {
    Kind {
        codec,
        spatial,
        described,
        key_only,
    }
}

fn random_level(random: &mut StdRng) -> Level {
    match random.random_range(0..4) {
        0 => Level::EVERYTHING,
        _ => Level::up_to(random.random_range(0..SPATIAL), random.random_range(0..3)),
    }
}

#[test]
fn whatever_passes_can_be_decoded_and_numbers_have_no_gap() {
    for (seed, kind) in (0..).zip(KINDS) {
        let mut random = StdRng::seed_from_u64(seed);
        let stream = kind.stream(3_000, 50, &mut random);
        let mut wanted = random_level(&mut random);
        let mut run = run(&stream[0].2, wanted);
        let mut receiver = Receiver {
            got: BTreeMap::new(),
            padding: BTreeSet::new(),
        };
        let mut changes = 0;
        for sent in &stream {
            if random.random_bool(0.02) {
                wanted = random_level(&mut random);
                changes += 1;
            }
            if let Some(admitted) = run.admit(&sent.2, wanted, (kind.spatial - 1, 2)) {
                receiver.take(&run, sent, admitted);
            }
        }
        assert!(changes > 80 && receiver.padding.is_empty());
        receiver.decode(true);
        receiver.assert_without_gap();
        receiver.assert_marked();
    }
}

#[test]
fn the_layers_asked_for_are_what_passes_before_long() {
    for kind in KINDS {
        let stream = kind.stream(400, 40, &mut StdRng::seed_from_u64(1));
        for (spatial, temporal) in [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1)] {
            let (wanted, top) = (Level::up_to(spatial, temporal), (kind.spatial - 1, 2));
            let mut run = run(&stream[0].2, Level::EVERYTHING);
            let mut passed = BTreeSet::new();
            for (frame, _, packet) in &stream {
                // Down, and up again.
                let wanted = if frame.picture < 150 {
                    Level::up_to(0, 0)
                } else {
                    wanted
                };
                if run.admit(packet, wanted, top).is_some() && frame.picture >= 200 {
                    passed.insert((frame.spatial, frame.temporal));
                }
            }
            let needed = |(s, t): &(u8, u8)| {
                let spatial = spatial.min(kind.spatial - 1);
                *t <= temporal
                    && (*s == spatial
                        || *s < spatial && (*t == 0 || !(kind.key_only && kind.described)))
            };
            let expected: BTreeSet<_> = (0..SPATIAL)
                .flat_map(|s| (0..3).map(move |t| (s, t)))
                .filter(needed)
                .collect();
            assert_eq!(passed, expected, "{kind:?} {wanted:?}");
        }
    }
}

#[test]
fn loss_and_disorder_never_give_a_number_twice_and_leave_only_what_is_lost() {
    for (seed, kind) in (10..).zip(KINDS) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut stream = kind.stream(1_000, 50, &mut random);
        for _ in 0..stream.len() / 20 {
            let at = random.random_range(1..stream.len() - 6);
            let late = stream.remove(at);
            stream.insert(at + random.random_range(1..6), late);
        }
        let lost: BTreeSet<_> = (0..50)
            .map(|_| random.random_range(1..stream.len()))
            .collect();
        let mut wanted = Level::EVERYTHING;
        let mut run = run(&stream[0].2, wanted);
        let mut receiver = Receiver {
            got: BTreeMap::new(),
            padding: BTreeSet::new(),
        };
        for (index, sent) in stream.iter().enumerate().filter(|(i, _)| !lost.contains(i)) {
            if index % 97 == 0 {
                wanted = random_level(&mut random);
            }
            if let Some(admitted) = run.admit(&sent.2, wanted, (kind.spatial - 1, 2)) {
                receiver.take(&run, sent, admitted);
            }
        }
        let numbers: BTreeSet<_> = receiver.got.keys().chain(&receiver.padding).collect();
        let last = **numbers.last().expect("packets");
        assert_eq!(numbers.len(), receiver.got.len() + receiver.padding.len());
        assert!((last - 99) as usize - numbers.len() <= lost.len());
        assert!(receiver.decode(false).len() > 300, "{kind:?}");
    }
}

#[test]
fn picture_ids_of_vp8_are_closed_up() {
    let kind = KINDS[0];
    let stream = kind.stream(200, 1_000, &mut StdRng::seed_from_u64(2));
    let mut run = run(&stream[0].2, Level::up_to(0, 1));
    let mut receiver = Receiver {
        got: BTreeMap::new(),
        padding: BTreeSet::new(),
    };
    for sent in &stream {
        if let Some(admitted) = run.admit(&sent.2, Level::up_to(0, 1), (0, 2)) {
            receiver.take(&run, sent, admitted);
        }
    }
    let pictures: BTreeSet<_> = receiver.got.values().map(|(_, _, _, id)| *id).collect();
    assert_eq!(pictures, (0x8000..0x8000 + 100).collect());
}
