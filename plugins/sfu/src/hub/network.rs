// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where peers can reach this node: the candidates of each worker, and credentials for ICE.

use crate::io::interface_addresses;
use gst_rtc_core::media::{Candidate, CandidateKind, Proto};
use rand::RngExt;
use std::net::{IpAddr, SocketAddr};

/// Letters that an ICE user name fragment and password may have (RFC 8839 §5.4).
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Letters of each: 6 bits a letter, at least 24 and 128 bits asked for (RFC 8445 §5.3).
const UFRAG: usize = 8;
const PWD: usize = 24;
/// Most addresses told to a peer: hosts with many bridges have more than a peer would try.
const MOST: usize = 8;

/// The addresses of a node.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// What each worker is bound to.
    pub(super) bound: Vec<Vec<SocketAddr>>,
    /// What peers see instead of the host's addresses of its family.
    pub(super) public: Option<IpAddr>,
}

impl Network {
    /// What a worker is bound to.
    pub(super) fn bound(&self, worker: u8) -> &[SocketAddr] {
        self.bound
            .get(usize::from(worker))
            .map_or(&[][..], Vec::as_slice)
    }

    /// The candidates to announce for sockets: UDP, and TCP for those that no UDP reaches.
    pub(super) fn announced(&self, bound: &[SocketAddr]) -> Vec<Candidate> {
        let mut addresses = Vec::new();
        for address in hosts(bound, false) {
            let ip = self
                .public
                .filter(|public| public.is_ipv4() == address.is_ipv4())
                .unwrap_or(address.ip());
            let seen = SocketAddr::new(ip, address.port());
            if !addresses.contains(&seen) {
                addresses.push(seen);
            }
        }
        candidates(&addresses)
    }

    /// The candidates to announce for a session that dials.
    pub(super) fn dialling(&self, bound: &[SocketAddr]) -> Vec<Candidate> {
        udp(self.announced(bound))
    }
}

/// The candidates a session sends from: our own addresses, whatever others see. TCP is for others to dial in. A peer that is
/// to be found on this host alone is met there.
pub(super) fn own(bound: &[SocketAddr], remote: &[Candidate]) -> Vec<Candidate> {
    let met_here = remote.iter().any(|peer| peer.addr.ip().is_loopback());
    udp(candidates(&hosts(bound, met_here)))
}

/// What sockets are bound to, interface by interface. Those for this host alone are left out where there are others, unless
/// `loopback` wants them or they were asked for.
fn hosts(bound: &[SocketAddr], loopback: bool) -> Vec<SocketAddr> {
    let any = bound.iter().any(|address| address.ip().is_unspecified());
    // Without interfaces there are no candidates to give, and the peer's ICE says so.
    let interfaces = if any {
        interface_addresses().unwrap_or_default()
    } else {
        Vec::new()
    };
    let mut hosts: Vec<SocketAddr> = bound
        .iter()
        .flat_map(|address| expand(*address, &interfaces))
        .collect();
    if any && !loopback && hosts.iter().any(|host| !host.ip().is_loopback()) {
        hosts.retain(|host| !host.ip().is_loopback() || bound.contains(host));
    }
    hosts.truncate(MOST);
    hosts
}

fn udp(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.retain(|candidate| candidate.proto == Proto::Udp);
    candidates
}

/// What an address bound to stands for.
fn expand(bound: SocketAddr, interfaces: &[IpAddr]) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let family = interfaces
        .iter()
        .filter(|ip| ip.is_ipv4() == bound.is_ipv4());
    family
        .map(|ip| SocketAddr::new(*ip, bound.port()))
        .collect()
}

fn candidates(addresses: &[SocketAddr]) -> Vec<Candidate> {
    let each = |proto| {
        addresses
            .iter()
            .enumerate()
            .map(move |(i, address)| candidate(proto, i, *address))
    };
    each(Proto::Udp).chain(each(Proto::Tcp)).collect()
}

