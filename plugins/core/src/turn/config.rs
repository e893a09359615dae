// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be set.

use super::credentials::Credentials;
use super::filter::PeerFilter;
use std::net::SocketAddr;
use std::time::Duration;

/// What a server needs to know.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Who may relay. Default: nobody; STUN works all the same.
    pub credentials: Credentials,
    /// To whom may be relayed. Default: public unicast addresses.
    pub peers: PeerFilter,
    /// Which kinds of relayed address there are. Default: IPv4.
    pub families: Families,
    /// How much there may be of everything.
    pub limits: Limits,
    /// Channel numbers up to 0x7FFF, as RFC 5766 had them, for clients that pick any of those. Default: false, up to 0x4FFF
    /// (RFC 8656 §12).
    pub old_channels: bool,
    /// A second address, for behaviour discovery. Default: none.
    pub discovery: Option<Discovery>,
}

/// The kinds of relayed address that the server can open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Families {
    /// IPv4.
    pub ipv4: bool,
    /// IPv6 (RFC 8656 §7.2, `REQUESTED-ADDRESS-FAMILY`).
    pub ipv6: bool,
}

impl Default for Families {
    fn default() -> Self {
        Families {
            ipv4: true,
            ipv6: false,
        }
    }
}

/// The two addresses and ports of RFC 5780 §6: the server must be listening on all four combinations.
///
/// With it, Binding responses name the other address (§7.4), and so are longer: 2.8 times a bare request. Each source gets a few of
/// those ([`Limits::errors_per_second`]), and then responses without it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Discovery {
    /// The address that clients are told.
    pub primary: SocketAddr,
    /// Another IP address of the same family, and another port.
    pub alternate: SocketAddr,
}

/// How much there may be of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most allocations of one user; beyond: 486. Default: 40. A browser makes one for each PeerConnection, local address
    /// and transport.
    pub allocations_per_user: usize,
    /// Most allocations; beyond: 508. Default: 10 000.
    pub allocations: usize,
    /// Most relayed bytes per second of one user, both directions together; beyond: dropped. Default: no limit.
    pub user_bytes_per_second: Option<u64>,
    /// Most relayed bytes per second; beyond: dropped. Default: no limit.
    pub bytes_per_second: Option<u64>,
    /// Most permissions, and most channels, of one allocation; beyond: 508. Default: 512.
    pub permissions: usize,
    /// Most TCP connections of one allocation with peers; beyond: 508. Default: 16.
    pub connections: usize,
    /// Most error replies per second to one who has not authenticated, and as many at once: by UDP to an IPv4 address or IPv6 /64,
    /// which a request may only pretend to come from, otherwise on one connection. Among them count Binding responses of more than 1.6 times the bytes of the request: the one that tells an IPv6 address to a request
    /// without attributes (44 and 20 bytes), and those of behaviour discovery. Default: 10.
    pub errors_per_second: u32,
    /// How long an allocation lives that asks for less, or says nothing (RFC 8656 §7.2). Default: 600 s.
    pub lifetime: Duration,
    /// How long one can live without refresh. Default: 3600 s.
    pub max_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            allocations_per_user: 40,
            allocations: 10_000,
            user_bytes_per_second: None,
            bytes_per_second: None,
            permissions: 512,
            connections: 16,
            errors_per_second: 10,
            lifetime: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3600),
        }
    }
}
