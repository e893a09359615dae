// SPDX-License-Identifier: MIT OR Apache-2.0
//! The picture id as VP8 and VP9 both write it: a bit that says whether it has 15 or 7 bits, then the id
//! (RFC 7741 §4.2, RFC 9628 §4.2).

use super::PictureId;

/// The id at `offset`, and the bytes it takes.
pub(super) fn read(payload: &[u8], offset: usize) -> Option<(PictureId, usize)> {
    let first = *payload.get(offset)?;
    if first & 0x80 == 0 {
        return Some((
            PictureId {
                value: u16::from(first),
                bits: 7,
            },
            1,
        ));
    }
    let second = *payload.get(offset + 1)?;
    Some((
        PictureId {
            value: u16::from_be_bytes([first & 0x7F, second]),
            bits: 15,
        },
        2,
    ))
}

/// Writes an id over one of the same width that [`read`] found at `offset`.
pub(super) fn write(payload: &mut [u8], offset: usize, id: PictureId) {
    if id.bits == 7 {
        payload[offset] = (id.value & 0x7F) as u8;
    } else {
        payload[offset..offset + 2].copy_from_slice(&(id.value | 0x8000).to_be_bytes());
    }
}
