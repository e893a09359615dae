// SPDX-License-Identifier: MIT OR Apache-2.0
//! Permissions, channels, data.

use super::*;
use turn_types::attribute::DontFragment;

const AT: &str = "203.0.113.7:4000";

/// The payload and the peer of a Data indication.
fn data_in(message: &[u8]) -> (SocketAddr, Vec<u8>) {
    let message = Message::from_bytes(message).expect("a message");
    assert_eq!(message.class(), MessageClass::Indication);
    let peer = message.attribute::<XorPeerAddress>().expect("a peer");
    let data = message.attribute::<Data<'_>>().expect("data");
    (peer.addr(message.transaction_id()), data.data().to_vec())
}

#[test]
fn indications_go_both_ways_with_a_permission() {
    let mut lab = Lab::new();
    let (mut client, relay) = lab.allocated(AT, "alice");
    let send = client.indication(PEER, b"hello");
    assert_eq!(lab.relay(&client.path, &send), None);
    assert_eq!(lab.deliver(relay, PEER, b"hello"), None);
    assert_eq!(client.permit(&mut lab, PEER), None);
    let passed = lab.relay(&client.path, &send);
    assert_eq!(passed, Some((addr(PEER), b"hello".to_vec())));
    let got = lab.deliver(relay, PEER, b"hello").expect("an indication");
    assert_eq!(data_in(&got), (addr(PEER), b"hello".to_vec()));
    let other_port = lab.deliver(relay, "9.9.9.9:1", b"").expect("by address");
    assert_eq!(data_in(&other_port), (addr("9.9.9.9:1"), Vec::new()));
    assert_eq!(lab.deliver(relay, "9.9.9.8:5000", b"x"), None);
    assert_eq!(lab.refused(Refusal::NoPermission), 3);
}

/// What is sent with DONT-FRAGMENT must not be fragmented, and nothing else is kept from being so (RFC 8656 §11.4).
#[test]
fn a_wish_not_to_be_fragmented_is_passed_on() {
    let mut lab = Lab::new();
    let mut client = lab.client(AT, "alice");
    client.allocate(&mut lab, &[&DontFragment::new()]);
    assert_eq!(client.bind(&mut lab, 0x4000, PEER), None);
    let whole = client.indication_with(PEER, b"hello", &[&DontFragment::new()]);
    for (message, expected) in [
        (client.indication(PEER, b"hello"), false),
        (whole, true),
        (channel_data(0x4000, b"hello"), false),
    ] {
        let passed = lab.server.handle_client(lab.now, &client.path, &message);
        assert_eq!(passed.map(|to| to.dont_fragment), Some(expected));
    }
}

#[test]
fn a_permission_lasts_five_minutes() {
    let mut lab = Lab::new();
    let (mut client, relay) = lab.allocated(AT, "alice");
    client.permit(&mut lab, PEER);
    lab.pass(299);
    assert!(lab.deliver(relay, PEER, b"x").is_some());
    lab.pass(1);
    assert_eq!(lab.deliver(relay, PEER, b"x"), None);
    assert_eq!(
        lab.relay(&client.path, &client.indication(PEER, b"x")),
        None
    );
    client.permit(&mut lab, PEER);
    assert!(lab.deliver(relay, PEER, b"x").is_some());
}

#[test]
fn channels_go_both_ways_and_last_ten_minutes() {
    let mut lab = Lab::new();
    let (mut client, relay) = lab.allocated(AT, "alice");
    assert_eq!(client.bind(&mut lab, 0x4001, PEER), None);
    let data = channel_data(0x4001, b"hello");
    assert_eq!(
        lab.relay(&client.path, &data),
        Some((addr(PEER), b"hello".to_vec()))
    );
    assert_eq!(lab.deliver(relay, PEER, b"hello"), Some(data.clone()));
    lab.pass(299);
    client.permit(&mut lab, PEER);
    client.refresh(&mut lab, 3600);
    lab.pass(299);
    client.permit(&mut lab, PEER);
    assert!(lab.relay(&client.path, &data).is_some());
    lab.pass(2);
    assert_eq!(lab.relay(&client.path, &data), None);
    let got = lab.deliver(relay, PEER, b"x").expect("by permission");
    assert_eq!(data_in(&got).1, b"x");
}

#[test]
fn a_channel_needs_its_permission_too() {
    let mut lab = Lab::new();
    let (mut client, _) = lab.allocated(AT, "alice");
    client.bind(&mut lab, 0x4001, PEER);
    lab.pass(300);
    assert_eq!(lab.relay(&client.path, &channel_data(0x4001, b"x")), None);
    assert_eq!(client.bind(&mut lab, 0x4001, PEER), None);
    assert!(
        lab.relay(&client.path, &channel_data(0x4001, b"x"))
            .is_some()
    );
}

