// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose packets are to pass, and what waits until they may.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stun_proto::Instant;

/// Datagrams kept for an address while its permission is asked for.
const MOST_WAITING: usize = 64;

/// Addresses with a permission at most.
const MOST_ADDRESSES: usize = 256;

/// Peers with a channel at most.
const MOST_CHANNELS: usize = 64;

/// How long a refused permission is not asked for again.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// The peers of a relay, across its allocations.
#[derive(Debug, Default)]
pub(super) struct Peers {
    addresses: HashMap<IpAddr, Address>,
    /// Those a channel is wanted for, in order of appearance.
    channels: Vec<SocketAddr>,
}

#[derive(Debug, Default)]
struct Address {
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
    refused_until: Option<Instant>,
    told: bool,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// Datagrams that waited for the permission and are lost.
    pub(super) lost: usize,
    /// Whether it is the first since the permission was there.
    pub(super) news: bool,
}

impl Peers {
    /// Wants a permission; false when there are too many, or it was refused just now.
    pub(super) fn want(&mut self, ip: IpAddr, now: Instant) -> bool {
        if !self.addresses.contains_key(&ip) && self.addresses.len() == MOST_ADDRESSES {
            return false;
        }
        let address = self.addresses.entry(ip).or_default();
        if address.refused_until.is_some_and(|until| until > now) {
            return false;
        }
        address.refused_until = None;
        true
    }

    /// The addresses that a permission is wanted for.
    pub(super) fn ips(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.keys().copied()
    }

    /// Notes a peer that should have a channel; true the first time.
    pub(super) fn want_channel(&mut self, peer: SocketAddr) -> bool {
        let new = !self.channels.contains(&peer) && self.channels.len() < MOST_CHANNELS;
        if new {
            self.channels.push(peer);
        }
        new
    }

    /// The peers of that address that should have a channel.
    pub(super) fn channels(&self, ip: IpAddr) -> Vec<SocketAddr> {
        let of_ip = self.channels.iter().filter(|peer| peer.ip() == ip);
        of_ip.copied().collect()
    }

    /// Keeps a datagram until its permission is there; false when one had to go for it.
    pub(super) fn keep(&mut self, to: SocketAddr, data: &[u8]) -> bool {
        let waiting = &mut self.addresses.entry(to.ip()).or_default().waiting;
        let room = waiting.len() < MOST_WAITING;
        if !room {
            waiting.pop_front();
        }
        waiting.push_back((to, data.to_vec()));
        room
    }

    /// What waited for the permission that is there now.
    pub(super) fn permitted(&mut self, ip: IpAddr) -> VecDeque<(SocketAddr, Vec<u8>)> {
        let Some(address) = self.addresses.get_mut(&ip) else {
            return VecDeque::new();
        };
        address.refused_until = None;
        address.told = false;
        std::mem::take(&mut address.waiting)
    }

    /// The permission was refused, or is lost; it is due again after a while.
    pub(super) fn refused(&mut self, ip: IpAddr, now: Instant) -> Refused {
        let Some(address) = self.addresses.get_mut(&ip) else {
            return Refused::default();
        };
        address.refused_until = Some(now + REFUSED_FOR);
        Refused {
            lost: std::mem::take(&mut address.waiting).len(),
            news: !std::mem::replace(&mut address.told, true),
        }
    }

    /// The addresses whose permission is to be asked for again.
    pub(super) fn due(&mut self, now: Instant) -> Vec<IpAddr> {
        let due = |address: &mut Address| address.refused_until.take_if(|at| *at <= now).is_some();
        let addresses = self.addresses.iter_mut();
        let due = addresses.filter_map(|(ip, address)| due(address).then_some(*ip));
        due.collect()
    }

    /// When the next one will be.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let addresses = self.addresses.values();
        addresses.filter_map(|address| address.refused_until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn what_waits_is_limited_and_leaves_in_order() {
        let mut peers = Peers::default();
        let kept = (0..100)
            .filter(|&n| peers.keep(peer(n), &[n as u8]))
            .count();
        assert_eq!(kept, MOST_WAITING);
        let ports: Vec<u16> = peers
            .permitted(peer(0).ip())
            .iter()
            .map(|(to, _)| to.port())
            .collect();
        assert_eq!(ports, (36..100).collect::<Vec<u16>>());
        assert!(peers.permitted(peer(0).ip()).is_empty());
    }

    #[test]
    fn a_refused_permission_is_asked_for_again_after_a_while() {
        let (mut peers, now) = (Peers::default(), Instant::ZERO);
        assert!(peers.want(peer(1).ip(), now));
        peers.keep(peer(1), b"x");
        let refused = peers.refused(peer(1).ip(), now);
        assert_eq!(
            refused,
            Refused {
                lost: 1,
                news: true
            }
        );
        assert!(!peers.want(peer(1).ip(), now));
        assert!(peers.due(now).is_empty());
        let later = peers.next_due().expect("refused");
        assert_eq!(peers.due(later), [peer(1).ip()]);
        assert!(!peers.refused(peer(1).ip(), later).news, "told already");
    }

    #[test]
    fn addresses_and_channels_are_limited() {
        let mut peers = Peers::default();
        let wanted =
            (0..1000u32).filter(|n| peers.want(IpAddr::from(n.to_be_bytes()), Instant::ZERO));
        assert_eq!(wanted.count(), MOST_ADDRESSES);
        let channels = (0..1000)
            .filter(|&port| peers.want_channel(peer(port)))
            .count();
        assert_eq!(channels, MOST_CHANNELS);
    }
}
