// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data channels (RFC 8831): SCTP (RFC 9260) in DTLS records (RFC 8261) by the `sctp-proto` crate, opened by the peer with DCEP
//! (RFC 8832).
//!
//! Everything is bounded: what a peer sends by length, rate and the receive window, which fills while the rate is exceeded, so
//! that the sender is held up and nothing is lost; what a peer does not take by [`MAX_QUEUE`]. A message beyond that is dropped on
//! a channel that may lose some, and closes a reliable one.
//!
//! Left out: channels negotiated without DCEP, which tell us no label. We open at most one, which [`DataSpec::opens`] names.

mod bucket;
mod channel;
mod dcep;
#[cfg(fuzzing)]
mod fuzz;
#[cfg(any(test, fuzzing))]
mod lab;
mod receive;
mod send;
#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub use fuzz::fuzz;

use crate::data::{DataSpec, MAX_MESSAGE};
use bucket::Bucket;
use bytes::Bytes;
use channel::Channel;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, ServerConfig, StreamEvent, Transmit, TransportConfig,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Bytes that may wait for one peer, in all of its channels together: two of the longest messages.
const MAX_QUEUE: usize = 2 * MAX_MESSAGE;
/// Bytes that a peer may have sent before we read them.
const RECEIVE_WINDOW: u32 = 2 * MAX_MESSAGE as u32;
/// Streams that a peer may use at a time. Browsers number theirs from 0 and use the numbers of closed ones again.
const MAX_STREAMS: usize = 256;
/// Payload of a DATA chunk: with 28 bytes of SCTP and at most 77 of DTLS a datagram stays below 1200 bytes.
const MAX_PAYLOAD: u32 = 1_092;
/// Retransmission timeouts, in milliseconds. The minimum of RFC 9260 §16, a second, is long for people who talk.
const RTO_INITIAL: u64 = 1_000;
const RTO_MIN: u64 = 300;
const RTO_MAX: u64 = 10_000;
/// Retransmissions without an answer after which the association is given up (RFC 9260 §16).
const MAX_RETRANSMISSIONS: usize = 10;
/// SCTP wants to know where its peer is; inside DTLS it is nowhere.
const PEER: SocketAddr = SocketAddr::new(
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    sctp_proto::DEFAULT_SCTP_PORT,
);

/// What the data channels of a session saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DataStats {
    /// Channels open now.
    pub channels: usize,
    /// Messages received.
    pub received: u64,
    /// Messages handed to SCTP to be sent.
    pub sent: u64,
    /// Messages not sent because too much was waiting for the peer already, or because it takes none so long.
    pub dropped: u64,
    /// Reliable channels closed because the peer did not take what was sent on them.
    pub cut_off: u64,
    /// Messages that break a rule: no channel for them, text that is no UTF-8, malformed DCEP.
    pub invalid: u64,
}

/// What happened on data channels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum DataEvent {
    /// The peer opened a channel.
    Opened(Arc<str>),
    /// A channel is closed, by whomever.
    Closed(Arc<str>),
    /// A message came.
    Message(Message),
}

/// A message as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The label of its channel.
    pub label: Arc<str>,
    /// Text, which is UTF-8, or bytes.
    pub text: bool,
    /// The message.
    pub payload: Arc<[u8]>,
}

/// The SCTP association of a session and its channels.
pub(super) struct Sctp {
    endpoint: Endpoint,
    spec: DataSpec,
    association: Option<(AssociationHandle, Association)>,
    /// We opened the association, as DTLS clients do.
    dialled: bool,
    channels: BTreeMap<u16, Channel>,
    /// Streams with messages to read.
    readable: BTreeSet<u16>,
    bucket: Bucket,
    /// Bytes that may still be queued for streams that are gone.
    orphaned: usize,
    transmits: VecDeque<Bytes>,
    events: VecDeque<DataEvent>,
    stats: DataStats,
    /// The association has ended. There will be no other.
    over: bool,
}

impl Sctp {
    /// Data channels with a peer that may send `rate` bytes per second.
    pub(super) fn new(spec: DataSpec, rate: u32) -> Sctp {
        let mut config = EndpointConfig::new();
        config.max_payload_size(MAX_PAYLOAD);
        let mut server = ServerConfig::new();
        server.transport = transport(&spec);
        Sctp {
            endpoint: Endpoint::new(Arc::new(config), Some(Arc::new(server))),
            spec,
            association: None,
            dialled: false,
            channels: BTreeMap::new(),
            readable: BTreeSet::new(),
            bucket: Bucket::new(rate),
            orphaned: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: DataStats::default(),
            over: false,
        }
    }

    /// Opens the association, where the peer may be waiting for it. Otherwise it costs nothing until the peer does.
    pub(super) fn dial(&mut self, now: Instant) {
        if self.association.is_none() && !self.over {
            let mut config = ClientConfig::new();
            config.transport = transport(&self.spec);
            // Fails for port 0 only. Then the peer may still begin.
            self.association = self.endpoint.connect(config, PEER).ok();
            self.dialled = true;
            self.collect(now);
        }
    }

