// SPDX-License-Identifier: MIT OR Apache-2.0
//! attacks: reflection. The source of a request may be somebody else's address, who then gets the reply.

use super::stun::{OF_LIBNICE, OTHER_ADDRESS, change};
use super::*;
use crate::turn::Discovery;
use stun_types::attribute::{AttributeType, RawAttribute};
use stun_types::message::BINDING;

#[test]
fn errors_to_strangers_are_short() {
    let mut lab = Lab::new();
    let path = udp("203.0.113.7:4000");
    for attributes in [
        &[] as &[&dyn AttributeWrite],
        &[&RequestedTransport::new(17)],
        &[&RequestedTransport::new(17), &Lifetime::new(600)],
        &[&Data::new(&[0; 100])],
    ] {
        for method in [ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND] {
            lab.pass(1);
            let request = bare(method, attributes);
            let reply = lab.ask(&path, &request).expect("a reply");
            assert!(reply.len() * 10 <= request.len() * 21, "{}", reply.len());
        }
    }
}

#[test]
fn strangers_get_few_errors() {
    let mut lab = Lab::new();
    let request = bare(ALLOCATE, &[&RequestedTransport::new(17)]);
    let count = |lab: &mut Lab| {
        (0..2000)
            .filter(|n| {
                let path = udp(&format!("203.0.113.7:{}", 1024 + n));
                lab.ask(&path, &request).is_some()
            })
            .count()
    };
    assert_eq!(count(&mut lab), 10);
    assert!(
        lab.ask(&udp("203.0.113.8:4000"), &request).is_some(),
        "others are not affected"
    );
    lab.pass(1);
    assert_eq!(count(&mut lab), 10);
    assert_eq!(lab.refused(Refusal::TooManyErrors), 2 * 1990);
}

#[test]
fn an_address_of_the_same_64_is_no_other_stranger() {
    let mut lab = Lab::new();
    let request = bare(ALLOCATE, &[&RequestedTransport::new(17)]);
    let answered = (0..200).filter(|n| {
        let path = udp(&format!("[2001:db8:0:1::{n:x}]:4000"));
        lab.ask(&path, &request).is_some()
    });
    assert_eq!(answered.count(), 10);
}

/// Whether a Binding response is as short as any number of them must be.
fn is_short(request: &[u8], reply: &[u8]) -> bool {
    reply.len() * 10 <= request.len() * 16
}

/// Every kind of Binding request that is answered.
fn bindings() -> Vec<(&'static str, Vec<u8>)> {
    let padding =
        |length| RawAttribute::new(AttributeType::new(0x26), &[0; 200][..length]).into_owned();
    let port = RawAttribute::new(AttributeType::new(0x27), &[0x10, 0, 0, 0]);
    let software = RawAttribute::new(AttributeType::new(0x8022), b"somebody's client");
    vec![
        ("bare", bare(BINDING, &[])),
        ("of RFC 3489", OF_LIBNICE.to_vec()),
        ("named", bare(BINDING, &[&software])),
        ("from elsewhere", bare(BINDING, &[&change(6)])),
        ("to elsewhere", bare(BINDING, &[&port])),
        ("no padding", bare(BINDING, &[&padding(0)])),
        ("little padding", bare(BINDING, &[&padding(20)])),
        ("padding", bare(BINDING, &[&padding(200)])),
    ]
}

/// Of IPv4 and IPv6, with a second address for behaviour discovery and without.
fn labs() -> Vec<(Lab, FiveTuple)> {
    let servers = [
        ("203.0.113.7:4000", SERVER, "198.51.100.2:3479"),
        (
            "[2001:db8::7]:4000",
            "[2001:db8::1]:3478",
            "[2001:db8::2]:3479",
        ),
    ];
    let all = servers
        .into_iter()
        .flat_map(|server| [(server, false), (server, true)]);
    all.map(|((client, primary, alternate), discovers)| {
        let discovery = Discovery {
            primary: addr(primary),
            alternate: addr(alternate),
        };
        let path = FiveTuple {
            server: addr(primary),
            ..udp(client)
        };
        (
            Lab::with(|config| config.discovery = discovers.then_some(discovery)),
            path,
        )
    })
    .collect()
}

