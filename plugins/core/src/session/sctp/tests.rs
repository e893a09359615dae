// SPDX-License-Identifier: MIT OR Apache-2.0
//! Against a peer that may do what no honest one does, in virtual time.

use super::dcep::Open;
use super::lab::*;
use super::*;
use crate::data::{DataMessage, FROM_PROTOCOL, MAX_LABEL, NODE_LABEL};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sctp_proto::{PayloadProtocolIdentifier as Ppid, ReliabilityType};
use std::time::Duration;

const RELIABLE: u8 = 0;
const UNRELIABLE: u8 = 0x81;

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
fn a_channel_that_we_open_carries_both_ways() {
    for (we_dial, stream) in [(true, 0), (false, 1)] {
        let mut pair = Pair::with(we_dial, opening("chat"));
        assert_eq!(pair.events, [DataEvent::Opened("chat".into())]);
        let (id, ppid, open) = pair.read.remove(0);
        assert_eq!((id, ppid), (stream, Ppid::Dcep));
        assert_eq!(open, Open::reliable("chat").to_bytes().expect("short"));
        assert!(pair.send(&message("chat", b"before it is acknowledged")));
        pair.peer_writes(stream, Ppid::Dcep, &[2]);
        pair.peer_writes(stream, Ppid::Binary, b"hello");
        pair.run(Duration::from_millis(100));
        assert_eq!(pair.read[0].2, b"before it is acknowledged");
        let hello = Message {
            label: "chat".into(),
            text: false,
            payload: (*b"hello").into(),
        };
        assert_eq!(pair.events[1..], [DataEvent::Message(hello)]);
        assert_eq!(pair.ours.stats().invalid, 0);
        // The peer opens others beside it.
        pair.open(stream + 1, RELIABLE, "game", "");
        assert_eq!(pair.ours.stats().channels, 2);
    }
}

#[test]
fn a_node_that_does_not_follow_misses_messages_and_keeps_its_channel() {
    let mut pair = Pair::with(true, opening(NODE_LABEL));
    pair.deaf = true;
    for _ in 0..40 {
        assert!(pair.send(&message(NODE_LABEL, &[7; 64 * 1024])));
    }
    pair.deaf = false;
    pair.run(Duration::from_secs(30));
    let stats = pair.ours.stats();
    assert!(stats.dropped > 0 && stats.cut_off == 0, "{stats:?}");
    assert_eq!(stats.channels, 1);
}

fn opening(label: &str) -> DataSpec {
    DataSpec {
        opens: Some(label.into()),
        ..spec()
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
