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
