// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes from peers.

use super::super::outbox::{Sender, Way};
use super::super::pipe::{Peer, pump};
use super::super::relay_sockets::{RelaySocket, tcp_socket};
use super::super::token::Source;
use super::Worker;
use gst_rtc_core::turn::{ConnectionId, FiveTuple, RelayId, Transport};
use mio::Interest;
use mio::net::TcpStream;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// How often a relay is read before others have their turn.
const TURNS: usize = 2;
/// How many datagrams of one relay are received at once.
const AT_ONCE: usize = 8;

impl Worker {
    /// Something came to a relay.
    pub(super) fn relay(&mut self, at: usize) {
        match self.relays.sockets.get(at) {
            Some(Some(RelaySocket::Udp(_))) => self.peer_datagrams(at),
            Some(Some(RelaySocket::Tcp(_))) => self.accept_peer(at),
            _ => {}
        }
    }

    fn peer_datagrams(&mut self, at: usize) {
        let mut batch = std::mem::take(&mut self.batch);
        let mut more = true;
        for _ in 0..TURNS {
            let Some(Some(RelaySocket::Udp(udp))) = self.relays.sockets.get(at) else {
                break;
            };
            more = matches!(batch.receive(udp, AT_ONCE), Ok(true));
            for datagram in batch.datagrams() {
                self.deliver(RelayId(at), datagram.from, datagram.data);
            }
            self.flush();
            if !more {
                break;
            }
        }
        if more {
            self.unfinished.push(Source::Relay(at));
        }
        self.batch = batch;
    }

    fn deliver(&mut self, relay: RelayId, peer: SocketAddr, data: &[u8]) {
        let start = self.outbox.mark();
        let message = self.outbox.open();
        let client = self
            .server
            .handle_peer(self.now, relay, peer, data, message);
        let Some(client) = client else {
            return;
        };
        if client.transport == Transport::Udp {
            if let Some(way) = self.way_to(&client) {
                let segments = self.segments(&way);
                self.outbox.close(start, way, segments);
            }
            return;
        }
        if client.transport == Transport::Dtls {
            return self.deliver_encrypted(start, &client);
        }
        let mut broken = None;
        let (streams, outbox) = (&mut self.streams, &mut self.outbox);
        outbox.take_back(start, |message| {
            let Some(at) = streams.by_path.get(&client) else {
                return;
            };
            let wire = &mut streams.all[*at].wire;
            // Who does not read loses data, as by UDP.
            if wire.has_room() && wire.write(message).is_err() {
                broken = Some(*at);
            }
        });
        if let Some(at) = broken {
            self.hang_up(at);
        }
    }

    /// From the socket that the client sends to.
    pub(super) fn way_to(&self, client: &FiveTuple) -> Option<Way> {
        let server = client.server;
        let at = self.udp.iter().position(|udp| {
            let here = udp.local;
            let any = here.ip().is_unspecified() && here.is_ipv4() == server.is_ipv4();
            here.port() == server.port() && (any || here.ip() == server.ip())
        })?;
        let any = self.udp[at].local.ip().is_unspecified();
        let from: Option<IpAddr> = any.then_some(server.ip());
        Some(Way {
            sender: Sender::Client(at),
            to: client.client,
            from,
            dont_fragment: false,
        })
    }

    pub(super) fn segments(&self, way: &Way) -> usize {
        match way.sender {
            Sender::Client(at) => self.udp[at].segments(),
            Sender::Relay(_) => 1,
        }
    }

    fn accept_peer(&mut self, at: usize) {
        loop {
            let Some(Some(RelaySocket::Tcp(listener))) = self.relays.sockets.get(at) else {
                return;
            };
            let Ok((socket, peer)) = listener.accept() else {
                return;
            };
            let relay = RelayId(at);
            if let Some(connection) = self.server.handle_peer_connection(self.now, relay, peer)
                && self.add_peer(socket, connection, relay, false).is_none()
            {
                self.server.peer_gone(connection);
            }
            self.carry_out();
        }
    }

