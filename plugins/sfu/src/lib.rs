// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plugin.

pub mod hub;
mod io;
mod node;
pub mod sdp;
