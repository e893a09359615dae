// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading bits, most significant first, out of bytes nobody vouches for.

/// A cursor over bits. Every read past the end is `None`.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        BitReader { data, position: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = *self.data.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// The next `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32);
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.position = self.position.checked_add(count)?;
        (self.position <= self.data.len() * 8).then_some(())
    }

    /// Unsigned exp-Golomb code, at most 31 leading zeros (ITU-T H.264 §9.1).
    pub(super) fn unsigned_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let suffix = self.bits(zeros)?;
        Some(((1u64 << zeros) - 1 + u64::from(suffix)).min(u64::from(u32::MAX)) as u32)
    }

    /// Signed exp-Golomb code (ITU-T H.264 §9.1.1).
    pub(super) fn signed_golomb(&mut self) -> Option<i32> {
        let code = i64::from(self.unsigned_golomb()?);
        let magnitude = (code + 1) / 2;
        Some(if code % 2 == 1 { magnitude } else { -magnitude } as i32)
    }
}
