// SPDX-License-Identifier: MIT OR Apache-2.0
//! VP8: the payload descriptor (RFC 7741 §4.2) and the first bytes of a frame (RFC 6386 §9.1).

use super::{Description, Format, PictureId, picture_id};
use crate::media::MediaKind;

pub(super) const FORMAT: Format = Format {
    name: "VP8",
    kind: MediaKind::Video,
    clock_rate: 90_000,
    describe,
    rewrite,
};

/// What the descriptor says, and where its fields are.
struct Descriptor {
    /// First packet of partition 0.
    start: bool,
    picture_id: Option<(usize, PictureId)>,
    tl0_pic_idx: Option<usize>,
    temporal: Option<u8>,
    /// Y: depends on the base layer only.
    sync: bool,
    /// Length of the descriptor.
    length: usize,
}

impl Descriptor {
    fn parse(payload: &[u8]) -> Option<Descriptor> {
        let first = *payload.first()?;
        // S: start of a partition. The three bits at the end: index of the partition.
        let start = first & 0x10 != 0 && first & 0x07 == 0;
        let mut descriptor = Descriptor {
            start,
            picture_id: None,
            tl0_pic_idx: None,
            temporal: None,
            sync: false,
            length: 1,
        };
        if first & 0x80 != 0 {
            descriptor.parse_extension(payload)?;
        }
        Some(descriptor)
    }

    /// The fields announced by the X bit.
    fn parse_extension(&mut self, payload: &[u8]) -> Option<()> {
        let present = *payload.get(1)?;
        let mut offset = 2;
        if present & 0x80 != 0 {
            let (id, length) = picture_id::read(payload, offset)?;
            self.picture_id = Some((offset, id));
            offset += length;
        }
        if present & 0x40 != 0 {
            self.tl0_pic_idx = Some(offset);
            offset += 1;
        }
        // TID and KEYIDX share a byte, which is there when either is; TID counts only with its own bit.
        if present & 0x30 != 0 {
            let byte = *payload.get(offset)?;
            self.temporal = (present & 0x20 != 0).then_some(byte >> 6);
            self.sync = present & 0x20 != 0 && byte & 0x20 != 0;
            offset += 1;
        }
        self.length = offset;
        (offset <= payload.len()).then_some(())
    }
}

fn describe(payload: &[u8]) -> Description {
    let Some(descriptor) = Descriptor::parse(payload) else {
        return Description::default();
    };
    let frame = &payload[descriptor.length..];
    // P = 0 in the frame tag: a key frame. Only the first packet of the frame has a frame tag.
    let keyframe = descriptor.start && frame.first().is_some_and(|tag| tag & 0x01 == 0);
    Description {
        start_of_frame: descriptor.start,
        end_of_frame: false,
        switch_up: descriptor.sync,
        keyframe,
        temporal: descriptor.temporal,
        spatial: None,
        picture_id: descriptor.picture_id.map(|(_, id)| id),
        tl0_pic_idx: descriptor.tl0_pic_idx.map(|offset| payload[offset]),
        resolution: if keyframe { resolution(frame) } else { None },
    }
}

/// Three bytes of frame tag, the start code, then width and height of 14 bits with two of scaling each, little endian
/// (RFC 6386 §9.1).
fn resolution(frame: &[u8]) -> Option<(u16, u16)> {
    match frame.get(3..10)? {
        [0x9D, 0x01, 0x2A, a, b, c, d] => {
            let side = |low, high| u64::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            super::resolution(side(*a, *b), side(*c, *d))
        }
        _ => None,
    }
}

