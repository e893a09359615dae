// SPDX-License-Identifier: MIT OR Apache-2.0
//! Allocations: made, refreshed, ended, and how many.

use super::*;
use crate::turn::Limits;
use stun_types::AddressFamily;
use stun_types::attribute::{AttributeType, RawAttribute};
use turn_types::attribute::{
    AdditionalAddressFamily, AddressErrorCode, DontFragment, EvenPort, RequestedAddressFamily,
    ReservationToken,
};

const AT: &str = "203.0.113.7:4000";

fn lifetime(reply: &[u8]) -> u32 {
    let message = Message::from_bytes(reply).expect("a message");
    message
        .attribute::<Lifetime>()
        .expect("a lifetime")
        .seconds()
}

#[test]
fn the_reply_tells_address_and_lifetime() {
    let mut lab = Lab::new();
    let mut client = lab.client(AT, "alice");
    let reply = client.allocate(&mut lab, &[]);
    assert_eq!(relayed(&reply), [addr("9.0.0.1:50000")]);
    assert_eq!(lifetime(&reply), 600);
}

#[test]
fn lifetimes_are_kept_within_bounds() {
    let mut lab = Lab::new();
    for (n, (asked, given)) in [(0, 600), (10, 600), (1200, 1200), (1_000_000, 3600)]
        .into_iter()
        .enumerate()
    {
        let mut client = lab.client(&format!("203.0.113.7:{}", 4000 + n), "alice");
        let reply = client.allocate(&mut lab, &[&Lifetime::new(asked)]);
        assert_eq!(lifetime(&reply), given);
    }
}

#[test]
fn an_allocation_ends_when_it_is_not_refreshed() {
    let mut lab = Lab::new();
    let (mut client, relay) = lab.allocated(AT, "alice");
    client.permit(&mut lab, PEER);
    lab.pass(590);
    client.challenge(&mut lab);
    assert_eq!(client.refresh(&mut lab, 700), None);
    lab.pass(699);
    assert_eq!(lab.relays.len(), 1);
    lab.pass(1);
    assert!(lab.relays.is_empty());
    assert_eq!(lab.server.stats().allocations, 0);
    assert_eq!(lab.deliver(relay, PEER, b"x"), None);
    client.challenge(&mut lab);
    assert_eq!(client.refresh(&mut lab, 600), Some(437));
}

#[test]
fn refresh_zero_ends_it_at_once() {
    let mut lab = Lab::new();
    let (mut client, relay) = lab.allocated(AT, "alice");
    client.bind(&mut lab, 0x4000, PEER);
    assert!(lab.deliver(relay, PEER, b"x").is_some());
    assert_eq!(client.refresh(&mut lab, 0), None);
    assert!(lab.relays.is_empty());
    assert_eq!(lab.deliver(relay, PEER, b"x"), None);
    assert_eq!(lab.relay(&client.path, &channel_data(0x4000, b"x")), None);
}

#[test]
fn the_same_request_again_gets_the_same_reply_and_another_a_mismatch() {
    let mut lab = Lab::new();
    let mut client = lab.client(AT, "alice");
    let request = client.request(ALLOCATE, &[&RequestedTransport::new(17)]);
    let first = lab.ask(&client.path, &request).expect("a reply");
    assert_eq!(lab.ask(&client.path, &request), Some(first));
    assert_eq!(lab.relays.len(), 1);
    assert_eq!(code(&client.allocate(&mut lab, &[])), Some(437));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut lab = Lab::new();
    let mut client = lab.client(AT, "alice");
    let v6 = RequestedAddressFamily::new(AddressFamily::IPV6);
    let both = AdditionalAddressFamily::new(AddressFamily::IPV6);
    let token = ReservationToken::new(1);
    let even = EvenPort::new(true);
    for attributes in [
        &[&v6 as &dyn AttributeWrite, &both] as &[&dyn AttributeWrite],
        &[&token, &v6],
        &[&token, &both],
        &[&token, &even],
        &[&both, &even],
    ] {
        assert_eq!(code(&client.allocate(&mut lab, attributes)), Some(400));
    }
    assert_eq!(code(&client.allocate(&mut lab, &[&token])), Some(508));
    let sctp = client.ask(&mut lab, ALLOCATE, &[&RequestedTransport::new(132)]);
    assert_eq!(code(&sctp), Some(442));
    let tcp = client.ask(&mut lab, ALLOCATE, &[&RequestedTransport::new(6)]);
    assert_eq!(code(&tcp), Some(400), "not over UDP");
    assert_eq!(code(&client.ask(&mut lab, ALLOCATE, &[])), Some(400));
    assert!(lab.relays.is_empty());
    assert_eq!(
        code(&client.allocate(&mut lab, &[&DontFragment::new()])),
        None
    );
}

#[test]
fn ipv6_and_both() {
    let mut lab = Lab::new();
    let v6 = RequestedAddressFamily::new(AddressFamily::IPV6);
    let reply = lab.client(AT, "alice").allocate(&mut lab, &[&v6]);
    assert!(matches!(relayed(&reply)[..], [SocketAddr::V6(_)]));
    let both = AdditionalAddressFamily::new(AddressFamily::IPV6);
    let mut client = lab.client("203.0.113.7:4001", "alice");
    let reply = client.allocate(&mut lab, &[&both]);
    assert!(matches!(
        relayed(&reply)[..],
        [SocketAddr::V4(_), SocketAddr::V6(_)]
    ));
    assert_eq!(client.permit(&mut lab, PEER), None);
    assert_eq!(client.permit(&mut lab, PEER6), None);
    let gone = client.ask(&mut lab, REFRESH, &[&v6, &Lifetime::new(0)]);
    assert_eq!(code(&gone), None);
    assert_eq!(client.permit(&mut lab, PEER6), Some(443));
    assert_eq!(client.permit(&mut lab, PEER), None);
    assert_eq!(code(&client.ask(&mut lab, REFRESH, &[&v6])), Some(443));
}

