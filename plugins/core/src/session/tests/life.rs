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