fn rewrite(payload: &mut [u8], description: &Description, value: u16, tl0: u8) {
    let Some(descriptor) = Descriptor::parse(payload) else {
        return;
    };
    if let (Some((offset, id)), Some(_)) = (descriptor.picture_id, description.picture_id) {
        picture_id::write(payload, offset, PictureId { value, ..id });
    }
    if let (Some(offset), Some(_)) = (descriptor.tl0_pic_idx, description.tl0_pic_idx) {
        payload[offset] = tl0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a key frame of 638x358 pixels, as libvpx writes it.
    const KEY_FRAME: [u8; 10] = [0x90, 0xA5, 0x00, 0x9D, 0x01, 0x2A, 0x7E, 0x02, 0x66, 0x01];

    fn with_frame(descriptor: &[u8]) -> Vec<u8> {
        [descriptor, &KEY_FRAME].concat()
    }

    #[test]
    fn a_key_frame_begins_with_its_resolution() {
        let description = describe(&with_frame(&[0x10]));
        assert!(description.start_of_frame && description.keyframe);
        assert_eq!(description.resolution, Some((638, 358)));
        assert_eq!(
            (
                description.picture_id,
                description.tl0_pic_idx,
                description.temporal
            ),
            (None, None, None)
        );
    }

    #[test]
    fn scaling_is_not_part_of_the_resolution() {
        let mut payload = with_frame(&[0x10]);
        payload[8] |= 0x40;
        payload[10] |= 0xC0;
        assert_eq!(describe(&payload).resolution, Some((638, 358)));
    }

    #[test]
    fn frames_with_the_p_bit_are_not_keyframes() {
        let description = describe(&[0x10, 0x91, 0xA5, 0x00]);
        assert!(description.start_of_frame && !description.keyframe);
    }

    #[test]
    fn only_the_start_of_partition_0_starts_a_frame() {
        for first in [0x00, 0x01, 0x11, 0x17] {
            let description = describe(&with_frame(&[first]));
            assert!(
                !description.start_of_frame && !description.keyframe,
                "descriptor {first:#x}"
            );
        }
        // The non-reference bit does not matter.
        assert!(describe(&with_frame(&[0x30])).keyframe);
    }

    #[test]
    fn all_fields_of_the_extension_are_read() {
        let description = describe(&with_frame(&[0x90, 0xF0, 0x91, 0x47, 0x2A, 0xA5]));
        assert_eq!(
            description.picture_id,
            Some(PictureId {
                value: 0x1147,
                bits: 15
            })
        );
        assert_eq!(description.tl0_pic_idx, Some(0x2A));
        assert_eq!(description.temporal, Some(2));
        assert!(description.keyframe && description.switch_up);
    }

    #[test]
    fn a_picture_id_may_have_7_bits() {
        let description = describe(&with_frame(&[0x90, 0x80, 0x7F]));
        assert_eq!(
            description.picture_id,
            Some(PictureId {
                value: 0x7F,
                bits: 7
            })
        );
        assert!(description.keyframe);
    }

    #[test]
    fn a_key_index_alone_says_nothing_about_layers() {
        let description = describe(&with_frame(&[0x90, 0x10, 0xC1]));
        assert_eq!(description.temporal, None);
        assert!(description.keyframe);
    }

    #[test]
    fn a_descriptor_that_is_cut_off_says_nothing() {
        let whole = [0x90, 0xF0, 0x91, 0x47, 0x2A, 0xA5];
        for length in 0..whole.len() {
            assert_eq!(
                describe(&whole[..length]),
                Description::default(),
                "{length} bytes"
            );
        }
        assert!(describe(&whole).start_of_frame);
    }

    #[test]
    fn rewriting_changes_the_numbers_and_nothing_else() {
        let mut payload = with_frame(&[0x90, 0xF0, 0x91, 0x47, 0x2A, 0xA5]);
        let description = describe(&payload);
        rewrite(&mut payload, &description, 0xFFFE, 7);
        assert_eq!(payload, with_frame(&[0x90, 0xF0, 0xFF, 0xFE, 7, 0xA5]));
        let mut payload = with_frame(&[0x90, 0x80, 0x7F]);
        let description = describe(&payload);
        rewrite(&mut payload, &description, 0x1FF, 7);
        assert_eq!(payload, with_frame(&[0x90, 0x80, 0x7F]));
    }
}
