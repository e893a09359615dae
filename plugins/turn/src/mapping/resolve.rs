// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of servers, looked up on a thread that nobody waits for.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::{io, thread};

use crate::uri::HostPort;

/// What became of a name.
pub(crate) type Resolution = io::Result<SocketAddr>;

/// Calls `done` with the first address of the wanted family, at once for what is an address
/// already. A resolver may take half a minute; the thread outlives whoever asked.
pub(crate) fn resolve(
    server: &HostPort,
    ipv6: Option<bool>,
    done: impl FnOnce(Resolution) + Send + 'static,
) {
    if let Ok(ip) = server.host.parse::<IpAddr>() {
        done(Ok(SocketAddr::new(ip, server.port)));
        return;
    }
    let server = server.clone();
    thread::spawn(move || done(look_up(&server, ipv6)));
}

fn look_up(server: &HostPort, ipv6: Option<bool>) -> Resolution {
    let found = (server.host.as_str(), server.port).to_socket_addrs()?;
    let mut fitting = found.filter(|address| ipv6.is_none_or(|wanted| address.is_ipv6() == wanted));
    fitting
        .next()
        .ok_or_else(|| io::Error::other("the name has no address of the wanted family"))
}
