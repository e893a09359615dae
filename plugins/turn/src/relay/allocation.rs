// SPDX-License-Identifier: MIT OR Apache-2.0
//! One allocation on one connection to the server: `turn-client-proto`, watched.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stun_proto::Instant;
use stun_proto::types::TransportType;
use stun_proto::types::attribute::{
    AttributeType, ErrorCode, MessageIntegrity, MessageIntegritySha256,
};
use stun_proto::types::message::{
    IntegrityAlgorithm, LongTermCredentials, Message, MessageClass, TransactionId,
};
use stun_proto::types::prelude::*;
use turn_client_proto::api::{
    Transmit, TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet,
};
use turn_client_proto::client::TurnClient;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::TurnCredentials;
use turn_client_proto::types::message::ALLOCATE;
use turn_client_proto::udp::TurnClientUdp;

use super::framing::{Framing, pad};
use super::liveness::{Liveness, Sign};
use crate::packet;

/// Who asks whom, and how.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) local: SocketAddr,
    pub(super) server: SocketAddr,
    /// A byte stream rather than datagrams.
    pub(super) stream: bool,
}

/// An allocation that is asked for, or held.
#[derive(Debug)]
pub(super) struct Allocation {
    path: Path,
    client: TurnClient,
    framing: Framing,
    /// Over datagrams only: a stream tells of its end itself.
    liveness: Option<Liveness>,
    held: bool,
    /// Authenticated requests for an allocation: their refusal is final.
    requests: Vec<TransactionId>,
    refusal: Option<Refusal>,
}

/// How the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: String,
}

/// What an allocation tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is held.
    Held(SocketAddr),
    /// Packets from and to this address pass.
    Permitted(IpAddr),
    /// They do not, or no more.
    NotPermitted(IpAddr),
    /// It was refused.
    Refused(Refusal),
    /// It is gone, or nobody answered.
    Gone,
}

/// A payload and the peer it is from.
pub(super) type PeerData = (SocketAddr, Vec<u8>);

impl Allocation {
    pub(super) fn new(
        path: Path,
        user: &str,
        password: &str,
        keepalive: Duration,
        now: Instant,
    ) -> Allocation {
        let mut config = TurnConfig::new(TurnCredentials::new(user, password));
        config.add_supported_integrity(IntegrityAlgorithm::Sha256);
        let (first, most) = (Duration::from_millis(250), Duration::from_millis(500));
        config.set_request_retransmits(first, most, 8, most);
        let Path {
            local,
            server,
            stream,
        } = path;
        if server.is_ipv6() {
            config.set_address_family(turn_client_proto::types::AddressFamily::IPV6);
        }
        let credentials = LongTermCredentials::new(user.to_owned(), password.to_owned());
        let (client, liveness) = if stream {
            let client = TurnClientTcp::allocate(local, server, config);
            (client.into(), None)
        } else {
            let client = TurnClientUdp::allocate(local, server, config);
            let liveness = Liveness::new(local, server, credentials, keepalive, now);
            (client.into(), Some(liveness))
        };
        Allocation {
            path,
            client,
            framing: Framing::default(),
            liveness,
            held: false,
            requests: Vec::new(),
            refusal: None,
        }
    }

    /// What came from the server: one datagram, or any piece of a stream.
    pub(super) fn handle(
        &mut self,
        bytes: &[u8],
        now: Instant,
        out: &mut Vec<PeerData>,
    ) -> Option<Told> {
        if !self.path.stream {
            return self.handle_message(bytes, now, out);
        }
        self.framing.push(bytes);
        loop {
            match self.framing.next() {
                Ok(Some(message)) => {
                    let told = self.handle_message(&message, now, out);
                    if told.is_some() {
                        return told;
                    }
                }
                Ok(None) => return None,
                Err(_) => return Some(Told::Gone),
            }
        }
    }

    fn handle_message(
        &mut self,
        bytes: &[u8],
        now: Instant,
        out: &mut Vec<PeerData>,
    ) -> Option<Told> {
        if let Some(message) = packet::stun(bytes) {
            self.note_refusal(&message);
            let liveness = self.liveness.as_mut().filter(|_| self.held);
            match liveness.map_or(Sign::Foreign, |l| l.handle_message(&message, now)) {
                Sign::Foreign => {}
                Sign::Alive => return None,
                Sign::Gone => return Some(Told::Gone),
            }
        }
        let Path { local, server, .. } = self.path;
        let received = Transmit::new(bytes, self.transport(), server, local);
        if let TurnRecvRet::PeerData(data) = self.client.recv(received, now) {
            self.hear(now);
            out.push((data.peer, data.data().to_vec()));
        }
        None
    }