/// No more than 1.6 times the bytes of the request; or ten in a second, as with errors.
#[test]
fn long_binding_responses_are_few() {
    for (mut lab, path) in labs() {
        for (what, request) in bindings() {
            lab.pass(1);
            let mut long = 0;
            for _ in 0..200 {
                for (_, reply) in lab.put(&path, &request) {
                    long += usize::from(!is_short(&request, &reply));
                }
            }
            assert!(long <= 10, "{what} to {}: {long} are long", path.client);
        }
    }
}

/// By numbers: what there is no way to say in fewer bytes.
#[test]
fn of_an_ipv6_address_a_bare_request_is_told_ten_times_a_second() {
    let mut lab = Lab::new();
    let path = udp("[2001:db8::7]:4000");
    for request in [bare(BINDING, &[]), OF_LIBNICE.to_vec()] {
        lab.pass(1);
        let dropped = lab.refused(Refusal::LongReply);
        let replies: Vec<_> = (0..200).filter_map(|_| lab.ask(&path, &request)).collect();
        assert_eq!(replies.len(), 10);
        assert!(
            replies
                .iter()
                .all(|reply| reply.len() == 44 && request.len() == 20)
        );
        assert_eq!(lab.refused(Refusal::LongReply) - dropped, 190);
    }
    assert!(
        lab.ask(&udp("[2001:db8:0:1::7]:4000"), &bare(BINDING, &[]))
            .is_some(),
        "others"
    );
    let bindings = lab.server.stats().bindings;
    let padded = bare(
        BINDING,
        &[&RawAttribute::new(AttributeType::new(0x8022), &[b'x'; 8])],
    );
    for _ in 0..200 {
        let reply = lab.ask(&path, &padded).expect("short enough");
        assert!(is_short(&padded, &reply));
    }
    assert_eq!(
        lab.server.stats().bindings - bindings,
        200,
        "what was answered is counted"
    );
}

/// Clients behind a carrier's NAT share one address, and want to know it all the same.
#[test]
fn who_asked_too_often_gets_the_address_without_the_other_one() {
    let [_, (lab, path), ..] = &mut labs()[..] else {
        panic!("one of IPv4 that discovers");
    };
    let request = bare(BINDING, &[]);
    let replies: Vec<_> = (0..200).filter_map(|_| lab.ask(path, &request)).collect();
    assert_eq!(replies.len(), 200);
    let tells_other = |reply: &&Vec<u8>| {
        let message = Message::from_bytes(reply).expect("a message");
        message.raw_attribute(OTHER_ADDRESS).is_some()
    };
    assert_eq!(replies.iter().filter(tells_other).count(), 10);
}

#[test]
fn who_has_shown_to_be_there_is_answered_at_length() {
    let mut lab = Lab::new();
    for transport in [Transport::Tcp, Transport::Tls, Transport::Dtls] {
        let path = FiveTuple {
            transport,
            ..udp("[2001:db8::7]:4000")
        };
        for _ in 0..200 {
            assert!(lab.ask(&path, &bare(BINDING, &[])).is_some());
        }
    }
}

#[test]
fn what_is_not_understood_is_said_in_few_words() {
    let mut lab = Lab::new();
    let path = udp("[2001:db8::7]:4000");
    for count in 1..8 {
        lab.pass(1);
        let strange: Vec<_> = (0..count)
            .map(|n| RawAttribute::new(AttributeType::new(0x7000 + n), &[]))
            .collect();
        let all: Vec<_> = strange
            .iter()
            .map(|raw| raw as &dyn AttributeWrite)
            .collect();
        let request = bare(BINDING, &all);
        let reply = lab.ask(&path, &request).expect("a reply");
        assert_eq!(code(&reply), Some(420));
        assert!(is_short(&request, &reply), "{count}: {} bytes", reply.len());
    }
}

/// A reliable transport repeats no request: who shares an address with many others must not wait for them.
#[test]
fn connections_from_one_address_have_errors_of_their_own() {
    let mut lab = Lab::new();
    let request = bare(ALLOCATE, &[&RequestedTransport::new(17)]);
    for transport in [Transport::Tcp, Transport::Tls, Transport::Dtls] {
        for port in 1024..1124 {
            let path = FiveTuple {
                transport,
                ..udp(&format!("203.0.113.7:{port}"))
            };
            assert!(lab.ask(&path, &request).is_some(), "port {port}");
        }
    }
    let one = FiveTuple {
        transport: Transport::Tcp,
        ..udp("203.0.113.7:2000")
    };
    let answered = (0..200).filter(|_| lab.ask(&one, &request).is_some());
    assert_eq!(answered.count(), 10);
}
