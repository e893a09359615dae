// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes from clients.

use super::super::outbox::{Sender, Way};
use super::super::relay_sockets::RelaySocket;
use super::super::stream::Stream;
use super::super::token::Source;
use super::super::wire::Wire;
use super::Worker;
use gst_rtc_core::turn::{FiveTuple, ToPeer, Transport};
use mio::Interest;
use mio::net::TcpStream;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How often a socket is read before others have their turn.
const TURNS: usize = 8;
/// How many datagrams are received at once.
const AT_ONCE: usize = 32;
/// How long a connection may be silent that has no relay.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// Most connections of clients.
const STREAMS: usize = 10_000;
/// Most connections from one address.
const STREAMS_OF_ONE: usize = 500;

impl Worker {
    pub(super) fn client_datagrams(&mut self, at: usize) {
        let mut batch = std::mem::take(&mut self.batch);
        let mut more = true;
        for _ in 0..TURNS {
            more = matches!(batch.receive(&self.udp[at], AT_ONCE), Ok(true));
            let local = self.udp[at].local;
            let transport = match at < self.plain {
                true => Transport::Udp,
                false => Transport::Dtls,
            };
            for datagram in batch.datagrams() {
                let path = FiveTuple {
                    transport,
                    client: datagram.from,
                    server: SocketAddr::new(datagram.to.unwrap_or(local.ip()), local.port()),
                };
                match transport {
                    Transport::Dtls => self.record(&path, datagram.data),
                    _ => self.client_message(&path, datagram.data),
                }
            }
            self.flush();
            if !more {
                break;
            }
        }
        if more {
            self.unfinished.push(Source::Udp(at));
        }
        self.batch = batch;
    }

    pub(super) fn client_message(&mut self, path: &FiveTuple, data: &[u8]) {
        if let Some(relayed) = self.server.handle_client(self.now, path, data) {
            self.relay_to_peer(&relayed);
        } else {
            self.carry_out();
        }
    }

    fn relay_to_peer(&mut self, relayed: &ToPeer<'_>) {
        let at = relayed.relay.0;
        let Some(Some(RelaySocket::Udp(udp))) = self.relays.sockets.get(at) else {
            return;
        };
        let way = Way {
            sender: Sender::Relay(at),
            to: relayed.peer,
            from: None,
            dont_fragment: relayed.dont_fragment,
        };
        self.outbox.push(relayed.data, way, udp.segments());
    }

    pub(super) fn accept(&mut self, at: usize) {
        for _ in 0..AT_ONCE {
            match self.listeners[at].tcp.accept() {
                Ok((socket, from)) => {
                    if let Ok(server) = socket.local_addr() {
                        self.welcome(at, socket, from, server);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection");
                    return;
                }
            }
        }
        self.unfinished.push(Source::Listener(at));
    }

    fn welcome(
        &mut self,
        listener: usize,
        socket: TcpStream,
        from: SocketAddr,
        server: SocketAddr,
    ) {
        let tls = self.listeners[listener].tls.clone();
        let path = FiveTuple {
            transport: match tls {
                Some(_) => Transport::Tls,
                None => Transport::Tcp,
            },
            client: from,
            server,
        };
        let theirs = self.streams.by_ip.entry(from.ip()).or_default();
        if self.streams.all.len() >= STREAMS || *theirs >= STREAMS_OF_ONE {
            tracing::debug!("refused a connection: too many are open");
            if *theirs == 0 {
                self.streams.by_ip.remove(&from.ip());
            }
            return;
        }
        let wire = match tls {
            Some(tls) => Wire::tls(socket, tls).ok(),
            None => Some(Wire::plain(socket)),
        };
        let Some(mut wire) = wire else { return };
        let at = self.streams.all.vacant_key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        if registry
            .register(wire.tcp(), Source::Stream(at).token(), interest)
            .is_err()
        {
            return;
        }
        *theirs += 1;
        self.streams.all.insert(Stream::new(self.now, wire, path));
        self.streams.by_path.insert(path, at);
        self.stream(at);
    }

    /// Something happened to a client's connection.
    pub(super) fn stream(&mut self, at: usize) {
        let Some(stream) = self.streams.all.get_mut(at) else {
            return;
        };
        if stream.joined.is_some() {
            return self.pump(at);
        }
        if stream.wire.flush().is_err() || stream.read().is_err() {
            return self.hang_up(at);
        }
        self.messages(at);
        let Some(stream) = self.streams.all.get(at) else {
            return;
        };
        if stream.wire.ended {
            self.hang_up(at);
        } else if stream.wire.readable {
            self.unfinished.push(Source::Stream(at));
        }
    }

    fn messages(&mut self, at: usize) {
        while let Some(stream) = self.streams.all.get_mut(at) {
            if stream.joined.is_some() {
                return self.pump(at);
            }
            match stream.next_message() {
                Ok(Some(message)) => {
                    stream.heard = self.now;
                    let path = stream.path;
                    self.client_message(&path, &message);
                }
                Ok(None) => return,
                Err(_) => return self.hang_up(at),
            }
        }
    }

    /// Closes a client's connection; what belongs to it goes with it.
    pub(super) fn hang_up(&mut self, at: usize) {
        let Some(mut gone) = self.streams.all.try_remove(at) else {
            return;
        };
        let _ = self.poll.registry().deregister(gone.wire.tcp());
        self.streams.by_path.remove(&gone.path);
        let ip = gone.path.client.ip();
        if let Some(theirs) = self.streams.by_ip.get_mut(&ip) {
            *theirs -= 1;
            if *theirs == 0 {
                self.streams.by_ip.remove(&ip);
            }
        }
        match gone.joined {
            Some(connection) => self.disconnect(connection),
            None => self.server.client_gone(&gone.path),
        }
        self.carry_out();
    }

    /// Nobody holds a connection by saying nothing.
    pub(super) fn close_idle_streams(&mut self) {
        let idle = |stream: &Stream| {
            stream.joined.is_none()
                && self.now.saturating_duration_since(stream.heard) > IDLE
                && !self.server.is_client(&stream.path)
        };
        let all = self.streams.all.iter().filter(|(_, stream)| idle(stream));
        let idle: Vec<usize> = all.map(|(at, _)| at).collect();
        for at in idle {
            self.hang_up(at);
        }
    }
}
