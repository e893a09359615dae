// SPDX-License-Identifier: MIT OR Apache-2.0
//! CreatePermission (RFC 8656 §10.2).

use super::path::FiveTuple;
use super::reply::Ticket;
use super::request::Answer;
use super::server::Server;
use super::stats::Refusal;
use std::net::SocketAddr;
use std::time::Instant;
use stun_types::attribute::{AttributeFromRaw, AttributeStaticType};
use stun_types::message::Message;
use turn_types::attribute::XorPeerAddress;

impl Server {
    /// All of the addresses get a permission, or none.
    pub(super) fn create_permission(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        request: &Message<'_>,
    ) -> Answer {
        let peers = peers_of(request)?;
        let id = self.own_allocation(now, path, ticket)?;
        for peer in &peers {
            self.check_peer(id, *peer)?;
        }
        let limit = self.config.limits.permissions;
        let permissions = &mut self.allocations[id].permissions;
        if !permissions.has_room_for(now, &peers, limit) {
            return Err(Refusal::Capacity);
        }
        for peer in peers {
            permissions.install(now, peer.ip());
        }
        Ok(Some(ticket.success()))
    }
}

fn peers_of(request: &Message<'_>) -> Result<Vec<SocketAddr>, Refusal> {
    let all = request.iter_attributes().map(|(_, raw)| raw);
    let peers: Result<Vec<_>, _> = all
        .filter(|raw| raw.header.get_type() == XorPeerAddress::TYPE)
        .map(|raw| XorPeerAddress::from_raw_ref(&raw).map(|a| a.addr(request.transaction_id())))
        .collect();
    let peers = peers.map_err(|_| Refusal::BadRequest)?;
    if peers.is_empty() {
        return Err(Refusal::BadRequest);
    }
    Ok(peers)
}
