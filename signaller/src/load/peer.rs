// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection: a socket, a session, and what it is for.

use super::Video;
use super::dial::Call;
use super::publisher::Publisher;
use super::stamp::since_1970;
use super::subscriber::Subscriber;
use super::sys;
use gst_rtc_core::media::{Path, Proto};
use gst_rtc_core::rtcp;
use gst_rtc_core::session::{Incoming, Session, SessionEvent};
use mio::net::UdpSocket;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Instant;

/// Longer than any datagram of a WebRTC peer.
const MAX_DATAGRAM: usize = 2048;

/// A connection.
pub(super) struct Peer {
    pub(super) socket: UdpSocket,
    local: SocketAddr,
    session: Session,
    pub(super) role: Role,
    pub(super) began: Instant,
    pub(super) connected: Option<Instant>,
    /// Why it is over, if it is.
    pub(super) failure: Option<String>,
}

/// What a connection is for.
pub(super) enum Role {
    Publisher(Publisher),
    Subscriber(Box<Subscriber>),
}

impl Peer {
    /// An answered call. What it publishes is like `video`.
    pub(super) fn new(now: Instant, call: Call, video: Video) -> Peer {
        let role = match call.accepted.slots.as_slice() {
            [] => Role::Subscriber(Box::new(Subscriber::new(now, call.accepted.receive))),
            slots => Role::Publisher(Publisher::new(now, slots, video)),
        };
        Peer {
            socket: UdpSocket::from_std(call.socket),
            local: call.local,
            session: call.session,
            role,
            began: call.began,
            connected: None,
            failure: None,
        }
    }

    /// Takes everything that has arrived.
    pub(super) fn receive(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut received = false;
        // An error belongs to a datagram sent earlier (ICMP), or says that nothing is left.
        while let Ok(datagram) = sys::receive(self.socket.as_fd(), &mut buffer) {
            received = true;
            let now = Instant::now();
            let path = Path {
                proto: Proto::Udp,
                local: self.local,
                remote: datagram.remote,
            };
            match self
                .session
                .handle_datagram(now, path, &mut buffer[..datagram.len])
            {
                Incoming::None => self.drain(now),
                Incoming::Rtp(len) => {
                    if let Role::Subscriber(subscriber) = &mut self.role {
                        subscriber.handle_rtp(
                            now,
                            datagram.at.unwrap_or_else(since_1970),
                            &buffer[..len],
                        );
                    }
                }
                Incoming::Rtcp(len) => self.handle_rtcp(now, &buffer[..len]),
            }
        }
        if received {
            self.drain(Instant::now());
        }
    }

    fn handle_rtcp(&mut self, now: Instant, data: &[u8]) {
        let Peer {
            role,
            session,
            socket,
            ..
        } = self;
        let Some(path) = session.path() else { return };
        for packet in rtcp::parse(data).flatten() {
            match role {
                Role::Subscriber(subscriber) => subscriber.handle_rtcp(now, &packet),
                Role::Publisher(publisher) => {
                    publisher.handle_rtcp(now, &packet, session, &mut sender(socket, path.remote))
                }
            }
        }
    }

    /// When a publisher has to send; `None` for others.
    pub(super) fn media_due(&self) -> Option<Instant> {
        match &self.role {
            Role::Publisher(publisher) if self.session.is_connected() => Some(publisher.due()),
            _ => None,
        }
    }

    /// Sends the media that is due.
    pub(super) fn send_media(&mut self, now: Instant) {
        let Peer {
            role,
            session,
            socket,
            ..
        } = self;
        if let (Role::Publisher(publisher), Some(path)) = (role, session.path()) {
            publisher.send(now, session, &mut sender(socket, path.remote));
        }
    }

    /// Does what is due, media apart.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
        self.drain(now);
        let Peer {
            role,
            session,
            socket,
            ..
        } = self;
        if let (Role::Subscriber(subscriber), Some(path)) = (role, session.path()) {
            subscriber.handle_timeout(now, session, &mut sender(socket, path.remote));
        }
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, now: Instant) {
        self.session.close(now);
        self.drain(now);
    }

    /// Sends what the session wants to send and notes what it tells.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(transmit) = self.session.poll_transmit() {
            sender(&self.socket, transmit.path.remote)(&transmit.data);
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Connected(_) => self.connected = Some(now),
                SessionEvent::Failed(error) => self.failure = Some(error.to_string()),
                SessionEvent::Closed => {
                    self.failure = Some("the server closed the session".to_owned())
                }
                _ => {}
            }
        }
    }
}

/// What does not go out is lost, as on any network: the server sees it and asks again.
fn sender(socket: &UdpSocket, remote: SocketAddr) -> impl FnMut(&[u8]) {
    move |datagram| {
        let _ = socket.send_to(datagram, remote);
    }
}
