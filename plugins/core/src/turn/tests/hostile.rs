// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes that mean harm, or nothing.

use super::*;
use crate::turn::{Frame, frame};
use proptest::prelude::*;
use stun_types::message::BINDING;
use turn_types::attribute::{EvenPort, RequestedAddressFamily, ReservationToken};

const AT: &str = "203.0.113.7:4000";

/// One of every kind that a client sends.
fn messages(client: &mut Client) -> Vec<Vec<u8>> {
    vec![
        bare(BINDING, &[]),
        bare(ALLOCATE, &[&RequestedTransport::new(17)]),
        client.request(
            ALLOCATE,
            &[
                &RequestedTransport::new(17),
                &EvenPort::new(true),
                &RequestedAddressFamily::new(stun_types::AddressFamily::IPV4),
                &ReservationToken::new(5),
            ],
        ),
        client.request(REFRESH, &[&Lifetime::new(600)]),
        client.with_peer(CREATE_PERMISSION, PEER, &[]),
        client.with_peer(CHANNEL_BIND, PEER, &[&ChannelNumber::new(0x4000)]),
        client.indication(PEER, b"hello"),
        channel_data(0x4000, b"hello"),
    ]
}

fn ready() -> (Lab, Client) {
    let mut lab = Lab::with(|config| config.limits.errors_per_second = 1_000_000);
    let (client, _) = lab.allocated(AT, "alice");
    (lab, client)
}

#[test]
fn a_message_cut_at_any_length_does_nothing() {
    let (mut lab, mut client) = ready();
    for message in messages(&mut client) {
        for at in 0..message.len() {
            assert_eq!(lab.put(&client.path, &message[..at]), [], "cut at {at}");
        }
        let longer = [&message[..], &[0; 4]].concat();
        assert_eq!(lab.put(&client.path, &longer), []);
    }
    assert_eq!(lab.server.stats().allocations, 1);
}

/// attacks: memory in replies. What is not said is zero, and the same request gets the same bytes.
#[test]
fn replies_hold_nothing_but_what_they_say() {
    let (mut lab, mut client) = ready();
    for message in messages(&mut client) {
        let first = lab.put(&client.path, &message);
        assert_eq!(first, lab.put(&client.path, &message));
        for (_, reply) in first {
            let message = Message::from_bytes(&reply).expect("a message");
            for (at, raw) in message.iter_attributes() {
                let end = at + 4 + usize::from(raw.header.length());
                let padding = &reply[end..end.next_multiple_of(4)];
                assert!(padding.iter().all(|byte| *byte == 0));
            }
        }
    }
}

#[test]
fn nothing_is_remembered_of_strangers() {
    let mut lab = Lab::new();
    let request = bare(ALLOCATE, &[&RequestedTransport::new(17)]);
    for n in 0..5000u32 {
        let path = udp(&format!("203.0.{}.{}:4000", n / 256, n % 256));
        lab.put(&path, &request);
    }
    assert!(lab.server.clients.is_empty() && lab.server.allocations.is_empty());
    assert!(lab.server.poll_timeout().is_none());
}

#[test]
fn a_stream_is_cut_into_messages() {
    let (_, mut client) = ready();
    for message in messages(&mut client) {
        let padded = message.len().next_multiple_of(4);
        assert_eq!(frame(&message), Frame::Message(padded));
        assert_eq!(frame(&message[..3]), Frame::Unknown);
    }
    for broken in [
        &b"\x80\0\0\0"[..],
        &[0x16, 3, 1, 2],
        &[0, 1, 0, 3],
        &[0, 1, 0xFF, 0xFC],
    ] {
        assert_eq!(frame(broken), Frame::Broken);
    }
}

proptest! {
    #[test]
    fn noise_never_panics(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (mut lab, client) = ready();
        lab.put(&client.path, &data);
        lab.put(&udp("203.0.113.9:1"), &data);
        frame(&data);
    }

    /// A damaged message is not answered by success, and does nothing that only its sender may.
    #[test]
    fn a_damaged_request_does_nothing(which in 0usize..8, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (mut lab, mut client) = ready();
        let mut message = messages(&mut client).swap_remove(which);
        let at = at.index(message.len());
        message[at] ^= 1 << bit;
        for (_, reply) in lab.put(&client.path, &message) {
            // Without a magic cookie, the answer to Binding has none.
            let of_binding = reply.starts_with(&[1, 1]);
            let harmless = of_binding || code(&reply).is_some();
            // A bit of the transaction id of what is not signed is another transaction.
            prop_assert!(harmless);
        }
        prop_assert_eq!(lab.server.stats().allocations, 1);
    }

    /// Attributes of any type, length and content, in a message that is well-formed otherwise and signed.
    #[test]
    fn signed_nonsense_never_panics(
        method in 0u16..16,
        attributes in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let (mut lab, mut client) = ready();
        let raw: Vec<_> = attributes
            .iter()
            .filter(|(kind, _)| ![0x08, 0x1c, 0x06, 0x14, 0x15].contains(kind))
            .map(|(kind, value)| {
                stun_types::attribute::RawAttribute::new(u16::from(*kind).into(), value)
            })
            .collect();
        let all: Vec<&dyn AttributeWrite> = raw.iter().map(|raw| raw as &dyn AttributeWrite).collect();
        let request = client.request(Method::new(method), &all);
        lab.put(&client.path, &request);
        lab.pass(60);
    }
}
