// SPDX-License-Identifier: MIT OR Apache-2.0
//! Allocate (RFC 8656 §7.2, RFC 6062 §5.1).

use super::allocation::{Allocation, AllocationId, Channels, Opening, Permissions};
use super::output::{Output, RelayId, RelayKind, RelayPort};
use super::path::FiveTuple;
use super::reply::{Reply, Ticket};
use super::request::Answer;
use super::server::{Holder, Relay, Server, Timer};
use super::stats::Refusal;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun_types::AddressFamily;
use stun_types::attribute::{
    AttributeFromRaw, AttributeStaticType, AttributeType, ErrorCode, XorMappedAddress,
};
use stun_types::message::Message;
use turn_types::attribute::{
    AdditionalAddressFamily, AddressErrorCode, DontFragment, EvenPort, Lifetime,
    RequestedAddressFamily, RequestedTransport, ReservationToken, XorRelayedAddress,
};

/// What ADDITIONAL-ADDRESS-FAMILY was in draft-martinsen-tram-ssoda, and is in coturn's client up to 4.6.
const ADDITIONAL_ADDRESS_FAMILY_OF_DRAFT: AttributeType = AttributeType::new(0x8032);

/// Which relays are wanted.
struct Wish {
    kind: RelayKind,
    /// IPv4, IPv6.
    families: [bool; 2],
    port: Port,
}

enum Port {
    Any,
    Even,
    EvenAndNext,
    Reserved(u64),
}

impl Server {
    pub(super) fn allocate(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        request: &Message<'_>,
    ) -> Answer {
        if let Some(id) = self.clients.get(path).copied() {
            if now < self.allocations[id].expires {
                return self.again(now, id, ticket);
            }
            self.remove(id);
        }
        let wish = self.wish(path, request)?;
        if let Port::Reserved(token) = wish.port
            && !self.reservations.contains_key(&token)
        {
            return Err(Refusal::Capacity);
        }
        let lifetime = self.lifetime(request)?;
        let id = self.admit(now, path, ticket, &wish, lifetime)?;
        if let Port::Reserved(token) = wish.port {
            self.take_reservation(token, id);
            self.stats.allocations_made += 1;
            return Ok(Some(self.allocated(now, id, ticket)));
        }
        self.open_relays(now, id, ticket, &wish);
        Ok(None)
    }

    /// The same request again, because our answer was lost, or another one.
    fn again(&self, now: Instant, id: AllocationId, ticket: &Ticket) -> Answer {
        let allocation = &self.allocations[id];
        let name = ticket.caller.as_ref().map(|caller| &caller.name);
        if allocation.request != ticket.id || name != Some(&allocation.owner.name) {
            return Err(Refusal::AllocationMismatch);
        }
        match allocation.opening {
            Some(_) => Ok(None),
            None => Ok(Some(self.allocated(now, id, ticket))),
        }
    }

    fn wish(&self, path: &FiveTuple, request: &Message<'_>) -> Result<Wish, Refusal> {
        let kind = transport(path, request)?;
        let even = optional::<EvenPort>(request)?.map(|even| even.requested());
        let token = optional::<ReservationToken>(request)?.map(|token| token.token());
        let family = requested_family(request)?;
        let both = optional::<AdditionalAddressFamily>(request)?.is_some()
            || request.has_attribute(ADDITIONAL_ADDRESS_FAMILY_OF_DRAFT);
        let one_of = [token.is_some(), family.is_some(), both];
        let contradicts = one_of.into_iter().filter(|there| *there).count() > 1
            || (token.is_some() && even.is_some())
            || (both && even == Some(true));
        let not_for_tcp =
            even.is_some() || token.is_some() || request.has_attribute(DontFragment::TYPE);
        if contradicts || (kind == RelayKind::Tcp && not_for_tcp) {
            return Err(Refusal::BadRequest);
        }
        let port = match (token, even) {
            (Some(token), _) => Port::Reserved(token),
            (None, Some(true)) => Port::EvenAndNext,
            (None, Some(false)) => Port::Even,
            (None, None) => Port::Any,
        };
        let families = self.families(family, both)?;
        Ok(Wish {
            kind,
            families,
            port,
        })
    }

