// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mixing unit decides: where each tile goes on the canvas, who is big, and who hears whom.
//!
//! Pictures are neither decoded nor scaled here; [`layout`] says where they belong. Sound is mixed here, sample by sample,
//! because everybody's mix is the whole minus one's own voice, and the difference is silence only if both are the same samples.

pub mod aligner;
pub mod animation;
pub mod custom;
pub mod layout;
pub mod leveller;
pub mod limiter;
pub mod mixer;
pub mod rect;
pub mod scaling;
pub mod speaker;
