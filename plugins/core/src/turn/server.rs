// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state, what comes in, and what goes out.

use super::allocation::{Allocation, AllocationId};
use super::capacity::Capacity;
use super::clock::Clock;
use super::config::Config;
use super::connect::Connection;
use super::nonce::Nonces;
use super::output::{ConnectionId, Output, RelayId, RelayKind, ToPeer};
use super::path::FiveTuple;
use super::rate::ErrorRate;
use super::reservation::Reservation;
use super::revocation::Revoked;
use super::stats::{Refusal, Stats};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slab::Slab;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// A STUN and TURN server. See the [module](super).
pub struct Server {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) nonces: Nonces,
    pub(super) errors: ErrorRate,
    pub(super) revoked: Revoked,
    pub(super) capacity: Capacity,
    pub(super) clients: HashMap<FiveTuple, AllocationId>,
    pub(super) allocations: Slab<Allocation>,
    pub(super) relays: Slab<Relay>,
    pub(super) reservations: HashMap<u64, Reservation>,
    pub(super) connections: HashMap<ConnectionId, Connection>,
    pub(super) stats: Stats,
    random: StdRng,
    timers: BTreeSet<(Instant, Timer)>,
    outputs: VecDeque<Output>,
}

/// A socket.
pub(super) struct Relay {
    pub(super) of: Holder,
    pub(super) kind: RelayKind,
    /// As clients are told it, once it is open.
    pub(super) address: Option<SocketAddr>,
}

/// Whose a socket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    Allocation(AllocationId),
    /// Kept for whoever has this token.
    Reservation(u64),
}

/// What is to happen at a time. A timer whose cause is gone does nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// When to remove an allocation that was not refreshed.
    Allocation(AllocationId),
    /// When to close a port that nobody came for.
    Reservation(u64),
    /// When to give up a connection with a peer, or close one that nobody bound.
    Connection(ConnectionId),
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Makes one. `unix` is the time since 1970 at `now`; `seed` must be random bytes and known to nobody: nonces and
    /// tokens come from it.
    pub fn new(now: Instant, unix: Duration, config: Config, seed: [u8; 32]) -> Server {
        let mut random = StdRng::from_seed(seed);
        let mut nonce_key = [0; 32];
        random.fill_bytes(&mut nonce_key);
        Server {
            clock: Clock::new(now, unix),
            nonces: Nonces::new(&nonce_key),
            errors: ErrorRate::new(now, config.limits.errors_per_second),
            revoked: Revoked::default(),
            capacity: Capacity::new(now, config.limits),
            clients: HashMap::new(),
            allocations: Slab::new(),
            relays: Slab::new(),
            reservations: HashMap::new(),
            connections: HashMap::new(),
            stats: Stats::default(),
            random,
            timers: BTreeSet::new(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Sets what time it is at `now`, since 1970. To be called now and then, because clocks are set and machines sleep.
    pub fn set_unix_time(&mut self, now: Instant, unix: Duration) {
        self.clock.set(now, unix);
    }

    /// Sets what addresses the server has ([`super::PeerFilter::own`]): they come and go with interfaces. Permissions for one that
    /// is the server's now are gone.
    pub fn set_own_addresses(&mut self, own: Vec<IpAddr>) {
        self.config.peers.own = own;
        let peers = &self.config.peers;
        for (_, allocation) in &mut self.allocations {
            allocation.permissions.retain(|ip| peers.allows_address(ip));
        }
    }

    /// Takes a datagram, or one whole message of a stream ([`super::frame`]), from a client. Returns what it holds for a
    /// peer.
    pub fn handle_client<'a>(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        data: &'a [u8],
    ) -> Option<ToPeer<'a>> {
        let relayed = match data.first() {
            Some(0..=0x3F) => self.message(now, path, data),
            Some(0x40..=0x7F) => self.channel_data(now, path, data).map(Some),
            _ => Err(Refusal::Malformed),
        };
        relayed.unwrap_or_else(|why| {
            self.stats.refuse(why);
            None
        })
    }

    /// Takes a datagram from a peer. If a client is to have it, returns whom, with the message appended to `message`.
    pub fn handle_peer(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        data: &[u8],
        message: &mut Vec<u8>,
    ) -> Option<FiveTuple> {
        match self.peer_data(now, relay, peer, data, message) {
            Ok(client) => Some(client),
            Err(why) => {
                self.stats.refuse(why);
                None
            }
        }
    }

    /// A client's connection, or DTLS session, has ended: so has its allocation (RFC 8656 §2.1).
    pub fn client_gone(&mut self, path: &FiveTuple) {
        if let Some(id) = self.clients.get(path) {
            self.remove(*id);
        }
    }

    /// Whether this client has an allocation.
    pub fn is_client(&self, path: &FiveTuple) -> bool {
        self.clients.contains_key(path)
    }

    /// What to do next; to be called until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Server::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            match timer {
                Timer::Allocation(id) => self.allocation_is_due(now, id),
                Timer::Reservation(token) => self.reservation_is_due(now, token),
                Timer::Connection(id) => self.connection_is_due(now, id),
            }
        }
    }

    /// What has been counted.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.allocations = self.allocations.len() as u64;
        stats
    }

    fn allocation_is_due(&mut self, now: Instant, id: AllocationId) {
        if self.allocations.get(id).is_some_and(|a| a.expires <= now) {
            self.remove(id);
        }
    }

    /// Ends an allocation, at once and with all that belongs to it.
    pub(super) fn remove(&mut self, id: AllocationId) {
        let Some(gone) = self.allocations.try_remove(id) else {
            return;
        };
        self.clients.remove(&gone.path);
        self.capacity.give_back(gone.user);
        for connection in gone.connections.into_keys() {
            self.connections.remove(&connection);
            self.output(Output::Disconnect { connection });
        }
        for relay in gone.relays.into_iter().flatten() {
            self.close_relay(relay);
        }
        if gone.opening.is_some()
            && let Some(token) = gone.token
        {
            self.forget_reservation(token);
        }
    }

    pub(super) fn close_relay(&mut self, relay: RelayId) {
        self.relays.try_remove(relay.0);
        self.output(Output::CloseRelay { relay });
    }

    /// The allocation of a client, if it is there and open.
    pub(super) fn allocation_of(
        &self,
        now: Instant,
        path: &FiveTuple,
    ) -> Result<AllocationId, Refusal> {
        let id = self.clients.get(path).copied();
        id.filter(|id| {
            let allocation = &self.allocations[*id];
            allocation.opening.is_none() && now < allocation.expires
        })
        .ok_or(Refusal::AllocationMismatch)
    }

    pub(super) fn send(&mut self, to: &FiveTuple, data: Vec<u8>) {
        self.output(Output::Send { to: *to, data });
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn set_timer(&mut self, at: Instant, timer: Timer) {
        self.timers.insert((at, timer));
    }

    pub(super) fn random_u64(&mut self) -> u64 {
        self.random.next_u64()
    }

    pub(super) fn random_u32(&mut self) -> u32 {
        self.random.next_u32()
    }
}
