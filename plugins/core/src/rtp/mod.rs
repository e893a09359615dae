// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTP packets (RFC 3550 §5.1), their header extensions (RFC 8285) and extended sequence numbers.
//!
//! Nothing here allocates: reading hands out ranges of the packet, writing goes into the caller's buffer.

mod extension;
mod header;
mod restart;
mod sequence;
mod writer;

#[cfg(test)]
mod tests;

pub use extension::{Extensions, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};
pub use header::{Header, MIN_HEADER_LEN, ParseError, rtx_original_sequence};
pub(crate) use restart::Restart;
pub use sequence::ExtendedSequence;
pub use writer::HeaderWriter;
