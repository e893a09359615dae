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