    /// Takes an SCTP packet. Nothing in it can do more than end the association.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: Vec<u8>) {
        if self.over {
            return;
        }
        self.measure();
        let arrived = self
            .endpoint
            .handle(now, PEER, None, None, Bytes::from(packet));
        match (arrived, &mut self.association) {
            (Some((handle, DatagramEvent::NewAssociation(new))), known @ None) => {
                *known = Some((handle, new));
                // One peer, one association: asking for more of them costs no memory.
                self.endpoint.reject_new_associations();
            }
            (
                Some((handle, DatagramEvent::AssociationEvent(event))),
                Some((known, association)),
            ) if handle == *known => {
                association.handle_event(event);
            }
            _ => {}
        }
        self.follow(now);
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
            self.follow(now);
        }
    }

    /// When to call [`Sctp::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let (_, association) = self.association.as_ref()?;
        let throttled = self.bucket.opens_at().filter(|_| !self.readable.is_empty());
        let timeouts = [association.poll_timeout(), throttled];
        timeouts.into_iter().flatten().min()
    }

    /// The next SCTP packet to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<DataEvent> {
        self.events.pop_front()
    }

    pub(super) fn stats(&self) -> DataStats {
        let open = self.channels.values().filter(|c| c.opened().is_some());
        DataStats {
            channels: open.count(),
            ..self.stats
        }
    }

    /// Acts on what the association tells, until it has nothing to tell.
    fn follow(&mut self, now: Instant) {
        while let Some((_, association)) = &mut self.association {
            match association.poll() {
                Some(event) => self.handle_event(event),
                None if self.over => self.association = None,
                None => {
                    // Every new stream queues up to be accepted; the events said so already.
                    while association.accept_stream().is_some() {}
                    if !self.read(now) {
                        break;
                    }
                }
            }
        }
        self.collect(now);
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.open_own(),
            Event::Stream(StreamEvent::Opened { id }) => self.stream_opened(id),
            Event::Stream(StreamEvent::Readable { id }) => {
                self.readable.insert(id);
            }
            Event::Stream(StreamEvent::Finished { id }) => self.stream_gone(id),
            Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => self.end(),
            _ => {}
        }
    }

    fn stream_opened(&mut self, id: u16) {
        if self.channels.len() >= MAX_STREAMS {
            // Nobody needs that many. What the streams hold goes with the association.
            return self.end();
        }
        self.channels.entry(id).or_insert_with(Channel::new);
    }

    fn stream_gone(&mut self, id: u16) {
        self.readable.remove(&id);
        if let Some(channel) = self.channels.remove(&id) {
            self.orphaned += channel.queued;
            self.tell_closed(&channel);
        }
        if self.orphaned > MAX_QUEUE {
            self.end();
        }
    }

    fn tell_closed(&mut self, channel: &Channel) {
        if let Some(opened) = channel.opened() {
            self.events
                .push_back(DataEvent::Closed(opened.label.clone()));
        }
    }

    /// Ends the association. Channels can be had again only by a new session.
    fn end(&mut self) {
        self.over = true;
        self.readable.clear();
        for channel in std::mem::take(&mut self.channels).into_values() {
            self.tell_closed(&channel);
        }
        if let Some((_, association)) = &mut self.association {
            // Only ever fails where it is closed already.
            let _ = association.close();
        }
    }

    fn collect(&mut self, now: Instant) {
        let endpoint = std::iter::from_fn(|| self.endpoint.poll_transmit());
        self.transmits.extend(endpoint.flat_map(packets));
        if let Some((_, association)) = &mut self.association {
            let association = std::iter::from_fn(|| association.poll_transmit(now));
            self.transmits.extend(association.flat_map(packets));
        }
    }
}

fn packets(transmit: Transmit) -> Vec<Bytes> {
    match transmit.payload {
        Payload::RawEncode(packets) => packets,
        Payload::PartialDecode(_) => Vec::new(),
    }
}

fn transport(spec: &DataSpec) -> Arc<TransportConfig> {
    let config = TransportConfig::default()
        .with_max_receive_message_size(MAX_MESSAGE as u32)
        .with_max_send_message_size(MAX_MESSAGE as u32)
        .with_max_receive_buffer_size(RECEIVE_WINDOW)
        .with_max_init_retransmits(Some(MAX_RETRANSMISSIONS))
        .with_max_data_retransmits(Some(MAX_RETRANSMISSIONS))
        .with_rto_initial_ms(RTO_INITIAL)
        .with_rto_min_ms(RTO_MIN)
        .with_rto_max_ms(RTO_MAX)
        .with_remote_port(spec.port);
    Arc::new(config)
}
