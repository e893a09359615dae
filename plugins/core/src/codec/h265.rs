// SPDX-License-Identifier: MIT OR Apache-2.0
//! H.265: single NAL unit packets, aggregation packets and fragmentation units (RFC 7798 §4.4), without DONL fields
//! (sprop-max-don-diff = 0, as in WebRTC). PACI is not read.

use super::bits::BitReader;
use super::{Description, Format, rewrite_nothing};
use crate::media::MediaKind;

pub(super) const FORMAT: Format = Format {
    name: "H265",
    kind: MediaKind::Video,
    clock_rate: 90_000,
    describe,
    rewrite: rewrite_nothing,
};

/// NAL unit types (ITU-T H.265 table 7-1, RFC 7798 §4.4).
mod nal {
    pub(super) const LAST_SLICE: u8 = 31;
    /// Random access pictures: BLA, IDR, CRA and two that are reserved.
    pub(super) const FIRST_IRAP: u8 = 16;
    pub(super) const LAST_IRAP: u8 = 23;
    pub(super) const VPS: u8 = 32;
    pub(super) const SPS: u8 = 33;
    pub(super) const PPS: u8 = 34;
    pub(super) const ACCESS_UNIT_DELIMITER: u8 = 35;
    pub(super) const PREFIX_SEI: u8 = 39;
    pub(super) const AGGREGATION: u8 = 48;
    pub(super) const FRAGMENT: u8 = 49;
}

/// Length of a NAL unit header.
const HEADER_LEN: usize = 2;

fn kind(head: u8) -> u8 {
    head >> 1 & 0x3F
}

fn describe(payload: &[u8]) -> Description {
    let mut description = Description::default();
    let Some((head, rest)) = payload.split_first_chunk::<HEADER_LEN>() else {
        return description;
    };
    // TID is one more than the layer; 0 is forbidden. Aggregation packets have the lowest of theirs.
    description.temporal = (head[1] & 0x07).checked_sub(1);
    match kind(head[0]) {
        nal::AGGREGATION => {
            units(rest).for_each(|unit| {
                describe_unit(kind(unit[0]), &unit[HEADER_LEN..], &mut description)
            });
        }
        nal::FRAGMENT => {
            if let Some((fragment, data)) = rest.split_first() {
                // S: the first fragment. The others say nothing about where they are in the picture.
                if fragment & 0x80 != 0 {
                    describe_unit(fragment & 0x3F, data, &mut description);
                }
            }
        }
        kind => describe_unit(kind, rest, &mut description),
    }
    description
}

/// The NAL units of an aggregation packet, each with its header at least, until a length lies.
fn units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, data) = rest.split_first_chunk()?;
        let (unit, later) = data.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = later;
        (unit.len() >= HEADER_LEN).then_some(unit)
    })
}

/// Adds what a NAL unit says. `data` is what follows its header, perhaps only the beginning.
fn describe_unit(kind: u8, data: &[u8], description: &mut Description) {
    match kind {
        // A slice header begins with first_slice_segment_in_pic_flag.
        0..=nal::LAST_SLICE => {
            let first_slice = data.first().is_some_and(|byte| byte & 0x80 != 0);
            description.start_of_frame |= first_slice;
            description.keyframe |=
                first_slice && (nal::FIRST_IRAP..=nal::LAST_IRAP).contains(&kind);
        }
        nal::VPS | nal::SPS => {
            description.start_of_frame = true;
            description.keyframe = true;
            if kind == nal::SPS {
                description.resolution = resolution(data).or(description.resolution);
            }
        }
        // These come before the slices of a picture (ITU-T H.265 §7.4.2.4.4). A PPS alone starts no decoder.
        nal::PPS | nal::ACCESS_UNIT_DELIMITER | nal::PREFIX_SEI => {
            description.start_of_frame = true
        }
        _ => {}
    }
}

/// Width and height out of a sequence parameter set (ITU-T H.265 §7.3.2.2), conformance window applied.
fn resolution(sps: &[u8]) -> Option<(u16, u16)> {
    let mut reader = BitReader::rbsp(sps);
    // sps_video_parameter_set_id
    reader.skip(4)?;
    let sub_layers = reader.bits(3)?;
    // sps_temporal_id_nesting_flag
    reader.bit()?;
    skip_profile_tier_level(&mut reader, sub_layers)?;
    // sps_seq_parameter_set_id
    reader.unsigned_golomb()?;
    let chroma_format = reader.unsigned_golomb()?;
    if chroma_format == 3 {
        // separate_colour_plane_flag
        reader.bit()?;
    }
    let mut width = u64::from(reader.unsigned_golomb()?);
    let mut height = u64::from(reader.unsigned_golomb()?);
    if reader.bit()? {
        // In chroma samples (ITU-T H.265 table 6-1).
        let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma_format == 1 { 2 } else { 1 };
        let mut offset = || reader.unsigned_golomb().map(u64::from);
        width = width.checked_sub((offset()? + offset()?) * unit_x)?;
        height = height.checked_sub((offset()? + offset()?) * unit_y)?;
    }
    super::resolution(width, height)
}

