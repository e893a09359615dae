// SPDX-License-Identifier: MIT OR Apache-2.0
//! What should connect, by RFC 4787 and RFC 8445, without looking at any packet.

use super::{Kind, Method};

/// Whose packets a NAT lets in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filter {
    Everybody,
    Address,
    AddressAndPort,
}

/// Whether two hosts behind these can hear each other by that method.
pub fn connects(method: Method, a: Kind, b: Kind) -> bool {
    match method {
        Method::Direct => directly(a, b),
        Method::TurnUdp => [a, b].into_iter().all(lets_udp_out),
        Method::TurnTcp => [a, b].into_iter().all(|kind| kind != Kind::OnlyTcp443),
        Method::TurnTls => true,
    }
}

/// Both know each other's address as the STUN server sees it, send there, and answer to where
/// packets come from.
fn directly(a: Kind, b: Kind) -> bool {
    if !lets_udp_out(a) || !lets_udp_out(b) {
        return false;
    }
    match (has_one_address(a), has_one_address(b)) {
        // Each is where the other thinks it is, and has been sent to from there.
        (true, true) => true,
        // The other one comes from a port that nobody knows: it has to be let in all the same.
        (true, false) => filter(a) != Filter::AddressAndPort,
        (false, true) => filter(b) != Filter::AddressAndPort,
        (false, false) => false,
    }
}

fn lets_udp_out(kind: Kind) -> bool {
    !matches!(kind, Kind::UdpBlocked | Kind::OnlyTcp443)
}

/// Endpoint-independent mapping.
fn has_one_address(kind: Kind) -> bool {
    !matches!(kind, Kind::Symmetric | Kind::AddressSymmetric)
}

fn filter(kind: Kind) -> Filter {
    match kind {
        Kind::Open | Kind::FullCone | Kind::FullConeOtherPort => Filter::Everybody,
        Kind::Address => Filter::Address,
        _ => Filter::AddressAndPort,
    }
}
