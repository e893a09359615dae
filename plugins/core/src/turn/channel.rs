// SPDX-License-Identifier: MIT OR Apache-2.0
//! ChannelBind (RFC 8656 §12.2).

use super::output::RelayKind;
use super::path::FiveTuple;
use super::reply::Ticket;
use super::request::{Answer, peer_of};
use super::server::Server;
use super::stats::Refusal;
use std::time::Instant;
use stun_types::message::Message;
use turn_types::attribute::ChannelNumber;

const FIRST: u16 = 0x4000;
/// RFC 8656 §12: those above are reserved.
const LAST: u16 = 0x4FFF;
/// RFC 5766 §11.
const LAST_OLD: u16 = 0x7FFF;

impl Server {
    pub(super) fn channel_bind(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        request: &Message<'_>,
    ) -> Answer {
        let number = request.attribute::<ChannelNumber>();
        let number = number.map_err(|_| Refusal::BadRequest)?.channel();
        let peer = peer_of(request)?;
        let last = if self.config.old_channels {
            LAST_OLD
        } else {
            LAST
        };
        if !(FIRST..=last).contains(&number) {
            return Err(Refusal::BadRequest);
        }
        let id = self.own_allocation(now, path, ticket)?;
        if self.allocations[id].kind == RelayKind::Tcp {
            return Err(Refusal::BadRequest);
        }
        if !self.config.peers.allows(peer) {
            return Err(Refusal::ForbiddenPeer);
        }
        self.check_peer(id, peer)?;
        let limit = self.config.limits.permissions;
        let allocation = &mut self.allocations[id];
        if !allocation.channels.fit(now, number, peer) {
            return Err(Refusal::BadRequest);
        }
        if !allocation.channels.has_room_for(number, limit)
            || !allocation.permissions.has_room_for(now, &[peer], limit)
        {
            return Err(Refusal::Capacity);
        }
        allocation.channels.bind(now, number, peer);
        allocation.permissions.install(now, peer.ip());
        Ok(Some(ticket.success()))
    }
}
