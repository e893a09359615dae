// SPDX-License-Identifier: MIT OR Apache-2.0
//! ICE over TCP, passive side (RFC 6544): peers behind firewalls that let no UDP out dial in.
//!
//! A connection carries the same packets as a datagram path, each behind its length (RFC 4571). It is trusted with nothing until
//! the engine has answered it, which it does only for a STUN request with the right password.

use super::framing::{Deframer, PREFIX};
use super::sys::{Epoll, Interest};
use gst_rtc_core::arena::Run;
use gst_rtc_core::media::{Path, Proto};
use gst_rtc_core::session::stun_username;
use slab::Slab;
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Bytes that wait for a slow peer. Beyond, whole frames are dropped: media that waits longer is late anyway.
const MAX_WAITING: usize = 256 << 10;
/// A connection on which nothing comes for so long has no session any more: ICE checks its consent every few seconds (RFC 7675).
const IDLE: Duration = Duration::from_secs(60);
/// How often deadlines are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Connections taken at one go, and reads from one connection, before others have their turn.
const TURN: usize = 16;

/// Bounds on what strangers can make a worker hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpLimits {
    /// Connections at one time. Further ones are closed as soon as they are taken.
    pub(crate) connections: usize,
    /// How long a connection may take to be answered by a session.
    pub(crate) first_packet: Duration,
}

/// First token of the listeners in a worker's [`Epoll`].
pub(crate) const LISTENERS: u64 = 1 << 16;
/// First token of the connections.
pub(crate) const CONNECTIONS: u64 = 1 << 32;

/// The listeners of a worker with their connections.
pub(crate) struct Tcp {
    limits: TcpLimits,
    listeners: Vec<TcpListener>,
    connections: Slab<Connection>,
    by_path: HashMap<Path, usize>,
    buffer: Vec<u8>,
    dropped: u64,
    next_look: Option<Instant>,
    /// The system had no descriptor left: no connections are taken until the next look.
    paused: bool,
}

struct Connection {
    stream: TcpStream,
    path: Path,
    deframer: Deframer,
    waiting: Vec<u8>,
    /// How much of `waiting` has been written.
    written: usize,
    /// The set tells when it can be written.
    armed: bool,
    /// A session has answered it.
    answered: bool,
    opened: Instant,
    heard: Instant,
}

/// The connection is over.
struct Ended;

impl Tcp {
    /// Takes over non-blocking listeners.
    ///
    /// # Errors
    /// When the set takes no more descriptors.
    pub(crate) fn new(
        listeners: Vec<TcpListener>,
        limits: TcpLimits,
        epoll: &Epoll,
    ) -> io::Result<Tcp> {
        for (token, listener) in (LISTENERS..).zip(&listeners) {
            epoll.add(listener.as_fd(), token, Interest::READ)?;
        }
        Ok(Tcp {
            limits,
            listeners,
            connections: Slab::new(),
            by_path: HashMap::new(),
            buffer: vec![0; 64 << 10],
            dropped: 0,
            next_look: None,
            paused: false,
        })
    }

