// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection to the server: a connected UDP socket, or a stream.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::stream::{Stream, Tls};

pub(super) enum Link {
    Udp(Arc<UdpSocket>),
    Stream(Box<Stream>),
}

impl Link {
    pub(super) fn udp(from: SocketAddr, server: SocketAddr, buffer: usize) -> io::Result<Link> {
        let domain = Domain::for_address(server);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if buffer > 0 {
            socket.set_recv_buffer_size(buffer)?;
        }
        socket.bind(&from.into())?;
        socket.connect(&server.into())?;
        Ok(Link::Udp(Arc::new(UdpSocket::from_std(socket.into()))))
    }

    pub(super) fn stream(
        from: SocketAddr,
        server: SocketAddr,
        tls: Option<Tls>,
    ) -> io::Result<Link> {
        Stream::connect(from, server, tls).map(|stream| Link::Stream(Box::new(stream)))
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            // A descriptor of its own, as the socket is shared with those who send.
            Link::Udp(socket) => {
                use std::os::fd::AsRawFd;
                let fd = socket.as_raw_fd();
                registry.register(&mut mio::unix::SourceFd(&fd), token, Interest::READABLE)
            }
            Link::Stream(stream) => match stream.socket() {
                Some(socket) => registry.register(socket, token, both),
                None => Err(ErrorKind::NotConnected.into()),
            },
        }
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        // What fails here is closed next, which does the same.
        let _ = match self {
            Link::Udp(socket) => {
                use std::os::fd::AsRawFd;
                let fd = socket.as_raw_fd();
                registry.deregister(&mut mio::unix::SourceFd(&fd))
            }
            Link::Stream(stream) => stream.socket().map_or(Ok(()), |s| registry.deregister(s)),
        };
    }

    /// Whether it stands; a stream goes on towards that.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        match self {
            Link::Udp(_) => Ok(true),
            Link::Stream(stream) => {
                let standing = stream.advance()?;
                stream.flush()?;
                Ok(standing)
            }
        }
    }

    pub(super) fn local_address(&mut self) -> io::Result<SocketAddr> {
        match self {
            Link::Udp(socket) => socket.local_addr(),
            Link::Stream(stream) => stream.local_address(),
        }
    }

    /// For those who send without asking the thread.
    pub(super) fn shared_socket(&self) -> Option<Arc<UdpSocket>> {
        match self {
            Link::Udp(socket) => Some(socket.clone()),
            Link::Stream(_) => None,
        }
    }

    /// One datagram or piece; `None` when there is nothing now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let result = match self {
            Link::Udp(socket) => socket.recv(buffer),
            Link::Stream(stream) => match stream.read(buffer) {
                Ok(0) => Err(io::Error::new(
                    ErrorKind::ConnectionReset,
                    "the server closed the connection",
                )),
                other => other,
            },
        };
        match result {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if matches!(self, Link::Udp(_)) && is_about_a_packet(&error) => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Sends, or drops what there is no room for.
    pub(super) fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Link::Udp(socket) => {
                // A refusal is about an earlier packet, and no room is a loss like any other.
                let _ = socket.send(packet);
                Ok(())
            }
            Link::Stream(stream) => stream.write(packet).map(drop),
        }
    }
}

/// Errors that ICMP brought about an earlier packet; the socket itself is well.
fn is_about_a_packet(error: &io::Error) -> bool {
    use ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::Interrupted
    )
}