/// ITU-T H.265 §7.3.3. `sub_layers` is sps_max_sub_layers_minus1, 0 to 7.
fn skip_profile_tier_level(reader: &mut BitReader<'_>, sub_layers: u32) -> Option<()> {
    const PROFILE: usize = 88;
    const LEVEL: usize = 8;
    reader.skip(PROFILE + LEVEL)?;
    let mut length = 0;
    for _ in 0..sub_layers {
        length += if reader.bit()? { PROFILE } else { 0 };
        length += if reader.bit()? { LEVEL } else { 0 };
    }
    if sub_layers > 0 {
        // Two reserved bits for each sub-layer up to the eighth.
        reader.skip(2 * (8 - sub_layers as usize))?;
    }
    reader.skip(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameter sets as x265 writes them, with emulation prevention in them. Coded as 640x360, shown as 638x358.
    const VPS: &[u8] = &[
        0x40, 0x01, 0x0C, 0x01, 0xFF, 0xFF, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00,
        0x03, 0x00, 0x00, 0x03, 0x00, 0x3F, 0x95, 0x98, 0x09,
    ];
    const SPS: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00,
        0x03, 0x00, 0x3F, 0xA0, 0x05, 0x02, 0x01, 0x69, 0xD5, 0x65, 0x95, 0x9A, 0x49, 0x32, 0xBC,
        0x05, 0xA0, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20, 0x00, 0x00, 0x03, 0x01, 0x41,
    ];
    const PPS: &[u8] = &[0x44, 0x01, 0xC1, 0x72, 0xB4, 0x62, 0x40];
    /// IDR_W_RADL and TRAIL_R, the first segments of their pictures; the latter in temporal layer 1.
    const IDR: &[u8] = &[0x26, 0x01, 0xAF, 0x09];
    const TRAIL: &[u8] = &[0x02, 0x02, 0xD0, 0x09];

    fn aggregation(units: &[&[u8]]) -> Vec<u8> {
        let unit = |unit: &&[u8]| [&(unit.len() as u16).to_be_bytes(), *unit].concat();
        [vec![0x60, 0x01], units.iter().flat_map(unit).collect()].concat()
    }

    #[test]
    fn parameter_sets_start_a_keyframe_and_have_the_resolution() {
        assert!(describe(VPS).keyframe);
        let description = describe(SPS);
        assert!(description.start_of_frame && description.keyframe);
        assert_eq!(description.resolution, Some((638, 358)));
        assert_eq!(description.temporal, Some(0));
        assert_eq!(describe(&SPS[..22]).resolution, None);
    }

    #[test]
    fn a_picture_parameter_set_alone_is_not_a_keyframe() {
        assert!(describe(PPS).start_of_frame && !describe(PPS).keyframe);
    }

    #[test]
    fn all_units_of_an_aggregation_count() {
        let description = describe(&aggregation(&[VPS, SPS, PPS]));
        assert!(description.start_of_frame && description.keyframe);
        assert_eq!(description.resolution, Some((638, 358)));
        let mut cut = aggregation(&[TRAIL, IDR]);
        cut.pop();
        assert!(!describe(&cut).keyframe);
        assert!(!describe(&[0x60, 0x01, 0, 1, 0x26]).keyframe);
    }

    #[test]
    fn only_the_first_fragment_starts_a_frame() {
        let first = describe(&[0x62, 0x01, 0x93, 0xAF, 0x09]);
        assert!(first.start_of_frame && first.keyframe);
        for fragment in [0x13, 0x53] {
            let later = describe(&[0x62, 0x01, fragment, 0xAF, 0x09]);
            assert!(!later.start_of_frame && !later.keyframe);
        }
    }

    #[test]
    fn every_random_access_picture_is_a_keyframe() {
        for kind in 0..=31 {
            let description = describe(&[kind << 1, 0x01, 0x80]);
            assert!(description.start_of_frame);
            assert_eq!(
                description.keyframe,
                (16..=23).contains(&kind),
                "NAL unit type {kind}"
            );
        }
    }

    #[test]
    fn later_segments_of_a_picture_do_not_start_it() {
        let description = describe(&[0x26, 0x01, 0x2F, 0x09]);
        assert!(!description.start_of_frame && !description.keyframe);
    }

    #[test]
    fn the_temporal_layer_is_in_every_packet() {
        assert_eq!(describe(TRAIL).temporal, Some(1));
        assert_eq!(describe(&[0x62, 0x03, 0x01, 0x00]).temporal, Some(2));
        assert_eq!(describe(&[0x02, 0x00, 0xD0]).temporal, None);
    }
}
