// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

#[test]
fn a_close_is_told_to_the_peer() {
    for close_client in [true, false] {
        let mut pair = Pair::connected(1);
        let (closing, peer) = match close_client {
            true => (&mut pair.client, "server"),
            false => (&mut pair.server, "client"),
        };
        closing.close(pair.now);
        pair.run(Duration::from_secs(1));
        assert_eq!(pair.events, [(peer, SessionEvent::Closed)]);
        for session in [&pair.client, &pair.server] {
            assert!(!session.is_connected());
            assert_eq!(session.poll_timeout(), None);
        }
    }
}

/// The server has received something and let OpenSSL go, the client has not.
fn half_released(cipher: &str, dtls_client: bool) -> Pair {
    let (a, b) = (with_cipher(cipher), with_cipher(cipher));
    let client = config(true, dtls_client, &a, vec![b.fingerprint()]);
    let server = config(false, !dtls_client, &b, vec![a.fingerprint()]);
    let mut pair = Pair::new(1, client, server);
    pair.run(Duration::from_secs(2));
    assert!(pair.both_connected(), "{:?}", pair.events);
    let up = path(SERVER, CLIENT);
    assert!(exchange(
        pair.now,
        &mut pair.client,
        &mut pair.server,
        up,
        1
    ));
    assert!(is_released(&pair.server) && !is_released(&pair.client));
    pair.events.clear();
    pair
}

#[test]
fn a_close_is_told_between_openssl_and_what_takes_over_from_it() {
    for cipher in [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ] {
        for (dtls_client, close_client) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let mut pair = half_released(cipher, dtls_client);
            let (closing, peer) = match close_client {
                true => (&mut pair.client, "server"),
                false => (&mut pair.server, "client"),
            };
            closing.close(pair.now);
            pair.run(Duration::from_secs(1));
            let closed = [(peer, SessionEvent::Closed)];
            assert_eq!(
                pair.events, closed,
                "{cipher}, client says hello: {dtls_client}, client closes: {close_client}"
            );
        }
    }
}

#[test]
fn a_forged_goodbye_is_ignored_after_openssl_has_gone() {
    let mut pair = half_released("ECDHE-ECDSA-AES128-GCM-SHA256", true);
    pair.client.close(pair.now);
    let mut goodbye = pair
        .client
        .poll_transmit()
        .expect("a goodbye to the server")
        .data;
    for at in 0..goodbye.len() {
        goodbye[at] ^= 1;
        pair.server
            .handle_datagram(pair.now, path(SERVER, CLIENT), &mut goodbye);
        assert!(pair.server.is_connected(), "byte {at}");
        goodbye[at] ^= 1;
    }
    pair.server
        .handle_datagram(pair.now, path(SERVER, CLIENT), &mut goodbye);
    assert!(!pair.server.is_connected());
}

#[test]
fn without_a_path_both_sides_fail_after_30_seconds() {
    let mut pair = Pair::simple(1, true);
    pair.blocked = |_| true;
    pair.run(Duration::from_millis(29_900));
    assert!(pair.events.is_empty(), "{:?}", pair.events);
    pair.run(Duration::from_millis(200));
    assert_eq!(
        pair.failures(),
        [
            ("client", SessionError::IceTimeout),
            ("server", SessionError::IceTimeout)
        ]
    );
}

#[test]
fn a_handshake_that_never_ends_fails_after_30_seconds() {
    let mut pair = Pair::simple(1, true);
    pair.blocked = |kind| kind == PacketKind::Dtls;
    pair.run(Duration::from_millis(29_900));
    assert!(pair.failures().is_empty());
    pair.run(Duration::from_millis(200));
    assert_eq!(
        pair.failures(),
        [
            ("client", SessionError::DtlsTimeout),
            ("server", SessionError::DtlsTimeout)
        ]
    );
}

#[test]
fn a_dead_peer_is_noticed_after_30_seconds() {
    let mut pair = Pair::connected(1);
    pair.blocked = |_| true;
    pair.run(Duration::from_secs(25));
    assert!(pair.events.is_empty(), "{:?}", pair.events);
    pair.run(Duration::from_secs(10));
    let expected = [
        SessionEvent::IceDisconnected,
        SessionEvent::Failed(SessionError::ConsentLost),
    ];
    for who in ["client", "server"] {
        let events: Vec<_> = pair
            .events
            .iter()
            .filter(|(w, _)| *w == who)
            .map(|(_, e)| e.clone())
            .collect();
        assert_eq!(events, expected, "{who}");
    }
}

#[test]
fn a_living_session_goes_on_for_hours() {
    let mut pair = Pair::connected(1);
    pair.run(Duration::from_secs(2 * 3600));
    assert!(
        pair.both_connected() && pair.events.is_empty(),
        "{:?}",
        pair.events
    );
    assert!(pair.media_flows(1));
}

#[test]
fn a_peer_that_stopped_its_checks_is_asked_and_stays() {
    let mut pair = Pair::connected(1);
    // The client's agent is asleep; only its answers to the server's questions are let through by hand.
    let end = pair.now + Duration::from_secs(120);
    let (mut asked, mut now) = (0, pair.now);
    while now < end {
        now = pair.server.poll_timeout().expect("alive").max(now);
        pair.server.handle_timeout(now);
        while let Some(mut transmit) = pair.server.poll_transmit() {
            asked += 1;
            pair.client
                .handle_datagram(now, path(CLIENT, SERVER), &mut transmit.data);
        }
        while let Some(mut transmit) = pair.client.poll_transmit() {
            pair.server
                .handle_datagram(now, path(SERVER, CLIENT), &mut transmit.data);
        }
    }
    assert!(pair.server.is_connected());
    assert!((8..60).contains(&asked), "{asked} questions in 120 s");
    assert!(pair.server.stats().round_trip.is_some());
}

#[test]
fn the_last_flight_is_freed_and_an_idle_session_rarely_wakes() {
    let mut pair = Pair::connected(1);
    pair.run(Duration::from_secs(25));
    let wait = pair.server.poll_timeout().expect("alive") - pair.now;
    assert!(wait >= Duration::from_secs(5), "{wait:?}");
}

#[test]
fn sessions_can_be_moved_between_threads() {
    fn check<T: Send>() {}
    check::<Session>();
}
