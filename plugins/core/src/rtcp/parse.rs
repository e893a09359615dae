// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading RTCP.

use super::Packet;

/// RTCP packets read from one datagram; what comes after is an error.
pub const MAX_PACKETS: usize = 128;
/// Sequence numbers read from the NACKs of one datagram; further ones are left out.
pub const MAX_NACKED: usize = 1024;

/// Why bytes are not RTCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// The header or the length in it does not fit into what is there.
    #[error("RTCP packet of {needed} bytes announced where {length} are left")]
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        length: usize,
    },
    /// The version is not 2.
    #[error("RTCP version {version}, expected 2")]
    Version {
        /// The version found, 0 to 3.
        version: u8,
    },
    /// Padding that is empty, too long or not on the last packet.
    #[error("RTCP padding of {padding} bytes is not possible here")]
    Padding {
        /// The padding count found.
        padding: usize,
    },
    /// The contents of a packet do not fit into it, or make no sense.
    #[error("RTCP packet of type {packet_type} and format {count} is malformed inside")]
    Malformed {
        /// Packet type.
        packet_type: u8,
        /// The five bits that are a count, a format or a subtype.
        count: u8,
    },
    /// More than [`MAX_PACKETS`] in one datagram.
    #[error("more than {MAX_PACKETS} RTCP packets in one datagram")]
    TooMany,
}

/// Reads the RTCP packets of a datagram, compound or reduced-size, one after the other.
///
/// A packet whose contents are malformed is an error in its place, and reading goes on behind it. When the framing itself
/// is wrong, the error is the last item. What was read before an error stands.
pub fn parse(data: &[u8]) -> Packets<'_> {
    Packets {
        rest: data,
        packets: 0,
        nacked: 0,
    }
}

/// The iterator of [`parse`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
    packets: usize,
    nacked: usize,
}

impl Iterator for Packets<'_> {
    type Item = Result<Packet, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = (self.rest, self.packets, self.nacked);
        None
    }
}