    fn hear(&mut self, now: Instant) {
        if let Some(liveness) = &mut self.liveness {
            liveness.heard(now);
        }
    }

    fn transport(&self) -> TransportType {
        if self.path.stream {
            TransportType::Tcp
        } else {
            TransportType::Udp
        }
    }

    fn note_refusal(&mut self, message: &Message<'_>) {
        let final_answer = message.has_method(ALLOCATE)
            && message.has_class(MessageClass::Error)
            && self.requests.contains(&message.transaction_id());
        if !final_answer {
            return;
        }
        if let Ok(error) = message.attribute::<ErrorCode>()
            && error.code() != ErrorCode::STALE_NONCE
        {
            self.refusal = Some(Refusal {
                code: error.code(),
                reason: error.reason().to_owned(),
            });
        }
    }

    /// What to send to the server; to be called until there is nothing.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some(transmit) = self.client.poll_transmit(now) {
            let bytes = transmit.data.to_vec();
            self.note_request(&bytes);
            return Some(bytes);
        }
        let liveness = self.liveness.as_mut().filter(|_| self.held)?;
        liveness.poll_transmit(now)
    }

    fn note_request(&mut self, bytes: &[u8]) {
        if self.held {
            return;
        }
        let Some(message) = packet::stun(bytes).filter(|message| message.has_method(ALLOCATE))
        else {
            return;
        };
        let signed = |kind: AttributeType| message.has_attribute(kind);
        if signed(MessageIntegrity::TYPE) || signed(MessageIntegritySha256::TYPE) {
            self.requests.push(message.transaction_id());
        }
    }

    /// What happened since the last call; to be called until there is nothing.
    pub(super) fn poll_event(&mut self, now: Instant) -> Option<Told> {
        if let Some(refusal) = self.refusal.take() {
            return Some(Told::Refused(refusal));
        }
        loop {
            return Some(match self.client.poll_event()? {
                TurnEvent::AllocationCreated(_, address) => {
                    self.held = true;
                    self.hear(now);
                    Told::Held(address)
                }
                TurnEvent::AllocationCreateFailed(_) => Told::Gone,
                TurnEvent::PermissionCreated(_, ip) => Told::Permitted(ip),
                TurnEvent::PermissionCreateFailed(_, ip) => Told::NotPermitted(ip),
                // Without its channel a peer is reached by Send indications.
                _ => continue,
            });
        }
    }

    /// When to look again; `None` when it is gone.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Instant> {
        let next = match self.client.poll(now) {
            TurnPollRet::WaitUntil(at) => at,
            TurnPollRet::Closed => return None,
            TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => now,
        };
        if self.held && self.client.relayed_addresses().next().is_none() {
            return None;
        }
        match self.liveness.as_mut().filter(|_| self.held) {
            None => Some(next),
            Some(liveness) => match liveness.poll(now) {
                (at, Sign::Alive | Sign::Foreign) => Some(at.min(next)),
                (_, Sign::Gone) => None,
            },
        }
    }

    /// Whether packets for this address pass.
    pub(super) fn permits(&self, ip: IpAddr) -> bool {
        self.client.have_permission(TransportType::Udp, ip)
    }

    /// Asks for a permission, unless it is there or asked for.
    pub(super) fn permit(&mut self, ip: IpAddr, now: Instant) {
        // What is there already, and the lack of an allocation, need no action.
        let _ = self.client.create_permission(TransportType::Udp, ip, now);
    }

    /// Asks for a channel, unless it is there.
    pub(super) fn bind_channel(&mut self, peer: SocketAddr, now: Instant) {
        let _ = self.client.bind_channel(TransportType::Udp, peer, now);
    }

    /// A payload as it goes to the server; `None` without a permission.
    pub(super) fn wrap(&mut self, to: SocketAddr, data: &[u8], now: Instant) -> Option<Vec<u8>> {
        let transmit = self.client.send_to(TransportType::Udp, to, data, now);
        let mut packet = transmit.ok().flatten()?.build().data;
        if self.path.stream {
            pad(&mut packet);
        }
        Some(packet)
    }

    /// Gives it back. What is to be sent for that comes from [`poll_transmit`](Self::poll_transmit).
    pub(super) fn give_back(&mut self, now: Instant) {
        // There may be none.
        let _ = self.client.delete(now);
    }
}
