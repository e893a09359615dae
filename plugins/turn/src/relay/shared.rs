// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the thread of a relay shares with those who send through it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Clock;

use mio::Waker;
use mio::net::UdpSocket;
use stun_proto::Instant;

use super::allocation::Allocation;
use super::peers::Peers;
use super::{Permission, SendCounts, Sent};

/// Packets for a stream that wait for the thread at most.
const MOST_WAITING: usize = 1024;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ended: AtomicBool,
    waker: Waker,
    channels: bool,
    started: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) allocation: Option<Allocation>,
    /// Of the allocation, if it is held.
    pub(super) address: Option<SocketAddr>,
    /// Where what it says is sent at once.
    pub(super) socket: Option<Arc<UdpSocket>>,
    /// What the thread is to send through a stream.
    pub(super) outgoing: Vec<Vec<u8>>,
    pub(super) peers: Peers,
    pub(super) failed: bool,
    counts: SendCounts,
}

impl Shared {
    pub(super) fn new(waker: Waker, channels: bool, started: Clock) -> Shared {
        Shared {
            ended: AtomicBool::new(false),
            waker,
            channels,
            started,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_std(self.started)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait in [`wait`](Self::wait) to look again.
    pub(super) fn notify(&self) {
        // Whoever has looked but does not wait yet holds the lock.
        drop(self.state());
        self.changed.notify_all();
    }

    pub(super) fn wake(&self) {
        // The thread also looks by itself every now and then.
        let _ = self.waker.wake();
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.state().address
    }

    pub(super) fn counts(&self) -> SendCounts {
        self.state().counts
    }

    pub(super) fn want(&self, permissions: &[Permission]) {
        let now = self.now();
        let mut state = self.state();
        for permission in permissions {
            state.peers.want(permission.ip, now);
            state.permit(permission.ip, now);
            if let Some(port) = permission.port {
                self.want_channel(&mut state, SocketAddr::new(permission.ip, port), now);
            }
        }
    }

    /// A peer that sends or is sent to gets a channel; true if it was asked for just now.
    pub(super) fn want_channel(&self, state: &mut State, peer: SocketAddr, now: Instant) -> bool {
        if !self.channels || !state.peers.want_channel(peer) {
            return false;
        }
        match &mut state.allocation {
            Some(allocation) if allocation.permits(peer.ip()) => {
                allocation.bind_channel(peer, now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn send(&self, to: SocketAddr, data: &[u8]) -> Sent {
        let now = self.now();
        let mut state = self.state();
        if self.want_channel(&mut state, to, now) {
            self.wake();
        }
        let Some(packet) = state.wrap(to, data, now) else {
            let sent = state.keep(to, data, now);
            drop(state);
            self.wake();
            return sent;
        };
        state.count(data);
        match state.socket.clone() {
            Some(socket) => {
                drop(state);
                // What the system has no room for is lost, as any datagram may be.
                let _ = socket.send(&packet);
            }
            None if state.outgoing.len() < MOST_WAITING => {
                state.outgoing.push(packet);
                drop(state);
                self.wake();
            }
            None => {
                state.counts.dropped += 1;
                return Sent::No;
            }
        }
        Sent::Now
    }

    pub(super) fn wait(&self, interrupted: &AtomicBool) -> bool {
        let mut state = self.state();
        loop {
            if interrupted.load(Ordering::Acquire) || state.failed {
                return false;
            }
            if state.address.is_some() {
                return true;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// Asks for what is wanted but not there.
    pub(super) fn permit(&mut self, ip: IpAddr, now: Instant) {
        if let Some(allocation) = &mut self.allocation
            && self.address.is_some()
        {
            allocation.permit(ip, now);
        }
    }

    fn wrap(&mut self, to: SocketAddr, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.address?;
        self.allocation.as_mut()?.wrap(to, data, now)
    }

    /// Without a permission: asks for it and keeps the datagram.
    fn keep(&mut self, to: SocketAddr, data: &[u8], now: Instant) -> Sent {
        if self.address.is_none() || !self.peers.want(to.ip(), now) {
            self.counts.dropped += 1;
            return Sent::No;
        }
        self.permit(to.ip(), now);
        if !self.peers.keep(to, data) {
            self.counts.dropped += 1;
        }
        Sent::Soon
    }

    /// The permission is there: what waited for it can go, and channels can be bound.
    pub(super) fn permitted(&mut self, ip: IpAddr, now: Instant) -> Vec<Vec<u8>> {
        let Some(allocation) = &mut self.allocation else {
            return Vec::new();
        };
        for peer in self.peers.channels(ip) {
            allocation.bind_channel(peer, now);
        }
        let mut packets = Vec::new();
        for (to, data) in self.peers.permitted(ip) {
            if let Some(packet) = allocation.wrap(to, &data, now) {
                self.counts.packets += 1;
                self.counts.bytes += data.len() as u64;
                packets.push(packet);
            }
        }
        packets
    }

    /// The permission is not there: what waited for it is lost. True if that is news.
    pub(super) fn refused(&mut self, ip: IpAddr, now: Instant) -> bool {
        let refused = self.peers.refused(ip, now);
        self.counts.dropped += refused.lost as u64;
        refused.news
    }

    /// Asks again for what was refused a while ago; returns when the next is due.
    pub(super) fn ask_again(&mut self, now: Instant) -> Option<Instant> {
        for ip in self.peers.due(now) {
            self.permit(ip, now);
        }
        self.peers.next_due()
    }

    fn count(&mut self, data: &[u8]) {
        self.counts.packets += 1;
        self.counts.bytes += data.len() as u64;
    }
}
