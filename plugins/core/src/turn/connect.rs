// SPDX-License-Identifier: MIT OR Apache-2.0
//! TCP with peers (RFC 6062 §5.2 to §5.4): Connect, ConnectionAttempt, ConnectionBind.

use super::output::{ConnectionId, Output, RelayId, RelayKind};
use super::path::FiveTuple;
use super::reply::Ticket;
use super::request::{Answer, peer_of};
use super::server::{Holder, Server, Timer};
use super::stats::Refusal;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun_types::message::{
    Message, MessageClass, MessageType, MessageWrite, MessageWriteExt, MessageWriteVec,
};
use turn_types::attribute::{ConnectionId as ConnectionIdAttribute, XorPeerAddress};
use turn_types::message::CONNECTION_ATTEMPT;

/// How long connecting may take, and how long a connection waits to be bound.
const PATIENCE: Duration = Duration::from_secs(30);

/// A TCP connection with a peer.
pub(super) struct Connection {
    allocation: usize,
    state: State,
}

enum State {
    /// On the way to the peer; the request waits.
    Connecting(Ticket, Instant),
    /// There, and nobody has bound it yet.
    Waiting(Instant),
    /// Bytes go through.
    Joined,
}

impl Server {
    pub(super) fn connect(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        request: &Message<'_>,
    ) -> Answer {
        let peer = peer_of(request)?;
        let id = self.own_allocation(now, path, ticket)?;
        let allocation = &self.allocations[id];
        if allocation.kind != RelayKind::Tcp {
            return Err(Refusal::BadRequest);
        }
        if !self.config.peers.allows(peer) {
            return Err(Refusal::ForbiddenPeer);
        }
        let relay = allocation.relay_for(peer).ok_or(Refusal::PeerFamily)?;
        let state = State::Connecting(ticket.clone(), now + PATIENCE);
        let connection = self.new_connection(now, id, peer, state)?;
        self.output(Output::Connect {
            relay,
            connection,
            peer,
        });
        Ok(None)
    }

    fn new_connection(
        &mut self,
        now: Instant,
        id: usize,
        peer: SocketAddr,
        state: State,
    ) -> Result<ConnectionId, Refusal> {
        let allocation = &self.allocations[id];
        if allocation.connections.values().any(|p| *p == peer) {
            return Err(Refusal::ConnectionExists);
        }
        if allocation.connections.len() >= self.config.limits.connections {
            return Err(Refusal::Capacity);
        }
        let mut connection = ConnectionId(self.random_u32());
        while self.connections.contains_key(&connection) {
            connection = ConnectionId(self.random_u32());
        }
        self.connections.insert(
            connection,
            Connection {
                allocation: id,
                state,
            },
        );
        self.allocations[id].connections.insert(connection, peer);
        self.set_timer(now + PATIENCE, Timer::Connection(connection));
        Ok(connection)
    }

    /// Answers [`Output::Connect`]: there is a connection, or there will be none.
    pub fn peer_connected(&mut self, now: Instant, connection: ConnectionId, connected: bool) {
        let Some(entry) = self.connections.get_mut(&connection) else {
            return;
        };
        let State::Connecting(ticket, _) = &entry.state else {
            return;
        };
        let ticket = ticket.clone();
        let path = self.allocations[entry.allocation].path;
        let answer = if connected {
            entry.state = State::Waiting(now + PATIENCE);
            self.set_timer(now + PATIENCE, Timer::Connection(connection));
            Ok(Some(
                ticket
                    .success()
                    .with(&ConnectionIdAttribute::new(connection.0)),
            ))
        } else {
            self.forget_connection(connection);
            Err(Refusal::ConnectionFailed)
        };
        self.answer(&path, &ticket, answer);
    }