/// Host candidates; UDP goes before TCP, and the first address before the others (RFC 8445 §5.1.2, RFC 6544 §4.2).
fn candidate(proto: Proto, index: usize, addr: SocketAddr) -> Candidate {
    const HOST: u32 = 126;
    /// Direction preference of a passive candidate among TCP ones.
    const PASSIVE: u32 = 2 << 13;
    let later = index as u32;
    let (type_preference, local_preference) = match proto {
        Proto::Udp => (HOST, 65_535 - later),
        Proto::Tcp => (HOST - 36, PASSIVE + 8_191 - later),
    };
    Candidate {
        foundation: format!(
            "{}{}",
            if proto == Proto::Udp { "u" } else { "t" },
            index + 1
        ),
        component: 1,
        proto,
        tcp_type: (proto == Proto::Tcp).then(|| "passive".to_owned()),
        priority: type_preference << 24 | local_preference << 8 | 255,
        addr,
        kind: CandidateKind::Host,
    }
}

/// A fresh user name fragment and password.
pub(super) fn credentials() -> (String, String) {
    (ice_string(UFRAG), ice_string(PWD))
}

fn ice_string(len: usize) -> String {
    let mut random = rand::rng();
    (0..len)
        .map(|_| char::from(ICE_CHARS[random.random_range(0..ICE_CHARS.len())]))
        .collect()
}

/// 128 random bits in hex, as sessions are named.
pub(super) fn session_name() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(bound: &[&str], public: Option<&str>) -> Network {
        let bound = bound
            .iter()
            .map(|a| a.parse().expect("an address"))
            .collect();
        Network {
            bound: vec![bound],
            public: public.map(|ip| ip.parse().expect("an address")),
        }
    }

    fn announced(network: &Network) -> Vec<Candidate> {
        network.announced(network.bound(0))
    }

    fn addresses(candidates: &[Candidate], proto: Proto) -> Vec<String> {
        candidates
            .iter()
            .filter(|c| c.proto == proto)
            .map(|c| c.addr.to_string())
            .collect()
    }

    #[test]
    fn what_is_bound_is_announced_for_udp_and_tcp() {
        let announced = announced(&network(&["127.0.0.1:5000", "[::1]:5000"], None));
        assert_eq!(
            addresses(&announced, Proto::Udp),
            ["127.0.0.1:5000", "[::1]:5000"]
        );
        assert_eq!(
            addresses(&announced, Proto::Tcp),
            ["127.0.0.1:5000", "[::1]:5000"]
        );
        assert!(
            announced
                .windows(2)
                .all(|pair| pair[0].priority > pair[1].priority),
            "{announced:?}"
        );
        assert_eq!(announced[0].priority, 2_130_706_431);
    }

    #[test]
    fn the_public_address_stands_for_all_of_its_family_and_the_port_stays() {
        let network = network(
            &["10.0.0.1:5000", "10.0.0.2:5000", "[fd00::1]:5000"],
            Some("203.0.113.7"),
        );
        assert_eq!(
            addresses(&announced(&network), Proto::Udp),
            ["203.0.113.7:5000", "[fd00::1]:5000"]
        );
        let own = own(network.bound(0), &[]);
        assert_eq!(addresses(&own, Proto::Udp).len(), 3);
    }

    #[test]
    fn bound_to_any_address_the_interfaces_are_announced() {
        let announced = announced(&network(&["0.0.0.0:5000"], None));
        assert!(!announced.is_empty());
        assert!(
            announced
                .iter()
                .all(|c| c.addr.port() == 5000 && !c.addr.ip().is_unspecified()),
            "{announced:?}"
        );
    }

    #[test]
    fn a_peer_on_this_host_alone_is_met_there() {
        let network = network(&["0.0.0.0:5000"], None);
        let here = candidate(Proto::Udp, 0, "127.0.0.1:6000".parse().expect("an address"));
        let own = own(network.bound(0), std::slice::from_ref(&here));
        assert!(addresses(&own, Proto::Udp).contains(&"127.0.0.1:5000".to_owned()));
    }

    #[test]
    fn credentials_are_long_enough_and_new_each_time() {
        let (ufrag, pwd) = credentials();
        assert!(ufrag.len() == UFRAG && pwd.len() == PWD);
        assert!(
            ufrag
                .bytes()
                .chain(pwd.bytes())
                .all(|b| ICE_CHARS.contains(&b))
        );
        assert_ne!(credentials(), (ufrag, pwd));
    }
}
