// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way to the signaller: a WebSocket that is looked for until it is found, and what is said over it.
//!
//! The contract is `signaller/PROTOCOL.md`, part "Nodes".

mod address;
mod client;
mod message;

pub(crate) use address::SignallerAddress;
pub(crate) use client::{Connection, run};
pub(crate) use message::{
    Chosen, Direction, FromSignaller, Layer, LayerInfo, Missing, Participant, ParticipantKind,
    ParticipantState, Priority, Resume, Role, RoomState, SessionPhase, SessionStateOf, Slot,
    SlotQuality, ToSignaller, Track, Wish,
};
