// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing an RTP header.

use super::{MIN_HEADER_LEN, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};

/// Writes an RTP header with extensions into a buffer, without allocating.
///
/// `rtp-types` has a builder, but it copies extension data and payload; here the payload is put behind the header by the
/// caller, once.
#[derive(Debug)]
pub struct HeaderWriter<'a> {
    buf: &'a mut [u8],
    two_byte: bool,
    /// Where the next extension element goes. `MIN_HEADER_LEN` while there is none.
    end: usize,
}

impl<'a> HeaderWriter<'a> {
    /// Starts a header whose extensions, if any, have the one-byte form (RFC 8285 §4.2).
    ///
    /// # Panics
    /// When `buf` is shorter than [`MIN_HEADER_LEN`].
    pub fn new(
        buf: &'a mut [u8],
        payload_type: u8,
        marker: bool,
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
    ) -> Self {
        buf[0] = 0x80;
        buf[1] = u8::from(marker) << 7 | payload_type & 0x7F;
        buf[2..4].copy_from_slice(&sequence.to_be_bytes());
        buf[4..8].copy_from_slice(&timestamp.to_be_bytes());
        buf[8..12].copy_from_slice(&ssrc.to_be_bytes());
        HeaderWriter {
            buf,
            two_byte: false,
            end: MIN_HEADER_LEN,
        }
    }

    /// Like [`HeaderWriter::new`], with extensions in the two-byte form (RFC 8285 §4.3): needed when one has no data, more
    /// than 16 bytes, or an id above 14.
    ///
    /// # Panics
    /// When `buf` is shorter than [`MIN_HEADER_LEN`].
    pub fn new_two_byte(
        buf: &'a mut [u8],
        payload_type: u8,
        marker: bool,
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
    ) -> Self {
        HeaderWriter {
            two_byte: true,
            ..HeaderWriter::new(buf, payload_type, marker, sequence, timestamp, ssrc)
        }
    }

    /// Adds an extension element. False, and nothing written, when id or data do not suit the form or the buffer is full.
    ///
    /// One-byte form: id 1 to 14, 1 to 16 bytes. Two-byte form: id 1 to 255, 0 to 255 bytes.
    #[inline(always)] // most lengths are known where it is called
    pub fn extension(&mut self, id: u8, data: &[u8]) -> bool {
        let suits = match self.two_byte {
            false => (1..=14).contains(&id) && (1..=16).contains(&data.len()),
            true => id != 0 && data.len() <= 255,
        };
        let start = if self.end == MIN_HEADER_LEN {
            MIN_HEADER_LEN + 4
        } else {
            self.end
        };
        let body = start + if self.two_byte { 2 } else { 1 };
        let end = body + data.len();
        if !suits || end.next_multiple_of(4) > self.buf.len() {
            return false;
        }
        if self.two_byte {
            self.buf[start] = id;
            self.buf[start + 1] = data.len() as u8;
        } else {
            self.buf[start] = id << 4 | (data.len() - 1) as u8;
        }
        self.buf[body..end].copy_from_slice(data);
        self.end = end;
        true
    }

    /// Completes the header and returns its length: where the payload goes.
    pub fn finish(self) -> usize {
        if self.end == MIN_HEADER_LEN {
            return MIN_HEADER_LEN;
        }
        let end = self.end.next_multiple_of(4);
        self.buf[self.end..end].fill(0);
        self.buf[0] |= 0x10;
        let profile = if self.two_byte {
            TWO_BYTE_PROFILE
        } else {
            ONE_BYTE_PROFILE
        };
        let words = ((end - MIN_HEADER_LEN - 4) / 4) as u16;
        self.buf[12..14].copy_from_slice(&profile.to_be_bytes());
        self.buf[14..16].copy_from_slice(&words.to_be_bytes());
        end
    }
}
