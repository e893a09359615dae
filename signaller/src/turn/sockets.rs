// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets that clients come to, and what the configuration means on this machine.

use super::config::TurnConfig;
use super::error::TurnError;
use super::hello::Door;
use super::relay_sockets::RelayAddress;
use super::udp::Udp;
use gst_rtc_core::turn::{Discovery, Families};
use mio::net::TcpListener;
use rand::{Rng, rng};
use rustls::ServerConfig;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

/// How often another port is tried when one that is free for UDP is taken for TCP.
const TRIES: usize = 32;

/// What is listened on.
pub(super) struct Sockets {
    pub(super) udp: Vec<Udp>,
    /// So many of those speak STUN as it is, the others under DTLS.
    pub(super) plain: usize,
    pub(super) listeners: Vec<Listener>,
    /// Where the first is.
    pub(super) address: SocketAddr,
    /// Where the first is for TLS.
    pub(super) tls_address: Option<SocketAddr>,
    pub(super) discovery: Option<Discovery>,
    /// Where clients begin with DTLS.
    pub(super) door: Option<Door>,
}

/// A TCP listener, and what is spoken on it.
pub(super) struct Listener {
    pub(super) tcp: TcpListener,
    pub(super) tls: Option<Arc<ServerConfig>>,
}

impl Sockets {
    pub(super) fn open(config: &TurnConfig) -> Result<Sockets, TurnError> {
        let mut sockets = Sockets {
            udp: Vec::new(),
            plain: 0,
            listeners: Vec::new(),
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            tls_address: None,
            discovery: None,
            door: None,
        };
        for address in &config.listen {
            let (udp, tcp) = both(*address, config.any_port)?;
            if sockets.udp.is_empty() {
                sockets.address = udp.local;
            }
            sockets.udp.push(udp);
            sockets.listeners.push(Listener { tcp, tls: None });
        }
        if sockets.udp.is_empty() {
            let text = "there is no address to listen on; set one with --turn-listen";
            return Err(TurnError::Config(text.to_owned()));
        }
        if let Some(alternate) = config.alternate {
            sockets.open_alternate(alternate)?;
        }
        sockets.plain = sockets.udp.len();
        if let Some(files) = &config.tls {
            let tls = files.load()?;
            for address in &config.tls_listen {
                sockets.open_tls(*address, tls.clone())?;
            }
            let mut key = [0; 32];
            rng().fill_bytes(&mut key);
            sockets.door = Some(Door::new(Instant::now(), files, &key)?);
        }
        Ok(sockets)
    }

    fn open_tls(&mut self, address: SocketAddr, tls: Arc<ServerConfig>) -> Result<(), TurnError> {
        let (udp, tcp) = both(address, false)?;
        self.tls_address = self.tls_address.or(Some(udp.local));
        self.udp.push(udp);
        self.listeners.push(Listener {
            tcp,
            tls: Some(tls),
        });
        Ok(())
    }

    /// The other three combinations of two addresses and two ports (RFC 5780 §6).
    fn open_alternate(&mut self, alternate: SocketAddr) -> Result<(), TurnError> {
        let primary = self.address;
        let same_kind = primary.is_ipv4() == alternate.is_ipv4();
        if !same_kind || primary.ip() == alternate.ip() || primary.ip().is_unspecified() {
            let text = format!(
                "the alternate address {alternate} must be another one of the same family as {primary}, which must not be a wildcard"
            );
            return Err(TurnError::Config(text));
        }
        let alternate = match alternate.port() {
            0 => listen_udp(SocketAddr::new(primary.ip(), 0)).map(|udp| {
                let port = udp.local.port();
                self.udp.push(udp);
                SocketAddr::new(alternate.ip(), port)
            })?,
            port => {
                self.udp
                    .push(listen_udp(SocketAddr::new(primary.ip(), port))?);
                alternate
            }
        };
        for port in [primary.port(), alternate.port()] {
            self.udp
                .push(listen_udp(SocketAddr::new(alternate.ip(), port))?);
        }
        self.discovery = Some(Discovery { primary, alternate });
        Ok(())
    }
}