#[test]
fn channels_that_cannot_be_are_refused() {
    let mut lab = Lab::new();
    let (mut client, _) = lab.allocated(AT, "alice");
    for number in [0, 1, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF] {
        assert_eq!(client.bind(&mut lab, number, PEER), Some(400), "{number:x}");
    }
    assert_eq!(client.bind(&mut lab, 0x4000, PEER), None);
    assert_eq!(client.bind(&mut lab, 0x4FFF, "9.9.9.9:5001"), None);
    assert_eq!(client.bind(&mut lab, 0x4000, PEER), None, "again");
    assert_eq!(client.bind(&mut lab, 0x4000, "9.9.9.9:5002"), Some(400));
    assert_eq!(client.bind(&mut lab, 0x4002, PEER), Some(400));
}

#[test]
fn older_clients_may_have_their_channels() {
    let mut lab = Lab::with(|config| config.old_channels = true);
    let (mut client, _) = lab.allocated(AT, "alice");
    for (number, answer) in [(0x5000, None), (0x3FFF, Some(400)), (0x8000, Some(400))] {
        assert_eq!(client.bind(&mut lab, number, PEER), answer, "{number:x}");
    }
    assert!(
        lab.relay(&client.path, &channel_data(0x5000, b"x"))
            .is_some()
    );
}

#[test]
fn channel_data_that_lies_is_dropped() {
    let mut lab = Lab::new();
    let (mut client, _) = lab.allocated(AT, "alice");
    client.bind(&mut lab, 0x4000, PEER);
    let good = channel_data(0x4000, b"hello");
    for at in 0..good.len() {
        assert_eq!(lab.relay(&client.path, &good[..at]), None, "cut at {at}");
    }
    for number in [0x4001, 0x4FFF, 0x5000, 0x7FFF] {
        assert_eq!(lab.relay(&client.path, &channel_data(number, b"x")), None);
    }
    let padded = [&good[..], &[0; 3]].concat();
    assert!(lab.relay(&client.path, &padded).is_some());
    let longer = [&good[..], &[0; 4]].concat();
    assert_eq!(lab.relay(&client.path, &longer), None);
    assert_eq!(
        lab.relay(&udp("203.0.113.8:4000"), &good),
        None,
        "another's"
    );
}

#[test]
fn on_a_stream_channel_data_is_padded_with_zeros() {
    let mut lab = Lab::new();
    let path = FiveTuple {
        transport: Transport::Tls,
        ..udp(AT)
    };
    let (name, password) = lab.credentials("alice");
    let mut client = lab.client_as(path, &name, &password);
    client.allocate(&mut lab, &[]);
    let relay = *lab.relays.keys().next().expect("a relay");
    client.bind(&mut lab, 0x4000, PEER);
    let got = lab.deliver(relay, PEER, b"hello").expect("data");
    assert_eq!(got, [&channel_data(0x4000, b"hello")[..], &[0; 3]].concat());
}

#[test]
fn there_are_so_many_permissions_and_channels_and_no_more() {
    let mut lab = Lab::with(|config| config.limits.permissions = 3);
    let (mut client, _) = lab.allocated(AT, "alice");
    for n in 0..3 {
        assert_eq!(
            client.bind(&mut lab, 0x4000 + n, &format!("9.9.9.{n}:5000")),
            None
        );
    }
    assert_eq!(client.permit(&mut lab, PEER), Some(508));
    assert_eq!(client.bind(&mut lab, 0x4003, "9.9.9.0:5001"), Some(508));
    assert_eq!(client.permit(&mut lab, "9.9.9.0:1"), None);
    lab.pass(300);
    assert_eq!(client.permit(&mut lab, PEER), None);
}

#[test]
fn who_is_too_fast_loses_data_and_others_do_not() {
    let mut lab = Lab::with(|config| config.limits.user_bytes_per_second = Some(10_000));
    let (mut alice, relay) = lab.allocated(AT, "alice");
    let (mut bob, bobs) = lab.allocated("203.0.113.8:4000", "bob");
    alice.permit(&mut lab, PEER);
    bob.permit(&mut lab, PEER);
    let mut through = 0;
    for _ in 0..100 {
        through += usize::from(lab.deliver(relay, PEER, &[0; 1000]).is_some());
    }
    assert_eq!(through, 5, "half a second's worth at once");
    assert!(lab.deliver(bobs, PEER, &[0; 1000]).is_some());
    assert_eq!(lab.refused(Refusal::TooFast), 95);
    lab.pass(1);
    assert!(lab.deliver(relay, PEER, &[0; 1000]).is_some());
}

#[test]
fn what_is_relayed_is_counted() {
    let mut lab = Lab::new();
    let (mut client, relay) = lab.allocated(AT, "alice");
    client.bind(&mut lab, 0x4000, PEER);
    lab.relay(&client.path, &channel_data(0x4000, b"four"));
    lab.deliver(relay, PEER, b"seven..");
    let stats = lab.server.stats();
    assert_eq!((stats.packets_to_peers, stats.bytes_to_peers), (1, 4));
    assert_eq!((stats.packets_to_clients, stats.bytes_to_clients), (1, 7));
    assert_eq!((stats.allocations, stats.allocations_made), (1, 1));
}
