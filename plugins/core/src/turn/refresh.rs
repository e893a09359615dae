// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refresh (RFC 8656 §8.2).

use super::allocate::{optional, requested_family};
use super::path::FiveTuple;
use super::reply::Ticket;
use super::request::Answer;
use super::server::{Server, Timer};
use super::stats::Refusal;
use std::time::Instant;
use stun_types::AddressFamily;
use stun_types::message::Message;
use turn_types::attribute::Lifetime;

impl Server {
    pub(super) fn refresh(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        request: &Message<'_>,
    ) -> Answer {
        let family = requested_family(request)?;
        let lifetime = self.lifetime(request)?;
        let ends = optional::<Lifetime>(request)?.is_some_and(|l| l.seconds() == 0);
        let id = self.own_allocation(now, path, ticket)?;
        let at = family.map(|family| usize::from(family == AddressFamily::IPV6));
        if at.is_some_and(|at| self.allocations[id].relays[at].is_none()) {
            return Err(Refusal::PeerFamily);
        }
        if ends {
            self.end(id, at);
            return Ok(Some(ticket.success().with(&Lifetime::new(0))));
        }
        let expires = now + lifetime;
        self.allocations[id].expires = expires;
        self.set_timer(expires, Timer::Allocation(id));
        let seconds = Lifetime::new(lifetime.as_secs() as u32);
        Ok(Some(ticket.success().with(&seconds)))
    }

    /// Ends the whole allocation, or its relay of one family when there is another.
    fn end(&mut self, id: usize, at: Option<usize>) {
        let relays = &mut self.allocations[id].relays;
        match at {
            Some(at) if relays[1 - at].is_some() => {
                if let Some(relay) = relays[at].take() {
                    self.close_relay(relay);
                }
            }
            _ => self.remove(id),
        }
    }
}
