// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server counts.

/// Why something was refused, or dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// Not a message, or one that says nothing here. Dropped.
    Malformed,
    /// A request lacks what it needs, or contradicts itself (400).
    BadRequest,
    /// A request without credentials: the first of every client (401).
    NoCredentials,
    /// Unknown user, wrong password, or expired (401).
    BadCredentials,
    /// The nonce is old, or somebody else's (438).
    StaleNonce,
    /// The error was not sent, because too many were. Dropped.
    TooManyErrors,
    /// A Binding response that is longer than its request allows was not sent, because too many were. Dropped.
    LongReply,
    /// An attribute that must be understood is not (420).
    UnknownAttribute,
    /// The peer's address is not allowed (403).
    ForbiddenPeer,
    /// There is no allocation, or one already (437).
    AllocationMismatch,
    /// There are no relays of that address family (440).
    UnsupportedFamily,
    /// The peer's address family is not that of the allocation (443).
    PeerFamily,
    /// The allocation is somebody else's (441).
    WrongCredentials,
    /// Neither UDP nor, from a stream, TCP (442).
    UnsupportedTransport,
    /// There is a connection with that peer already (446).
    ConnectionExists,
    /// The peer could not be connected with (447).
    ConnectionFailed,
    /// The user has as many allocations as allowed (486).
    UserQuota,
    /// The server, or the allocation, has as much as it can hold (508).
    Capacity,
    /// Data for or from a peer without permission. Dropped.
    NoPermission,
    /// Data on a channel that is not bound. Dropped.
    NoChannel,
    /// Data beyond the bytes per second of a user or all. Dropped.
    TooFast,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 21] = [
        Refusal::Malformed,
        Refusal::BadRequest,
        Refusal::NoCredentials,
        Refusal::BadCredentials,
        Refusal::StaleNonce,
        Refusal::TooManyErrors,
        Refusal::LongReply,
        Refusal::UnknownAttribute,
        Refusal::ForbiddenPeer,
        Refusal::AllocationMismatch,
        Refusal::UnsupportedFamily,
        Refusal::PeerFamily,
        Refusal::WrongCredentials,
        Refusal::UnsupportedTransport,
        Refusal::ConnectionExists,
        Refusal::ConnectionFailed,
        Refusal::UserQuota,
        Refusal::Capacity,
        Refusal::NoPermission,
        Refusal::NoChannel,
        Refusal::TooFast,
    ];

    /// The code of the error reply (RFC 8489 §14.8, RFC 8656 §19, RFC 6062 §6.3). What is dropped has one that is not sent.
    pub(super) fn code(self) -> u16 {
        match self {
            Refusal::NoCredentials | Refusal::BadCredentials => 401,
            Refusal::ForbiddenPeer => 403,
            Refusal::UnknownAttribute => 420,
            Refusal::AllocationMismatch => 437,
            Refusal::StaleNonce => 438,
            Refusal::UnsupportedFamily => 440,
            Refusal::WrongCredentials => 441,
            Refusal::UnsupportedTransport => 442,
            Refusal::PeerFamily => 443,
            Refusal::ConnectionExists => 446,
            Refusal::ConnectionFailed => 447,
            Refusal::UserQuota => 486,
            Refusal::Capacity => 508,
            _ => 400,
        }
    }

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Malformed => "malformed",
            Refusal::BadRequest => "bad_request",
            Refusal::NoCredentials => "no_credentials",
            Refusal::BadCredentials => "bad_credentials",
            Refusal::StaleNonce => "stale_nonce",
            Refusal::TooManyErrors => "too_many_errors",
            Refusal::LongReply => "long_reply",
            Refusal::UnknownAttribute => "unknown_attribute",
            Refusal::ForbiddenPeer => "forbidden_peer",
            Refusal::AllocationMismatch => "allocation_mismatch",
            Refusal::UnsupportedFamily => "unsupported_family",
            Refusal::PeerFamily => "peer_family",
            Refusal::WrongCredentials => "wrong_credentials",
            Refusal::UnsupportedTransport => "unsupported_transport",
            Refusal::ConnectionExists => "connection_exists",
            Refusal::ConnectionFailed => "connection_failed",
            Refusal::UserQuota => "user_quota",
            Refusal::Capacity => "capacity",
            Refusal::NoPermission => "no_permission",
            Refusal::NoChannel => "no_channel",
            Refusal::TooFast => "too_fast",
        }
    }
}

/// Counters since the start, and what there is now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Binding requests answered.
    pub bindings: u64,
    /// Allocations there are.
    pub allocations: u64,
    /// Allocations there have been.
    pub allocations_made: u64,
    /// Packets from clients to peers.
    pub packets_to_peers: u64,
    /// Bytes of payload from clients to peers. TCP relays are not counted in packets.
    pub bytes_to_peers: u64,
    /// Packets from peers to clients.
    pub packets_to_clients: u64,
    /// Bytes of payload from peers to clients.
    pub bytes_to_clients: u64,
    refusals: [u64; Refusal::ALL.len()],
}

impl Stats {
    /// How often something was refused for this reason.
    pub fn refused(&self, why: Refusal) -> u64 {
        self.refusals[why as usize]
    }

    pub(super) fn refuse(&mut self, why: Refusal) {
        self.refusals[why as usize] += 1;
    }
}
