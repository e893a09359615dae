// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many bytes go to whoever a request pretends to come from.
//!
//! The source of a datagram may be forged, and the reply then goes to somebody who asked for nothing. So replies to those who have
//! not authenticated are short, and the few that cannot be are counted out to each source.

use super::path::{FiveTuple, Transport};
use super::server::Server;
use std::time::Instant;

/// A Binding response may have so many tenths of the bytes of its request, if there are to be any number of them. That is what a
/// request without attributes and an IPv4 address make: 20 and 32 bytes.
pub(super) const BINDING: usize = 16;
/// An error may have so many tenths: 28 and 56 bytes for the first 401, which has to bring realm and nonce.
pub(super) const ERROR: usize = 21;

/// Whether a reply is no longer than so many tenths of the request. Who comes by another way than UDP has shown to be there, by
/// the handshake of TCP or the cookie of DTLS.
pub(super) fn is_short(path: &FiveTuple, request: usize, reply: &[u8], tenths: usize) -> bool {
    path.transport != Transport::Udp || reply.len() * 10 <= request * tenths
}

impl Server {
    /// Whether one that is longer may be sent, out of the same few per second as errors
    /// ([`super::Limits::errors_per_second`]).
    pub(super) fn may_be_long(&mut self, now: Instant, path: &FiveTuple) -> bool {
        self.errors.allows(now, path)
    }
}
