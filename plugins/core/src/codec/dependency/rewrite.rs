// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a descriptor for a receiver: with another frame number, and with the mask of the decode targets that are left.

use super::super::bits::BitReader;
use super::Structure;
use super::parse::Head;

/// Bits of the mandatory fields.
const MANDATORY_BITS: usize = 24;
/// Bits of the flags that announce extended fields.
const FLAG_BITS: usize = 5;

/// Writes `descriptor` into `out` with its frame number moved by `shift`; the length, at most that of `out`.
///
/// With `target`, the decode target of `structure` to which the stream is cut down, the packet that begins a frame of the
/// base layer says which targets are left (`active_decode_targets_bitmask`, appendix A.8.3). A descriptor that cannot be
/// read, or has no room, is only renumbered.
pub(crate) fn rewrite(
    descriptor: &[u8],
    shift: u16,
    target: Option<(&Structure, u8)>,
    out: &mut [u8],
) -> usize {
    let masked = target.and_then(|(structure, target)| {
        with_mask(descriptor, structure, structure.targets_within(target), out)
    });
    let length = masked.unwrap_or_else(|| {
        let length = descriptor.len().min(out.len());
        out[..length].copy_from_slice(&descriptor[..length]);
        length
    });
    if let Some(number) = out[..length].get_mut(1..3) {
        let shifted = u16::from_be_bytes([number[0], number[1]]).wrapping_add(shift);
        number.copy_from_slice(&shifted.to_be_bytes());
    }
    length
}

/// The descriptor with another mask of active decode targets in it.
fn with_mask(descriptor: &[u8], structure: &Structure, mask: u32, out: &mut [u8]) -> Option<usize> {
    let targets = structure.targets().len();
    let mut reader = BitReader::new(descriptor);
    let head = Head::parse(&mut reader, descriptor.len())?;
    let before = reader.position(descriptor);
    let mut own = mask;
    if head.has_active_targets {
        own &= reader.bits(targets as u32)?;
    }
    let after = reader.position(descriptor);
    let mut writer = BitWriter::new(out);
    writer.copy(descriptor, 0..MANDATORY_BITS)?;
    if before == MANDATORY_BITS {
        // Nothing but the new flag.
        writer.bits(0b01000, FLAG_BITS)?;
    } else {
        let flags = BitReader::at(descriptor, MANDATORY_BITS).bits(FLAG_BITS as u32)?;
        writer.bits(flags | 0b01000, FLAG_BITS)?;
        writer.copy(descriptor, MANDATORY_BITS + FLAG_BITS..before)?;
    }
    writer.bits(own, targets)?;
    // The padding at the end is copied too, and is zero.
    writer.copy(descriptor, after..descriptor.len() * 8)?;
    Some(writer.finish())
}

/// Writes bits, most significant first.
struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> BitWriter<'a> {
    fn new(out: &'a mut [u8]) -> BitWriter<'a> {
        out.fill(0);
        BitWriter { out, at: 0 }
    }

    fn bit(&mut self, bit: bool) -> Option<()> {
        *self.out.get_mut(self.at / 8)? |= u8::from(bit) << (7 - self.at % 8);
        self.at += 1;
        Some(())
    }

    fn bits(&mut self, value: u32, count: usize) -> Option<()> {
        (0..count)
            .rev()
            .try_for_each(|bit| self.bit(value >> bit & 1 == 1))
    }

    fn copy(&mut self, from: &[u8], range: std::ops::Range<usize>) -> Option<()> {
        let mut reader = BitReader::at(from, range.start);
        range.into_iter().try_for_each(|_| self.bit(reader.bit()?))
    }

    fn finish(self) -> usize {
        self.at.div_ceil(8)
    }
}
