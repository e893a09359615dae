// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opens the way for peers: what is sent to them makes our NAT let their packets in.

use std::net::SocketAddr;
use std::time::Duration;

use stun_proto::Instant;

use crate::packet::punch;

/// Peers kept at most.
const MOST: usize = 64;

/// How often at first, as both sides must have sent before either receives.
const HURRY: Duration = Duration::from_millis(200);

/// How long at first.
const HURRIED_FOR: Duration = Duration::from_secs(5);

/// The peers whose way is kept open.
#[derive(Debug, Default)]
pub(crate) struct Puncher {
    peers: Vec<Peer>,
}

#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    next: Instant,
    hurry_until: Instant,
}

impl Puncher {
    /// Keeps the way open for these and no others.
    pub(crate) fn set(&mut self, addresses: &[SocketAddr], now: Instant) {
        self.peers.retain(|peer| addresses.contains(&peer.address));
        for &address in addresses {
            self.add(address, now);
        }
    }

    /// Keeps the way open for one more; false if there are too many.
    pub(crate) fn add(&mut self, address: SocketAddr, now: Instant) -> bool {
        if self.peers.iter().any(|peer| peer.address == address) {
            return true;
        }
        if self.peers.len() == MOST {
            return false;
        }
        self.peers.push(Peer {
            address,
            next: now,
            hurry_until: now + HURRIED_FOR,
        });
        true
    }

    /// Hurries again, since our outside address is another now.
    pub(crate) fn hurry(&mut self, now: Instant) {
        for peer in &mut self.peers {
            peer.next = now;
            peer.hurry_until = now + HURRIED_FOR;
        }
    }

    /// What to send to whom; to be called until there is nothing.
    pub(crate) fn poll_transmit(
        &mut self,
        interval: Duration,
        now: Instant,
    ) -> Option<(Vec<u8>, SocketAddr)> {
        let peer = self.peers.iter_mut().find(|peer| peer.next <= now)?;
        peer.next = now
            + if now < peer.hurry_until {
                HURRY
            } else {
                interval
            };
        Some((punch(), peer.address))
    }

    /// When to look again.
    pub(crate) fn poll(&self) -> Option<Instant> {
        self.peers.iter().map(|peer| peer.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn sent(puncher: &mut Puncher, from: Instant, seconds: u64) -> usize {
        let (mut now, mut sent) = (from, 0);
        while now < from + Duration::from_secs(seconds) {
            while puncher.poll_transmit(INTERVAL, now).is_some() {
                sent += 1;
            }
            now = puncher
                .poll()
                .map_or(from + Duration::from_secs(seconds), |next| next.max(now));
        }
        sent
    }

    #[test]
    fn a_new_peer_is_hurried_to_and_then_kept() {
        let mut puncher = Puncher::default();
        puncher.set(&[([192, 0, 2, 1], 1).into()], Instant::ZERO);
        let hurried = sent(&mut puncher, Instant::ZERO, 5);
        assert!((20..=26).contains(&hurried), "{hurried}");
        let kept = sent(&mut puncher, Instant::ZERO + Duration::from_secs(6), 100);
        assert!((9..=11).contains(&kept), "{kept}");
        puncher.set(&[], Instant::ZERO);
        assert_eq!(puncher.poll(), None);
    }

    #[test]
    fn peers_are_limited() {
        let mut puncher = Puncher::default();
        let full =
            (0..200).take_while(|&port| puncher.add(([192, 0, 2, 1], port).into(), Instant::ZERO));
        assert_eq!(full.count(), MOST);
    }
}
