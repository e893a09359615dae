// SPDX-License-Identifier: MIT OR Apache-2.0
//! STUN messages from clients: which is what.

use super::binding::OF_DISCOVERY;
use super::framing::STUN_HEADER;
use super::output::ToPeer;
use super::path::FiveTuple;
use super::reply::{Reply, Ticket};
use super::server::Server;
use super::stats::Refusal;
use std::net::SocketAddr;
use std::time::Instant;
use stun_types::attribute::{
    AttributeStaticType, AttributeType, MessageIntegrity, MessageIntegritySha256, Nonce,
    PasswordAlgorithm, Realm, UnknownAttributes, Username,
};
use stun_types::message::{BINDING, Message, MessageClass};
use turn_types::attribute::{
    ChannelNumber, ConnectionId, Data, DontFragment, EvenPort, Lifetime, RequestedAddressFamily,
    RequestedTransport, ReservationToken, XorPeerAddress,
};
use turn_types::message::{
    ALLOCATE, CHANNEL_BIND, CONNECT, CONNECTION_BIND, CREATE_PERMISSION, REFRESH, SEND,
};

/// The answer to a request; none when it is given later.
pub(super) type Answer = Result<Option<Reply>, Refusal>;

/// What is understood, of that which must be (RFC 8489 §14).
const UNDERSTOOD: [AttributeType; 16] = [
    Username::TYPE,
    MessageIntegrity::TYPE,
    MessageIntegritySha256::TYPE,
    PasswordAlgorithm::TYPE,
    Realm::TYPE,
    Nonce::TYPE,
    ChannelNumber::TYPE,
    Lifetime::TYPE,
    XorPeerAddress::TYPE,
    Data::TYPE,
    RequestedAddressFamily::TYPE,
    EvenPort::TYPE,
    RequestedTransport::TYPE,
    DontFragment::TYPE,
    ReservationToken::TYPE,
    ConnectionId::TYPE,
];

impl Server {
    pub(super) fn message<'a>(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        data: &'a [u8],
    ) -> Result<Option<ToPeer<'a>>, Refusal> {
        let Some(message) = parse(data) else {
            return self.classic(now, path, data).map(|()| None);
        };
        match (message.class(), message.method()) {
            (MessageClass::Request, BINDING) => self.stun(now, path, &message)?,
            (MessageClass::Request, _) => self.request(now, path, &message),
            (MessageClass::Indication, SEND) => {
                return self.send_indication(now, path, &message, data).map(Some);
            }
            // A client that keeps its mapping alive (RFC 8656 §3.8).
            (MessageClass::Indication, BINDING) => {}
            _ => return Err(Refusal::Malformed),
        }
        Ok(None)
    }

    fn stun(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        request: &Message<'_>,
    ) -> Result<(), Refusal> {
        let unknown = self.unknown(path, request);
        if unknown.is_empty() {
            return self.binding(now, path, request);
        }
        if !self.errors.allows(now, path) {
            return Err(Refusal::TooManyErrors);
        }
        self.not_understood(path, &Ticket::of(request), &unknown);
        Ok(())
    }

    fn request(&mut self, now: Instant, path: &FiveTuple, request: &Message<'_>) {
        let mut ticket = Ticket::of(request);
        match self.authenticate(now, path, request) {
            Ok(caller) => ticket.caller = Some(caller),
            Err(why) => {
                return self.turn_away(now, path, &ticket, request.as_bytes().len(), why);
            }
        }
        let unknown = self.unknown(path, request);
        if !unknown.is_empty() {
            return self.not_understood(path, &ticket, &unknown);
        }
        let answer = match request.method() {
            ALLOCATE => self.allocate(now, path, &ticket, request),
            REFRESH => self.refresh(now, path, &ticket, request),
            CREATE_PERMISSION => self.create_permission(now, path, &ticket, request),
            CHANNEL_BIND => self.channel_bind(now, path, &ticket, request),
            CONNECT => self.connect(now, path, &ticket, request),
            CONNECTION_BIND => return self.connection_bind(now, path, &ticket, request),
            _ => Err(Refusal::BadRequest),
        };
        self.answer(path, &ticket, answer);
    }

    pub(super) fn answer(&mut self, path: &FiveTuple, ticket: &Ticket, answer: Answer) {
        let reply = match answer {
            Ok(None) => return,
            Ok(Some(reply)) => reply,
            Err(why) => {
                self.stats.refuse(why);
                ticket.error(why.code())
            }
        };
        let reply = ticket.finish(reply);
        self.send(path, reply);
    }

    fn unknown(&self, path: &FiveTuple, request: &Message<'_>) -> Vec<AttributeType> {
        let discovers = self.discovery(path).is_some();
        let kinds = request
            .iter_attributes()
            .map(|(_, raw)| raw.header.get_type());
        kinds
            .filter(|kind| kind.comprehension_required() && !UNDERSTOOD.contains(kind))
            .filter(|kind| !(discovers && OF_DISCOVERY.contains(kind)))
            .take(MOST_UNKNOWN)
            .collect()
    }

    fn not_understood(&mut self, path: &FiveTuple, ticket: &Ticket, unknown: &[AttributeType]) {
        self.stats.refuse(Refusal::UnknownAttribute);
        let reply = ticket
            .error(Refusal::UnknownAttribute.code())
            .with(&UnknownAttributes::new(unknown));
        let reply = ticket.finish(reply);
        self.send(path, reply);
    }

    /// The caller's allocation. Nobody else may use it (RFC 8656 §5).
    pub(super) fn own_allocation(
        &self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
    ) -> Result<usize, Refusal> {
        let id = self.allocation_of(now, path)?;
        let caller = ticket.caller.as_ref().map(|caller| &caller.name);
        if caller != Some(&self.allocations[id].owner.name) {
            return Err(Refusal::WrongCredentials);
        }
        Ok(id)
    }

    /// Whether an allocation may have to do with a peer.
    pub(super) fn check_peer(&self, id: usize, peer: SocketAddr) -> Result<(), Refusal> {
        if !self.config.peers.allows_address(peer.ip()) {
            return Err(Refusal::ForbiddenPeer);
        }
        self.allocations[id]
            .relay_for(peer)
            .map(drop)
            .ok_or(Refusal::PeerFamily)
    }
}

/// How many attributes are named at most in a 420.
const MOST_UNKNOWN: usize = 4;

/// A message that is as long as it says.
fn parse(data: &[u8]) -> Option<Message<'_>> {
    let length = usize::from(u16::from_be_bytes(*data.get(2..)?.first_chunk()?));
    (data.len() == STUN_HEADER + length)
        .then(|| Message::from_bytes(data).ok())
        .flatten()
}

/// The first XOR-PEER-ADDRESS.
pub(super) fn peer_of(request: &Message<'_>) -> Result<SocketAddr, Refusal> {
    request
        .attribute::<XorPeerAddress>()
        .map(|attribute| attribute.addr(request.transaction_id()))
        .map_err(|_| Refusal::BadRequest)
}
