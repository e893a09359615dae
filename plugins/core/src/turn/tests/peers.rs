// SPDX-License-Identifier: MIT OR Apache-2.0
//! To whom nothing is relayed.

use super::*;
use crate::turn::AddressRange;
use stun_types::AddressFamily;
use turn_types::attribute::AdditionalAddressFamily;
use turn_types::message::CONNECT;

const AT: &str = "203.0.113.7:4000";

/// Each is a way to somewhere a stranger must not reach.
const FORBIDDEN: &[&str] = &[
    // This host.
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.255.255.254",
    "::",
    "::1",
    // Private, carrier, link-local, metadata.
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "febf::1",
    "fec0::1",
    // Documentation, benchmarks, relays of 6to4.
    "192.0.2.1",
    "198.51.100.9",
    "203.0.113.1",
    "198.18.0.1",
    "198.19.255.255",
    "192.88.99.1",
    "2001:db8::1",
    "3fff::1",
    "2001:2::1",
    "100::1",
    // Multicast, reserved, broadcast.
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "ff02::1",
    // IPv4 in disguise: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:9.9.9.9",
    "::127.0.0.1",
    "::9.9.9.9",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::909:909",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2620:fe::5efe:7f00:1",
    "2620:fe::200:5efe:a00:1",
    // The server itself.
    "198.51.100.1",
];

fn at_port(ip: &str) -> String {
    SocketAddr::new(ip.parse().expect("an address"), 5000).to_string()
}

#[test]
fn every_way_to_a_forbidden_address_is_closed() {
    let mut lab = Lab::new();
    let mut client = lab.client(AT, "alice");
    let both = AdditionalAddressFamily::new(AddressFamily::IPV6);
    client.allocate(&mut lab, &[&both]);
    for ip in FORBIDDEN {
        let peer = at_port(ip);
        assert_eq!(client.permit(&mut lab, &peer), Some(403), "{ip}");
        assert_eq!(client.bind(&mut lab, 0x4000, &peer), Some(403), "{ip}");
        let send = client.indication(&peer, b"x");
        assert_eq!(lab.relay(&client.path, &send), None, "{ip}");
    }
    let sent = FORBIDDEN.len() as u64;
    assert_eq!(lab.refused(Refusal::ForbiddenPeer), 3 * sent);
    for ip in [
        "9.9.9.9",
        "1.1.1.1",
        "192.0.1.1",
        "172.32.0.1",
        "2620:fe::fe",
        "2a00::1",
    ] {
        assert_eq!(client.permit(&mut lab, &at_port(ip)), None, "{ip}");
    }
}

/// Connect asks about a port, too, and opens a connection itself.
#[test]
fn no_connection_goes_to_a_forbidden_address() {
    let mut lab = Lab::new();
    let (name, password) = lab.credentials("alice");
    let stream = FiveTuple {
        transport: Transport::Tcp,
        ..udp(AT)
    };
    let mut client = lab.client_as(stream, &name, &password);
    let both = AdditionalAddressFamily::new(AddressFamily::IPV6);
    let tcp = RequestedTransport::new(6);
    let reply = client.ask(&mut lab, ALLOCATE, &[&tcp, &both]);
    assert_eq!(code(&reply), None);
    for ip in FORBIDDEN {
        let request = client.with_peer(CONNECT, &at_port(ip), &[]);
        let reply = lab.ask(&client.path, &request).expect("an answer");
        assert_eq!(code(&reply), Some(403), "{ip}");
    }
    let request = client.with_peer(CONNECT, "9.9.9.9:0", &[]);
    let reply = lab.ask(&client.path, &request).expect("an answer");
    assert_eq!(code(&reply), Some(403), "port 0");
    assert_eq!(lab.outputs, [], "nothing is connected");
    for peer in [PEER, PEER6] {
        let request = client.with_peer(CONNECT, peer, &[]);
        lab.put(&client.path, &request);
        assert!(matches!(lab.outputs.pop(), Some(Output::Connect { .. })));
    }
}

