// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket itself, and the thread that reads it.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as Clock};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};
use stun_proto::Instant;

use super::keeper::{Found, Keeper};
use super::nat::{Classifier, NatKind};
use super::punch::Puncher;
use super::resolve::{Resolution, resolve};
use crate::inbox::{Datagram, Inbox};
use crate::packet;
use crate::uri::HostPort;

const MEDIA: Token = Token(0);
const PROBE: Token = Token(1);
const WAKE: Token = Token(2);

/// Largest UDP payload.
const LARGEST: usize = 65_535;

/// Packets read before timers are looked at again.
const BATCH: usize = 256;

/// After which a name that had no address is looked up again.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(5);

/// How a [`MappedPort`] is to be.
#[derive(Clone, Debug)]
pub struct PortSettings {
    /// Local address; unspecified means all of its family.
    pub address: IpAddr,
    /// Local port; 0 means any that is free.
    pub port: u16,
    /// Size of the kernel's receive buffer in bytes; 0 leaves the system's.
    pub buffer_size: usize,
    /// The server that tells the outside address.
    pub server: Option<HostPort>,
    /// How often the mapping is asked for and kept.
    pub interval: Duration,
    /// Whether to find out what kind of NAT it is.
    pub classify: bool,
}

/// What the owner of a [`MappedPort`] is told, on its thread.
#[derive(Debug)]
pub enum PortEvent {
    /// The outside address is known, or is another now.
    Mapped(SocketAddr),
    /// What kind of NAT it is.
    Classified(NatKind),
    /// The server does not answer; it is asked on.
    Silent(SocketAddr),
    /// The server's name has no address; it is looked up again and again.
    Unresolved(io::Error),
    /// The socket failed; the thread has ended.
    Failed(io::Error),
}

/// A UDP socket that is read, mapped and kept by a thread of its own until it is dropped.
#[derive(Debug)]
pub struct MappedPort {
    socket: Arc<UdpSocket>,
    orders: Sender<Order>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Peers(Vec<SocketAddr>),
    Punch(SocketAddr),
    Interval(Duration),
    Server(Resolution),
    End,
}

impl MappedPort {
    /// Binds the socket and starts the thread, which fills `inbox` and calls `tell`.
    ///
    /// # Errors
    /// The address cannot be bound, or the system has no more descriptors or threads.
    pub fn open(
        settings: PortSettings,
        inbox: Arc<Inbox>,
        tell: impl FnMut(PortEvent) + Send + 'static,
    ) -> io::Result<MappedPort> {
        let socket = Arc::new(bind(&settings)?);
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let fd = socket.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), MEDIA, Interest::READABLE)?;
        let (orders, received) = channel();
        let mut reader = Reader {
            socket: socket.clone(),
            poll,
            orders: received,
            sender: orders.clone(),
            waker: waker.clone(),
            inbox,
            tell: Box::new(tell),
            started: Clock::now(),
            settings,
            server: None,
            keeper: None,
            puncher: Puncher::default(),
            probe: None,
            look_up_at: None,
            buffer: vec![0; LARGEST],
        };
        let thread = thread::Builder::new()
            .name("stunsrc".into())
            .spawn(move || reader.run())?;
        Ok(MappedPort {
            socket,
            orders,
            waker,
            thread: Some(thread),
        })
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Another descriptor of the same socket, for whoever wants to send through it.
    ///
    /// # Errors
    /// The system has no more descriptors.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.socket.try_clone()?.into())
    }

    /// Keeps the way open for these peers and no others.
    pub fn set_peers(&self, peers: Vec<SocketAddr>) {
        self.order(Order::Peers(peers));
    }

    /// Keeps the way open for one more peer.
    pub fn punch(&self, peer: SocketAddr) {
        self.order(Order::Punch(peer));
    }

    /// Keeps mapping and ways open that often from now on.
    pub fn set_interval(&self, interval: Duration) {
        self.order(Order::Interval(interval));
    }

    fn order(&self, order: Order) {
        // Without a receiver the thread has failed, and has said so.
        let _ = self.orders.send(order);
        let _ = self.waker.wake();
    }
}

