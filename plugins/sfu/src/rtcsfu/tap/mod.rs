// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tracks taken out of the room: from a worker's packets to a pad's buffers.

mod group;
mod layer;
mod pump;
mod queue;
mod reorder;
mod stream;
mod timeline;

pub(crate) use group::Group;
pub(crate) use pump::{Counters, Outcome, Pump, PumpSettings};
pub(crate) use queue::{Item, TapQueue};