    /// A peer has connected to a TCP relay. Returns the connection's name, or `None` when it must be closed.
    pub fn handle_peer_connection(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
    ) -> Option<ConnectionId> {
        match self.peer_connection(now, relay, peer) {
            Ok(connection) => Some(connection),
            Err(why) => {
                self.stats.refuse(why);
                None
            }
        }
    }

    fn peer_connection(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
    ) -> Result<ConnectionId, Refusal> {
        let id = match self.relays.get(relay.0).map(|r| (r.of, r.kind)) {
            Some((Holder::Allocation(id), RelayKind::Tcp)) => id,
            _ => return Err(Refusal::NoPermission),
        };
        let allocation = &self.allocations[id];
        if now >= allocation.expires || !allocation.permissions.allow(now, peer.ip()) {
            return Err(Refusal::NoPermission);
        }
        let path = allocation.path;
        let connection = self.new_connection(now, id, peer, State::Waiting(now + PATIENCE))?;
        let attempt = self.attempt(connection, peer);
        self.send(&path, attempt);
        Ok(connection)
    }

    fn attempt(&mut self, connection: ConnectionId, peer: SocketAddr) -> Vec<u8> {
        let id = (u128::from(self.random_u64()) << 32 | u128::from(self.random_u32())).into();
        let kind = MessageType::from_class_method(MessageClass::Indication, CONNECTION_ATTEMPT);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        message
            .add_attribute(&ConnectionIdAttribute::new(connection.0))
            .and_then(|()| message.add_attribute(&XorPeerAddress::new(peer, id)))
            .expect("a growing message has room, and is not signed");
        message.finish()
    }

    pub(super) fn connection_bind(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        request: &Message<'_>,
    ) {
        let found = self.connection_to_bind(now, path, ticket, request);
        let answer = found.map(|_| Some(ticket.success()));
        self.answer(path, ticket, answer);
        if let Ok(connection) = found {
            if let Some(entry) = self.connections.get_mut(&connection) {
                entry.state = State::Joined;
            }
            self.output(Output::Join {
                client: *path,
                connection,
            });
        }
    }

    fn connection_to_bind(
        &self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        request: &Message<'_>,
    ) -> Result<ConnectionId, Refusal> {
        if !path.transport.is_stream() || self.clients.contains_key(path) {
            return Err(Refusal::BadRequest);
        }
        let connection = request.attribute::<ConnectionIdAttribute>();
        let connection = ConnectionId(connection.map_err(|_| Refusal::BadRequest)?.id());
        let entry = self.connections.get(&connection);
        let entry = entry.filter(|c| matches!(c.state, State::Waiting(until) if now < until));
        let entry = entry.ok_or(Refusal::BadRequest)?;
        let owner = &self.allocations[entry.allocation].owner.name;
        if ticket.caller.as_ref().map(|caller| &caller.name) != Some(owner) {
            return Err(Refusal::WrongCredentials);
        }
        Ok(connection)
    }

    /// A peer's connection is closed, or what it was joined with.
    pub fn peer_gone(&mut self, connection: ConnectionId) {
        self.forget_connection(connection);
    }

    /// Counts what went through joined connections.
    pub fn count_joined(&mut self, to_peers: u64, to_clients: u64) {
        self.stats.bytes_to_peers += to_peers;
        self.stats.bytes_to_clients += to_clients;
    }

    pub(super) fn connection_is_due(&mut self, now: Instant, connection: ConnectionId) {
        match self.connections.get(&connection).map(|c| &c.state) {
            Some(State::Connecting(_, until)) if *until <= now => {
                self.output(Output::Disconnect { connection });
                self.peer_connected(now, connection, false);
            }
            Some(State::Waiting(until)) if *until <= now => {
                self.output(Output::Disconnect { connection });
                self.forget_connection(connection);
            }
            _ => {}
        }
    }

    fn forget_connection(&mut self, connection: ConnectionId) {
        if let Some(gone) = self.connections.remove(&connection) {
            self.allocations[gone.allocation]
                .connections
                .remove(&connection);
        }
    }
}