    /// Connections open now.
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Frames dropped because a connection's buffer was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes new connections of a listener, given by its token.
    pub(crate) fn accept(&mut self, now: Instant, epoll: &Epoll, token: u64) {
        for _ in 0..TURN {
            let Some(listener) = self.listeners.get((token - LISTENERS) as usize) else {
                return;
            };
            match listener.accept() {
                Ok((stream, _)) => self.admit(now, epoll, stream),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                    ) => {}
                // No descriptor left, most likely. The listener stays ready, so it must not be waited for.
                Err(_) => return self.pause(now, epoll),
            }
        }
    }

    /// What cannot be admitted is closed by being dropped.
    fn admit(&mut self, now: Instant, epoll: &Epoll, stream: TcpStream) {
        if self.connections.len() >= self.limits.connections {
            return;
        }
        let Ok(connection) = Connection::new(now, stream) else {
            return;
        };
        let (path, entry) = (connection.path, self.connections.vacant_entry());
        if epoll
            .add(
                connection.stream.as_fd(),
                CONNECTIONS + entry.key() as u64,
                Interest::READ,
            )
            .is_ok()
        {
            self.by_path.insert(path, entry.key());
            entry.insert(connection);
            self.next_look.get_or_insert(now + LOOK);
        }
    }

    fn pause(&mut self, now: Instant, epoll: &Epoll) {
        self.paused = true;
        self.next_look.get_or_insert(now + LOOK);
        self.watch_listeners(epoll, Interest::NONE);
    }

    fn watch_listeners(&self, epoll: &Epoll, interest: Interest) {
        for (token, listener) in (LISTENERS..).zip(&self.listeners) {
            // Modifying what is in the set takes no memory and does not fail.
            let _ = epoll.modify(listener.as_fd(), token, interest);
        }
    }

    /// Reads a connection, given by its token, and hands out its frames.
    pub(crate) fn read(&mut self, now: Instant, token: u64, mut each: impl FnMut(Path, &mut [u8])) {
        let key = (token - CONNECTIONS) as usize;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.read(now, &mut self.buffer, &mut each).is_err() {
            self.close(key);
        }
    }

    /// Goes on writing to a connection, given by its token.
    pub(crate) fn write(&mut self, epoll: &Epoll, token: u64) {
        self.flush(epoll, (token - CONNECTIONS) as usize);
    }

    /// Sends the datagrams of a run as frames, as far as the connection's buffer has room. A path without connection is ignored:
    /// the peer has hung up, and its session will notice.
    pub(crate) fn send(&mut self, epoll: &Epoll, run: &Run<'_>) {
        let Some(&key) = self.by_path.get(&run.path) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.answered = true;
        for datagram in run.datagrams() {
            self.dropped += u64::from(!connection.append(datagram));
        }
        if !connection.armed {
            self.flush(epoll, key);
        }
    }

    fn flush(&mut self, epoll: &Epoll, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.flush().is_err() {
            return self.close(key);
        }
        let armed = !connection.waiting.is_empty();
        if armed != connection.armed {
            connection.armed = armed;
            let interest = Interest {
                read: true,
                write: armed,
            };
            let _ = epoll.modify(
                connection.stream.as_fd(),
                CONNECTIONS + key as u64,
                interest,
            );
        }
    }

    fn close(&mut self, key: usize) {
        let connection = self.connections.remove(key);
        if self.by_path.get(&connection.path) == Some(&key) {
            self.by_path.remove(&connection.path);
        }
    }

    /// When [`Tcp::handle_timeout`] is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_look
    }

    /// Closes connections that proved nothing in time, or went silent; listens again after a pause.
    pub(crate) fn handle_timeout(&mut self, now: Instant, epoll: &Epoll) {
        if self.next_look.is_none_or(|at| at > now) {
            return;
        }
        if std::mem::take(&mut self.paused) {
            self.watch_listeners(epoll, Interest::READ);
        }
        let first_packet = self.limits.first_packet;
        let over = |c: &Connection| c.is_over(now, first_packet);
        for key in self
            .connections
            .iter()
            .filter_map(|(key, c)| over(c).then_some(key))
            .collect::<Vec<_>>()
        {
            self.close(key);
        }
        self.next_look = (!self.connections.is_empty()).then(|| now + LOOK);
    }
}

impl Connection {
    fn new(now: Instant, stream: TcpStream) -> io::Result<Connection> {
        stream.set_nonblocking(true)?;
        // Frames are written as they come; waiting for more would only delay them.
        stream.set_nodelay(true)?;
        let path = Path {
            proto: Proto::Tcp,
            local: stream.local_addr()?,
            remote: stream.peer_addr()?,
        };
        Ok(Connection {
            stream,
            path,
            deframer: Deframer::default(),
            waiting: Vec::new(),
            written: 0,
            armed: false,
            answered: false,
            opened: now,
            heard: now,
        })
    }

