// SPDX-License-Identifier: MIT OR Apache-2.0
//! STUN: tells clients their address (RFC 8489 §12), and helps them to know their NAT (RFC 5780 §6.1).

use super::amplification::{self, is_short};
use super::config::Discovery;
use super::path::{FiveTuple, Transport};
use super::reply::Ticket;
use super::server::Server;
use super::stats::Refusal;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use stun_types::attribute::{AttributeType, MappedSocketAddr, RawAttribute, XorMappedAddress};
use stun_types::message::Message;

/// CHANGE-REQUEST (RFC 5780 §7.2).
pub(super) const CHANGE_REQUEST: AttributeType = AttributeType::new(0x0003);
/// PADDING (RFC 5780 §7.6).
const PADDING: AttributeType = AttributeType::new(0x0026);
/// RESPONSE-PORT (RFC 5780 §7.5).
const RESPONSE_PORT: AttributeType = AttributeType::new(0x0027);
/// What must be understood with a second address, and only then.
pub(super) const OF_DISCOVERY: [AttributeType; 3] = [CHANGE_REQUEST, PADDING, RESPONSE_PORT];
/// RESPONSE-ORIGIN (RFC 5780 §7.3).
const RESPONSE_ORIGIN: AttributeType = AttributeType::new(0x802b);
/// OTHER-ADDRESS (RFC 5780 §7.4).
const OTHER_ADDRESS: AttributeType = AttributeType::new(0x802c);
const CHANGE_IP: u32 = 4;
const CHANGE_PORT: u32 = 2;

impl Server {
    pub(super) fn binding(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        request: &Message<'_>,
    ) -> Result<(), Refusal> {
        let ticket = Ticket::of(request);
        let mapped = XorMappedAddress::new(path.client, ticket.id);
        let plain = || ticket.success().with(&mapped);
        let short = ticket.finish(plain());
        let length = request.as_bytes().len();
        let Some(discovery) = self.discovery(path) else {
            return self.bound(now, path, path, length, [short]);
        };
        let mut from = *path;
        from.server = origin(path.server, &discovery, change(request));
        let other = origin(path.server, &discovery, CHANGE_IP | CHANGE_PORT);
        let mut long = plain()
            .with(&address(RESPONSE_ORIGIN, from.server))
            .with(&address(OTHER_ADDRESS, other));
        // As much as there was, so that nobody gets more than was sent.
        if let Some(padding) = request.raw_attribute(PADDING) {
            let zeros = vec![0; padding.value.len()];
            long = long.with(&RawAttribute::new(PADDING, &zeros));
        }
        if let Some(port) = response_port(request) {
            from.client.set_port(port);
        }
        let long = ticket.finish(long);
        self.bound(now, path, &from, length, [long, short])
    }

    /// Sends the first of these replies to a request of `length` bytes that may be sent: one that is too long needs a permit, of
    /// which there are a few for each source and second.
    pub(super) fn bound<const N: usize>(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        to: &FiveTuple,
        length: usize,
        replies: [Vec<u8>; N],
    ) -> Result<(), Refusal> {
        let mut may_be_long = None;
        for reply in replies {
            let allowed = is_short(path, length, &reply, amplification::BINDING)
                || *may_be_long.get_or_insert_with(|| self.may_be_long(now, path));
            if allowed {
                self.stats.bindings += 1;
                self.send(to, reply);
                return Ok(());
            }
        }
        Err(Refusal::LongReply)
    }

    /// Only datagrams can come from elsewhere.
    pub(super) fn discovery(&self, path: &FiveTuple) -> Option<Discovery> {
        let discovery = self.config.discovery?;
        let knows = |ip: IpAddr| ip == discovery.primary.ip() || ip == discovery.alternate.ip();
        (path.transport == Transport::Udp && knows(path.server.ip())).then_some(discovery)
    }
}

fn change(request: &Message<'_>) -> u32 {
    let flags = request.raw_attribute(CHANGE_REQUEST);
    let flags = flags.and_then(|raw| raw.value.first_chunk().copied());
    flags.map_or(0, u32::from_be_bytes)
}

fn response_port(request: &Message<'_>) -> Option<u16> {
    let port = request.raw_attribute(RESPONSE_PORT)?;
    port.value.first_chunk().copied().map(u16::from_be_bytes)
}

/// The address that differs from `here` in what was asked for.
fn origin(here: SocketAddr, discovery: &Discovery, change: u32) -> SocketAddr {
    let (a, b) = (discovery.primary, discovery.alternate);
    let other_ip = if here.ip() == a.ip() { b.ip() } else { a.ip() };
    let other_port = if here.port() == a.port() {
        b.port()
    } else {
        a.port()
    };
    SocketAddr::new(
        if change & CHANGE_IP != 0 {
            other_ip
        } else {
            here.ip()
        },
        if change & CHANGE_PORT != 0 {
            other_port
        } else {
            here.port()
        },
    )
}

pub(super) fn address(kind: AttributeType, address: SocketAddr) -> RawAttribute<'static> {
    MappedSocketAddr::new(address).to_raw(kind).into_owned()
}