    fn add_peer(
        &mut self,
        mut socket: TcpStream,
        connection: ConnectionId,
        relay: RelayId,
        connecting: bool,
    ) -> Option<usize> {
        let at = self.peers.all.vacant_key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry
            .register(&mut socket, Source::Peer(at).token(), interest)
            .ok()?;
        self.peers
            .all
            .insert(Peer::new(socket, connection, relay, connecting));
        self.peers.by_connection.insert(connection, at);
        Some(at)
    }

    /// Connects to a peer from the relay's own address.
    pub(super) fn connect(&mut self, relay: RelayId, connection: ConnectionId, peer: SocketAddr) {
        let socket = self.connecting(relay, peer);
        let added =
            socket.is_ok_and(|socket| self.add_peer(socket, connection, relay, true).is_some());
        if !added {
            self.server.peer_connected(self.now, connection, false);
        }
    }

    fn connecting(&self, relay: RelayId, peer: SocketAddr) -> io::Result<TcpStream> {
        let Some(Some(RelaySocket::Tcp(listener))) = self.relays.sockets.get(relay.0) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let socket = tcp_socket(listener.local_addr()?)?;
        match socket.connect(&peer.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }

    /// Something happened to a connection with a peer.
    pub(super) fn peer(&mut self, at: usize) {
        let Some(peer) = self.peers.all.get_mut(at) else {
            return;
        };
        let connection = peer.connection;
        match peer.connected() {
            Some(true) => self.server.peer_connected(self.now, connection, true),
            Some(false) => {
                self.server.peer_connected(self.now, connection, false);
                self.remove_peer(at);
            }
            None => {
                if let Some(stream) = peer.stream {
                    self.pump(stream);
                }
            }
        }
        self.carry_out();
    }

    /// From now on all bytes go through.
    pub(super) fn join(&mut self, client: &FiveTuple, connection: ConnectionId) {
        let stream = self.streams.by_path.get(client).copied();
        let peer = self.peers.by_connection.get(&connection).copied();
        let (Some(stream), Some(peer)) = (stream, peer) else {
            return self.disconnect(connection);
        };
        self.peers.all[peer].stream = Some(stream);
        let client = &mut self.streams.all[stream];
        client.joined = Some(connection);
        let early = client.take_rest();
        let written = self.peers.all[peer].wire.write(&early);
        self.server.count_joined(early.len() as u64, 0);
        if written.is_err() {
            self.hang_up(stream);
        }
    }

    pub(super) fn pump(&mut self, stream: usize) {
        let Some(client) = self.streams.all.get_mut(stream) else {
            return;
        };
        let peer = client.joined.and_then(|c| self.peers.by_connection.get(&c));
        let Some(peer) = peer.copied() else {
            return self.hang_up(stream);
        };
        match pump(&mut client.wire, &mut self.peers.all[peer].wire) {
            Ok(pumped) => {
                self.server.count_joined(pumped.to_peer, pumped.to_client);
                if pumped.done {
                    self.hang_up(stream);
                }
            }
            Err(_) => self.hang_up(stream),
        }
    }

    /// Closes a connection with a peer, and the client's that it is joined with.
    pub(super) fn disconnect(&mut self, connection: ConnectionId) {
        self.server.peer_gone(connection);
        let Some(at) = self.peers.by_connection.get(&connection).copied() else {
            return;
        };
        let stream = self.peers.all[at].stream;
        self.remove_peer(at);
        if let Some(stream) = stream {
            self.hang_up(stream);
        }
    }

    pub(super) fn remove_peer(&mut self, at: usize) {
        if let Some(mut gone) = self.peers.all.try_remove(at) {
            let _ = self.poll.registry().deregister(gone.wire.tcp());
            self.peers.by_connection.remove(&gone.connection);
        }
    }

    /// Closes what came by a relay and nobody has bound.
    pub(super) fn forget_peers_of(&mut self, relay: RelayId) {
        let unbound = |peer: &Peer| peer.relay == relay && peer.stream.is_none();
        let all = self.peers.all.iter().filter(|(_, peer)| unbound(peer));
        let all: Vec<usize> = all.map(|(at, _)| at).collect();
        for at in all {
            self.remove_peer(at);
        }
    }
}
