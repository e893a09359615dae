// SPDX-License-Identifier: MIT OR Apache-2.0
//! VP9: the payload descriptor (RFC 9628 §4.2). The frame itself is not looked at.

use super::{Description, Format, PictureId, picture_id};
use crate::media::MediaKind;

pub(super) const FORMAT: Format = Format {
    name: "VP9",
    kind: MediaKind::Video,
    clock_rate: 90_000,
    describe,
    rewrite,
};

/// Reference indices of one picture in flexible mode (RFC 9628 §4.2, P_DIFF).
const MAX_REFERENCES: usize = 3;

/// What the descriptor says, and where its fields are.
#[derive(Default)]
struct Descriptor {
    /// First packet of a frame of one spatial layer (B).
    start: bool,
    /// Depends on an earlier picture (P).
    predicted: bool,
    picture_id: Option<(usize, PictureId)>,
    tl0_pic_idx: Option<usize>,
    layers: Option<Layers>,
    resolution: Option<(u16, u16)>,
}

#[derive(Clone, Copy)]
struct Layers {
    temporal: u8,
    spatial: u8,
}

impl Descriptor {
    fn parse(payload: &[u8]) -> Option<Descriptor> {
        let flags = *payload.first()?;
        let flag = |bit: u8| flags & bit != 0;
        let (has_id, predicted, has_layers, flexible) =
            (flag(0x80), flag(0x40), flag(0x20), flag(0x10));
        let mut descriptor = Descriptor {
            start: flag(0x08),
            predicted,
            ..Descriptor::default()
        };
        let mut offset = 1;
        if has_id {
            let (id, length) = picture_id::read(payload, offset)?;
            descriptor.picture_id = Some((offset, id));
            offset += length;
        }
        if has_layers {
            let byte = *payload.get(offset)?;
            descriptor.layers = Some(Layers {
                temporal: byte >> 5,
                spatial: byte >> 1 & 0x07,
            });
            offset += 1;
            // Only non-flexible mode has TL0PICIDX.
            if !flexible {
                payload.get(offset)?;
                descriptor.tl0_pic_idx = Some(offset);
                offset += 1;
            }
        }
        if flexible && predicted {
            offset += references(payload.get(offset..)?)?;
        }
        if flag(0x02) {
            descriptor.resolution = highest_resolution(payload.get(offset..)?);
        }
        Some(descriptor)
    }
}

/// Length of the list of reference indices: the last bit of each says whether one more follows.
fn references(list: &[u8]) -> Option<usize> {
    let last = list
        .iter()
        .take(MAX_REFERENCES)
        .position(|entry| entry & 0x01 == 0)?;
    Some(last + 1)
}

/// Width and height of the highest spatial layer in the scalability structure, when it has resolutions (Y).
fn highest_resolution(structure: &[u8]) -> Option<(u16, u16)> {
    let head = *structure.first()?;
    if head & 0x10 == 0 {
        return None;
    }
    let highest = usize::from(head >> 5);
    let &[a, b, c, d] = structure.get(1 + highest * 4..)?.first_chunk()?;
    super::resolution(
        u16::from_be_bytes([a, b]).into(),
        u16::from_be_bytes([c, d]).into(),
    )
}

fn describe(payload: &[u8]) -> Description {
    let Some(descriptor) = Descriptor::parse(payload) else {
        return Description::default();
    };
    // A key picture begins with its base layer; the layers above it are not predicted from earlier pictures either.
    let base = descriptor.layers.is_none_or(|layers| layers.spatial == 0);
    let keyframe = descriptor.start && !descriptor.predicted && base;
    Description {
        start_of_frame: descriptor.start,
        keyframe,
        temporal: descriptor.layers.map(|layers| layers.temporal),
        spatial: descriptor.layers.map(|layers| layers.spatial),
        picture_id: descriptor.picture_id.map(|(_, id)| id),
        tl0_pic_idx: descriptor.tl0_pic_idx.map(|offset| payload[offset]),
        resolution: if keyframe {
            descriptor.resolution
        } else {
            None
        },
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
