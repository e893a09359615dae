// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a subscriber gets goes into a real decoder, over many random switches of layer and source: every picture that comes
//! out is, bit for bit, one that went in.

#[path = "layers/codec.rs"]
mod codec;
#[path = "layers/viewer.rs"]
mod viewer;

use codec::Format;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashSet;
use viewer::Room;

/// Pictures of each source.
const PICTURES: usize = 1_500;
/// A switch every so many pictures, on average.
const EVERY: f64 = 4.0;

/// Everything a subscriber got, and how often something else was chosen for it.
fn watch(format: &Format, sources: &[Vec<codec::Picture>; 2], seed: u64) -> (Vec<Vec<u8>>, usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut room = Room::new(format.payload(), seed);
    let mut switches = 0;
    for pictures in sources[0].iter().zip(&sources[1]) {
        room.publish([pictures.0, pictures.1]);
        if random.random_bool(1.0 / EVERY) {
            switches += 1;
            match random.random_range(0..8) {
                0 => room.pause(),
                1..=3 => room.show(random.random_range(0..2)),
                _ => room.limit(random.random_range(0..format.temporal_layers())),
            }
        }
    }
    (room.finish(), switches)
}

fn check(format: &Format) {
    gst::init().expect("GStreamer");
    let sources = ["0xff204060", "0xff806010"].map(|color| codec::encode(format, color, PICTURES));
    let whole = sources.each_ref().map(|pictures| pictures.concat());
    let known: HashSet<u64> = whole
        .iter()
        .flat_map(|packets| codec::decode(format, packets))
        .collect();
    assert!(known.len() > PICTURES, "{} different pictures", known.len());
    let mut switches = 0;
    for seed in 0..3 {
        let (packets, of_these) = watch(format, &sources, seed);
        switches += of_these;
        let pictures = codec::pictures(&packets);
        let decoded = codec::decode(format, &packets);
        let corrupt = decoded.iter().filter(|hash| !known.contains(hash)).count();
        assert_eq!(corrupt, 0, "of {} pictures", decoded.len());
        assert_eq!(decoded.len(), pictures, "every picture is decoded");
        assert!(pictures > PICTURES / 4, "{pictures} pictures got through");
    }
    assert!(switches >= 1_000, "{switches} switches");
}

#[test]
fn vp8_in_three_temporal_layers_stays_whole() {
    check(&codec::VP8);
}

#[test]
fn of_four_pictures_of_vp8_the_base_layer_is_one() {
    gst::init().expect("GStreamer");
    let pictures = codec::encode(&codec::VP8, "0xff204060", 400);
    let mut room = Room::new(codec::VP8.payload(), 1);
    room.show(0);
    room.limit(0);
    pictures.iter().for_each(|p| room.publish([p, &Vec::new()]));
    let packets = room.finish();
    let passed = codec::pictures(&packets);
    // Until the layers are known all of them pass.
    assert!((95..=120).contains(&passed), "{passed} of 400 pictures");
    assert_eq!(codec::decode(&codec::VP8, &packets).len(), passed);
}

#[test]
fn h264_stays_whole() {
    check(&codec::H264);
}

#[test]
fn vp9_stays_whole() {
    check(&codec::VP9);
}