    fn read(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        each: &mut impl FnMut(Path, &mut [u8]),
    ) -> Result<(), Ended> {
        for _ in 0..TURN {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(Ended),
                Ok(count) => count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Err(Ended),
            };
            self.heard = now;
            let (path, answered, mut stranger) = (self.path, self.answered, false);
            let framed = self.deframer.push(&mut buffer[..count], |frame| {
                // Before a session answers, only its STUN requests mean anything.
                stranger |= !answered && stun_username(frame).is_none();
                if !stranger {
                    each(path, frame);
                }
            });
            if stranger || framed.is_err() {
                return Err(Ended);
            }
            if count < buffer.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// False when there is no room.
    fn append(&mut self, datagram: &[u8]) -> bool {
        let Ok(len) = u16::try_from(datagram.len()) else {
            return false;
        };
        if self.waiting.len() - self.written + PREFIX + datagram.len() > MAX_WAITING {
            return false;
        }
        self.waiting.extend_from_slice(&len.to_be_bytes());
        self.waiting.extend_from_slice(datagram);
        true
    }

    fn flush(&mut self) -> Result<(), Ended> {
        while self.written < self.waiting.len() {
            match self.stream.write(&self.waiting[self.written..]) {
                Ok(0) => return Err(Ended),
                Ok(count) => self.written += count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.waiting.drain(..self.written);
                    self.written = 0;
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Ended),
            }
        }
        self.waiting.clear();
        self.written = 0;
        Ok(())
    }

