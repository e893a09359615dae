// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server in virtual time, with clients that write real messages.

mod allocations;
mod amplification;
mod credentials;
mod hostile;
mod peers;
mod relaying;
mod stun;
mod tcp;

use super::{
    Config, Credentials, Families, FiveTuple, Output, PeerFilter, Refusal, RelayId, RelayPort,
    Server, Transport, password_for,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun_types::attribute::{
    AttributeWrite, ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithmValue,
    PasswordAlgorithms, Realm, Username,
};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method, TransactionId,
};
use turn_types::attribute::{
    ChannelNumber, Data, Lifetime, RequestedTransport, XorPeerAddress, XorRelayedAddress,
};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};

/// Noon of some day.
const UNIX: u64 = 1_800_000_000;
const SECRET: &[u8] = b"a shared secret";
const SERVER: &str = "198.51.100.1:3478";
/// Public and unicast.
const PEER: &str = "9.9.9.9:5000";
const PEER6: &str = "[2620:fe::fe]:5000";

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn udp(client: &str) -> FiveTuple {
    FiveTuple {
        transport: Transport::Udp,
        client: addr(client),
        server: addr(SERVER),
    }
}

/// The server, the time, and the sockets it asked for.
struct Lab {
    server: Server,
    now: Instant,
    sent: Vec<(FiveTuple, Vec<u8>)>,
    outputs: Vec<Output>,
    relays: BTreeMap<RelayId, SocketAddr>,
    /// No more sockets are to be had.
    exhausted: bool,
    next_port: u16,
}

impl Lab {
    fn new() -> Lab {
        Lab::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Lab {
        let mut config = Config {
            credentials: Credentials {
                secret: Some(SECRET.to_vec()),
                users: [("static".to_owned(), "password".to_owned())].into(),
            },
            peers: PeerFilter {
                own: vec![addr(SERVER).ip()],
                ..PeerFilter::default()
            },
            families: Families {
                ipv4: true,
                ipv6: true,
            },
            ..Config::default()
        };
        change(&mut config);
        let now = Instant::now();
        Lab {
            server: Server::new(now, Duration::from_secs(UNIX), config, [7; 32]),
            now,
            sent: Vec::new(),
            outputs: Vec::new(),
            relays: BTreeMap::new(),
            exhausted: false,
            next_port: 50_000,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.server.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { to, data } => self.sent.push((to, data)),
                Output::OpenRelay {
                    relay, ipv6, port, ..
                } => self.open(relay, ipv6, port),
                Output::CloseRelay { relay } => {
                    self.relays.remove(&relay);
                }
                other => self.outputs.push(other),
            }
        }
    }

    fn open(&mut self, relay: RelayId, ipv6: bool, port: RelayPort) {
        let ip = if ipv6 { "2620:fe::1" } else { "9.0.0.1" };
        let ip = ip.parse().expect("an address");
        let address = SocketAddr::new(ip, self.next_port);
        self.next_port += 2;
        if self.exhausted {
            return self.server.relay_opened(self.now, relay, None);
        }
        self.relays.insert(relay, address);
        if let RelayPort::EvenAndNext(next) = port {
            self.relays
                .insert(next, SocketAddr::new(ip, address.port() + 1));
        }
        self.server.relay_opened(self.now, relay, Some(address));
    }

    /// What the server sends when this comes, to whomever.
    fn put(&mut self, path: &FiveTuple, data: &[u8]) -> Vec<(FiveTuple, Vec<u8>)> {
        self.server.handle_client(self.now, path, data);
        self.drain();
        std::mem::take(&mut self.sent)
    }

    /// The one answer to a request, if there is any.
    fn ask(&mut self, path: &FiveTuple, data: &[u8]) -> Option<Vec<u8>> {
        let mut sent = self.put(path, data);
        assert!(sent.len() <= 1, "one request, {} answers", sent.len());
        let (to, reply) = sent.pop()?;
        assert_eq!(to, *path);
        Some(reply)
    }

