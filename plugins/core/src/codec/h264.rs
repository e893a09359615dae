// SPDX-License-Identifier: MIT OR Apache-2.0
//! H.264: single NAL unit packets, STAP-A and FU-A (RFC 6184 §5.6, §5.7.1, §5.8), which are those of packetization modes
//! 0 and 1. The interleaved mode is not read.

use super::bits::BitReader;
use super::{Description, Format, rewrite_nothing};
use crate::media::MediaKind;

pub(super) const FORMAT: Format = Format {
    name: "H264",
    kind: MediaKind::Video,
    clock_rate: 90_000,
    describe,
    rewrite: rewrite_nothing,
};

/// NAL unit types (ITU-T H.264 table 7-1, RFC 6184 §5.2).
mod nal {
    pub(super) const SLICE: u8 = 1;
    pub(super) const PARTITION_A: u8 = 2;
    pub(super) const IDR: u8 = 5;
    pub(super) const SEI: u8 = 6;
    pub(super) const SPS: u8 = 7;
    pub(super) const PPS: u8 = 8;
    pub(super) const ACCESS_UNIT_DELIMITER: u8 = 9;
    pub(super) const STAP_A: u8 = 24;
    pub(super) const FU_A: u8 = 28;
}

fn describe(payload: &[u8]) -> Description {
    let mut description = Description::default();
    let Some((head, rest)) = payload.split_first() else {
        return description;
    };
    match head & 0x1F {
        nal::STAP_A => {
            units(rest).for_each(|unit| describe_unit(unit[0] & 0x1F, &unit[1..], &mut description))
        }
        nal::FU_A => {
            if let Some((fragment, data)) = rest.split_first() {
                // S: the first fragment. The others say nothing about where they are in the picture.
                if fragment & 0x80 != 0 {
                    describe_unit(fragment & 0x1F, data, &mut description);
                }
            }
        }
        kind => describe_unit(kind, rest, &mut description),
    }
    description
}

/// The NAL units of a STAP-A, none of them empty, until a length lies.
fn units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, data) = rest.split_first_chunk()?;
        let (unit, later) = data.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = later;
        (!unit.is_empty()).then_some(unit)
    })
}

/// Adds what a NAL unit says. `data` is what follows its header, perhaps only the beginning.
fn describe_unit(kind: u8, data: &[u8], description: &mut Description) {
    // A slice header begins with first_mb_in_slice; the exp-Golomb code of 0 is a single set bit.
    let first_slice = data.first().is_some_and(|byte| byte & 0x80 != 0);
    match kind {
        nal::SPS => {
            description.start_of_frame = true;
            description.keyframe = true;
            description.resolution = resolution(data).or(description.resolution);
        }
        nal::IDR => {
            description.start_of_frame |= first_slice;
            description.keyframe |= first_slice;
        }
        nal::SLICE | nal::PARTITION_A => description.start_of_frame |= first_slice,
        // These come before the slices of a picture (ITU-T H.264 §7.4.1.2.3).
        nal::SEI | nal::PPS | nal::ACCESS_UNIT_DELIMITER => description.start_of_frame = true,
        _ => {}
    }
}

/// Width and height out of a sequence parameter set (ITU-T H.264 §7.3.2.1.1), cropping applied.
fn resolution(sps: &[u8]) -> Option<(u16, u16)> {
    let mut reader = BitReader::rbsp(sps);
    let profile = reader.bits(8)?;
    // Constraint flags and level.
    reader.skip(16)?;
    reader.unsigned_golomb()?;
    let chroma = if has_chroma_format(profile) {
        chroma_format(&mut reader)?
    } else {
        ChromaFormat::DEFAULT
    };
    // log2_max_frame_num_minus4
    reader.unsigned_golomb()?;
    skip_picture_order_count(&mut reader)?;
    // max_num_ref_frames and gaps_in_frame_num_value_allowed_flag
    reader.unsigned_golomb()?;
    reader.bit()?;
    let width = (u64::from(reader.unsigned_golomb()?) + 1) * 16;
    let map_units = u64::from(reader.unsigned_golomb()?) + 1;
    let frame_only = reader.bit()?;
    if !frame_only {
        reader.bit()?;
    }
    // direct_8x8_inference_flag
    reader.bit()?;
    let fields = if frame_only { 1 } else { 2 };
    let height = map_units * 16 * fields;
    let (crop_width, crop_height) = if reader.bit()? {
        cropping(&mut reader)?
    } else {
        (0, 0)
    };
    let width = width.checked_sub(crop_width * chroma.crop_unit_x)?;
    let height = height.checked_sub(crop_height * chroma.crop_unit_y * fields)?;
    super::resolution(width, height)
}

