// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding and behaviour discovery.

use super::*;
use crate::turn::Discovery;
use stun_types::attribute::{AttributeType, Fingerprint, RawAttribute, XorMappedAddress};
use stun_types::message::BINDING;

pub(super) const OTHER_ADDRESS: AttributeType = AttributeType::new(0x802c);

fn mapped(reply: &[u8]) -> SocketAddr {
    let message = Message::from_bytes(reply).expect("a message");
    message
        .attribute::<XorMappedAddress>()
        .expect("an address")
        .addr(message.transaction_id())
}

#[test]
fn a_client_learns_its_address() {
    let mut lab = Lab::new();
    for client in ["203.0.113.7:4000", "[2001:db8::7]:4000"] {
        let reply = lab.ask(&udp(client), &bare(BINDING, &[])).expect("a reply");
        assert_eq!(mapped(&reply), addr(client));
    }
}

#[test]
fn a_fingerprint_is_answered_by_one() {
    let mut lab = Lab::new();
    let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
    let mut request = Message::builder(kind, 5.into(), MessageWriteVec::new());
    request.add_fingerprint().expect("room");
    let reply = lab.ask(&udp("203.0.113.7:4000"), &request.finish());
    let reply = reply.expect("a reply");
    let message = Message::from_bytes(&reply).expect("a message");
    assert!(message.attribute::<Fingerprint>().is_ok());
}

/// What libnice 0.1.21 sends, and with it every `webrtcbin`: no magic cookie (RFC 3489).
pub(super) const OF_LIBNICE: &[u8] =
    b"\x00\x01\x00\x00\xb9\x99\xbf\xea\x1a\x23\x43\x84\x6d\x4d\xb2\x17\x2a\x50\x32\xfa";

#[test]
fn old_clients_learn_their_address_too() {
    let mut lab = Lab::new();
    let reply = lab.ask(&udp("203.0.113.7:4000"), OF_LIBNICE);
    let reply = reply.expect("a reply");
    let (head, address) = reply.split_at(20);
    assert_eq!(head[..4], [1, 1, 0, 12]);
    assert_eq!(head[4..], OF_LIBNICE[4..]);
    // MAPPED-ADDRESS, IPv4, port 4000.
    let expected = [0, 1, 0, 8, 0, 1, 0x0f, 0xa0, 203, 0, 113, 7];
    assert_eq!(address, expected);
    assert!(reply.len() * 10 <= OF_LIBNICE.len() * 16);
    let reply = lab.ask(&udp("[2001:db8::7]:4000"), OF_LIBNICE);
    assert!(reply.is_some_and(|reply| reply[20..26] == [0, 1, 0, 20, 0, 2]));
}

#[test]
fn old_clients_get_nothing_else() {
    let mut lab = Lab::new();
    let path = udp("203.0.113.7:4000");
    let with = |attributes: &[u8]| {
        let mut request = [OF_LIBNICE, attributes].concat();
        request[3] = attributes.len() as u8;
        request
    };
    for (attributes, answered) in [
        // CHANGE-REQUEST that asks for no change, and for one; SOFTWARE; USERNAME.
        (&[0u8, 3, 0, 4, 0, 0, 0, 0] as &[u8], true),
        (&[0, 3, 0, 4, 0, 0, 0, 6], false),
        (&[0x80, 0x22, 0, 4, b'n', b'i', b'c', b'e'], true),
        (&[0, 6, 0, 4, b'u', b's', b'e', b'r'], false),
        // Longer than it is.
        (&[0x80, 0x22, 0, 5, b'n', b'i', b'c', b'e'], false),
        (&[0x80, 0x22, 0], false),
    ] {
        let reply = lab.ask(&path, &with(attributes));
        assert_eq!(reply.is_some(), answered, "{attributes:?}");
    }
    let mut shared_secret = OF_LIBNICE.to_vec();
    shared_secret[1] = 2;
    assert!(lab.ask(&path, &shared_secret).is_none());
    for length in 0..20 {
        assert!(lab.ask(&path, &OF_LIBNICE[..length]).is_none());
    }
    let stream = FiveTuple {
        transport: Transport::Tcp,
        ..path
    };
    assert!(lab.ask(&stream, OF_LIBNICE).is_none());
}

#[test]
fn what_must_be_understood_and_is_not_is_named() {
    let mut lab = Lab::new();
    let strange = RawAttribute::new(AttributeType::new(0x7abc), &[1, 2, 3, 4]);
    let reply = lab.ask(&udp("203.0.113.7:4000"), &bare(BINDING, &[&strange]));
    let reply = reply.expect("a reply");
    assert_eq!(code(&reply), Some(420));
    assert!(reply.windows(2).any(|w| w == [0x7a, 0xbc]));
}

