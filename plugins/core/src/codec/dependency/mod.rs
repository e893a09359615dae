// SPDX-License-Identifier: MIT OR Apache-2.0
//! The dependency descriptor, a header extension that says of a frame to which layer it belongs, on which frames it depends and
//! for which choices of layers it is needed (RTP Payload Format For AV1 v1.0.0, appendix A).
//!
//! It is written for AV1, but senders put it on every codec, and since it leaves the payload alone it is what forwarding
//! goes by where payloads are encrypted end to end. Descriptors refer to a [`Structure`] that comes with keyframes, so
//! they are read by a [`Reader`], one per stream.

mod parse;
mod rewrite;
mod structure;

#[cfg(test)]
mod tests;

pub use parse::Reader;
pub(crate) use rewrite::rewrite;
pub use structure::{Structure, Target};

use std::sync::Arc;

/// Frames one frame may refer to, here. AV1 has seven references.
const MAX_REFERENCES: usize = 8;

/// What a frame is to a decode target (appendix A.4: decode target indication).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Indication {
    /// It is not part of it.
    NotPresent,
    /// It is part of it, and nothing in it depends on the frame.
    Discardable,
    /// A decoder that has what this frame depends on can follow the target from here on.
    Switch,
    /// It is part of it.
    Required,
}

/// The descriptor of one packet's frame.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The packet is the first of its frame.
    pub start_of_frame: bool,
    /// The packet is the last of its frame.
    pub end_of_frame: bool,
    /// Number of the frame, modulo 2^16; every frame of every layer has its own.
    pub frame_number: u16,
    /// Spatial layer, 0 = base.
    pub spatial: u8,
    /// Temporal layer, 0 = base.
    pub temporal: u8,
    /// The packet brought the structure with it, as those do with which a keyframe begins.
    pub brings_structure: bool,
    /// What the descriptor refers to.
    pub structure: Arc<Structure>,
    /// Two bits for each decode target.
    indications: u64,
    references: [u16; MAX_REFERENCES],
    reference_count: u8,
}

impl Dependency {
    /// What the frame is to a decode target.
    pub fn indication(&self, target: u8) -> Indication {
        match self.indications >> (2 * u32::from(target.min(31))) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }

    /// Decode targets the frame is part of: those for which the two bits of the mask are not 0.
    pub(crate) fn presence(&self) -> u64 {
        self.indications
    }

    /// How many frames back those lie on which it depends.
    pub fn references(&self) -> &[u16] {
        &self.references[..usize::from(self.reference_count)]
    }

    /// Decoding can start with it.
    pub fn is_key(&self) -> bool {
        self.reference_count == 0 && self.spatial == 0
    }
}