impl Drop for MappedPort {
    fn drop(&mut self) {
        self.order(Order::End);
        // Whoever lets go of it on its own thread cannot wait for that thread.
        let thread = self.thread.take();
        if let Some(thread) = thread.filter(|t| t.thread().id() != thread::current().id()) {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}

fn bind(settings: &PortSettings) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(settings.address, settings.port);
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if settings.buffer_size > 0 {
        socket.set_recv_buffer_size(settings.buffer_size)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// What runs on the thread.
struct Reader {
    socket: Arc<UdpSocket>,
    poll: Poll,
    orders: Receiver<Order>,
    sender: Sender<Order>,
    waker: Arc<Waker>,
    inbox: Arc<Inbox>,
    tell: Box<dyn FnMut(PortEvent) + Send>,
    started: Clock,
    settings: PortSettings,
    server: Option<SocketAddr>,
    keeper: Option<Keeper>,
    puncher: Puncher,
    probe: Option<Probe>,
    look_up_at: Option<Instant>,
    buffer: Vec<u8>,
}

/// The question about the NAT, and its socket.
struct Probe {
    socket: UdpSocket,
    classifier: Classifier,
}

impl Reader {
    fn run(&mut self) {
        let mut events = Events::with_capacity(4);
        self.look_up();
        loop {
            if !self.obey() {
                return;
            }
            let wait = self.advance();
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return (self.tell)(PortEvent::Failed(error)),
            }
            if let Err(error) = self.read_media() {
                return (self.tell)(PortEvent::Failed(error));
            }
            self.read_probe();
        }
    }

    fn now(&self) -> Instant {
        Instant::from_std(self.started)
    }

    fn look_up(&mut self) {
        let Some(server) = &self.settings.server else {
            return;
        };
        let (sender, waker) = (self.sender.clone(), self.waker.clone());
        resolve(
            server,
            Some(self.settings.address.is_ipv6()),
            move |found| {
                // The port may be gone by now.
                let _ = sender.send(Order::Server(found));
                let _ = waker.wake();
            },
        );
    }

    /// Does what was ordered; false when it is to end.
    fn obey(&mut self) -> bool {
        let now = self.now();
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Peers(peers) => self.puncher.set(&peers, now),
                Order::Punch(peer) => {
                    self.puncher.add(peer, now);
                }
                Order::Interval(interval) => {
                    self.settings.interval = interval;
                    if let Some(keeper) = &mut self.keeper {
                        keeper.set_interval(interval, now);
                    }
                }
                Order::Server(Ok(server)) => self.ask(server, now),
                Order::Server(Err(error)) => {
                    self.look_up_at = Some(now + LOOK_UP_AGAIN);
                    (self.tell)(PortEvent::Unresolved(error));
                }
                Order::End => return false,
            }
        }
        true
    }

    fn ask(&mut self, server: SocketAddr, now: Instant) {
        self.server = Some(server);
        if let Ok(local) = self.socket.local_addr() {
            let interval = self.settings.interval;
            self.keeper = Some(Keeper::new(local, server, interval, now));
        }
        self.classify();
    }

    /// Starts the question about the NAT. Failing is no harm: the kind stays unknown.
    fn classify(&mut self) {
        self.end_probe();
        let Some(server) = self.server.filter(|_| self.settings.classify) else {
            return;
        };
        self.probe = Probe::new(self.settings.address, server).ok();
        if let Some(probe) = &self.probe {
            let fd = probe.socket.as_raw_fd();
            let _ = self
                .poll
                .registry()
                .register(&mut SourceFd(&fd), PROBE, Interest::READABLE);
        }
    }

