// SPDX-License-Identifier: MIT OR Apache-2.0
//! The RTP header.

use super::Extensions;
use std::ops::Range;

/// Length of a header without CSRCs and extension (RFC 3550 §5.1).
pub const MIN_HEADER_LEN: usize = 12;

/// Why bytes are not an RTP packet. Lengths are in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Shorter than the fixed header.
    #[error("RTP packet of {length} bytes is shorter than the fixed header of {MIN_HEADER_LEN}")]
    TooShort {
        /// Length of the packet.
        length: usize,
    },
    /// The version is not 2.
    #[error("RTP version {version}, expected 2")]
    Version {
        /// The version found, 0 to 3.
        version: u8,
    },
    /// The CSRC count promises more than there is.
    #[error("RTP header with {count} CSRCs does not fit into {length} bytes")]
    CsrcList {
        /// Number of CSRCs promised.
        count: u8,
        /// Length of the packet.
        length: usize,
    },
    /// The extension length promises more than there is.
    #[error("RTP header extension up to byte {end} does not fit into {length} bytes")]
    Extension {
        /// Where the extension would end.
        end: usize,
        /// Length of the packet.
        length: usize,
    },
    /// The padding bit is set, but the padding is empty or larger than what follows the header.
    #[error("RTP padding of {padding} bytes in a payload of {length}")]
    Padding {
        /// The padding count found.
        padding: usize,
        /// Bytes after the header.
        length: usize,
    },
}

/// A parsed RTP header: the fields, and where the variable parts are in the packet.
///
/// Not built on `rtp-types`: its packet borrows the bytes and walks the header again in every accessor, while the router
/// keeps the result next to the owned bytes and reads each field for every subscriber.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Marker bit.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the codec's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Number of contributing sources, 0 to 15.
    pub csrc_count: u8,
    /// Profile of the header extension, and where its data is.
    pub extension: Option<(u16, Range<usize>)>,
    /// Where the payload is, without padding. Empty in packets that are only padding.
    pub payload: Range<usize>,
    /// Bytes of padding after the payload, with the count byte; 0 = none.
    pub padding: usize,
}

impl Header {
    /// Reads the header of an RTP packet.
    ///
    /// # Errors
    /// When it is not version 2, or when a length in it points past the end (RFC 3550 §5.1, A.1).
    pub fn parse(packet: &[u8]) -> Result<Header, ParseError> {
        let length = packet.len();
        let Some(fixed) = packet.first_chunk::<MIN_HEADER_LEN>() else {
            return Err(ParseError::TooShort { length });
        };
        let version = fixed[0] >> 6;
        if version != 2 {
            return Err(ParseError::Version { version });
        }
        let csrc_count = fixed[0] & 0x0F;
        let mut offset = MIN_HEADER_LEN + usize::from(csrc_count) * 4;
        if offset > length {
            return Err(ParseError::CsrcList {
                count: csrc_count,
                length,
            });
        }
        let mut extension = None;
        if fixed[0] & 0x10 != 0 {
            let (profile, data) = parse_extension(packet, offset)?;
            offset = data.end;
            extension = Some((profile, data));
        }
        let padding = if fixed[0] & 0x20 != 0 {
            parse_padding(&packet[offset..])?
        } else {
            0
        };
        Ok(Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7F,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            csrc_count,
            extension,
            payload: offset..length - padding,
            padding,
        })
    }

    /// True when the packet carries nothing but padding, as bandwidth probes do.
    pub fn is_padding_only(&self) -> bool {
        self.payload.is_empty()
    }

    /// The elements of the header extension, of `packet` from which this header was parsed. A malformed element ends
    /// the iteration; profiles other than those of RFC 8285 have no elements.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        match &self.extension {
            Some((profile, range)) => {
                Extensions::new(*profile, packet.get(range.clone()).unwrap_or(&[]))
            }
            None => Extensions::new(0, &[]),
        }
    }

    /// Length of everything before the payload, in bytes.
    pub fn len(&self) -> usize {
        self.payload.start
    }

    /// Never true: there is no header without its fixed part.
    pub fn is_empty(&self) -> bool {
        false
    }
}

fn parse_extension(packet: &[u8], offset: usize) -> Result<(u16, Range<usize>), ParseError> {
    let length = packet.len();
    let start = offset + 4;
    let Some(head) = packet.get(offset..start) else {
        return Err(ParseError::Extension { end: start, length });
    };
    let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let end = start + words * 4;
    if end > length {
        return Err(ParseError::Extension { end, length });
    }
    Ok((u16::from_be_bytes([head[0], head[1]]), start..end))
}

/// `body` is what follows the header.
fn parse_padding(body: &[u8]) -> Result<usize, ParseError> {
    let padding = usize::from(body.last().copied().unwrap_or(0));
    if padding == 0 || padding > body.len() {
        return Err(ParseError::Padding {
            padding,
            length: body.len(),
        });
    }
    Ok(padding)
}

/// The sequence number of the packet that a retransmission repeats: the first two bytes of its payload
/// (RFC 4588 §4). `None` when the payload is too short, as in padding probes on the RTX stream.
pub fn rtx_original_sequence(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().copied().map(u16::from_be_bytes)
}