/// UDP and TCP at the same port.
fn both(address: SocketAddr, any_port: bool) -> Result<(Udp, TcpListener), TurnError> {
    let first = pair(address);
    let any = SocketAddr::new(address.ip(), 0);
    match first {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && any_port => {
            tracing::warn!(
                "port {} is taken, STUN and TURN take another",
                address.port()
            );
            retry(any)
        }
        Err(_) if address.port() == 0 => retry(any),
        other => other.map_err(|error| TurnError::Listen { address, error }),
    }
}

fn retry(address: SocketAddr) -> Result<(Udp, TcpListener), TurnError> {
    let mut result = pair(address);
    for _ in 0..TRIES {
        if result.is_ok() {
            break;
        }
        result = pair(address);
    }
    result.map_err(|error| TurnError::Listen { address, error })
}

fn pair(address: SocketAddr) -> io::Result<(Udp, TcpListener)> {
    let udp = Udp::listen(address)?;
    let tcp = TcpListener::bind(udp.local)?;
    Ok((udp, tcp))
}

fn listen_udp(address: SocketAddr) -> Result<Udp, TurnError> {
    Udp::listen(address).map_err(|error| TurnError::Listen { address, error })
}

/// Where relays are opened: for IPv4, for IPv6.
pub(super) fn relay_addresses(config: &TurnConfig) -> [Option<RelayAddress>; 2] {
    let told = config.public_address.as_ref();
    let told: Option<IpAddr> = told.and_then(|text| text.parse().ok());
    [false, true].map(|ipv6| {
        let given = config.relay_addresses.iter().copied();
        let listened = config.listen.iter().map(SocketAddr::ip);
        let mut candidates: Vec<IpAddr> = given.collect();
        if candidates.is_empty() {
            candidates = listened.collect();
        }
        let bind = candidates.into_iter().find(|ip| ip.is_ipv6() == ipv6)?;
        let bind = if bind.is_unspecified() {
            default_route(ipv6)?
        } else {
            bind
        };
        let told = told.filter(|ip| ip.is_ipv6() == ipv6).unwrap_or(bind);
        Some(RelayAddress { bind, told })
    })
}

pub(super) fn families(addresses: &[Option<RelayAddress>; 2]) -> Families {
    Families {
        ipv4: addresses[0].is_some(),
        ipv6: addresses[1].is_some(),
    }
}

/// The address from which this machine reaches others. Nothing is sent.
pub(super) fn default_route(ipv6: bool) -> Option<IpAddr> {
    let (any, out): (IpAddr, IpAddr) = if ipv6 {
        let out = Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe);
        (Ipv6Addr::UNSPECIFIED.into(), out.into())
    } else {
        (
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(9, 9, 9, 9).into(),
        )
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(out, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// Every address that this machine has now, and the one that others see.
pub(super) fn own_addresses(addresses: &[Option<RelayAddress>; 2]) -> io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    let interfaces = interfaces.iter().map(if_addrs::Interface::ip);
    let told = addresses.iter().flatten().map(|address| address.told);
    Ok(interfaces.chain(told).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpStream;

    #[test]
    fn a_server_is_back_at_once_though_it_closed_its_connections() {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (udp, tcp) = both(anywhere, false).expect("a free port");
        let address = udp.local;
        let mut client = TcpStream::connect(address).expect("it listens");
        let (server, _) = loop {
            match tcp.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                accepted => break accepted.expect("somebody called"),
            }
        };
        // Who closes first keeps the port in TIME_WAIT (RFC 9293 §3.6).
        drop((udp, tcp, server));
        assert_eq!(client.read(&mut [0]).expect("it was closed"), 0);
        drop(client);
        both(address, false).expect("nobody but the dead connection is there");
    }
}
