// SPDX-License-Identifier: MIT OR Apache-2.0

use super::super::bits::from_text;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Two temporal layers: a key frame, frames of the base two apart, and one of the upper layer after each. Two decode targets, no
/// chains, 640x360.
const STRUCTURE: &str = "\
    000101 00001 \
    00 01 11 \
    1010 1010 0001 \
    0 1 0001 0 1 0000 0 \
    0 \
    1 0000001001111111 0000000101100111";

fn descriptor(head: &str, extended: &str) -> Vec<u8> {
    from_text(&format!("{head} {extended}"))
}

/// First and last packet of a frame made from that template.
fn head(template: u8, frame: u16) -> String {
    format!("11 {:06b} {frame:016b}", template + 5)
}

fn key(frame: u16) -> Vec<u8> {
    descriptor(&head(0, frame), &format!("10000 {STRUCTURE}"))
}

fn delta(template: u8, frame: u16) -> Vec<u8> {
    descriptor(&head(template, frame), "")
}

#[test]
fn a_key_frame_brings_the_structure() {
    let frame = Reader::default().read(&key(65_535)).expect("valid");
    assert!(frame.brings_structure && frame.is_key());
    assert!(frame.start_of_frame && frame.end_of_frame);
    assert_eq!(frame.frame_number, 65_535);
    let targets: Vec<_> = frame
        .structure
        .targets()
        .iter()
        .map(|t| (t.spatial, t.temporal))
        .collect();
    assert_eq!(targets, [(0, 0), (0, 1)]);
    assert_eq!(frame.structure.resolution(0), Some((640, 360)));
    assert_eq!(frame.structure.resolution(1), None);
    assert_eq!([0, 1].map(|t| frame.indication(t)), [Indication::Switch; 2]);
}

#[test]
fn frames_after_it_are_made_from_templates() {
    let mut reader = Reader::default();
    assert!(reader.read(&delta(1, 7)).is_none(), "nothing to refer to");
    reader.read(&key(5)).expect("valid");
    let upper = reader.read(&delta(2, 6)).expect("valid");
    assert_eq!((upper.spatial, upper.temporal), (0, 1));
    assert_eq!(upper.references(), [1]);
    assert_eq!(
        [0, 1].map(|t| upper.indication(t)),
        [Indication::NotPresent, Indication::Discardable]
    );
    let base = reader.read(&delta(1, 7)).expect("valid");
    assert_eq!((base.temporal, base.references()), (0, &[2][..]));
    assert!(!base.is_key() && !base.brings_structure);
    assert!(reader.read(&delta(3, 8)).is_none(), "no such template");
}

#[test]
fn a_frame_may_differ_from_its_template() {
    let mut reader = Reader::default();
    reader.read(&key(5)).expect("valid");
    // Custom indications D and S, custom references 3 and 300.
    let custom = descriptor(&head(1, 9), "00110 01 10 01 0010 11 000100101011 00");
    let frame = reader.read(&custom).expect("valid");
    assert_eq!(
        [0, 1].map(|t| frame.indication(t)),
        [Indication::Discardable, Indication::Switch]
    );
    assert_eq!(frame.references(), [3, 300]);
}

#[test]
fn a_packet_from_before_the_structure_is_read_by_the_former_one() {
    let mut reader = Reader::default();
    reader.read(&key(65_530)).expect("valid");
    let other = STRUCTURE.replacen("000101", "001111", 1);
    let restart = descriptor("11 001111 0000000000000010", &format!("10000 {other}"));
    reader.read(&restart).expect("valid");
    let late = reader.read(&delta(2, 65_535)).expect("valid");
    assert_eq!(late.temporal, 1);
    assert!(reader.read(&delta(2, 3)).is_none());
}

#[test]
fn rewriting_moves_the_frame_number_and_names_the_targets_left() {
    let mut reader = Reader::default();
    let structure = reader.read(&key(5)).expect("valid").structure;
    let mut receiver = Reader::default();
    for (original, template) in [(key(5), 0), (delta(1, 7), 1)] {
        for target in [None, Some((&*structure, 0)), Some((&*structure, 1))] {
            let mut out = [0xAA; 255];
            let length = rewrite(&original, 65_534, target, &mut out);
            let read = receiver.read(&out[..length]).expect("valid");
            let frame = u16::from(out[1]) << 8 | u16::from(out[2]);
            assert_eq!(
                (read.frame_number, frame),
                (3 + 2 * template, 3 + 2 * template)
            );
            assert_eq!(*read.structure, *structure);
            assert!(length <= original.len() + 1);
        }
    }
    let mut out = [0; 255];
    let length = rewrite(&delta(1, 7), 0, Some((&structure, 0)), &mut out);
    // The mask has the first target only.
    assert_eq!(out[..length], descriptor(&head(1, 7), "01000 01")[..]);
}

#[test]
fn a_descriptor_without_room_is_only_renumbered() {
    let structure = Reader::default().read(&key(5)).expect("valid").structure;
    let original = key(5);
    let mut out = vec![0; original.len() - 1];
    let length = rewrite(&original, 1, Some((&structure, 0)), &mut out);
    assert_eq!((out[..length][1], out[2]), (0, 6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_descriptors_never_panic(descriptors in vec(vec(any::<u8>(), 0..64), 1..6), structured in any::<bool>()) {
        let mut reader = Reader::default();
        if structured {
            reader.read(&key(5));
        }
        let structure = Reader::default().read(&key(5)).expect("valid").structure;
        for descriptor in descriptors {
            if let Some(frame) = reader.read(&descriptor) {
                for target in 0..=u8::MAX {
                    frame.indication(target);
                    frame.structure.targets_within(target);
                }
            }
            let mut out = [0; 255];
            let length = rewrite(&descriptor, 9, Some((&structure, 1)), &mut out);
            prop_assert!(length <= out.len());
        }
    }

    #[test]
    fn arbitrary_structures_never_panic(body in vec(prop_oneof![Just(0u8), any::<u8>()], 0..120)) {
        let mut descriptor = vec![0xC0, 0, 1, 0x80];
        descriptor.extend(body);
        let mut reader = Reader::default();
        if let Some(frame) = reader.read(&descriptor) {
            prop_assert!(frame.structure.targets().len() <= 32);
            prop_assert!(frame.references().len() <= MAX_REFERENCES);
        }
    }
}
