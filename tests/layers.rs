// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a subscriber gets goes into a real decoder, over many random switches of layer and source: every picture that comes
//! out is, bit for bit, one that went in.

#[path = "layers/av1.rs"]
mod av1;
#[path = "layers/codec.rs"]
mod codec;
#[path = "layers/end.rs"]
mod end;
#[path = "layers/room.rs"]
mod room;
#[path = "layers/vp9.rs"]
mod vp9;

use codec::{Format, Picture};
use gst_rtc_core::layer::Layer;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use room::Room;
use std::collections::HashMap;

/// Pictures of each source that is encoded.
const PICTURES: usize = 1_200;
/// A switch every so many pictures, on average.
const EVERY: f64 = 2.0;
/// Switches in all.
const SWITCHES: usize = 1_000;
/// Above every spatial layer.
const ALL: u8 = u8::MAX;

/// The encodings of a source.
type Encodings = Vec<Vec<Picture>>;

/// Everything a subscriber got, and how often something else was chosen for it.
fn watch(format: &Format, sources: &[Encodings; 2], seed: u64) -> (Vec<Vec<u8>>, usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let encodings = sources[0].len();
    let mut room = Room::new(format.codec, encodings, seed);
    let mut switches = 0;
    for n in 0..sources[0][0].len() {
        let now = |source: &Encodings| source.iter().map(|e| e[n].clone()).collect::<Vec<_>>();
        room.publish(&sources.each_ref().map(now));
        if random.random_bool(1.0 / EVERY) {
            switches += 1;
            match random.random_range(0..8) {
                0 => room.limit(None),
                1..=3 => room.show(random.random_range(0..2)),
                _ => room.limit(Some(Layer {
                    encoding: random.random_range(0..encodings as u8),
                    spatial: random.random_range(0..format.spatial_layers),
                    temporal: random.random_range(0..format.temporal_layers),
                })),
            }
        }
    }
    (room.finish(), switches)
}

/// Of each picture that there can be, by its hash, which source it is of, which of its encodings, and its spatial layer.
type Known = HashMap<codec::Hash, (usize, usize, u8)>;

fn known(format: &Format, sources: &[Encodings; 2]) -> Known {
    let mut known = Known::new();
    for (source, encodings) in sources.iter().enumerate() {
        for (encoding, pictures) in encodings.iter().enumerate() {
            for spatial in 0..format.spatial_layers {
                let decoded = codec::decode(format, pictures, spatial);
                assert_eq!(decoded.len(), pictures.len());
                known.extend(
                    decoded
                        .iter()
                        .map(|hash| (*hash, (source, encoding, spatial))),
                );
            }
        }
    }
    known
}

/// Whatever is chosen, and whenever, all that comes is decoded, to pictures that are known.
fn check(format: &Format, sources: &[Encodings; 2]) {
    let known = known(format, sources);
    let (mut chosen, mut seen, mut seed) = (0, 0, 0);
    while chosen < SWITCHES {
        let (packets, switches) = watch(format, sources, seed);
        let pictures = codec::split(packets);
        let decoded = codec::decode(format, &pictures, ALL);
        assert_eq!(decoded.len(), pictures.len(), "every picture is decoded");
        let shown: Vec<_> = decoded.iter().map(|hash| known.get(hash)).collect();
        let corrupt = shown.iter().filter(|picture| picture.is_none()).count();
        assert_eq!(corrupt, 0, "of {} pictures", pictures.len());
        seen += shown.windows(2).filter(|w| w[0] != w[1]).count();
        chosen += switches;
        seed += 1;
    }
    assert!(seen > SWITCHES / 4, "{seen} of {chosen} switches are seen");
}

fn check_encodings(format: &Format) {
    gst::init().expect("GStreamer");
    let colors = ["0xff204060", "0xff806010"];
    check(
        format,
        &colors.map(|color| codec::encode(format, color, PICTURES)),
    );
}

fn check_layers(format: &Format) {
    gst::init().expect("GStreamer");
    check(
        format,
        &codec::halves(format).map(|pictures| vec![pictures]),
    );
}

#[test]
fn vp8_in_three_encodings_of_three_temporal_layers_stays_whole() {
    check_encodings(&codec::VP8);
}

#[test]
fn of_four_pictures_of_vp8_the_base_layer_is_one() {
    gst::init().expect("GStreamer");
    let encodings = codec::encode(&codec::VP8, "0xff204060", 400);
    let mut room = Room::new(codec::VP8.codec, 1, 1);
    room.show(0);
    room.limit(Some(Layer::default()));
    for picture in &encodings[0] {
        room.publish(&[vec![picture.clone()], Vec::new()]);
    }
    let pictures = codec::split(room.finish());
    let passed = pictures.len();
    // Until the layers are known all of them pass.
    assert!((95..=120).contains(&passed), "{passed} of 400 pictures");
    assert_eq!(codec::decode(&codec::VP8, &pictures, ALL).len(), passed);
}

#[test]
fn h264_in_three_encodings_stays_whole() {
    check_encodings(&codec::H264);
}

#[test]
fn vp9_in_three_encodings_stays_whole() {
    check_encodings(&codec::VP9);
}

#[test]
fn vp9_in_spatial_and_temporal_layers_stays_whole() {
    check_layers(&codec::VP9_LAYERS);
}

#[test]
fn av1_in_spatial_and_temporal_layers_stays_whole() {
    check_layers(&codec::AV1_LAYERS);
}
