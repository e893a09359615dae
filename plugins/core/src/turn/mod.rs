// SPDX-License-Identifier: MIT OR Apache-2.0
//! A STUN and TURN server, without sockets.
//!
//! What it does: STUN Binding (RFC 8489, and as RFC 3489 had it) with behaviour discovery (RFC 5780, when there is a second address); TURN
//! (RFC 8656) with channels, permissions, even ports, reservations, `DONT-FRAGMENT`, IPv4, IPv6 and both at once; TCP
//! allocations (RFC 6062). Long-term credentials with SHA-1 or SHA-256, time-limited or static.
//!
//! What it leaves out: mobility (RFC 8016), third-party authorisation by OAuth (RFC 7635), `USERHASH`, `ICMP`
//! attributes.
//!
//! It is safe as it comes: peers must have public unicast addresses ([`PeerFilter`]), nothing is remembered of who has
//! not authenticated, what those get is short, or few ([`Limits::errors_per_second`]), and what a user may hold is
//! limited.
//!
//! [`Server::handle_client`] and [`Server::handle_peer`] take what came in. What is relayed at once is their return value,
//! everything else comes out of [`Server::poll_output`], which must be drained after each call. Sockets are outputs, too:
//! [`Output::OpenRelay`] is answered by [`Server::relay_opened`].

mod allocate;
mod allocation;
mod amplification;
mod authenticate;
mod binding;
mod capacity;
mod channel;
mod classic;
mod clock;
mod config;
mod connect;
mod credentials;
mod filter;
mod framing;
mod nonce;
mod output;
mod path;
mod permission;
mod rate;
mod refresh;
mod relay;
mod reply;
mod request;
mod reservation;
mod revocation;
mod server;
mod stats;
#[cfg(test)]
mod tests;

pub use config::{Config, Discovery, Families, Limits};
pub use credentials::{Credentials, password_for, user_of};
pub use filter::{AddressRange, NotARange, PeerFilter};
pub use framing::{Frame, frame};
pub use output::{ConnectionId, Output, RelayId, RelayKind, RelayPort, ToPeer};
pub use path::{FiveTuple, Transport};
pub use server::Server;
pub use stats::{Refusal, Stats};

/// The realm of every credential (RFC 8489 §9.2). Short, so that the reply to somebody unknown is, too.
pub const REALM: &str = "rtc";
