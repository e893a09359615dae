// SPDX-License-Identifier: MIT OR Apache-2.0
//! AV1: the aggregation header and the OBUs behind it (RTP Payload Format For AV1 v1.0.0 §4.4, AV1 Bitstream & Decoding
//! Process §5.3, §5.5). The dependency descriptor is a header extension and not read here.

use super::bits::BitReader;
use super::{Description, Format, rewrite_nothing};
use crate::media::MediaKind;

pub(super) const FORMAT: Format = Format {
    name: "AV1",
    kind: MediaKind::Video,
    clock_rate: 90_000,
    describe,
    rewrite: rewrite_nothing,
};

/// OBU types (AV1 §6.2.2).
mod obu {
    pub(super) const SEQUENCE_HEADER: u8 = 1;
    pub(super) const TEMPORAL_DELIMITER: u8 = 2;
    pub(super) const FRAME_HEADER: u8 = 3;
    pub(super) const METADATA: u8 = 5;
    pub(super) const FRAME: u8 = 6;
}

/// OBUs looked at in one packet.
const MAX_OBUS: usize = 16;

fn describe(payload: &[u8]) -> Description {
    let Some((aggregation, elements)) = payload.split_first() else {
        return Description::default();
    };
    // Z: the first element continues an OBU of the packet before, so its bytes are not a header.
    let continues = aggregation & 0x80 != 0;
    // N: the first packet of a coded video sequence.
    let keyframe = aggregation & 0x08 != 0 && !continues;
    let mut description = Description {
        keyframe,
        ..Description::default()
    };
    let elements = Elements {
        rest: elements,
        count: aggregation >> 4 & 0x03,
        index: 0,
    };
    for (index, element) in elements.take(MAX_OBUS).enumerate() {
        if index == 0 && continues {
            continue;
        }
        let Some(obu) = Obu::parse(element) else {
            break;
        };
        description.start_of_frame |= index == 0 && obu.begins_frame();
        if description.temporal.is_none() && obu.layers.is_some() {
            (description.temporal, description.spatial) = obu.layers.unzip();
        }
        if keyframe && obu.kind == obu::SEQUENCE_HEADER {
            description.resolution = resolution(obu.data);
        }
    }
    description
}

/// The OBU elements of a packet, whole or in part, until a length lies.
struct Elements<'a> {
    rest: &'a [u8],
    /// W: how many there are, the last of them without a length; 0: not said, all have a length.
    count: u8,
    index: u8,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.index = self.index.saturating_add(1);
        if self.count == self.index {
            return Some(std::mem::take(&mut self.rest));
        }
        let (length, data) = leb128(self.rest)?;
        let (element, rest) = data.split_at_checked(length)?;
        self.rest = rest;
        Some(element)
    }
}

/// A number of seven bits a byte, least significant first (AV1 §4.10.5), and what follows it.
fn leb128(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &data[index + 1..]));
        }
    }
    None
}

struct Obu<'a> {
    kind: u8,
    /// Temporal and spatial layer, when it has the extension.
    layers: Option<(u8, u8)>,
    data: &'a [u8],
}

impl<'a> Obu<'a> {
    /// AV1 §5.3.2, §5.3.3.
    fn parse(element: &'a [u8]) -> Option<Obu<'a>> {
        let (head, mut data) = element.split_first()?;
        let mut layers = None;
        if head & 0x04 != 0 {
            let (extension, rest) = data.split_first()?;
            layers = Some((extension >> 5, extension >> 3 & 0x03));
            data = rest;
        }
        // Senders should leave the size out, as the element has a length already.
        if head & 0x02 != 0 {
            data = leb128(data)?.1;
        }
        Some(Obu {
            kind: head >> 3 & 0x0F,
            layers,
            data,
        })
    }

    /// True for those that come before the tiles of a frame.
    fn begins_frame(&self) -> bool {
        matches!(
            self.kind,
            obu::SEQUENCE_HEADER
                | obu::TEMPORAL_DELIMITER
                | obu::FRAME_HEADER
                | obu::METADATA
                | obu::FRAME
        )
    }
}

/// The largest frame of a sequence, out of its header (AV1 §5.5.1).
fn resolution(sequence_header: &[u8]) -> Option<(u16, u16)> {
    let mut reader = BitReader::new(sequence_header);
    // seq_profile and still_picture
    reader.skip(4)?;
    let reduced = reader.bit()?;
    if reduced {
        // seq_level_idx
        reader.skip(5)?;
    } else {
        skip_operating_points(&mut reader)?;
    }
    let width_bits = reader.bits(4)? + 1;
    let height_bits = reader.bits(4)? + 1;
    let width = u64::from(reader.bits(width_bits)?) + 1;
    let height = u64::from(reader.bits(height_bits)?) + 1;
    super::resolution(width, height)
}

/// From timing_info_present_flag to the operating points.
fn skip_operating_points(reader: &mut BitReader<'_>) -> Option<()> {
    let timing = reader.bit()?;
    let delay_bits = if timing { skip_timing(reader)? } else { None };
    let initial_delay = reader.bit()?;
    let operating_points = reader.bits(5)? + 1;
    for _ in 0..operating_points {
        // operating_point_idc
        reader.skip(12)?;
        // Levels above 7 have a tier.
        if reader.bits(5)? > 7 {
            reader.bit()?;
        }
        if let Some(bits) = delay_bits
            && reader.bit()?
        {
            // decoder_buffer_delay, encoder_buffer_delay, low_delay_mode_flag
            reader.skip(2 * bits + 1)?;
        }
        if initial_delay && reader.bit()? {
            reader.skip(4)?;
        }
    }
    Some(())
}

/// Timing info and decoder model info (AV1 §5.5.3, §5.5.4): the width of the buffer delays, when there are any.
fn skip_timing(reader: &mut BitReader<'_>) -> Option<Option<usize>> {
    // num_units_in_display_tick, time_scale
    reader.skip(64)?;
    if reader.bit()? {
        // num_ticks_per_picture_minus_1, in the code that H.264 calls exp-Golomb
        reader.unsigned_golomb()?;
    }
    if !reader.bit()? {
        return Some(None);
    }
    let bits = reader.bits(5)? as usize + 1;
    // num_units_in_decoding_tick, buffer_removal_time_length, frame_presentation_time_length
    reader.skip(32 + 5 + 5)?;
    Some(Some(bits))
}

#[cfg(test)]
mod tests {
    use super::super::bits::from_text;
    use super::*;

