// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a message ends in a stream (RFC 8656 §12.5, RFC 8489 §6.2.2).

/// Bytes of a STUN header.
pub(super) const STUN_HEADER: usize = 20;
/// Bytes of a ChannelData header.
pub(super) const CHANNEL_HEADER: usize = 4;
/// The longest STUN message taken: what fits into a datagram.
const LONGEST: usize = 65_000;

/// What the beginning of a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A message of so many bytes, of which some may not be there yet.
    Message(usize),
    /// Too short to say.
    Unknown,
    /// Nothing of this protocol: the connection is to be closed.
    Broken,
}

/// Looks at the first bytes of a stream.
pub fn frame(data: &[u8]) -> Frame {
    let Some(&[a, b, c, d]) = data.first_chunk() else {
        return Frame::Unknown;
    };
    let length = usize::from(u16::from_be_bytes([c, d]));
    match u16::from_be_bytes([a, b]) {
        0..=0x3FFF if length.is_multiple_of(4) && length + STUN_HEADER <= LONGEST => {
            Frame::Message(STUN_HEADER + length)
        }
        0x4000..=0x7FFF => Frame::Message((CHANNEL_HEADER + length).next_multiple_of(4)),
        _ => Frame::Broken,
    }
}
