// SPDX-License-Identifier: MIT OR Apache-2.0
//! Against a peer that may do what no honest one does, in virtual time.

use super::*;
use crate::data::{DataMessage, FROM_PROTOCOL, MAX_LABEL};
use crate::id::{ParticipantId, RoomId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sctp_proto::{PayloadProtocolIdentifier as Ppid, ReliabilityType};
use std::time::Duration;

const RATE: u32 = 1024 * 1024;
const RELIABLE: u8 = 0;
const UNRELIABLE: u8 = 0x81;

fn spec() -> DataSpec {
    DataSpec {
        mid: "d".into(),
        port: 5000,
        max_message: MAX_MESSAGE,
    }
}

fn message(label: &str, payload: &[u8]) -> DataMessage {
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
struct Pair {
    now: Instant,
    ours: Sctp,
    endpoint: Endpoint,
    peer: Option<(AssociationHandle, Association)>,
    /// What ours said.
    events: Vec<DataEvent>,
    /// What the peer read: stream, protocol, bytes.
    read: Vec<(u16, Ppid, Vec<u8>)>,
    /// The peer reads nothing, so that its window closes.
    deaf: bool,
    /// Every packet to ours.
    log: Vec<Vec<u8>>,
}

impl Pair {
    fn new(we_dial: bool) -> Pair {
        let mut config = EndpointConfig::new();
        config.max_payload_size(MAX_PAYLOAD);
        let endpoint = Endpoint::new(Arc::new(config), Some(Arc::new(ServerConfig::new())));
        let mut pair = Pair {
            now: Instant::now(),
            ours: Sctp::new(spec(), RATE),
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

    fn run(&mut self, duration: Duration) {
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

    fn exchange(&mut self) {
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

    fn peer_writes(&mut self, stream: u16, ppid: Ppid, data: &[u8]) {
        let (_, peer) = self.peer.as_mut().expect("a peer");
        if peer.stream(stream).is_err() {
            peer.open_stream(stream, ppid).expect("a stream");
        }
        let mut stream = peer.stream(stream).expect("a stream");
        stream.write_with_ppi(data, ppid).expect("written");
    }

    fn open(&mut self, stream: u16, channel_type: u8, label: &str, protocol: &str) {
        let mut open = vec![3, channel_type, 0, 0, 0, 0, 0, 0];
        open.extend_from_slice(&(label.len() as u16).to_be_bytes());
        open.extend_from_slice(&(protocol.len() as u16).to_be_bytes());
        open.extend_from_slice(label.as_bytes());
        open.extend_from_slice(protocol.as_bytes());
        self.peer_writes(stream, Ppid::Dcep, &open);
        self.run(Duration::from_millis(100));
    }

    fn send(&mut self, message: &DataMessage) -> bool {
        let sent = self.ours.send(self.now, message);
        self.exchange();
        sent
    }
}

#[test]
fn a_channel_opens_carries_both_ways_and_closes() {
    for we_dial in [false, true] {
        let mut pair = Pair::new(we_dial);
        pair.open(0, RELIABLE, "chat", "");
        assert_eq!(pair.events, [DataEvent::Opened("chat".into())]);
        assert_eq!(pair.read, [(0, Ppid::Dcep, vec![2])]);
        for (ppid, data) in [
            (Ppid::String, &b"hi"[..]),
            (Ppid::Binary, b"\xff"),
            (Ppid::StringEmpty, b"\0"),
        ] {
            pair.peer_writes(0, ppid, data);
        }
        pair.run(Duration::from_millis(100));
        let got = |text, payload: &[u8]| {
            DataEvent::Message(Message {
                label: "chat".into(),
                text,
                payload: payload.into(),
            })
        };
        assert_eq!(
            pair.events[1..],
            [got(true, b"hi"), got(false, b"\xff"), got(true, b"")]
        );
        let text = DataMessage {
            text: true,
            ..message("chat", b"hello")
        };
        assert!(pair.send(&text) && pair.send(&message("chat", b"")));
        assert!(!pair.send(&message("other", b"x")));
        pair.run(Duration::from_millis(100));
        assert_eq!(
            pair.read[1..],
            [
                (0, Ppid::String, b"hello".to_vec()),
                (0, Ppid::BinaryEmpty, vec![0])
            ]
        );
        let (_, peer) = pair.peer.as_mut().expect("a peer");
        peer.stream(0).expect("open").close().expect("closes");
        pair.run(Duration::from_secs(1));
        assert_eq!(pair.events.last(), Some(&DataEvent::Closed("chat".into())));
        assert!(!pair.send(&message("chat", b"too late")));
        // The number can be used again.
        pair.open(0, RELIABLE, "again", "");
        assert_eq!(pair.events.last(), Some(&DataEvent::Opened("again".into())));
        assert_eq!(pair.ours.stats().channels, 1);
    }
}

#[test]
fn who_asks_for_it_learns_the_sender() {
    let mut pair = Pair::new(false);
    pair.open(0, RELIABLE, "chat", FROM_PROTOCOL);
    pair.read.clear();
    pair.send(&message("chat", b"hello"));
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.read, [(0, Ppid::Binary, b"alice\nhello".to_vec())]);
}

#[test]
fn the_longest_message_passes_and_a_longer_one_ends_the_association() {
    let mut pair = Pair::new(false);
    pair.open(0, RELIABLE, "chat", "");
    pair.peer_writes(0, Ppid::Binary, &vec![1; MAX_MESSAGE]);
    pair.run(Duration::from_secs(2));
    let Some(DataEvent::Message(got)) = pair.events.last() else {
        panic!("{:?}", pair.events);
    };
    assert_eq!(got.payload.len(), MAX_MESSAGE);
    pair.peer_writes(0, Ppid::Binary, &vec![1; MAX_MESSAGE + 1]);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.events.last(), Some(&DataEvent::Closed("chat".into())));
    assert_eq!(
        (pair.ours.stats().received, pair.ours.stats().channels),
        (1, 0)
    );
}

#[test]
fn a_message_longer_than_the_peer_takes_is_dropped() {
    let mut pair = Pair::new(false);
    pair.ours.spec.max_message = 1_000;
    pair.open(0, RELIABLE, "chat", FROM_PROTOCOL);
    pair.send(&message("chat", &[0; 994]));
    pair.send(&message("chat", &[0; 995]));
    let stats = pair.ours.stats();
    assert_eq!((stats.sent, stats.dropped, stats.channels), (1, 1, 1));
}

#[test]
fn a_receiver_that_reads_nothing_is_cut_off_or_misses_messages() {
    for (channel_type, dropped, cut_off) in [(RELIABLE, 0, 1), (UNRELIABLE, 1, 0)] {
        let mut pair = Pair::new(false);
        pair.open(0, channel_type, "chat", "");
        pair.deaf = true;
        let mut sent = 0;
        while pair.ours.stats().dropped + pair.ours.stats().cut_off == 0 {
            assert!(pair.send(&message("chat", &[0; 10_000])));
            pair.run(Duration::from_millis(5));
            sent += 1;
            assert!(sent < 100, "nothing is bounded");
            assert!(pair.ours.queued() <= MAX_QUEUE);
        }
        assert!(sent > 50, "cut off early, after {sent}");
        let stats = pair.ours.stats();
        assert_eq!((stats.dropped, stats.cut_off), (dropped, cut_off));
        let closed = pair.events.contains(&DataEvent::Closed("chat".into()));
        assert_eq!(closed, cut_off == 1);
        assert_eq!(pair.send(&message("chat", b"x")), cut_off == 0);
    }
}

/// Closing a channel with a full queue and opening another does not get more memory.
#[test]
fn what_is_queued_for_channels_that_are_gone_counts() {
    let mut pair = Pair::new(false);
    pair.deaf = true;
    let mut most = 0;
    for round in 0..20 {
        if pair.ours.over {
            break;
        }
        pair.open(round, UNRELIABLE, "chat", "");
        for _ in 0..60 {
            pair.send(&message("chat", &[0; 10_000]));
        }
        most = most.max(pair.ours.queued());
        let (_, peer) = pair.peer.as_mut().expect("a peer");
        if let Ok(mut stream) = peer.stream(round) {
            // Fails when the association is over, as it shall be in the end.
            let _ = stream.close();
        }
        pair.run(Duration::from_millis(500));
    }
    assert!(most <= 2 * MAX_QUEUE, "{most}");
}

#[test]
fn who_sends_too_fast_is_held_up_and_loses_nothing() {
    const MESSAGES: u32 = 400;
    let mut pair = Pair::new(false);
    pair.open(0, RELIABLE, "chat", "");
    let start = pair.now;
    for n in 0..MESSAGES {
        let mut data = vec![0; 10_000];
        data[..4].copy_from_slice(&n.to_be_bytes());
        pair.peer_writes(0, Ppid::Binary, &data);
    }
    while pair.ours.stats().received < u64::from(MESSAGES) {
        pair.run(Duration::from_millis(20));
        assert!(pair.now < start + Duration::from_secs(60), "stuck");
    }
    // 4 MB: a burst of one second's worth, then the rate.
    let took = pair.now - start;
    assert!((2_500..15_000).contains(&took.as_millis()), "{took:?}");
    let numbers = pair.events.iter().filter_map(|event| match event {
        DataEvent::Message(m) => Some(u32::from_be_bytes(m.payload[..4].try_into().ok()?)),
        _ => None,
    });
    assert!(numbers.eq(0..MESSAGES));
}

#[test]
fn too_many_streams_end_the_association() {
    let mut pair = Pair::new(false);
    for stream in 0..2 * MAX_STREAMS as u16 {
        pair.peer_writes(stream, Ppid::Binary, b"x");
        if stream % 32 == 0 {
            pair.run(Duration::from_millis(200));
        }
        assert!(pair.ours.channels.len() <= MAX_STREAMS);
    }
    pair.run(Duration::from_secs(1));
    assert!(pair.ours.over && pair.ours.association.is_none());
    assert!(pair.ours.channels.is_empty());
}

#[test]
fn what_breaks_the_rules_is_counted() {
    let mut pair = Pair::new(false);
    pair.peer_writes(0, Ppid::String, b"before the channel is open");
    pair.peer_writes(1, Ppid::Dcep, b"\x03nonsense");
    pair.run(Duration::from_millis(500));
    pair.open(2, RELIABLE, &"x".repeat(MAX_LABEL + 1), "");
    pair.open(3, RELIABLE, "chat", "");
    pair.open(3, RELIABLE, "twice", "");
    pair.peer_writes(3, Ppid::String, b"\xff is no UTF-8");
    pair.run(Duration::from_millis(500));
    assert_eq!(pair.events, [DataEvent::Opened("chat".into())]);
    let stats = pair.ours.stats();
    assert_eq!((stats.invalid, stats.received, stats.channels), (5, 0, 1));
}

#[test]
fn only_the_first_association_costs_memory() {
    let mut pair = Pair::new(false);
    pair.open(0, RELIABLE, "chat", "");
    let init = pair.log[0].clone();
    for tag in 1..10_000_u32 {
        let mut other = init.clone();
        other[16..20].copy_from_slice(&(tag << 8).to_be_bytes());
        pair.ours.handle_packet(pair.now, with_checksum(other));
    }
    pair.exchange();
    assert!(pair.send(&message("chat", b"still there")));
    assert!(pair.ours.transmits.len() < 100);
}

/// Packets of a whole conversation, bent, cut and mixed, with checksums that are right.
#[test]
fn hostile_packets_never_panic() {
    let mut recorded = Pair::new(false);
    recorded.open(0, RELIABLE, "chat", FROM_PROTOCOL);
    recorded.open(1, UNRELIABLE, "game", "");
    for _ in 0..5 {
        recorded.peer_writes(0, Ppid::Binary, &[7; 3_000]);
        recorded.peer_writes(1, Ppid::String, b"hello");
        recorded.send(&message("chat", &[1; 2_000]));
        recorded.run(Duration::from_millis(50));
    }
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..200 {
        let mut pair = Pair::new(round % 2 == 0);
        pair.open(0, RELIABLE, "chat", "");
        let tag = pair.log[pair.log.len() - 1][4..8].to_vec();
        for _ in 0..60 {
            let pick = random.random_range(0..recorded.log.len());
            let mut packet = recorded.log[pick].clone();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(12..packet.len());
                packet[at] = random.random();
            }
            packet.truncate(random.random_range(12..=packet.len()));
            if random.random_bool(0.9) {
                packet[4..8].copy_from_slice(&tag);
            }
            pair.ours.handle_packet(pair.now, with_checksum(packet));
            while pair.ours.poll_transmit().is_some() {}
            while pair.ours.poll_event().is_some() {}
        }
        pair.send(&message("chat", b"x"));
        pair.run(Duration::from_secs(2));
    }
    for len in 0..64 {
        let mut ours = Sctp::new(spec(), RATE);
        ours.handle_packet(Instant::now(), vec![0; len]);
        ours.handle_packet(Instant::now(), vec![0xff; len]);
    }
}

#[test]
fn unreliable_channels_give_up_what_is_lost_and_reliable_ones_do_not() {
    for (channel_type, all) in [(UNRELIABLE, false), (RELIABLE, true)] {
        let mut pair = Pair::new(false);
        pair.open(0, channel_type, "chat", "");
        pair.read.clear();
        for n in 0..50_u8 {
            pair.ours.send(pair.now, &message("chat", &[n]));
            if n % 5 == 0 {
                while pair.ours.poll_transmit().is_some() {}
            }
            pair.run(Duration::from_millis(20));
        }
        pair.run(Duration::from_secs(20));
        let numbers: BTreeSet<_> = pair.read.iter().map(|(_, _, data)| data[0]).collect();
        assert_eq!(numbers.len() == 50, all, "{numbers:?}");
        assert!(numbers.len() >= 40, "{numbers:?}");
        let policy = if all {
            ReliabilityType::Reliable
        } else {
            ReliabilityType::Rexmit
        };
        let opened = pair.ours.channels[&0].opened().expect("open");
        assert_eq!(opened.reliable, policy == ReliabilityType::Reliable);
    }
}

/// CRC32c over the packet with a checksum of zero (RFC 9260 §6.8, appendix A).
fn with_checksum(mut packet: Vec<u8>) -> Vec<u8> {
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