/// Units in which the picture is cropped (ITU-T H.264 §7.4.2.1.1, table 6-1).
struct ChromaFormat {
    crop_unit_x: u64,
    crop_unit_y: u64,
}

impl ChromaFormat {
    /// 4:2:0, what profiles without the field have.
    const DEFAULT: ChromaFormat = ChromaFormat {
        crop_unit_x: 2,
        crop_unit_y: 2,
    };
}

/// The profiles whose parameter sets have chroma_format_idc.
fn has_chroma_format(profile: u32) -> bool {
    matches!(
        profile,
        44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244
    )
}

/// From chroma_format_idc to the scaling lists.
fn chroma_format(reader: &mut BitReader<'_>) -> Option<ChromaFormat> {
    let format = reader.unsigned_golomb()?;
    if format == 3 {
        // separate_colour_plane_flag
        reader.bit()?;
    }
    // bit_depth_luma_minus8, bit_depth_chroma_minus8, qpprime_y_zero_transform_bypass_flag
    reader.unsigned_golomb()?;
    reader.unsigned_golomb()?;
    reader.bit()?;
    if reader.bit()? {
        let lists = if format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if reader.bit()? {
                skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(match format {
        1 => ChromaFormat::DEFAULT,
        2 => ChromaFormat {
            crop_unit_x: 2,
            crop_unit_y: 1,
        },
        _ => ChromaFormat {
            crop_unit_x: 1,
            crop_unit_y: 1,
        },
    })
}

/// ITU-T H.264 §7.3.2.1.1.1.
fn skip_scaling_list(reader: &mut BitReader<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + i64::from(reader.signed_golomb()?)).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_picture_order_count(reader: &mut BitReader<'_>) -> Option<()> {
    match reader.unsigned_golomb()? {
        0 => {
            // log2_max_pic_order_cnt_lsb_minus4
            reader.unsigned_golomb()?;
        }
        1 => {
            // delta_pic_order_always_zero_flag and the offsets for pictures that are not references
            reader.bit()?;
            reader.signed_golomb()?;
            reader.signed_golomb()?;
            // At most 255 (ITU-T H.264 §7.4.2.1.1).
            let cycle = reader.unsigned_golomb().filter(|cycle| *cycle <= 255)?;
            for _ in 0..cycle {
                reader.signed_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Sums of the left and right, and of the top and bottom offset.
fn cropping(reader: &mut BitReader<'_>) -> Option<(u64, u64)> {
    let mut offset = || reader.unsigned_golomb().map(u64::from);
    let (left, right, top, bottom) = (offset()?, offset()?, offset()?, offset()?);
    Some((left + right, top + bottom))
}

#[cfg(test)]
mod tests {
    use super::super::bits::from_text;
    use super::*;

    /// Parameter sets as x264 writes them, with emulation prevention in them.
    const HIGH_638X358: &[u8] = &[
        0x67, 0x64, 0x00, 0x16, 0xAC, 0xD9, 0x40, 0xA0, 0x2F, 0xEA, 0x6C, 0x04, 0x40, 0x00, 0x00,
        0x03, 0x00, 0x40, 0x00, 0x00, 0x05, 0x03, 0xC5, 0x8B, 0x65, 0x80,
    ];
    const BASELINE_638X358: &[u8] = &[
        0x67, 0x42, 0xC0, 0x16, 0xD9, 0x00, 0xA0, 0x2F, 0xEA, 0x6C, 0x04, 0x40, 0x00, 0x00, 0x03,
        0x00, 0x40, 0x00, 0x00, 0x05, 0x03, 0xC5, 0x8B, 0x92,
    ];
    const INTERLACED_640X356: &[u8] = &[
        0x67, 0x64, 0x00, 0x16, 0xAC, 0xD9, 0x40, 0xA0, 0x63, 0xF1, 0x18, 0x08, 0x80, 0x00, 0x00,
        0x03, 0x00, 0x80, 0x00, 0x00, 0x0A, 0x0F, 0x8A, 0x14, 0xCB,
    ];
    const PPS: &[u8] = &[0x68, 0xEB, 0xE3, 0xCB];
    /// The beginnings of slices that are the first of their picture.
    const IDR: &[u8] = &[0x65, 0x88, 0x84];
    const SLICE: &[u8] = &[0x41, 0x9A, 0x21];

    fn stap(units: &[&[u8]]) -> Vec<u8> {
        let unit = |unit: &&[u8]| [&(unit.len() as u16).to_be_bytes(), *unit].concat();
        [vec![0x78], units.iter().flat_map(unit).collect()].concat()
    }

    #[test]
    fn a_parameter_set_starts_a_keyframe_and_has_the_resolution() {
        for (sps, resolution) in [
            (HIGH_638X358, (638, 358)),
            (BASELINE_638X358, (638, 358)),
            (INTERLACED_640X356, (640, 356)),
        ] {
            let description = describe(sps);
            assert!(description.start_of_frame && description.keyframe);
            assert_eq!(description.resolution, Some(resolution));
        }
    }

    #[test]
    fn scaling_lists_are_passed_over() {
        // Profile 244, 4:4:4, twelve lists. Each has a first delta of -8 only, which stands for the default list.
        let lists = "1 000010001".repeat(12);
        let text = format!("1 00100 0 1 1 0 1 {lists} 1 1 1 1 0 1 1 1 1 0 1");
        let sps = [&[0x67, 244, 0, 30][..], &from_text(&text)].concat();
        assert_eq!(describe(&sps).resolution, Some((16, 16)));
    }

    #[test]
    fn a_parameter_set_that_is_cut_off_is_a_keyframe_without_resolution() {
        let description = describe(&HIGH_638X358[..9]);
        assert!(description.keyframe);
        assert_eq!(description.resolution, None);
    }

    #[test]
    fn all_units_of_an_aggregation_count() {
        let description = describe(&stap(&[HIGH_638X358, PPS]));
        assert!(description.start_of_frame && description.keyframe);
        assert_eq!(description.resolution, Some((638, 358)));
        assert!(describe(&stap(&[PPS, IDR])).keyframe);
        let delta = describe(&stap(&[PPS, SLICE]));
        assert!(delta.start_of_frame && !delta.keyframe);
    }

    #[test]
    fn an_aggregation_with_a_lying_length_ends_there() {
        let mut payload = stap(&[SLICE, HIGH_638X358]);
        payload.pop();
        let description = describe(&payload);
        assert!(description.start_of_frame && !description.keyframe);
        assert_eq!(
            describe(&[0x78, 0, 0, 0, 3, 0x65, 0x88, 0x84]),
            Description::default()
        );
    }

    #[test]
    fn only_the_first_fragment_starts_a_frame() {
        let first = describe(&[0x7C, 0x85, 0x88, 0x84]);
        assert!(first.start_of_frame && first.keyframe);
        let middle = describe(&[0x7C, 0x05, 0x88, 0x84]);
        let last = describe(&[0x7C, 0x45, 0x88, 0x84]);
        assert_eq!(
            (middle, last),
            (Description::default(), Description::default())
        );
        assert_eq!(describe(&[0x7C]), Description::default());
    }

    #[test]
    fn later_slices_of_a_picture_do_not_start_it() {
        assert!(describe(IDR).keyframe);
        assert_eq!(describe(&[0x65, 0x40, 0x84]), Description::default());
        assert!(describe(SLICE).start_of_frame && !describe(SLICE).keyframe);
        assert_eq!(describe(&[0x41, 0x40]), Description::default());
    }
}
