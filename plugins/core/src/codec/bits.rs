// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading bits, most significant first, out of bytes nobody vouches for.

/// A cursor over bits. Every read past the end is `None`.
pub(super) struct BitReader<'a> {
    rest: &'a [u8],
    /// Bits of `rest[0]` already read, 0 to 7.
    used: u32,
    /// Zero bytes before `rest[0]`; counted only where emulation prevention is undone.
    zeros: Option<u8>,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        BitReader {
            rest: data,
            used: 0,
            zeros: None,
        }
    }

    /// Starts behind the first `bits` bits.
    pub(super) fn at(data: &'a [u8], bits: usize) -> Self {
        BitReader {
            rest: data.get(bits / 8..).unwrap_or(&[]),
            used: (bits % 8) as u32,
            zeros: None,
        }
    }

    /// Bits read so far of `data`, with which it was made by [`new`](Self::new).
    pub(super) fn position(&self, data: &[u8]) -> usize {
        (data.len() - self.rest.len()) * 8 + self.used as usize
    }

    /// Reads a NAL unit: leaves out each 3 that follows two zero bytes (ITU-T H.264 §7.4.1.1).
    pub(super) fn rbsp(data: &'a [u8]) -> Self {
        BitReader {
            zeros: Some(0),
            ..BitReader::new(data)
        }
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = *self.rest.first()?;
        let bit = byte >> (7 - self.used) & 1;
        self.used += 1;
        if self.used == 8 {
            self.next_byte(byte);
        }
        Some(bit == 1)
    }

    fn next_byte(&mut self, done: u8) {
        self.used = 0;
        self.rest = &self.rest[1..];
        if let Some(zeros) = &mut self.zeros {
            *zeros = if done == 0 {
                zeros.saturating_add(1)
            } else {
                0
            };
            if *zeros >= 2 && self.rest.first() == Some(&3) {
                self.rest = &self.rest[1..];
                *zeros = 0;
            }
        }
    }

    /// The next `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32, "a u32 holds 32 bits");
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.bit().map(drop))
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
        // At most 2^31 - 1 + 2^31 - 1.
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// Signed exp-Golomb code (ITU-T H.264 §9.1.1).
    pub(super) fn signed_golomb(&mut self) -> Option<i32> {
        let code = self.unsigned_golomb()?;
        let magnitude = code.div_ceil(2) as i32;
        Some(if code % 2 == 1 { magnitude } else { -magnitude })
    }
}

/// Bytes out of zeros and ones; anything between them is left out.
#[cfg(test)]
pub(super) fn from_text(text: &str) -> Vec<u8> {
    let bits: Vec<u8> = text
        .bytes()
        .filter(|byte| matches!(byte, b'0' | b'1'))
        .map(|byte| byte - b'0')
        .collect();
    let byte = |bits: &[u8]| {
        bits.iter()
            .enumerate()
            .fold(0, |byte, (index, bit)| byte | bit << (7 - index))
    };
    bits.chunks(8).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_are_those_of_the_table() {
        // ITU-T H.264 table 9-2 and 9-3: 1, 010, 011, 00100, 00101.
        let data = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut reader = BitReader::new(&data);
        assert_eq!(
            [0; 5].map(|_| reader.unsigned_golomb()),
            [0, 1, 2, 3, 4].map(Some)
        );
        let mut reader = BitReader::new(&data);
        assert_eq!(
            [0; 5].map(|_| reader.signed_golomb()),
            [0, 1, -1, 2, -2].map(Some)
        );
    }

    #[test]
    fn the_largest_golomb_code_has_31_zeros() {
        let largest = [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE];
        assert_eq!(
            BitReader::new(&largest).unsigned_golomb(),
            Some(u32::MAX - 1)
        );
        assert_eq!(BitReader::new(&largest).signed_golomb(), Some(-i32::MAX));
        assert_eq!(
            BitReader::new(&[0, 0, 0, 0, 0x80, 0, 0, 0, 0]).unsigned_golomb(),
            None
        );
    }

    #[test]
    fn emulation_prevention_is_left_out() {
        let data = [0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3];
        let read = |mut reader: BitReader<'_>| -> Vec<_> {
            std::iter::from_fn(|| reader.bits(8)).collect()
        };
        assert_eq!(read(BitReader::rbsp(&data)), [0, 0, 1, 0, 0, 0, 0, 3]);
        assert_eq!(read(BitReader::new(&data)).len(), data.len());
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut reader = BitReader::new(&[0xFF]);
        assert_eq!(reader.skip(7), Some(()));
        assert_eq!(reader.bits(2), None);
        assert_eq!(reader.bit(), None);
    }
}