    /// What the server passes on to a peer.
    fn relay(&mut self, path: &FiveTuple, data: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
        let passed = self.server.handle_client(self.now, path, data);
        let passed = passed.map(|to| (to.peer, to.data.to_vec()));
        self.drain();
        passed
    }

    /// What a client gets when a peer sends this to a relay.
    fn deliver(&mut self, relay: RelayId, peer: &str, data: &[u8]) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        self.server
            .handle_peer(self.now, relay, addr(peer), data, &mut message)
            .map(|_| message)
    }

    fn refused(&self, why: Refusal) -> u64 {
        self.server.stats().refused(why)
    }

    /// A time-limited name and its password.
    fn credentials(&self, user: &str) -> (String, String) {
        let name = format!("{}:{user}", UNIX + 3600);
        let password = password_for(SECRET, &name);
        (name, password)
    }

    /// A client with a nonce.
    fn client(&mut self, at: &str, user: &str) -> Client {
        let (name, password) = self.credentials(user);
        self.client_as(udp(at), &name, &password)
    }

    fn client_as(&mut self, path: FiveTuple, name: &str, password: &str) -> Client {
        let mut client = Client {
            path,
            name: name.to_owned(),
            password: password.to_owned(),
            nonce: String::new(),
            algorithm: IntegrityAlgorithm::Sha1,
            next: 1,
        };
        client.challenge(self);
        client
    }

    /// A client with an allocation.
    fn allocated(&mut self, at: &str, user: &str) -> (Client, RelayId) {
        let mut client = self.client(at, user);
        let before: Vec<RelayId> = self.relays.keys().copied().collect();
        let reply = client.allocate(self, &[]);
        assert_eq!(code(&reply), None, "an allocation");
        let fresh = self.relays.keys().find(|relay| !before.contains(relay));
        (client, *fresh.expect("a relay"))
    }
}

/// Somebody with credentials.
struct Client {
    path: FiveTuple,
    name: String,
    password: String,
    nonce: String,
    algorithm: IntegrityAlgorithm,
    next: u128,
}

impl Client {
    fn challenge(&mut self, lab: &mut Lab) {
        let request = bare(ALLOCATE, &[&RequestedTransport::new(17)]);
        let reply = lab.ask(&self.path, &request).expect("a challenge");
        let message = Message::from_bytes(&reply).expect("a message");
        self.nonce = message
            .attribute::<Nonce>()
            .expect("a nonce")
            .nonce()
            .to_owned();
    }

    /// A signed request.
    fn request(&mut self, method: Method, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        self.next += 1;
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut message = Message::builder(kind, self.next.into(), MessageWriteVec::new());
        for attribute in attributes {
            message.add_attribute(*attribute).expect("room");
        }
        self.sign(message)
    }

    fn sign(&self, mut message: MessageWriteVec) -> Vec<u8> {
        let username = Username::new(&self.name).expect("a name");
        let realm = Realm::new(super::REALM).expect("a realm");
        let nonce = Nonce::new(&self.nonce).expect("a nonce");
        message.add_attribute(&username).expect("room");
        message.add_attribute(&realm).expect("room");
        message.add_attribute(&nonce).expect("room");
        if self.algorithm == IntegrityAlgorithm::Sha256 {
            let offered = [PasswordAlgorithmValue::SHA256, PasswordAlgorithmValue::MD5];
            message
                .add_attribute(&PasswordAlgorithms::new(&offered))
                .expect("room");
            message
                .add_attribute(&PasswordAlgorithm::new(PasswordAlgorithmValue::SHA256))
                .expect("room");
        }
        let key = self.key();
        message
            .add_message_integrity_with_key(&key, self.algorithm)
            .expect("room");
        message.finish()
    }

    fn key(&self) -> stun_types::message::IntegrityKey {
        LongTermKeyCredentials::new(
            self.name.clone(),
            self.password.clone(),
            super::REALM.to_owned(),
        )
        .make_key(self.algorithm)
    }

