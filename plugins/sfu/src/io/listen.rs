// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets of one worker, bound before its thread starts so that a taken port is an error of the start.

use super::udp::UdpSocket;
use crate::hub::StartError;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections the system may hold for a worker that is busy.
const BACKLOG: i32 = 256;
/// How many ports are tried when all addresses of a worker are to share one that the system chooses.
const ATTEMPTS: usize = 16;

/// Bound sockets: for each address one for UDP and one for TCP, of the same port.
pub(crate) struct Listening {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
}

impl Listening {
    /// Binds the sockets of worker `worker`: each address with its port + `worker`. Where port 0 is given, all addresses that
    /// give it get one free port, chosen by the system.
    ///
    /// # Errors
    /// A port that is taken or not allowed, or an address that is not of this host.
    pub(crate) fn bind(addresses: &[SocketAddr], worker: u16) -> Result<Listening, StartError> {
        let mut result = Listening::try_bind(addresses, worker);
        for _ in 1..ATTEMPTS {
            match &result {
                // The port that is free for the first is not for another: choose again.
                Err(StartError::Bind { address, .. })
                    if addresses
                        .iter()
                        .any(|a| a.port() == 0 && a.ip() == address.ip()) =>
                {
                    result = Listening::try_bind(addresses, worker);
                }
                _ => break,
            }
        }
        result
    }

    fn try_bind(addresses: &[SocketAddr], worker: u16) -> Result<Listening, StartError> {
        let mut bound = Listening {
            udp: Vec::new(),
            tcp: Vec::new(),
        };
        let mut chosen = None;
        for &address in addresses {
            let port = match address.port() {
                0 => chosen.unwrap_or(0),
                port => port.checked_add(worker).ok_or(StartError::Ports {
                    port,
                    workers: usize::from(worker) + 1,
                })?,
            };
            let wanted = SocketAddr::new(address.ip(), port);
            let refused = |protocol| {
                move |source| StartError::Bind {
                    protocol,
                    address: wanted,
                    source,
                }
            };
            let udp = UdpSocket::bind(wanted).map_err(refused("UDP"))?;
            let local = udp.local();
            if address.port() == 0 {
                chosen = Some(local.port());
            }
            bound.tcp.push(listener(local).map_err(refused("TCP"))?);
            bound.udp.push(udp);
        }
        Ok(bound)
    }

    /// The addresses bound to, ports included.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.udp.iter().map(UdpSocket::local).collect()
    }
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a former run that are still winding down do not keep the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter()
            .map(|a| a.parse().expect("an address"))
            .collect()
    }

    #[test]
    fn all_addresses_of_a_worker_share_a_chosen_port() {
        let bound =
            Listening::bind(&addresses(&["127.0.0.1:0", "[::1]:0"]), 3).expect("free ports");
        let ports: Vec<u16> = bound.addresses().iter().map(SocketAddr::port).collect();
        assert_eq!(ports[0], ports[1]);
        assert_eq!(
            bound.tcp[1].local_addr().expect("an address").port(),
            ports[0]
        );
    }

    #[test]
    fn a_taken_port_is_named_with_its_protocol() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0")
            .expect("a free port")
            .local_addr()
            .expect("an address");
        let held = std::net::UdpSocket::bind(taken).expect("free again");
        let error = Listening::bind(&[taken], 0)
            .map(|_| ())
            .expect_err("the port is taken");
        assert!(
            error
                .to_string()
                .contains(&format!("UDP {taken} cannot be bound")),
            "{error}"
        );
        drop(held);
    }

    #[test]
    fn ports_end_at_65535() {
        let error = Listening::bind(&addresses(&["127.0.0.1:65535"]), 1)
            .map(|_| ())
            .expect_err("no such port");
        assert!(
            matches!(
                error,
                StartError::Ports {
                    port: 65_535,
                    workers: 2
                }
            ),
            "{error}"
        );
    }
}