    fn families(&self, wanted: Option<AddressFamily>, both: bool) -> Result<[bool; 2], Refusal> {
        let there = self.config.families;
        let families = match (wanted, both) {
            (_, true) => [true, true],
            (Some(AddressFamily::IPV6), _) => [false, true],
            _ => [true, false],
        };
        let served = (families[0] && there.ipv4) || (families[1] && there.ipv6);
        served.then_some(families).ok_or(Refusal::UnsupportedFamily)
    }

    /// What a request wants, within bounds.
    pub(super) fn lifetime(&self, request: &Message<'_>) -> Result<Duration, Refusal> {
        let limits = &self.config.limits;
        let wanted = optional::<Lifetime>(request)?
            .map_or(limits.lifetime, |l| Duration::from_secs(l.seconds().into()));
        Ok(wanted.max(limits.lifetime).min(limits.max_lifetime))
    }

    fn admit(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        wish: &Wish,
        lifetime: Duration,
    ) -> Result<AllocationId, Refusal> {
        let owner = ticket.caller.clone().ok_or(Refusal::NoCredentials)?;
        let user = self
            .capacity
            .take(now, self.config.credentials.user(&owner.name))?;
        let expires = now + lifetime;
        let id = self.allocations.insert(Allocation {
            path: *path,
            user,
            owner,
            kind: wish.kind,
            request: ticket.id,
            relays: [None; 2],
            failed: [false; 2],
            token: None,
            opening: None,
            expires,
            permissions: Permissions::default(),
            channels: Channels::default(),
            connections: BTreeMap::new(),
        });
        self.clients.insert(*path, id);
        self.set_timer(expires, Timer::Allocation(id));
        Ok(id)
    }

    fn open_relays(&mut self, now: Instant, id: AllocationId, ticket: &Ticket, wish: &Wish) {
        let there = [self.config.families.ipv4, self.config.families.ipv6];
        let mut waiting = 0;
        for (at, there) in there.into_iter().enumerate() {
            if !wish.families[at] {
                continue;
            }
            if !there {
                self.allocations[id].failed[at] = true;
                continue;
            }
            waiting += 1;
            let relay = self.new_relay(Holder::Allocation(id), wish.kind);
            self.allocations[id].relays[at] = Some(relay);
            let port = self.port(now, id, wish);
            self.output(Output::OpenRelay {
                relay,
                kind: wish.kind,
                ipv6: at == 1,
                port,
            });
        }
        self.allocations[id].opening = Some(Opening {
            ticket: ticket.clone(),
            waiting,
        });
    }

    fn port(&mut self, now: Instant, id: AllocationId, wish: &Wish) -> RelayPort {
        match wish.port {
            Port::EvenAndNext => {
                let (token, next) = self.reserve(now);
                self.allocations[id].token = Some(token);
                RelayPort::EvenAndNext(next)
            }
            Port::Even => RelayPort::Even,
            Port::Any | Port::Reserved(_) => RelayPort::Any,
        }
    }

    pub(super) fn new_relay(&mut self, of: Holder, kind: RelayKind) -> RelayId {
        RelayId(self.relays.insert(Relay {
            of,
            kind,
            address: None,
        }))
    }

    /// Answers [`Output::OpenRelay`]: the socket is open, at this address as others see it, or cannot be. With
    /// [`RelayPort::EvenAndNext`] there are two, or none.
    pub fn relay_opened(&mut self, now: Instant, relay: RelayId, address: Option<SocketAddr>) {
        let Some(entry) = self.relays.get_mut(relay.0) else {
            return;
        };
        entry.address = address;
        let Holder::Allocation(id) = entry.of else {
            return;
        };
        if address.is_none() {
            self.could_not_open(relay, id);
        } else if let Some(token) = self.allocations[id].token {
            self.reserved(token, address);
        }
        if let Some(opening) = &mut self.allocations[id].opening {
            opening.waiting -= 1;
            if opening.waiting == 0 {
                self.all_are_open(now, id);
            }
        }
    }

