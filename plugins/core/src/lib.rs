// SPDX-License-Identifier: MIT OR Apache-2.0
//! The heart of gst-rtc: peer sessions, RTP and the router, without sockets, threads or a clock.
//!
//! Everything is driven the same way: `handle_*(now, …)` takes what came in, `poll_*` hands out what follows, and the caller
//! repeats until nothing is left. Time and randomness are passed in, so the same input gives the same output twice.

pub mod arena;
pub mod backoff;
pub mod bwe;
pub mod codec;
pub mod data;
pub mod datagrams;
pub mod engine;
pub mod id;
pub mod layer;
pub mod mcu;
pub mod media;
pub mod nack;
pub mod negotiate;
pub mod packet;
mod peer;
pub mod reception;
mod router;
pub mod rtcp;
pub mod rtp;
pub mod session;
pub mod srtp;
pub mod turn;
pub mod twcc;
