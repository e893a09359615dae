// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports kept open for an allocation that is to follow (RFC 8656 §7.2, `RESERVATION-TOKEN`).

use super::allocation::AllocationId;
use super::output::{RelayId, RelayKind};
use super::server::{Holder, Server, Timer};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a port is kept.
const KEPT: Duration = Duration::from_secs(30);

/// A port that waits.
pub(super) struct Reservation {
    relay: RelayId,
    until: Instant,
}

impl Server {
    /// Names a relay for the port that is kept.
    pub(super) fn reserve(&mut self, now: Instant) -> (u64, RelayId) {
        let token = self.random_u64();
        let relay = self.new_relay(Holder::Reservation(token), RelayKind::Udp);
        let until = now + KEPT;
        self.reservations
            .insert(token, Reservation { relay, until });
        self.set_timer(until, Timer::Reservation(token));
        (token, relay)
    }

    /// The port below the kept one is open at this address.
    pub(super) fn reserved(&mut self, token: u64, below: Option<SocketAddr>) {
        let kept = self.reservations.get(&token).map(|r| r.relay);
        let (Some(kept), Some(below)) = (kept, below) else {
            return;
        };
        let port = below.port().saturating_add(1);
        self.relays[kept.0].address = Some(SocketAddr::new(below.ip(), port));
    }

    /// Gives a kept port to an allocation.
    pub(super) fn take_reservation(&mut self, token: u64, id: AllocationId) {
        let Some(taken) = self.reservations.remove(&token) else {
            return;
        };
        let relay = &mut self.relays[taken.relay.0];
        relay.of = Holder::Allocation(id);
        let at = usize::from(relay.address.is_some_and(|address| address.is_ipv6()));
        self.allocations[id].relays[at] = Some(taken.relay);
    }

    /// Nobody will come for the port, if it was opened at all.
    pub(super) fn forget_reservation(&mut self, token: u64) {
        if let Some(gone) = self.reservations.remove(&token) {
            self.close_relay(gone.relay);
        }
    }

    pub(super) fn reservation_is_due(&mut self, now: Instant, token: u64) {
        if self
            .reservations
            .get(&token)
            .is_some_and(|r| r.until <= now)
        {
            self.forget_reservation(token);
        }
    }
}