    fn could_not_open(&mut self, relay: RelayId, id: AllocationId) {
        self.relays.remove(relay.0);
        let allocation = &mut self.allocations[id];
        for (mine, failed) in allocation.relays.iter_mut().zip(&mut allocation.failed) {
            if *mine == Some(relay) {
                (*mine, *failed) = (None, true);
            }
        }
        if let Some(token) = allocation.token.take() {
            self.forget_reservation(token);
        }
    }

    fn all_are_open(&mut self, now: Instant, id: AllocationId) {
        let Some(Opening { ticket, .. }) = self.allocations[id].opening.take() else {
            return;
        };
        let path = self.allocations[id].path;
        let answer = if self.allocations[id].relays == [None; 2] {
            self.remove(id);
            Err(Refusal::Capacity)
        } else {
            self.stats.allocations_made += 1;
            Ok(Some(self.allocated(now, id, &ticket)))
        };
        self.answer(&path, &ticket, answer);
    }

    /// The reply to the request that made an allocation (RFC 8656 §7.2).
    fn allocated(&self, now: Instant, id: AllocationId, ticket: &Ticket) -> Reply {
        let allocation = &self.allocations[id];
        let mut reply = ticket.success();
        for relay in allocation.relays.into_iter().flatten() {
            if let Some(address) = self.relays[relay.0].address {
                reply = reply.with(&XorRelayedAddress::new(address, ticket.id));
            }
        }
        let left = allocation.expires.saturating_duration_since(now);
        reply = reply
            .with(&Lifetime::new(left.as_secs() as u32))
            .with(&XorMappedAddress::new(allocation.path.client, ticket.id));
        for (failed, family) in allocation.failed.into_iter().zip(FAMILIES) {
            if failed {
                let why = ErrorCode::new(self.why_not(family).code(), "");
                let why = why.expect("both codes are from 400 to 508");
                reply = reply.with(&AddressErrorCode::new(family, why));
            }
        }
        match allocation.token {
            Some(token) => reply.with(&ReservationToken::new(token)),
            None => reply,
        }
    }

    fn why_not(&self, family: AddressFamily) -> Refusal {
        let there = match family {
            AddressFamily::IPV4 => self.config.families.ipv4,
            AddressFamily::IPV6 => self.config.families.ipv6,
        };
        if there {
            Refusal::Capacity
        } else {
            Refusal::UnsupportedFamily
        }
    }
}

const FAMILIES: [AddressFamily; 2] = [AddressFamily::IPV4, AddressFamily::IPV6];

fn transport(path: &FiveTuple, request: &Message<'_>) -> Result<RelayKind, Refusal> {
    let wanted = request.attribute::<RequestedTransport>();
    match wanted.map_err(|_| Refusal::BadRequest)?.protocol() {
        RequestedTransport::UDP => Ok(RelayKind::Udp),
        RequestedTransport::TCP if path.transport.is_stream() => Ok(RelayKind::Tcp),
        RequestedTransport::TCP => Err(Refusal::BadRequest),
        _ => Err(Refusal::UnsupportedTransport),
    }
}

/// RFC 8656 §7.2: a value that is neither is a family that is not served.
pub(super) fn requested_family(request: &Message<'_>) -> Result<Option<AddressFamily>, Refusal> {
    if !request.has_attribute(RequestedAddressFamily::TYPE) {
        return Ok(None);
    }
    request
        .attribute::<RequestedAddressFamily>()
        .map(|attribute| Some(attribute.family()))
        .map_err(|_| Refusal::UnsupportedFamily)
}

/// An attribute that may be left out, but not be wrong.
pub(super) fn optional<'a, A: AttributeFromRaw<'a> + AttributeStaticType>(
    request: &'a Message<'a>,
) -> Result<Option<A>, Refusal> {
    if !request.has_attribute(A::TYPE) {
        return Ok(None);
    }
    request
        .attribute::<A>()
        .map(Some)
        .map_err(|_| Refusal::BadRequest)
}
