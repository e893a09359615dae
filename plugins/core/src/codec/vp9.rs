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
    /// Last packet of it (E).
    end: bool,
    /// Depends on an earlier picture (P).
    predicted: bool,
    picture_id: Option<(usize, PictureId)>,
    tl0_pic_idx: Option<usize>,
    layers: Option<Layers>,
    /// Where the scalability structure begins (V).
    structure: Option<usize>,
}

#[derive(Clone, Copy)]
struct Layers {
    temporal: u8,
    /// U: pictures of the layers above depend on nothing of those layers before.
    switch_up: bool,
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
            end: flag(0x04),
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
                switch_up: byte & 0x10 != 0,
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
            payload.get(offset)?;
            descriptor.structure = Some(offset);
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

/// Width and height of each spatial layer in the scalability structure, the lowest first, as far as it has them (Y).
fn structure_resolutions(structure: &[u8]) -> impl Iterator<Item = (u16, u16)> + '_ {
    let head = structure.first().copied().unwrap_or(0);
    let layers = if head & 0x10 != 0 {
        usize::from(head >> 5) + 1
    } else {
        0
    };
    let sizes = structure.get(1..).unwrap_or(&[]).chunks_exact(4);
    sizes.take(layers).map_while(|size| {
        let side = |high, low| u64::from(u16::from_be_bytes([high, low]));
        super::resolution(side(size[0], size[1]), side(size[2], size[3]))
    })
}

/// Those of the scalability structure of a payload; none when it has no structure.
pub(super) fn resolutions(payload: &[u8]) -> impl Iterator<Item = (u16, u16)> + '_ {
    let structure = Descriptor::parse(payload).and_then(|d| payload.get(d.structure?..));
    structure_resolutions(structure.unwrap_or(&[]))
}

/// The highest layer's resolution, when all are there.
fn highest_resolution(structure: &[u8]) -> Option<(u16, u16)> {
    let layers = usize::from(structure.first()? >> 5) + 1;
    structure_resolutions(structure).nth(layers - 1)
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
        end_of_frame: descriptor.end,
        switch_up: descriptor.layers.is_some_and(|layers| layers.switch_up),
        keyframe,
        temporal: descriptor.layers.map(|layers| layers.temporal),
        spatial: descriptor.layers.map(|layers| layers.spatial),
        picture_id: descriptor.picture_id.map(|(_, id)| id),
        tl0_pic_idx: descriptor.tl0_pic_idx.map(|offset| payload[offset]),
        resolution: if keyframe {
            descriptor
                .structure
                .and_then(|at| highest_resolution(payload.get(at..)?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_picture_of_one_layer_has_its_resolution() {
        // As rtpvp9pay writes it: I, B and V; one layer of 320x240; a group of one picture.
        let payload = [
            0x8A, 0x87, 0xF4, 0x18, 0x01, 0x40, 0x00, 0xF0, 0x01, 0x04, 0x01, 0xB1,
        ];
        let description = describe(&payload);
        assert!(description.start_of_frame && description.keyframe);
        assert_eq!(
            description.picture_id,
            Some(PictureId {
                value: 0x07F4,
                bits: 15
            })
        );
        assert_eq!(description.resolution, Some((320, 240)));
        assert_eq!(
            (
                description.temporal,
                description.spatial,
                description.tl0_pic_idx
            ),
            (None, None, None)
        );
    }

    #[test]
    fn the_resolution_is_that_of_the_highest_layer() {
        // I, L, B and V, non-flexible; three layers.
        let mut payload = vec![0xAA, 0x05, 0x00, 0x09, 0x50];
        for (width, height) in [(160u16, 90u16), (320, 180), (640, 360)] {
            payload.extend(width.to_be_bytes());
            payload.extend(height.to_be_bytes());
        }
        assert_eq!(describe(&payload).resolution, Some((640, 360)));
        payload.pop();
        assert_eq!(describe(&payload).resolution, None);
        assert!(describe(&payload).keyframe);
    }

    #[test]
    fn layers_are_read_in_non_flexible_mode() {
        // I, P, L, B: temporal layer 2, spatial layer 1.
        let description = describe(&[0xE8, 0x11, 2 << 5 | 1 << 1, 0x33, 0xAA]);
        assert_eq!(
            (description.temporal, description.spatial),
            (Some(2), Some(1))
        );
        assert_eq!(
            description.picture_id,
            Some(PictureId {
                value: 0x11,
                bits: 7
            })
        );
        assert_eq!(description.tl0_pic_idx, Some(0x33));
        assert!(description.start_of_frame && !description.keyframe);
    }

    #[test]
    fn flexible_mode_has_references_instead_of_the_base_layer_index() {
        // I, P, L, F, B and V: three references, then one layer.
        let payload = [
            0xFA, 0x11, 0x00, 0x03, 0x05, 0x06, 0x10, 0x02, 0x80, 0x01, 0x68,
        ];
        let description = describe(&payload);
        assert_eq!(
            (description.temporal, description.tl0_pic_idx),
            (Some(0), None)
        );
        assert!(description.start_of_frame && !description.keyframe);
        // A fourth reference is not possible.
        assert_eq!(
            describe(&[0xF8, 0x11, 0x00, 0x03, 0x05, 0x07, 0x08]),
            Description::default()
        );
    }

    #[test]
    fn layers_above_the_base_of_a_key_picture_are_not_keyframes() {
        let base = describe(&[0xA8, 0x11, 0x00, 0x01]);
        let above = describe(&[0xA8, 0x11, 1 << 1 | 1, 0x01]);
        assert!(base.keyframe && !above.keyframe && above.start_of_frame);
    }

    #[test]
    fn packets_after_the_first_of_a_frame_are_not_keyframes() {
        let description = describe(&[0x80, 0x91, 0x47]);
        assert!(!description.start_of_frame && !description.keyframe);
    }

    #[test]
    fn a_descriptor_that_is_cut_off_says_nothing() {
        let whole = [0xE8, 0x91, 0x47, 0x40, 0x33];
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
        let mut payload = [0xE8, 0x91, 0x47, 0x40, 0x33, 0xAA];
        let description = describe(&payload);
        rewrite(&mut payload, &description, 0x0102, 0xEE);
        assert_eq!(payload, [0xE8, 0x81, 0x02, 0x40, 0xEE, 0xAA]);
    }
}