    fn is_over(&self, now: Instant, first_packet: Duration) -> bool {
        let unproven = !self.answered && now.saturating_duration_since(self.opened) >= first_packet;
        unproven || now.saturating_duration_since(self.heard) >= IDLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::sys::Event;

    /// A binding request with user name, priority and integrity (RFC 8445 §7.1). Whether it is signed rightly is the session's business.
    fn binding_request() -> Vec<u8> {
        let mut request = vec![0, 1, 0, 40, 0x21, 0x12, 0xa4, 0x42];
        request.extend([7; 12]);
        request.extend([0, 6, 0, 3, b'a', b':', b'b', 0]);
        request.extend([0, 0x24, 0, 4, 1, 2, 3, 4]);
        request.extend([0, 8, 0, 20]);
        request.extend([9; 20]);
        request
    }

    fn framed(packet: &[u8]) -> Vec<u8> {
        [&(packet.len() as u16).to_be_bytes(), packet].concat()
    }

    struct Server {
        epoll: Epoll,
        tcp: Tcp,
        address: std::net::SocketAddr,
        frames: Vec<(Path, Vec<u8>)>,
    }

    impl Server {
        fn start(connections: usize) -> Server {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.set_nonblocking(true).expect("a socket");
            let address = listener.local_addr().expect("an address");
            let epoll = Epoll::new().expect("epoll");
            let limits = TcpLimits {
                connections,
                first_packet: Duration::from_secs(10),
            };
            let tcp = Tcp::new(vec![listener], limits, &epoll).expect("room in the set");
            Server {
                epoll,
                tcp,
                address,
                frames: Vec::new(),
            }
        }

        fn turn(&mut self, now: Instant) {
            let mut events: Vec<Event> = Vec::new();
            self.epoll
                .wait(&mut events, Some(Duration::from_millis(20)))
                .expect("epoll");
            for event in events {
                if event.token < CONNECTIONS {
                    self.tcp.accept(now, &self.epoll, event.token);
                    continue;
                }
                if event.write {
                    self.tcp.write(&self.epoll, event.token);
                }
                if event.read {
                    self.tcp.read(now, event.token, |path, frame| {
                        self.frames.push((path, frame.to_vec()))
                    });
                }
            }
            self.tcp.handle_timeout(now, &self.epoll);
        }

        fn until(&mut self, mut done: impl FnMut(&Server) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(5);
            while !done(self) {
                assert!(Instant::now() < deadline, "not within 5 s");
                self.turn(Instant::now());
            }
        }

        fn connect(&mut self) -> TcpStream {
            let (stream, before) = (
                TcpStream::connect(self.address).expect("a listener"),
                self.tcp.connections(),
            );
            self.until(|s| s.tcp.connections() > before);
            stream
        }
    }

    #[test]
    fn frames_go_both_ways_in_pieces() {
        let mut server = Server::start(10);
        let mut peer = server.connect();
        for piece in framed(&binding_request()).chunks(5) {
            peer.write_all(piece).expect("a connection");
            server.turn(Instant::now());
        }
        server.until(|s| s.frames.len() == 1);
        let (path, frame) = server.frames[0].clone();
        assert_eq!(
            (path.proto, path.local, frame),
            (Proto::Tcp, server.address, binding_request())
        );
        let bytes = [5; 250];
        server.tcp.send(
            &server.epoll,
            &Run {
                path,
                bytes: &bytes,
                segment_size: 100,
            },
        );
        let mut answer = vec![0; 256];
        peer.read_exact(&mut answer).expect("an answer");
        assert_eq!(
            answer,
            [framed(&[5; 100]), framed(&[5; 100]), framed(&[5; 50])].concat()
        );
    }

    #[test]
    fn what_does_not_begin_with_a_check_is_closed() {
        let mut server = Server::start(10);
        for greeting in [
            &framed(&[0x80; 20])[..],
            b"GET / HTTP/1.1\r\n\r\n",
            &framed(&[22; 100])[..],
        ] {
            let mut peer = server.connect();
            peer.write_all(greeting).expect("a connection");
            server.until(|s| s.tcp.connections() == 0);
            assert!(server.frames.is_empty());
        }
        assert!(server.tcp.by_path.is_empty());
    }

    #[test]
    fn a_connection_that_no_session_answers_is_closed_after_the_time_for_the_first_packet() {
        let mut server = Server::start(10);
        let _silent = server.connect();
        let mut talking = server.connect();
        talking
            .write_all(&framed(&binding_request()))
            .expect("a connection");
        server.until(|s| s.frames.len() == 1);
        server.turn(Instant::now() + Duration::from_secs(9));
        assert_eq!(server.tcp.connections(), 2);
        server.turn(Instant::now() + Duration::from_secs(11));
        assert_eq!(server.tcp.connections(), 0);
        assert_eq!(server.tcp.poll_timeout(), None);
    }

    #[test]
    fn connections_beyond_the_limit_are_closed_at_once() {
        let mut server = Server::start(1);
        let _first = server.connect();
        let mut second = TcpStream::connect(server.address).expect("a listener");
        server.turn(Instant::now());
        assert_eq!(second.read(&mut [0; 1]).expect("an orderly end"), 0);
        assert_eq!(server.tcp.connections(), 1);
    }

    #[test]
    fn a_peer_that_does_not_read_loses_whole_frames_and_goes_on_afterwards() {
        let mut server = Server::start(10);
        let mut peer = server.connect();
        peer.write_all(&framed(&binding_request()))
            .expect("a connection");
        server.until(|s| s.frames.len() == 1);
        let path = server.frames[0].0;
        let bytes = vec![3; 60_000];
        while server.tcp.dropped() == 0 {
            server.tcp.send(
                &server.epoll,
                &Run {
                    path,
                    bytes: &bytes,
                    segment_size: 1_000,
                },
            );
        }
        peer.set_nonblocking(true).expect("a socket");
        let (mut deframer, mut frames, mut buffer) = (Deframer::default(), 0, vec![0; 1 << 16]);
        let mut quiet = 0;
        while quiet < 5 {
            server.turn(Instant::now());
            match peer.read(&mut buffer) {
                Ok(count) => {
                    let whole = |frame: &mut [u8]| {
                        assert_eq!(frame, [3; 1_000]);
                        frames += 1;
                    };
                    deframer.push(&mut buffer[..count], whole).expect("frames");
                    quiet = 0;
                }
                Err(_) => quiet += 1,
            }
        }
        assert!(frames > MAX_WAITING / 1_002, "{frames} frames");
    }
}
