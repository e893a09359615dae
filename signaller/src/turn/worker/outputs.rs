// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server wants done.

use super::super::relay_sockets::{RelaySocket, open_tcp, open_udp};
use super::super::token::Source;
use super::Worker;
use gst_rtc_core::turn::{FiveTuple, Output, RelayId, RelayKind, RelayPort, Transport};
use mio::Interest;
use std::io;
use std::net::SocketAddr;

impl Worker {
    /// Does everything the server wants.
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { to, data } => self.send(&to, &data),
                Output::OpenRelay {
                    relay,
                    kind,
                    ipv6,
                    port,
                } => self.open_relay(relay, kind, ipv6, port),
                Output::CloseRelay { relay } => self.close_relay(relay),
                Output::Connect {
                    relay,
                    connection,
                    peer,
                } => self.connect(relay, connection, peer),
                Output::Join { client, connection } => self.join(&client, connection),
                Output::Disconnect { connection } => self.disconnect(connection),
                Output::Hangup { client } => {
                    if let Some(at) = self.streams.by_path.get(&client) {
                        self.hang_up(*at);
                    } else if let Some(at) = self.sessions.by_path.get(&client) {
                        self.end_session(*at);
                    }
                }
            }
        }
    }

    fn send(&mut self, to: &FiveTuple, data: &[u8]) {
        if to.transport == Transport::Udp {
            if let Some(way) = self.way_to(to) {
                self.outbox.push(data, way, 1);
            }
            return;
        }
        if to.transport == Transport::Dtls {
            return self.send_encrypted(to, data);
        }
        let Some(at) = self.streams.by_path.get(to).copied() else {
            return;
        };
        let wire = &mut self.streams.all[at].wire;
        // A client that asks without reading the answers is none.
        if !wire.has_room() || wire.write(data).is_err() {
            self.hang_up(at);
        }
    }

    fn open_relay(&mut self, relay: RelayId, kind: RelayKind, ipv6: bool, port: RelayPort) {
        let address = self.try_open(relay, kind, ipv6, port);
        if let Err(error) = &address {
            tracing::warn!(%error, "no port for a relay");
        }
        self.server.relay_opened(self.now, relay, address.ok());
    }

    /// The address that clients are told.
    fn try_open(
        &mut self,
        relay: RelayId,
        kind: RelayKind,
        ipv6: bool,
        port: RelayPort,
    ) -> io::Result<SocketAddr> {
        let address = self.relays.addresses[usize::from(ipv6)];
        let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let ports = self.relays.ports;
        let (socket, next) = match kind {
            RelayKind::Tcp => (RelaySocket::Tcp(open_tcp(address.bind, ports)?), None),
            RelayKind::Udp => {
                let (udp, next) = open_udp(address.bind, ports, port)?;
                (RelaySocket::Udp(udp), next)
            }
        };
        let told = socket.port().ok_or(io::ErrorKind::AddrNotAvailable)?;
        self.keep(relay, socket)?;
        if let (RelayPort::EvenAndNext(next_relay), Some(next)) = (port, next) {
            self.keep(next_relay, RelaySocket::Udp(next))?;
        }
        Ok(SocketAddr::new(address.told, told))
    }

    fn keep(&mut self, relay: RelayId, mut socket: RelaySocket) -> io::Result<()> {
        let token = Source::Relay(relay.0).token();
        let registry = self.poll.registry();
        match &mut socket {
            RelaySocket::Udp(udp) => {
                registry.register(&mut udp.socket, token, Interest::READABLE)?;
            }
            RelaySocket::Tcp(listener) => {
                registry.register(listener, token, Interest::READABLE)?;
            }
        }
        if self.relays.sockets.len() <= relay.0 {
            self.relays.sockets.resize_with(relay.0 + 1, || None);
        }
        self.relays.sockets[relay.0] = Some(socket);
        Ok(())
    }

    fn close_relay(&mut self, relay: RelayId) {
        // What was accepted for relaying before goes out.
        self.flush();
        self.forget_peers_of(relay);
        if let Some(socket) = self.relays.sockets.get_mut(relay.0) {
            *socket = None;
        }
    }
}
