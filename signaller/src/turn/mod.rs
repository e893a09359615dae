// SPDX-License-Identifier: MIT OR Apache-2.0
//! The STUN and TURN server: sockets around [`gst_rtc_core::turn`], and the credentials that are handed out.
//!
//! One thread does it all, in its own event loop: datagrams are received and sent in batches, and what goes to one peer or
//! client at once is one system call where the kernel segments. TLS is done by rustls, DTLS (RFC 7350) by OpenSSL, and of who
//! only begins with DTLS nothing is remembered before it has brought back a cookie.

mod access;
mod batch;
mod config;
mod cookie;
mod error;
mod hello;
mod outbox;
mod pipe;
mod relay_sockets;
mod service;
mod session;
mod sockets;
mod stream;
mod tls;
mod token;
mod udp;
mod wire;
mod worker;

pub use access::Access;
pub use config::{PortRange, TurnConfig};
pub use error::TurnError;
pub use gst_rtc_core::turn::{AddressRange, Limits, NotARange, Refusal, Stats};
pub use service::{TurnHandle, TurnServer};
pub use tls::TlsFiles;
