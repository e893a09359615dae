// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data channels with a peer that speaks SCTP by hand, in virtual time: for tests and for fuzzing.

use super::*;
use crate::data::DataMessage;
use crate::id::{ParticipantId, RoomId};
use sctp_proto::PayloadProtocolIdentifier as Ppid;
use std::time::Duration;

pub(super) const RATE: u32 = 1024 * 1024;

pub(super) fn spec() -> DataSpec {
    DataSpec {
        mid: "d".into(),
        port: 5000,
        max_message: MAX_MESSAGE,
        opens: None,
    }
}

pub(super) fn message(label: &str, payload: &[u8]) -> DataMessage {
    DataMessage {
        room: RoomId(0),
        from: Some(ParticipantId(7)),
        sender: "alice".into(),
        to: None,
        label: label.into(),
        text: false,
        payload: payload.into(),
    }
}

/// Ours, and a peer that speaks SCTP by hand.
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) ours: Sctp,
    endpoint: Endpoint,
    pub(super) peer: Option<(AssociationHandle, Association)>,
    /// What ours said.
    pub(super) events: Vec<DataEvent>,
    /// What the peer read: stream, protocol, bytes.
    pub(super) read: Vec<(u16, Ppid, Vec<u8>)>,
    /// The peer reads nothing, so that its window closes.
    pub(super) deaf: bool,
    /// Every packet to ours.
    pub(super) log: Vec<Vec<u8>>,
}

impl Pair {
    pub(super) fn new(we_dial: bool) -> Pair {
        Pair::with(we_dial, spec())
    }

    pub(super) fn with(we_dial: bool, spec: DataSpec) -> Pair {
        let mut config = EndpointConfig::new();
        config.max_payload_size(MAX_PAYLOAD);
        let endpoint = Endpoint::new(Arc::new(config), Some(Arc::new(ServerConfig::new())));
        let mut pair = Pair {
            now: Instant::now(),
            ours: Sctp::new(spec, RATE),
            endpoint,
            peer: None,
            events: Vec::new(),
            read: Vec::new(),
            deaf: false,
            log: Vec::new(),
        };
        if we_dial {
            pair.ours.dial(pair.now);
        } else {
            let mut config = ClientConfig::new();
            let transport = TransportConfig::default()
                .with_max_send_message_size(u32::MAX)
                .with_max_receive_buffer_size(64 * 1024);
            config.transport = Arc::new(transport);
            pair.peer = pair.endpoint.connect(config, PEER).ok();
        }
        pair.run(Duration::from_secs(1));
        pair
    }

    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.exchange();
            let peer = self.peer.as_ref().and_then(|(_, peer)| peer.poll_timeout());
            let next = [self.ours.poll_timeout(), peer];
            let next = next.into_iter().flatten().min().unwrap_or(end);
            self.now = next.max(self.now + Duration::from_millis(1)).min(end);
            if self.ours.poll_timeout().is_some_and(|at| at <= self.now) {
                self.ours.handle_timeout(self.now);
            }
            if let Some((_, peer)) = &mut self.peer {
                peer.handle_timeout(self.now);
            }
        }
        self.exchange();
    }

    pub(super) fn exchange(&mut self) {
        loop {
            let to_ours = self.packets_of_peer();
            let to_peer: Vec<_> = std::iter::from_fn(|| self.ours.poll_transmit()).collect();
            let quiet = to_ours.is_empty() && to_peer.is_empty();
            for packet in to_ours {
                self.log.push(packet.to_vec());
                self.ours.handle_packet(self.now, packet.to_vec());
            }
            for packet in to_peer {
                self.peer_takes(packet);
            }
            self.events
                .extend(std::iter::from_fn(|| self.ours.poll_event()));
            if quiet {
                break;
            }
        }
    }

    fn packets_of_peer(&mut self) -> Vec<Bytes> {
        let endpoint: Vec<_> = std::iter::from_fn(|| self.endpoint.poll_transmit()).collect();
        let mut all: Vec<_> = endpoint.into_iter().flat_map(packets).collect();
        if let Some((_, peer)) = &mut self.peer {
            while let Some(transmit) = peer.poll_transmit(self.now) {
                all.extend(packets(transmit));
            }
        }
        all
    }

    fn peer_takes(&mut self, packet: Bytes) {
        match self.endpoint.handle(self.now, PEER, None, None, packet) {
            Some((handle, DatagramEvent::NewAssociation(new))) => self.peer = Some((handle, new)),
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                let (_, peer) = self.peer.as_mut().expect("it was made");
                peer.handle_event(event);
            }
            None => {}
        }
        let (_, peer) = self.peer.as_mut().expect("it was made");
        while let Some(event) = peer.poll() {
            let Event::Stream(StreamEvent::Readable { id }) = event else {
                continue;
            };
            while !self.deaf
                && let Ok(Some(chunks)) = peer.stream(id).and_then(|mut s| s.read())
            {
                let mut data = vec![0; chunks.len()];
                chunks.read(&mut data).expect("it is large enough");
                self.read.push((id, chunks.ppi, data));
            }
        }
    }

    pub(super) fn peer_writes(&mut self, stream: u16, ppid: Ppid, data: &[u8]) {
        let (_, peer) = self.peer.as_mut().expect("a peer");
        if peer.stream(stream).is_err() {
            peer.open_stream(stream, ppid).expect("a stream");
        }
        let mut stream = peer.stream(stream).expect("a stream");
        stream.write_with_ppi(data, ppid).expect("written");
    }

    pub(super) fn open(&mut self, stream: u16, channel_type: u8, label: &str, protocol: &str) {
        let mut open = vec![3, channel_type, 0, 0, 0, 0, 0, 0];
        open.extend_from_slice(&(label.len() as u16).to_be_bytes());
        open.extend_from_slice(&(protocol.len() as u16).to_be_bytes());
        open.extend_from_slice(label.as_bytes());
        open.extend_from_slice(protocol.as_bytes());
        self.peer_writes(stream, Ppid::Dcep, &open);
        self.run(Duration::from_millis(100));
    }

    pub(super) fn send(&mut self, message: &DataMessage) -> bool {
        let sent = self.ours.send(self.now, message);
        self.exchange();
        sent
    }
}

/// CRC32c over the packet with a checksum of zero (RFC 9260 §6.8, appendix A).
pub(super) fn with_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    packet[8..12].fill(0);
    let mut crc = u32::MAX;
    for byte in &packet {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let mask = (crc & 1).wrapping_neg();
            crc = (crc >> 1) ^ (0x82f6_3b78 & mask);
        }
    }
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
    packet
}
