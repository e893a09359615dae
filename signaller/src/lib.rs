// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signalling: rooms over WebSocket, WHIP and WHEP, the web page, and a client that drives `webrtcbin`.
//!
//! The contract is `PROTOCOL.md`; [`protocol`] has its messages as types, [`rooms`] its rules without sockets.

pub mod client;
#[cfg(feature = "load")]
pub mod load;
pub mod protocol;
pub mod rooms;
pub mod run;
pub mod server;
pub mod turn;