/// Interfaces come and go while the server runs.
#[test]
fn an_address_that_is_the_servers_from_now_on_is_a_peer_no_more() {
    let mut lab = Lab::new();
    let (mut client, relay) = lab.allocated(AT, "alice");
    assert_eq!(client.permit(&mut lab, PEER), None);
    assert_eq!(client.bind(&mut lab, 0x4000, PEER), None);
    assert_eq!(client.permit(&mut lab, "9.9.9.8:5000"), None);
    let own = vec![addr(SERVER).ip(), addr(PEER).ip()];
    lab.server.set_own_addresses(own);
    assert_eq!(client.permit(&mut lab, PEER), Some(403));
    assert_eq!(client.bind(&mut lab, 0x4000, PEER), Some(403));
    for data in [client.indication(PEER, b"x"), channel_data(0x4000, b"x")] {
        assert_eq!(lab.relay(&client.path, &data), None);
    }
    assert_eq!(lab.deliver(relay, PEER, b"x"), None);
    assert!(
        lab.deliver(relay, "9.9.9.8:5000", b"x").is_some(),
        "others stay"
    );
    lab.server.set_own_addresses(vec![addr(SERVER).ip()]);
    assert_eq!(client.permit(&mut lab, PEER), None);
}

#[test]
fn one_forbidden_address_spoils_the_request() {
    let mut lab = Lab::new();
    let (mut client, _) = lab.allocated(AT, "alice");
    let id = TransactionId::from(client.next + 1);
    let good = XorPeerAddress::new(addr(PEER), id);
    let bad = XorPeerAddress::new(addr("127.0.0.1:1"), id);
    let reply = client.ask(&mut lab, CREATE_PERMISSION, &[&good, &bad]);
    assert_eq!(code(&reply), Some(403));
    assert_eq!(
        lab.relay(&client.path, &client.indication(PEER, b"x")),
        None
    );
}

#[test]
fn a_lab_is_allowed_explicitly() {
    let allow = ["127.0.0.0/8", "10.1.0.0/16:5000-5010", "::1", "[fd00::/8]"];
    let mut lab = Lab::with(|config| {
        let ranges = allow.iter().map(|text| text.parse().expect("a range"));
        config.peers.allow = ranges.collect();
        config.peers.deny = vec!["9.9.9.9".parse().expect("a range")];
    });
    let mut client = lab.client(AT, "alice");
    let both = AdditionalAddressFamily::new(AddressFamily::IPV6);
    client.allocate(&mut lab, &[&both]);
    for (peer, answer) in [
        ("127.1.2.3:9", None),
        ("[::1]:9", None),
        ("[fd12::1]:9", None),
        ("10.1.2.3:5005", None),
        ("10.2.2.3:5005", Some(403)),
        ("192.168.0.1:9", Some(403)),
        ("[::ffff:127.0.0.1]:9", Some(403)),
        ("9.9.9.9:9", Some(403)),
    ] {
        assert_eq!(client.permit(&mut lab, peer), answer, "{peer}");
    }
    assert_eq!(client.bind(&mut lab, 0x4000, "10.1.2.3:5005"), None);
    assert_eq!(client.bind(&mut lab, 0x4001, "10.1.2.3:22"), Some(403));
    assert_eq!(
        lab.relay(&client.path, &client.indication("10.1.2.3:22", b"x")),
        None
    );
    assert!(
        lab.relay(&client.path, &client.indication("10.1.2.3:5010", b"x"))
            .is_some()
    );
}

#[test]
fn a_peer_of_the_other_family_is_a_mismatch_and_port_zero_is_nobody() {
    let mut lab = Lab::new();
    let (mut client, _) = lab.allocated(AT, "alice");
    assert_eq!(client.permit(&mut lab, PEER6), Some(443));
    assert_eq!(client.bind(&mut lab, 0x4000, PEER6), Some(443));
    assert_eq!(client.bind(&mut lab, 0x4000, "9.9.9.9:0"), Some(403));
}

#[test]
fn ranges_are_read_and_written() {
    for (text, written) in [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("192.0.2.1:5004", "192.0.2.1/32:5004-5004"),
        ("192.0.2.0/24:1-9", "192.0.2.0/24:1-9"),
        ("2001:db8::/32", "[2001:db8::/32]"),
        ("[::1]:80", "[::1/128]:80-80"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ] {
        let range: AddressRange = text.parse().expect("a range");
        assert_eq!(range.to_string(), written);
        assert_eq!(range.to_string().parse(), Ok(range));
    }
    for text in [
        "",
        "x",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.1:9-1",
        "10.0.0.1:",
        "[::1",
        "10.0.0.1/",
    ] {
        assert!(text.parse::<AddressRange>().is_err(), "{text}");
    }
}