#[test]
fn both_are_to_be_had_by_the_number_of_the_draft() {
    let mut lab = Lab::new();
    let both = RawAttribute::new(AttributeType::new(0x8032), &[2, 0, 0, 0]);
    let reply = lab.client(AT, "alice").allocate(&mut lab, &[&both]);
    assert!(matches!(
        relayed(&reply)[..],
        [SocketAddr::V4(_), SocketAddr::V6(_)]
    ));
}

#[test]
fn a_family_that_is_not_there_is_said_so() {
    let mut lab = Lab::with(|config| config.families.ipv6 = false);
    let v6 = RequestedAddressFamily::new(AddressFamily::IPV6);
    let mut client = lab.client(AT, "alice");
    assert_eq!(code(&client.allocate(&mut lab, &[&v6])), Some(440));
    let both = AdditionalAddressFamily::new(AddressFamily::IPV6);
    let reply = client.allocate(&mut lab, &[&both]);
    assert!(matches!(relayed(&reply)[..], [SocketAddr::V4(_)]));
    let message = Message::from_bytes(&reply).expect("a message");
    let error = message.attribute::<AddressErrorCode>().expect("why");
    assert_eq!(
        (error.family(), error.error().code()),
        (AddressFamily::IPV6, 440)
    );
}

#[test]
fn the_port_above_an_even_one_is_kept_for_thirty_seconds() {
    let mut lab = Lab::new();
    let mut rtp = lab.client(AT, "alice");
    let reply = rtp.allocate(&mut lab, &[&EvenPort::new(true)]);
    let message = Message::from_bytes(&reply).expect("a message");
    let token = message.attribute::<ReservationToken>().expect("a token");
    let even = relayed(&reply)[0];
    assert_eq!(even.port() % 2, 0);
    let mut rtcp = lab.client("203.0.113.7:4001", "alice");
    let reply = rtcp.allocate(&mut lab, &[&token]);
    assert_eq!(relayed(&reply)[0].port(), even.port() + 1);
    rtcp.challenge(&mut lab);
    let mut third = lab.client("203.0.113.7:4002", "alice");
    assert_eq!(code(&third.allocate(&mut lab, &[&token])), Some(508));
    let reply = third.allocate(&mut lab, &[&EvenPort::new(true)]);
    assert_eq!((code(&reply), lab.relays.len()), (None, 4));
    lab.pass(30);
    assert_eq!(lab.relays.len(), 3);
}

#[test]
fn no_more_sockets_is_insufficient_capacity_and_leaves_nothing() {
    let mut lab = Lab::new();
    lab.exhausted = true;
    let mut client = lab.client(AT, "alice");
    for attributes in [
        &[] as &[&dyn AttributeWrite],
        &[&EvenPort::new(true)],
        &[&AdditionalAddressFamily::new(AddressFamily::IPV6)],
    ] {
        assert_eq!(code(&client.allocate(&mut lab, attributes)), Some(508));
    }
    assert_eq!(lab.server.stats().allocations, 0);
    lab.exhausted = false;
    assert_eq!(code(&client.allocate(&mut lab, &[])), None);
}

#[test]
fn one_user_at_the_limit_does_not_disturb_another() {
    let mut lab = Lab::with(|config| {
        config.limits = Limits {
            allocations_per_user: 3,
            allocations: 5,
            ..Limits::default()
        }
    });
    let mut alices: Vec<Client> = (0..3)
        .map(|n| {
            lab.allocated(&format!("203.0.113.7:{}", 4000 + n), "alice")
                .0
        })
        .collect();
    let mut fourth = lab.client("203.0.113.7:4009", "alice");
    assert_eq!(code(&fourth.allocate(&mut lab, &[])), Some(486));
    lab.allocated("203.0.113.8:4000", "bob");
    lab.allocated("203.0.113.8:4001", "bob");
    let mut bob = lab.client("203.0.113.8:4002", "bob");
    assert_eq!(code(&bob.allocate(&mut lab, &[])), Some(508));
    assert_eq!(alices[0].refresh(&mut lab, 0), None);
    assert_eq!(code(&bob.allocate(&mut lab, &[])), None);
}

#[test]
fn credentials_of_another_time_are_the_same_user() {
    let mut lab = Lab::with(|config| config.limits.allocations_per_user = 1);
    lab.allocated(AT, "alice");
    let name = format!("{}:alice", UNIX + 7200);
    let mut later = lab.client_as(udp("203.0.113.7:4001"), &name, &password_for(SECRET, &name));
    assert_eq!(code(&later.allocate(&mut lab, &[])), Some(486));
}

#[test]
fn a_client_that_is_gone_takes_its_allocation_along() {
    let mut lab = Lab::new();
    let (client, _) = lab.allocated(AT, "alice");
    lab.server.client_gone(&client.path);
    lab.drain();
    assert!(lab.relays.is_empty());
    assert_eq!(lab.server.stats().allocations, 0);
}