fn with_second_address() -> Lab {
    Lab::with(|config| {
        config.discovery = Some(Discovery {
            primary: addr(SERVER),
            alternate: addr("198.51.100.2:3479"),
        });
    })
}

pub(super) fn change(flags: u8) -> RawAttribute<'static> {
    RawAttribute::new(AttributeType::new(3), &[0, 0, 0, flags]).into_owned()
}

#[test]
fn behaviour_discovery_answers_from_where_it_is_asked_to() {
    let mut lab = with_second_address();
    let path = udp("203.0.113.7:4000");
    for (flags, from) in [
        (0, SERVER),
        (2, "198.51.100.1:3479"),
        (4, "198.51.100.2:3478"),
        (6, "198.51.100.2:3479"),
    ] {
        let sent = lab.put(&path, &bare(BINDING, &[&change(flags)]));
        let [(to, reply)] = &sent[..] else {
            panic!("one answer, not {}", sent.len());
        };
        assert_eq!((to.server, to.client), (addr(from), path.client));
        let message = Message::from_bytes(reply).expect("a message");
        let other = message.raw_attribute(OTHER_ADDRESS).expect("the other");
        assert_eq!(other.value[..], [0, 1, 0x0d, 0x97, 198, 51, 100, 2]);
    }
}

#[test]
fn behaviour_discovery_answers_to_another_port_with_as_much_padding() {
    let mut lab = with_second_address();
    let port = RawAttribute::new(AttributeType::new(0x27), &[0x10, 0x00, 0, 0]);
    let padding = RawAttribute::new(AttributeType::new(0x26), &[1; 100]);
    let request = bare(BINDING, &[&port, &padding]);
    let sent = lab.put(&udp("203.0.113.7:4000"), &request);
    let [(to, reply)] = &sent[..] else {
        panic!("one answer, not {}", sent.len());
    };
    assert_eq!(to.client, addr("203.0.113.7:4096"));
    let message = Message::from_bytes(reply).expect("a message");
    let padding = message.raw_attribute(AttributeType::new(0x26));
    assert_eq!(padding.expect("padding").value[..], [0; 100]);
}

#[test]
fn without_a_second_address_nothing_is_answered_from_elsewhere() {
    let mut lab = Lab::new();
    let reply = lab.ask(&udp("203.0.113.7:4000"), &bare(BINDING, &[&change(6)]));
    assert_eq!(code(&reply.expect("a reply")), Some(420));
}

/// RFC 5769, with the parser that the server uses.
#[test]
fn the_vectors_of_rfc_5769_are_read_and_verified() {
    let short = stun_types::message::ShortTermCredentials::new("VOkJxbRl1RmTxUk/WvJxBt".to_owned());
    let long = LongTermKeyCredentials::new(
        "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}".to_owned(),
        "TheMatrIX".to_owned(),
        "example.org".to_owned(),
    );
    let vectors = [
        (REQUEST, short.clone().into(), None),
        (IPV4_RESPONSE, short.clone().into(), Some("192.0.2.1:32853")),
        (
            IPV6_RESPONSE,
            short.into(),
            Some("[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
        ),
        (LONG_TERM_REQUEST, long.into(), None),
    ];
    for (text, credentials, address) in vectors {
        let data = hex(text);
        let message = Message::from_bytes(&data).expect("a message");
        assert!(message.validate_integrity(&credentials).is_ok());
        if let Some(address) = address {
            assert_eq!(mapped(&data), addr(address));
        }
        for at in 0..data.len() {
            assert!(Message::from_bytes(&data[..at]).is_err(), "cut at {at}");
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| std::str::from_utf8(pair).expect("digits"))
        .map(|pair| u8::from_str_radix(pair, 16).expect("digits"))
        .collect()
}

/// RFC 5769 §2.1.
const REQUEST: &str = "00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573
     7420636c 69656e74 00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009
     6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249
     c1b571a2 80280004 e57a3bcf";

/// RFC 5769 §2.2.
const IPV4_RESPONSE: &str = "0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374
     20766563 746f7220 00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9
     2af9ba53 f06be7d7 80280004 c07d4c96";

/// RFC 5769 §2.3.
const IPV6_RESPONSE: &str = "01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374
     20766563 746f7220 00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014
     a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c";

/// RFC 5769 §2.4.
const LONG_TERM_REQUEST: &str = "00010060 2112a442 78ad3433 c6ad72c0 29da412e 00060012 e3839ee3
     8388e383 aae38383 e382afe3 82b90000 0015001c 662f2f34 39396b39 35346436 4f4c3334
     6f4c3946 53547679 36347341 0014000b 6578616d 706c652e 6f726700 00080014
     f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";
