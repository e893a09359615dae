// SPDX-License-Identifier: MIT OR Apache-2.0
//! One allocation: what a client holds (RFC 8656 §3.2).

use super::capacity::UserId;
use super::output::{ConnectionId, RelayId, RelayKind};
use super::path::FiveTuple;
use super::reply::{Caller, Ticket};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use stun_types::message::TransactionId;

/// How long a permission lasts (RFC 8656 §9).
pub(super) const PERMISSION: Duration = Duration::from_secs(300);
/// How long a channel lasts (RFC 8656 §12).
pub(super) const CHANNEL: Duration = Duration::from_secs(600);

/// Which allocation.
pub(super) type AllocationId = usize;

pub(super) struct Allocation {
    pub(super) path: FiveTuple,
    pub(super) user: UserId,
    /// Who made it: nobody else may use it.
    pub(super) owner: Caller,
    pub(super) kind: RelayKind,
    /// The request that made it, which may come again.
    pub(super) request: TransactionId,
    /// Of IPv4 and of IPv6.
    pub(super) relays: [Option<RelayId>; 2],
    /// Families that were asked for as well and cannot be had.
    pub(super) failed: [bool; 2],
    /// The reservation made along with it.
    pub(super) token: Option<u64>,
    /// While its sockets are not open yet.
    pub(super) opening: Option<Opening>,
    pub(super) expires: Instant,
    pub(super) permissions: Permissions,
    pub(super) channels: Channels,
    pub(super) connections: BTreeMap<ConnectionId, SocketAddr>,
}

/// A request that waits for sockets.
pub(super) struct Opening {
    pub(super) ticket: Ticket,
    /// Sockets still to come.
    pub(super) waiting: usize,
}

impl Allocation {
    pub(super) fn relay_for(&self, peer: SocketAddr) -> Option<RelayId> {
        self.relays[usize::from(peer.is_ipv6())]
    }
}

/// Which peers may send, and until when.
#[derive(Default)]
pub(super) struct Permissions(BTreeMap<IpAddr, Instant>);

impl Permissions {
    pub(super) fn allow(&self, now: Instant, peer: IpAddr) -> bool {
        self.0.get(&peer).is_some_and(|until| now < *until)
    }

    /// Whether as many as `limit` are there when these have been added.
    pub(super) fn has_room_for(
        &mut self,
        now: Instant,
        peers: &[SocketAddr],
        limit: usize,
    ) -> bool {
        self.0.retain(|_, until| now < *until);
        let fresh = peers.iter().filter(|p| !self.0.contains_key(&p.ip()));
        self.0.len() + fresh.count() <= limit
    }

    /// Keeps those for such addresses.
    pub(super) fn retain(&mut self, may_stay: impl Fn(IpAddr) -> bool) {
        self.0.retain(|ip, _| may_stay(*ip));
    }

    pub(super) fn install(&mut self, now: Instant, peer: IpAddr) {
        self.0.insert(peer, now + PERMISSION);
    }
}

/// Numbers that stand for peers.
#[derive(Default)]
pub(super) struct Channels {
    by_number: BTreeMap<u16, (SocketAddr, Instant)>,
    by_peer: BTreeMap<SocketAddr, (u16, Instant)>,
}

impl Channels {
    pub(super) fn peer(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        let (peer, until) = self.by_number.get(&number)?;
        (now < *until).then_some(*peer)
    }

    pub(super) fn number(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let (number, until) = self.by_peer.get(&peer)?;
        (now < *until).then_some(*number)
    }

    /// Whether both are free, or bound to each other (RFC 8656 §12.2).
    pub(super) fn fit(&mut self, now: Instant, number: u16, peer: SocketAddr) -> bool {
        self.by_number.retain(|_, (_, until)| now < *until);
        self.by_peer.retain(|_, (_, until)| now < *until);
        let bound = self.by_number.get(&number).is_some_and(|(p, _)| *p != peer);
        let has = self.by_peer.get(&peer).is_some_and(|(n, _)| *n != number);
        !bound && !has
    }

    /// Whether one more fits, after [`Channels::fit`].
    pub(super) fn has_room_for(&self, number: u16, limit: usize) -> bool {
        self.by_number.contains_key(&number) || self.by_number.len() < limit
    }

    pub(super) fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr) {
        self.by_number.insert(number, (peer, now + CHANNEL));
        self.by_peer.insert(peer, (number, now + CHANNEL));
    }
}
