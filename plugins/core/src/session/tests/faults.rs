// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use proptest::prelude::*;

const ELSEWHERE: &str = "203.0.113.99:4444";

fn client_hello(pair: &Pair) -> Vec<u8> {
    let is_dtls =
        |(from_client, data): &&(bool, Vec<u8>)| *from_client && demux(data) == PacketKind::Dtls;
    pair.log
        .iter()
        .find(is_dtls)
        .expect("a ClientHello")
        .1
        .clone()
}

#[test]
fn a_client_hello_from_an_unchecked_address_is_ignored_at_any_time() {
    let hello = client_hello(&Pair::connected(7));
    for steps in 0..12 {
        let mut pair = Pair::simple(1, true);
        pair.run(steps * LATENCY);
        for _ in 0..100 {
            let answer =
                pair.server
                    .handle_datagram(pair.now, path(SERVER, ELSEWHERE), &mut hello.clone());
            assert_eq!(answer, Incoming::None);
            let sent = std::iter::from_fn(|| pair.server.poll_transmit());
            assert!(
                sent.collect::<Vec<_>>()
                    .iter()
                    .all(|t| t.path.remote != addr(ELSEWHERE))
            );
        }
        assert_eq!(pair.server.stats().dtls_bad, 100);
        pair.run(Duration::from_secs(3));
        assert!(pair.both_connected(), "step {steps}: {:?}", pair.events);
    }
}

#[test]
fn the_null_cipher_is_refused() {
    let mut pair = Pair::simple(1, true);
    pair.run(2 * LATENCY);
    let mut hello = client_hello(&Pair::connected(7));
    // Random, empty session id and cookie, and then the list of cipher suites: only TLS_NULL_WITH_NULL_NULL.
    let suites = 13 + 12 + 2 + 32;
    assert_eq!(hello[suites..suites + 2], [0, 0]);
    let len = usize::from(u16::from_be_bytes([hello[suites + 2], hello[suites + 3]]));
    hello[suites + 4..suites + 4 + len].fill(0);
    pair.server
        .handle_datagram(pair.now, path(SERVER, CLIENT), &mut hello);
    assert!(!pair.server.is_connected());
}

#[test]
fn media_before_the_keys_is_counted_and_dropped() {
    let mut pair = Pair::simple(1, true);
    let at = path(SERVER, CLIENT);
    assert_eq!(
        pair.server.handle_datagram(pair.now, at, &mut rtp(1)),
        Incoming::None
    );
    assert_eq!(
        pair.server.handle_datagram(pair.now, at, &mut rtcp()),
        Incoming::None
    );
    assert_eq!(pair.server.stats().before_keys, 2);
    assert_eq!(sealed_rtp(&mut pair.server, 1), None);
}

#[test]
fn bad_and_replayed_media_changes_nothing() {
    let mut pair = Pair::connected(1);
    let good = sealed_rtp(&mut pair.client, 1).expect("connected");
    let at = path(SERVER, CLIENT);
    assert!(matches!(
        pair.server.handle_datagram(pair.now, at, &mut good.clone()),
        Incoming::Rtp(_)
    ));
    let mut forged = sealed_rtp(&mut pair.client, 2).expect("connected");
    *forged.last_mut().expect("a tag") ^= 1;
    for _ in 0..10_000 {
        assert_eq!(
            pair.server.handle_datagram(pair.now, at, &mut good.clone()),
            Incoming::None
        );
        assert_eq!(
            pair.server
                .handle_datagram(pair.now, at, &mut forged.clone()),
            Incoming::None
        );
        assert_eq!(
            pair.server.handle_datagram(pair.now, at, &mut rtp(9)),
            Incoming::None
        );
    }
    assert_eq!(pair.server.stats().srtp_replay, 10_000);
    assert_eq!(pair.server.stats().srtp_auth, 20_000);
    assert_eq!(pair.server.path(), Some(at));
    assert!(pair.media_flows(3));
}

#[test]
fn a_plain_bye_and_an_injected_packet_never_move_or_end_a_session() {
    let mut pair = Pair::connected(1);
    let mut bye = vec![0x81, 203, 0, 1, 0, 0, 0, 2];
    for remote in [CLIENT, ELSEWHERE] {
        let at = path(SERVER, remote);
        assert_eq!(
            pair.server.handle_datagram(pair.now, at, &mut bye),
            Incoming::None
        );
        assert_eq!(
            pair.server.handle_datagram(pair.now, at, &mut rtp(1)),
            Incoming::None
        );
    }
    assert_eq!(pair.server.path(), Some(path(SERVER, CLIENT)));
    assert!(pair.media_flows(1));
}

#[test]
fn every_datagram_of_a_handshake_may_arrive_cut_off_and_twice() {
    for dtls_client in [true, false] {
        let mut pair = Pair::simple(4, dtls_client);
        pair.mangled = true;
        pair.run(Duration::from_secs(3));
        assert!(pair.both_connected(), "{:?}", pair.events);
        assert!(pair.media_flows(1));
    }
}

