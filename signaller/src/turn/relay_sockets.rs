// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opens the sockets of relays.

use super::config::PortRange;
use super::udp::Udp;
use gst_rtc_core::turn::RelayPort;
use mio::net::TcpListener;
use rand::{RngExt, rng};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// How many ports are tried before there is none.
const TRIES: usize = 64;
/// How many peers may wait to be accepted.
const BACKLOG: i32 = 16;

/// Where relays are opened, and what clients are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct RelayAddress {
    /// Of this machine.
    pub(super) bind: IpAddr,
    /// As others see it.
    pub(super) told: IpAddr,
}

/// A relay's socket.
pub(super) enum RelaySocket {
    Udp(Udp),
    Tcp(TcpListener),
}

impl RelaySocket {
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            RelaySocket::Udp(udp) => Some(udp.local.port()),
            RelaySocket::Tcp(listener) => listener.local_addr().ok().map(|a| a.port()),
        }
    }
}

/// A UDP socket, and the one above if that is wanted.
pub(super) fn open_udp(
    ip: IpAddr,
    ports: PortRange,
    wish: RelayPort,
) -> io::Result<(Udp, Option<Udp>)> {
    attempt(ports, wish != RelayPort::Any, |port| {
        let udp = Udp::open(SocketAddr::new(ip, port))?;
        let next = match wish {
            RelayPort::EvenAndNext(_) => {
                Some(Udp::open(SocketAddr::new(ip, port.saturating_add(1)))?)
            }
            RelayPort::Any | RelayPort::Even => None,
        };
        Ok((udp, next))
    })
}

/// A TCP listener, from whose address connections can be made as well.
pub(super) fn open_tcp(ip: IpAddr, ports: PortRange) -> io::Result<TcpListener> {
    attempt(ports, false, |port| {
        let address = SocketAddr::new(ip, port);
        // Sharing would also share with another relay.
        bound(address, false)?;
        let socket = tcp_socket(address)?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from_std(socket.into()))
    })
}

/// A TCP socket bound there, without blocking, that shares its address with the relay's listener.
pub(super) fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    bound(address, true)
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Tries random ports: a stranger must not guess the next one.
fn attempt<T>(
    ports: PortRange,
    even: bool,
    mut open: impl FnMut(u16) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let port = rng().random_range(ports.first..=ports.last);
        let port = if even { port & !1 } else { port };
        if port < ports.first {
            continue;
        }
        match open(port) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
