// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread: waits for sockets, feeds the server, carries out what it wants.

mod clients;
mod outputs;
mod peers;
mod sessions;

use super::batch::Batch;
use super::config::PortRange;
use super::hello::Door;
use super::outbox::{Outbox, Sender};
use super::pipe::Peer;
use super::relay_sockets::{RelayAddress, RelaySocket};
use super::session::Session;
use super::sockets::{Listener, Sockets, own_addresses};
use super::stream::Stream;
use super::token::Source;
use super::udp::Udp;
use gst_rtc_core::turn::{ConnectionId, FiveTuple, Server, Stats};
use mio::event::Event;
use mio::{Events, Interest, Poll};
use slab::Slab;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// How many sockets are looked at in one go.
const EVENTS: usize = 1024;
/// How often connections are looked at, the time of day, and the addresses of this machine.
const ROUND: Duration = Duration::from_secs(1);

/// What the thread is told.
pub(super) enum Command {
    Revoke { user: String, duration: Duration },
    Stats(oneshot::Sender<Stats>),
    Stop,
}

pub(super) struct Worker {
    poll: Poll,
    inbox: mpsc::Receiver<Command>,
    server: Server,
    now: Instant,
    next_round: Instant,
    udp: Vec<Udp>,
    /// How many of those are not for DTLS.
    plain: usize,
    listeners: Vec<Listener>,
    streams: Streams,
    sessions: Sessions,
    relays: Relays,
    peers: Peers,
    batch: Batch,
    outbox: Outbox,
    /// Sockets that may have more, though they will not say so again.
    unfinished: Vec<Source>,
    /// Addresses of this machine, to which nothing is relayed.
    own: Vec<IpAddr>,
}

/// Clients by TCP.
#[derive(Default)]
struct Streams {
    all: Slab<Stream>,
    by_path: HashMap<FiveTuple, usize>,
    by_ip: HashMap<IpAddr, usize>,
}

/// Clients by DTLS.
#[derive(Default)]
struct Sessions {
    door: Option<Door>,
    all: Slab<Session>,
    by_path: HashMap<FiveTuple, usize>,
    by_ip: HashMap<IpAddr, usize>,
    /// Memory for a message.
    message: Vec<u8>,
}

/// Relays' sockets, by the number the server gave them.
struct Relays {
    sockets: Vec<Option<RelaySocket>>,
    addresses: [Option<RelayAddress>; 2],
    ports: PortRange,
}

/// Connections with peers.
#[derive(Default)]
struct Peers {
    all: Slab<Peer>,
    by_connection: HashMap<ConnectionId, usize>,
}

impl Worker {
    pub(super) fn new(
        poll: Poll,
        inbox: mpsc::Receiver<Command>,
        server: Server,
        sockets: Sockets,
        addresses: [Option<RelayAddress>; 2],
        ports: PortRange,
    ) -> io::Result<Worker> {
        let now = Instant::now();
        let mut worker = Worker {
            poll,
            inbox,
            server,
            now,
            next_round: now + ROUND,
            udp: sockets.udp,
            plain: sockets.plain,
            listeners: sockets.listeners,
            streams: Streams::default(),
            sessions: Sessions {
                door: sockets.door,
                ..Sessions::default()
            },
            relays: Relays {
                sockets: Vec::new(),
                addresses,
                ports,
            },
            peers: Peers::default(),
            batch: Batch::new(),
            outbox: Outbox::default(),
            unfinished: Vec::new(),
            own: Vec::new(),
        };
        worker.register()?;
        Ok(worker)
    }

    fn register(&mut self) -> io::Result<()> {
        let registry = self.poll.registry();
        for (at, udp) in self.udp.iter_mut().enumerate() {
            registry.register(&mut udp.socket, Source::Udp(at).token(), Interest::READABLE)?;
        }
        for (at, listener) in self.listeners.iter_mut().enumerate() {
            registry.register(
                &mut listener.tcp,
                Source::Listener(at).token(),
                Interest::READABLE,
            )?;
        }
        Ok(())
    }

    /// Serves until told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "STUN and TURN have ended: the system does not tell what sockets do");
                    return;
                }
                _ => self.now = Instant::now(),
            }
            let unfinished = std::mem::take(&mut self.unfinished);
            for source in unfinished {
                self.look_at(source);
            }
            for event in &events {
                if Source::of(event.token()) == Source::Waker {
                    if self.obey() {
                        return;
                    }
                } else {
                    self.event(event);
                }
            }
            self.tick();
        }
    }

    fn timeout(&self) -> Duration {
        if !self.unfinished.is_empty() {
            return Duration::ZERO;
        }
        let next = self.server.poll_timeout();
        let next = next.map_or(self.next_round, |next| next.min(self.next_round));
        next.saturating_duration_since(Instant::now())
    }

    /// True when it is to stop.
    fn obey(&mut self) -> bool {
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::Revoke { user, duration } => {
                    self.server.revoke(self.now, &user, duration);
                    self.carry_out();
                }
                Command::Stats(reply) => drop(reply.send(self.server.stats())),
                Command::Stop => return true,
            }
        }
        false
    }

    fn event(&mut self, event: &Event) {
        let source = Source::of(event.token());
        match source {
            Source::Stream(at) => {
                if let Some(stream) = self.streams.all.get_mut(at) {
                    stream.wire.readable |= event.is_readable() || event.is_read_closed();
                }
            }
            Source::Peer(at) => {
                if let Some(peer) = self.peers.all.get_mut(at) {
                    peer.wire.readable |= event.is_readable() || event.is_read_closed();
                }
            }
            _ => {}
        }
        self.look_at(source);
    }

    fn look_at(&mut self, source: Source) {
        match source {
            Source::Udp(at) => self.client_datagrams(at),
            Source::Listener(at) => self.accept(at),
            Source::Stream(at) => self.stream(at),
            Source::Relay(at) => self.relay(at),
            Source::Peer(at) => self.peer(at),
            Source::Waker => {}
        }
    }

    fn tick(&mut self) {
        self.server.handle_timeout(self.now);
        self.carry_out();
        if self.now >= self.next_round {
            self.next_round = self.now + ROUND;
            if let Ok(unix) = SystemTime::now().duration_since(UNIX_EPOCH) {
                self.server.set_unix_time(self.now, unix);
            }
            self.look_at_own_addresses();
            self.close_idle_streams();
            self.look_after_sessions();
        }
        self.flush();
    }

    /// An interface that came up after the start is this machine's too.
    fn look_at_own_addresses(&mut self) {
        // Where the system does not tell, they are what they were.
        if let Ok(own) = own_addresses(&self.relays.addresses)
            && own != self.own
        {
            self.own.clone_from(&own);
            self.server.set_own_addresses(own);
        }
    }

    /// Sends what waits. What the system does not take is lost, as datagrams are.
    fn flush(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        let (udp, relays) = (&self.udp, &self.relays);
        self.outbox.flush(|way, data, segment| {
            let socket = match way.sender {
                Sender::Client(at) => &udp[at],
                Sender::Relay(at) => match &relays.sockets[at] {
                    Some(RelaySocket::Udp(udp)) => udp,
                    _ => return,
                },
            };
            if way.dont_fragment {
                let _ = socket.set_dont_fragment(true);
            }
            if let Err(error) = socket.send(way.to, way.from, data, segment) {
                tracing::trace!(%error, to = %way.to, "a datagram was not sent");
            }
            if way.dont_fragment {
                let _ = socket.set_dont_fragment(false);
            }
        });
    }
}
