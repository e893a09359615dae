// SPDX-License-Identifier: MIT OR Apache-2.0
//! TCP allocations (RFC 6062).

use super::*;
use crate::turn::ConnectionId;
use turn_types::attribute::ConnectionId as ConnectionIdAttribute;
use turn_types::message::{CONNECT, CONNECTION_BIND};

fn stream(client: &str) -> FiveTuple {
    FiveTuple {
        transport: Transport::Tcp,
        ..udp(client)
    }
}

fn lab_with_tcp() -> (Lab, Client, RelayId) {
    let mut lab = Lab::new();
    let (name, password) = lab.credentials("alice");
    let mut client = lab.client_as(stream("203.0.113.7:4000"), &name, &password);
    let reply = client.ask(&mut lab, ALLOCATE, &[&RequestedTransport::new(6)]);
    assert_eq!(code(&reply), None);
    let relay = *lab.relays.keys().next().expect("a relay");
    (lab, client, relay)
}

fn connection_in(message: &[u8]) -> ConnectionIdAttribute {
    let message = Message::from_bytes(message).expect("a message");
    message.attribute::<ConnectionIdAttribute>().expect("an id")
}

fn bind(lab: &mut Lab, id: u32, user: &str, at: &str) -> Option<u16> {
    let (name, password) = lab.credentials(user);
    let mut data = lab.client_as(stream(at), &name, &password);
    let id = ConnectionIdAttribute::new(id);
    code(&data.ask(lab, CONNECTION_BIND, &[&id]))
}

#[test]
fn a_client_connects_to_a_peer_and_binds() {
    let (mut lab, mut client, relay) = lab_with_tcp();
    let request = client.with_peer(CONNECT, PEER, &[]);
    assert_eq!(lab.ask(&client.path, &request), None, "not yet");
    let Some(Output::Connect {
        relay: from,
        connection,
        peer,
    }) = lab.outputs.pop()
    else {
        panic!("a connection is wanted");
    };
    assert_eq!((from, peer), (relay, addr(PEER)));
    lab.server.peer_connected(lab.now, connection, true);
    lab.drain();
    let (_, reply) = lab.sent.pop().expect("an answer");
    assert_eq!(connection_in(&reply).id(), connection.0);
    let again = client.with_peer(CONNECT, PEER, &[]);
    assert_eq!(
        lab.ask(&client.path, &again).map(|r| code(&r)),
        Some(Some(446))
    );
    assert_eq!(
        bind(&mut lab, connection.0, "mallory", "203.0.113.9:1"),
        Some(441)
    );
    assert_eq!(
        bind(&mut lab, connection.0 ^ 1, "alice", "203.0.113.7:4001"),
        Some(400)
    );
    assert_eq!(
        bind(&mut lab, connection.0, "alice", "203.0.113.7:4001"),
        None
    );
    assert_eq!(
        lab.outputs.pop(),
        Some(Output::Join {
            client: stream("203.0.113.7:4001"),
            connection
        })
    );
    assert_eq!(
        bind(&mut lab, connection.0, "alice", "203.0.113.7:4002"),
        Some(400)
    );
    lab.pass(31);
    assert_eq!(lab.outputs.pop(), None, "a joined connection stays");
    client.refresh(&mut lab, 0);
    assert_eq!(lab.outputs.pop(), Some(Output::Disconnect { connection }));
}

#[test]
fn a_peer_that_cannot_be_reached_is_said_so() {
    let (mut lab, mut client, _) = lab_with_tcp();
    for failure in ["refused", "timeout"] {
        let request = client.with_peer(CONNECT, PEER, &[]);
        lab.put(&client.path, &request);
        let Some(Output::Connect { connection, .. }) = lab.outputs.pop() else {
            panic!("a connection is wanted");
        };
        if failure == "refused" {
            lab.server.peer_connected(lab.now, connection, false);
            lab.drain();
        } else {
            lab.pass(30);
            assert_eq!(lab.outputs.pop(), Some(Output::Disconnect { connection }));
        }
        let (_, reply) = lab.sent.pop().expect("an answer");
        assert_eq!(code(&reply), Some(447), "{failure}");
    }
}

#[test]
fn a_peer_connects_when_it_may() {
    let (mut lab, mut client, relay) = lab_with_tcp();
    let knock = |lab: &mut Lab| {
        let connection = lab
            .server
            .handle_peer_connection(lab.now, relay, addr(PEER));
        lab.drain();
        connection
    };
    assert_eq!(knock(&mut lab), None);
    client.permit(&mut lab, PEER);
    let connection = knock(&mut lab).expect("a connection");
    let (to, attempt) = lab.sent.pop().expect("an attempt");
    assert_eq!(to, client.path);
    assert_eq!(connection_in(&attempt).id(), connection.0);
    assert_eq!(knock(&mut lab), None, "one for each peer");
    lab.server.peer_gone(connection);
    let connection = knock(&mut lab).expect("another");
    lab.sent.clear();
    lab.pass(30);
    assert_eq!(lab.outputs.pop(), Some(Output::Disconnect { connection }));
    assert_eq!(
        bind(&mut lab, connection.0, "alice", "203.0.113.7:4001"),
        Some(400)
    );
}

#[test]
fn tcp_allocations_carry_no_datagrams_and_are_limited() {
    let (mut lab, mut client, relay) = lab_with_tcp();
    assert_eq!(client.bind(&mut lab, 0x4000, PEER), Some(400));
    client.permit(&mut lab, PEER);
    assert_eq!(
        lab.relay(&client.path, &client.indication(PEER, b"x")),
        None
    );
    for n in 0..16 {
        let peer = addr(&format!("9.9.9.9:{}", 100 + n));
        assert!(
            lab.server
                .handle_peer_connection(lab.now, relay, peer)
                .is_some()
        );
    }
    let more = addr("9.9.9.9:99");
    assert_eq!(
        lab.server.handle_peer_connection(lab.now, relay, more),
        None
    );
    let request = client.with_peer(CONNECT, PEER, &[]);
    lab.drain();
    lab.sent.clear();
    assert_eq!(
        lab.ask(&client.path, &request).map(|r| code(&r)),
        Some(Some(508))
    );
}

#[test]
fn what_is_unknown_is_no_harm() {
    let (mut lab, ..) = lab_with_tcp();
    lab.server.peer_connected(lab.now, ConnectionId(1), true);
    lab.server.peer_gone(ConnectionId(1));
    lab.server.relay_opened(lab.now, RelayId(99), None);
    lab.drain();
    assert!(lab.outputs.is_empty() && lab.sent.is_empty());
}