#[test]
fn oversized_datagrams_are_counted() {
    let mut pair = Pair::connected(1);
    let mut large = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 0];
    large.resize(13 + 0x2000, 0);
    pair.server
        .handle_datagram(pair.now, path(SERVER, CLIENT), &mut large);
    assert_eq!(pair.server.stats().dtls_bad, 1);
}

#[test]
fn candidates_are_bounded() {
    let mut pair = Pair::simple(1, true);
    for n in 0..1000 {
        pair.client
            .add_remote_candidate(candidate(&format!("203.0.113.1:{}", 1000 + n)));
    }
    pair.run(Duration::from_secs(10));
    assert!(pair.both_connected());
}

#[test]
fn demux_follows_rfc_7983_and_rfc_5761() {
    for first in 0..=255u8 {
        for second in 0..=255u8 {
            let expected = match (first, second) {
                (0..=3, _) => PacketKind::Stun,
                (20..=63, _) => PacketKind::Dtls,
                (128..=191, 192..=223) => PacketKind::Rtcp,
                (128..=191, _) => PacketKind::Rtp,
                _ => PacketKind::Unknown,
            };
            assert_eq!(demux(&[first, second, 0, 0]), expected);
        }
    }
    assert_eq!(demux(&[]), PacketKind::Unknown);
    assert_eq!(demux(&[0x80]), PacketKind::Unknown);
}

#[test]
fn the_user_name_of_a_check_names_the_session() {
    let mut pair = Pair::simple(1, true);
    pair.run(LATENCY);
    let check = &pair.log[0].1;
    assert_eq!(stun_username(check), Some(("serverufrag", "clientufrag")));
    for len in 0..check.len() {
        assert_eq!(stun_username(&check[..len]), None);
    }
    assert_eq!(stun_username(&rtp(1)), None);
}

/// Bytes that look like each of the protocols, at random.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        Just(0u8),
        Just(1),
        Just(20),
        Just(21),
        Just(22),
        Just(23),
        Just(0x80),
        Just(0x90),
        any::<u8>()
    ];
    let second = prop_oneof![
        Just(1u8),
        Just(254),
        Just(96),
        Just(200),
        Just(201),
        any::<u8>()
    ];
    let rest = proptest::collection::vec(any::<u8>(), 0..300);
    (first, second, rest).prop_map(|(first, second, rest)| [vec![first, second], rest].concat())
}

/// A DTLS record in the clear, with a header that fits its random content.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let content = proptest::collection::vec(any::<u8>(), 0..200);
    (20u8..25, 0u8..3, any::<u8>(), content).prop_map(|(kind, epoch, number, content)| {
        let mut record = vec![kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, number];
        record.extend_from_slice(&(content.len() as u16).to_be_bytes());
        record.extend(content);
        record
    })
}

#[test]
fn records_that_are_not_authentic_end_nothing_however_short() {
    let mut pair = Pair::connected(1);
    for kind in 20..25 {
        for len in 0..80u8 {
            let mut data = vec![kind, 254, 253, 0, 1, 0, 0, 0, 0, 1, len, 0, len];
            data.resize(13 + usize::from(len), 0);
            pair.server
                .handle_datagram(pair.now, path(SERVER, CLIENT), &mut data);
        }
    }
    pair.run(Duration::from_secs(1));
    assert!(pair.both_connected(), "{:?}", pair.events);
    assert!(pair.media_flows(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_connected_session_survives_any_datagrams(datagrams in proptest::collection::vec(datagram(), 1..60)) {
        let mut pair = Pair::connected(1);
        for mut data in datagrams {
            let got = pair.server.handle_datagram(pair.now, path(SERVER, CLIENT), &mut data);
            prop_assert_eq!(got, Incoming::None);
        }
        pair.run(Duration::from_secs(1));
        prop_assert!(pair.both_connected(), "{:?}", pair.events);
        prop_assert!(pair.media_flows(1));
    }

    #[test]
    fn a_connected_session_survives_any_clear_records(
        records in proptest::collection::vec(record(), 1..60), released in any::<bool>(),
    ) {
        let mut pair = Pair::connected(1);
        if released {
            prop_assert!(pair.media_flows(0) && is_released(&pair.server));
        }
        for mut data in records {
            pair.server.handle_datagram(pair.now, path(SERVER, CLIENT), &mut data);
        }
        pair.run(Duration::from_secs(1));
        prop_assert!(pair.both_connected(), "{:?}", pair.events);
        prop_assert!(pair.media_flows(1));
    }

    #[test]
    fn a_handshake_never_panics_whatever_comes(
        records in proptest::collection::vec(prop_oneof![record(), datagram()], 1..40), steps in 0u32..10,
    ) {
        let mut pair = Pair::simple(1, true);
        pair.run(steps * LATENCY);
        for mut data in records {
            pair.server.handle_datagram(pair.now, path(SERVER, CLIENT), &mut data);
            pair.client.handle_datagram(pair.now, path(CLIENT, SERVER), &mut data);
        }
        // Forged clear records from the peer's own address may end a handshake, never more.
        pair.run(Duration::from_secs(40));
    }
}
