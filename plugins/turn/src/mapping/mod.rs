// SPDX-License-Identifier: MIT OR Apache-2.0
//! A UDP socket whose outside address is known and kept.
//!
//! STUN Binding (RFC 8489) from the client's side, and NAT behaviour discovery (RFC 5780) except
//! for binding lifetime, fragments and hairpinning. What the server says is trusted as far as its
//! address and the transaction id go: there is no integrity between a public server and its
//! users.

mod keeper;
mod message;
mod nat;
mod port;
mod punch;
pub(crate) mod question;
mod resolve;

pub use nat::{NatFiltering, NatKind, NatMapping};
pub use port::{MappedPort, PortEvent, PortSettings};
pub(crate) use resolve::{Resolution, resolve};