    /// A request, and the answer: none is a failure of the test. That it is signed is checked.
    fn ask(
        &mut self,
        lab: &mut Lab,
        method: Method,
        attributes: &[&dyn AttributeWrite],
    ) -> Vec<u8> {
        let request = self.request(method, attributes);
        let reply = lab.ask(&self.path, &request).expect("an answer");
        if !matches!(code(&reply), Some(400 | 401 | 438)) {
            let message = Message::from_bytes(&reply).expect("a message");
            let signed = message.validate_integrity_with_key(&self.key());
            assert_eq!(signed.ok(), Some(self.algorithm), "a signed answer");
        }
        reply
    }

    fn allocate(&mut self, lab: &mut Lab, more: &[&dyn AttributeWrite]) -> Vec<u8> {
        let transport = RequestedTransport::new(17);
        let all: Vec<&dyn AttributeWrite> = std::iter::once(&transport as &dyn AttributeWrite)
            .chain(more.iter().copied())
            .collect();
        self.ask(lab, ALLOCATE, &all)
    }

    fn refresh(&mut self, lab: &mut Lab, seconds: u32) -> Option<u16> {
        code(&self.ask(lab, REFRESH, &[&Lifetime::new(seconds)]))
    }

    fn permit(&mut self, lab: &mut Lab, peer: &str) -> Option<u16> {
        let request = self.with_peer(CREATE_PERMISSION, peer, &[]);
        code(&lab.ask(&self.path, &request).expect("an answer"))
    }

    fn bind(&mut self, lab: &mut Lab, number: u16, peer: &str) -> Option<u16> {
        let request = self.with_peer(CHANNEL_BIND, peer, &[&ChannelNumber::new(number)]);
        code(&lab.ask(&self.path, &request).expect("an answer"))
    }

    /// A signed request with an XOR-PEER-ADDRESS.
    fn with_peer(&mut self, method: Method, peer: &str, more: &[&dyn AttributeWrite]) -> Vec<u8> {
        let id = TransactionId::from(self.next + 1);
        let peer = XorPeerAddress::new(addr(peer), id);
        let all: Vec<&dyn AttributeWrite> = std::iter::once(&peer as &dyn AttributeWrite)
            .chain(more.iter().copied())
            .collect();
        self.request(method, &all)
    }

    /// A Send indication.
    fn indication(&self, peer: &str, data: &[u8]) -> Vec<u8> {
        self.indication_with(peer, data, &[])
    }

    fn indication_with(&self, peer: &str, data: &[u8], more: &[&dyn AttributeWrite]) -> Vec<u8> {
        let id = TransactionId::from(99);
        let kind = MessageType::from_class_method(MessageClass::Indication, SEND);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        message
            .add_attribute(&XorPeerAddress::new(addr(peer), id))
            .expect("room");
        message.add_attribute(&Data::new(data)).expect("room");
        for attribute in more {
            message.add_attribute(*attribute).expect("room");
        }
        message.finish()
    }
}

/// A request without credentials.
fn bare(method: Method, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
    let kind = MessageType::from_class_method(MessageClass::Request, method);
    let mut message = Message::builder(kind, 1.into(), MessageWriteVec::new());
    for attribute in attributes {
        message.add_attribute(*attribute).expect("room");
    }
    message.finish()
}

/// The code of an error; `None` for a success.
fn code(reply: &[u8]) -> Option<u16> {
    let message = Message::from_bytes(reply).expect("a message");
    match message.class() {
        MessageClass::Success => None,
        MessageClass::Error => Some(message.attribute::<ErrorCode>().expect("a code").code()),
        other => panic!("{other:?} is no answer"),
    }
}

/// The relayed addresses that a reply tells.
fn relayed(reply: &[u8]) -> Vec<SocketAddr> {
    let message = Message::from_bytes(reply).expect("a message");
    (0..2)
        .filter_map(|n| message.nth_attribute::<XorRelayedAddress>(n).ok())
        .map(|attribute| attribute.addr(message.transaction_id()))
        .collect()
}

fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend((data.len() as u16).to_be_bytes());
    message.extend(data);
    message
}
