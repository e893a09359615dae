// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports for programs that cannot take a free one themselves and say which.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::{Failure, Result};

/// Below those that Linux gives out by itself, so that nobody gets one of them by chance while a server is restarted.
const OWN: Range<u16> = 10_000..32_000;

/// What there is of sockets, one in a line.
const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];

/// A port that nobody has at any address, by UDP or TCP, and the next one with it: the second port of RFC 5780 is the first one's
/// successor. No other call in this process returns either.
///
/// It is looked up, not tried: while another thread starts a program, that has all our sockets for as long as it takes until it is
/// executed, and so keeps a port with which we are through. On a busy machine that was seen to take 190 ms.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken: BTreeSet<u16> = TABLES.iter().flat_map(|table| ports_of(table)).collect();
    for _ in 0..100 {
        let mut random = [0; 2];
        openssl::rand::rand_bytes(&mut random)?;
        let port = OWN.start + u16::from_ne_bytes(random) % (OWN.end - OWN.start);
        let both = [port, port + 1];
        if both
            .iter()
            .all(|p| !taken.contains(p) && !given.contains(p))
        {
            given.extend(both);
            return Ok(port);
        }
    }
    Err(Failure::new("no two free ports in a row"))
}

/// Whether somebody listens on that TCP port. It is not called: some take one call only.
pub(crate) fn is_listening(port: u16) -> bool {
    let listens = |line: &str| local_port(line) == Some(port) && state(line) == Some("0A");
    table("tcp").lines().any(listens)
}

fn ports_of(name: &str) -> Vec<u16> {
    table(name).lines().filter_map(local_port).collect()
}

/// Empty where there is no such protocol.
fn table(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default()
}

/// The second word of a line is ADDRESS:PORT, both in hexadecimal; the first line has headings.
fn local_port(line: &str) -> Option<u16> {
    let (_, port) = line.split_whitespace().nth(1)?.rsplit_once(':')?;
    u16::from_str_radix(port, 16).ok()
}

/// The fourth is the state.
fn state(line: &str) -> Option<&str> {
    line.split_whitespace().nth(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn taken_ports_are_known() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let [tcp_port, udp_port] =
            [tcp.local_addr(), udp.local_addr()].map(|at| at.expect("it is bound").port());
        assert!(ports_of("tcp").contains(&tcp_port) && ports_of("udp").contains(&udp_port));
        assert!(is_listening(tcp_port));
    }

    #[test]
    fn no_two_get_the_same() {
        let ports: Vec<u16> = (0..20)
            .map(|_| free_port().expect("there are many"))
            .collect();
        let pairs: BTreeSet<u16> = ports.iter().flat_map(|p| [*p, p + 1]).collect();
        assert_eq!(pairs.len(), 40);
        assert!(pairs.iter().all(|port| (10_000..=32_000).contains(port)));
    }
}