    /// A sequence header of 638x358 pixels as libaom writes it, without the size field.
    const SEQUENCE_HEADER: &[u8] = &[
        0x08, 0x00, 0x00, 0x00, 0x0C, 0xC4, 0xFB, 0x65, 0x36, 0xBE, 0x40, 0x10,
    ];
    const FRAME: &[u8] = &[0x30, 0x10, 0x00];

    fn sized(elements: &[&[u8]]) -> Vec<u8> {
        elements
            .iter()
            .flat_map(|element| [&[element.len() as u8], *element].concat())
            .collect()
    }

    #[test]
    fn a_new_sequence_is_a_keyframe_with_its_resolution() {
        let payload = [&[0x08][..], &sized(&[SEQUENCE_HEADER, FRAME])].concat();
        let description = describe(&payload);
        assert!(description.start_of_frame && description.keyframe);
        assert_eq!(description.resolution, Some((638, 358)));
    }

    #[test]
    fn the_last_of_a_count_of_elements_has_no_length() {
        let payload = [&[0x28][..], &sized(&[SEQUENCE_HEADER]), FRAME].concat();
        assert_eq!(describe(&payload).resolution, Some((638, 358)));
        let payload = [&[0x18][..], SEQUENCE_HEADER].concat();
        assert_eq!(describe(&payload).resolution, Some((638, 358)));
    }

    #[test]
    fn sequence_headers_may_keep_their_size_field() {
        let payload = [&[0x18, 0x0A, 0x0B][..], &SEQUENCE_HEADER[1..]].concat();
        assert_eq!(describe(&payload).resolution, Some((638, 358)));
    }

    #[test]
    fn without_the_n_bit_it_is_no_keyframe() {
        let description = describe(&[&[0x10][..], FRAME].concat());
        assert!(description.start_of_frame && !description.keyframe);
    }

    #[test]
    fn continuations_and_tile_groups_do_not_start_a_frame() {
        let continued = describe(&[&[0x98][..], FRAME].concat());
        assert!(!continued.start_of_frame && !continued.keyframe);
        let tiles = describe(&[0x10, 0x20, 0x10]);
        assert!(!tiles.start_of_frame);
    }

    #[test]
    fn layers_are_in_the_extension_of_the_first_whole_unit_that_has_one() {
        let layered = [0x34, 2 << 5 | 1 << 3, 0x10];
        let description = describe(&[&[0x10][..], &layered].concat());
        assert_eq!(
            (description.temporal, description.spatial),
            (Some(2), Some(1))
        );
        // Z: the first element is the end of another unit.
        let description = describe(&[&[0xA0, 3][..], FRAME, &layered].concat());
        assert_eq!(
            (description.temporal, description.spatial),
            (Some(2), Some(1))
        );
        assert_eq!(describe(&[&[0x10][..], FRAME].concat()).temporal, None);
    }

    #[test]
    fn an_element_with_a_lying_length_ends_the_packet() {
        let mut payload = [&[0x08][..], &sized(&[FRAME, SEQUENCE_HEADER])].concat();
        payload.pop();
        let description = describe(&payload);
        assert!(description.start_of_frame);
        assert_eq!(description.resolution, None);
        let endless = describe(&[&[0x08][..], &[0xFF; 40]].concat());
        assert_eq!(
            endless,
            Description {
                keyframe: true,
                ..Description::default()
            }
        );
    }

    #[test]
    fn operating_points_and_timing_are_passed_over() {
        // Not reduced; timing with equal intervals; a decoder model with delays of four bits; initial display delays.
        let head = format!(
            "000 0 0 1 {} 1 1 1 00011 {} 00000 00000 1",
            "0".repeat(64),
            "0".repeat(32)
        );
        // Two operating points, the first with a tier and with delays of its own. Then four and three bits: 16x8.
        let points = format!(
            "00001 {0} 01000 1 1 00000000 0 1 0000 {0} 00111 0 0",
            "0".repeat(12)
        );
        let bits = from_text(&format!("{head} {points} 0011 0010 1111 111"));
        let payload = [&[0x18, 0x08][..], &bits].concat();
        assert_eq!(describe(&payload).resolution, Some((16, 8)));
    }
}
