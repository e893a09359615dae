// SPDX-License-Identifier: MIT OR Apache-2.0
//! ICE over TCP, passive side (RFC 6544): peers behind firewalls that let no UDP out dial in.
//!
//! A connection carries the same packets as a datagram path, each behind its length (RFC 4571). It is trusted with nothing until
//! the engine has answered it, which it does only for a STUN request with the right password.

#[cfg(test)]
mod tests;

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
