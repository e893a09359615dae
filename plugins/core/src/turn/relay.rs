// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way of data: Send and Data indications (RFC 8656 §11), ChannelData (§12.4 to §12.7).

use super::framing::CHANNEL_HEADER;
use super::output::{RelayId, RelayKind, ToPeer};
use super::path::FiveTuple;
use super::request::peer_of;
use super::server::{Holder, Server};
use super::stats::Refusal;
use std::net::SocketAddr;
use std::time::Instant;
use stun_types::attribute::{AttributeStaticType, AttributeType};
use stun_types::message::{
    Message, MessageClass, MessageType, MessageWrite, MessageWriteExt, MessageWriteVec,
};
use turn_types::attribute::{Data, DontFragment, XorPeerAddress};
use turn_types::message::DATA;

/// Bytes around the payload of a Data indication, at most: header, peer, attribute header, padding.
const INDICATION: usize = 20 + 24 + 4 + 3;

impl Server {
    pub(super) fn channel_data<'a>(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        data: &'a [u8],
    ) -> Result<ToPeer<'a>, Refusal> {
        let (number, payload) = split_channel_data(data).ok_or(Refusal::Malformed)?;
        let id = self.allocation_of(now, path)?;
        let peer = self.allocations[id].channels.peer(now, number);
        let peer = peer.ok_or(Refusal::NoChannel)?;
        self.relay_to_peer(now, id, peer, payload, false)
    }

    pub(super) fn send_indication<'a>(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        message: &Message<'_>,
        bytes: &'a [u8],
    ) -> Result<ToPeer<'a>, Refusal> {
        let id = self.allocation_of(now, path)?;
        let peer = peer_of(message)?;
        let mut unknown = message
            .iter_attributes()
            .map(|(_, raw)| raw.header.get_type());
        if unknown.any(|kind| kind.comprehension_required() && !OF_SEND.contains(&kind)) {
            return Err(Refusal::UnknownAttribute);
        }
        let payload = payload_of(message, bytes).ok_or(Refusal::BadRequest)?;
        let dont_fragment = message.has_attribute(DontFragment::TYPE);
        if !self.config.peers.allows(peer) {
            return Err(Refusal::ForbiddenPeer);
        }
        self.relay_to_peer(now, id, peer, payload, dont_fragment)
    }

    fn relay_to_peer<'a>(
        &mut self,
        now: Instant,
        id: usize,
        peer: SocketAddr,
        data: &'a [u8],
        dont_fragment: bool,
    ) -> Result<ToPeer<'a>, Refusal> {
        let allocation = &self.allocations[id];
        if !allocation.permissions.allow(now, peer.ip()) {
            return Err(Refusal::NoPermission);
        }
        let relay = allocation.relay_for(peer).ok_or(Refusal::PeerFamily)?;
        if allocation.kind != RelayKind::Udp {
            return Err(Refusal::UnsupportedTransport);
        }
        if !self.capacity.relay(now, allocation.user, data.len()) {
            return Err(Refusal::TooFast);
        }
        self.stats.packets_to_peers += 1;
        self.stats.bytes_to_peers += data.len() as u64;
        Ok(ToPeer {
            relay,
            peer,
            data,
            dont_fragment,
        })
    }

    pub(super) fn peer_data(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        data: &[u8],
        message: &mut Vec<u8>,
    ) -> Result<FiveTuple, Refusal> {
        let id = match self.relays.get(relay.0).map(|relay| relay.of) {
            Some(Holder::Allocation(id)) => id,
            _ => return Err(Refusal::NoPermission),
        };
        let allocation = &self.allocations[id];
        let open = allocation.opening.is_none() && now < allocation.expires;
        if !open || !allocation.permissions.allow(now, peer.ip()) {
            return Err(Refusal::NoPermission);
        }
        if data.len() > LONGEST {
            return Err(Refusal::Malformed);
        }
        if !self.capacity.relay(now, allocation.user, data.len()) {
            return Err(Refusal::TooFast);
        }
        let path = allocation.path;
        match allocation.channels.number(now, peer) {
            Some(number) => write_channel_data(number, data, path.transport.is_stream(), message),
            None => self.write_indication(peer, data, message)?,
        }
        self.stats.packets_to_clients += 1;
        self.stats.bytes_to_clients += data.len() as u64;
        Ok(path)
    }

    fn write_indication(
        &mut self,
        peer: SocketAddr,
        data: &[u8],
        message: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let id = (u128::from(self.random_u64()) << 32 | u128::from(self.random_u32())).into();
        let mut builder = Message::builder(
            MessageType::from_class_method(MessageClass::Indication, DATA),
            id,
            MessageWriteVec::with_capacity(INDICATION + data.len()),
        );
        builder
            .add_attribute(&XorPeerAddress::new(peer, id))
            .and_then(|()| builder.add_attribute(&Data::new(data)))
            .map_err(|_| Refusal::Malformed)?;
        message.extend_from_slice(&builder.finish());
        Ok(())
    }
}

/// The longest payload that fits into a message whatever is around it.
const LONGEST: usize = 65_000;
/// Bytes of the type and the length of an attribute.
const ATTRIBUTE_HEADER: usize = 4;

/// What must be understood in a Send indication.
const OF_SEND: [AttributeType; 3] = [XorPeerAddress::TYPE, Data::TYPE, DontFragment::TYPE];

/// The value of DATA, in the bytes that the message was read from.
fn payload_of<'a>(message: &Message<'_>, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (at, raw) = message
        .iter_attributes()
        .find(|(_, raw)| raw.header.get_type() == Data::TYPE)?;
    let value = at + ATTRIBUTE_HEADER;
    bytes.get(value..value + usize::from(raw.header.length()))
}

/// The number and the payload; a datagram may be padded, too.
fn split_channel_data(data: &[u8]) -> Option<(u16, &[u8])> {
    let ([a, b, c, d], rest) = data.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*c, *d]));
    let padding = rest.len().checked_sub(length)?;
    (padding < 4).then(|| (u16::from_be_bytes([*a, *b]), &rest[..length]))
}

fn write_channel_data(number: u16, data: &[u8], padded: bool, message: &mut Vec<u8>) {
    message.extend_from_slice(&number.to_be_bytes());
    message.extend_from_slice(&(data.len() as u16).to_be_bytes());
    message.extend_from_slice(data);
    if padded {
        let whole = (CHANNEL_HEADER + data.len()).next_multiple_of(4);
        let padding = whole - CHANNEL_HEADER - data.len();
        message.extend_from_slice(&[0; 3][..padding]);
    }
}