    fn end_probe(&mut self) {
        if let Some(probe) = self.probe.take() {
            let fd = probe.socket.as_raw_fd();
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// Sends what is due and returns how long nothing will be.
    fn advance(&mut self) -> Duration {
        let now = self.now();
        let mut next = now + Duration::from_secs(60);
        if self.look_up_at.is_some_and(|at| at <= now) {
            self.look_up_at = None;
            self.look_up();
        }
        next = self.look_up_at.map_or(next, |at| at.min(next));
        next = self.advance_keeper(now).map_or(next, |at| at.min(next));
        let interval = self.settings.interval;
        while let Some((packet, to)) = self.puncher.poll_transmit(interval, now) {
            self.send(&packet, to);
        }
        next = self.puncher.poll().map_or(next, |at| at.min(next));
        next = self.advance_probe(now).map_or(next, |at| at.min(next));
        next.duration_since(now)
    }

    fn advance_keeper(&mut self, now: Instant) -> Option<Instant> {
        let keeper = self.keeper.as_mut()?;
        let (mut next, found) = keeper.poll(now);
        while let Some((packet, to)) = keeper.poll_transmit(now) {
            // What cannot be sent now is repeated.
            let _ = self.socket.send_to(&packet, to);
            next = keeper.poll(now).0;
        }
        if let Some(found) = found {
            self.found(found, now);
        }
        Some(next)
    }

    fn advance_probe(&mut self, now: Instant) -> Option<Instant> {
        let probe = self.probe.as_mut()?;
        let mut state = probe.classifier.poll(now);
        while let Some((packet, to)) = probe.classifier.poll_transmit(now) {
            let _ = probe.socket.send_to(&packet, to);
            state = probe.classifier.poll(now);
        }
        match state {
            Ok(kind) => {
                self.end_probe();
                (self.tell)(PortEvent::Classified(kind));
                None
            }
            Err(at) => Some(at),
        }
    }

    fn found(&mut self, found: Found, now: Instant) {
        match (found, self.server) {
            (Found::Mapped(address), _) => {
                self.puncher.hurry(now);
                (self.tell)(PortEvent::Mapped(address));
            }
            (Found::Silence, Some(server)) => (self.tell)(PortEvent::Silent(server)),
            (Found::Silence, None) => {}
        }
    }

    fn send(&self, packet: &[u8], to: SocketAddr) {
        // Unreachable now may be reachable at the next interval.
        let _ = self.socket.send_to(packet, to);
    }

    fn read_media(&mut self) -> io::Result<()> {
        for _ in 0..BATCH {
            let (length, from) = match self.socket.recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if is_about_a_packet(&error) => continue,
                Err(error) => return Err(error),
            };
            self.handle(length, from);
        }
        // mio tells of new packets only after the socket was empty.
        self.waker.wake()
    }

    fn handle(&mut self, length: usize, from: SocketAddr) {
        let data = &self.buffer[..length];
        let Some(message) = packet::stun(data) else {
            return self.inbox.put(Datagram {
                data: data.to_vec(),
                from,
                at: Clock::now(),
            });
        };
        let now = Instant::from_std(self.started);
        let keeper = self.keeper.as_mut();
        if let Some(found) = keeper.and_then(|keeper| keeper.handle_message(&message, from, now)) {
            self.found(found, now);
        }
    }

    fn read_probe(&mut self) {
        let now = self.now();
        let Some(probe) = &mut self.probe else {
            return;
        };
        while let Ok((length, from)) = probe.socket.recv_from(&mut self.buffer) {
            if let Some(message) = packet::stun(&self.buffer[..length]) {
                probe.classifier.handle_message(&message, from, now);
            }
        }
    }
}

impl Probe {
    fn new(address: IpAddr, server: SocketAddr) -> io::Result<Probe> {
        let socket = UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        // A connected socket tells which of our addresses leads there; this one must stay open
        // to answers from elsewhere.
        let guide = UdpSocket::bind((address, 0))?;
        guide.connect(server)?;
        let local = SocketAddr::new(guide.local_addr()?.ip(), socket.local_addr()?.port());
        Ok(Probe {
            socket,
            classifier: Classifier::new(local, server),
        })
    }
}

/// Errors that ICMP brought about an earlier packet; the socket itself is well.
fn is_about_a_packet(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::Interrupted
    )
}
