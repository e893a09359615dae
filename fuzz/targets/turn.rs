// SPDX-License-Identifier: MIT OR Apache-2.0
//! A TURN server and one client, whose stream is the input: messages and ChannelData as they come, and requests that are signed here, with
//! attributes out of the input.
#![no_main]

use gst_rtc_core::turn::{
    Config, Credentials, Families, FiveTuple, Frame, Output, REALM, RelayId, Server, Transport,
    frame,
};
use libfuzzer_sys::fuzz_target;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun_types::attribute::{AttributeType, Nonce, RawAttribute, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method,
};

/// Allocate to ConnectionAttempt: those of RFC 8656 and RFC 6062.
const METHODS: [u16; 8] = [3, 4, 6, 8, 9, 10, 11, 1];

/// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, which are not written like others.
const SIGNATURES: [u16; 3] = [0x0008, 0x001C, 0x8028];

struct Lab {
    server: Server,
    now: Instant,
    client: FiveTuple,
    nonce: String,
    relays: Vec<RelayId>,
    /// Replies to the stranger that were longer than the bytes of the request allow, at this time.
    long: usize,
}

impl Lab {
    fn new() -> Lab {
        let config = Config {
            credentials: Credentials {
                secret: None,
                users: [("user".to_owned(), "password".to_owned())].into(),
            },
            families: Families {
                ipv4: true,
                ipv6: true,
            },
            ..Config::default()
        };
        let now = Instant::now();
        let address = |text: &str| text.parse().expect("an address");
        let mut lab = Lab {
            server: Server::new(now, Duration::from_secs(1_800_000_000), config, [7; 32]),
            now,
            client: FiveTuple {
                transport: Transport::Tcp,
                client: address("192.0.2.1:4000"),
                server: address("198.51.100.1:3478"),
            },
            nonce: String::new(),
            relays: Vec::new(),
            long: 0,
        };
        let kind = MessageType::from_class_method(MessageClass::Request, Method::new(3));
        let mut request = Message::builder(kind, 1.into(), MessageWriteVec::new());
        let udp = RawAttribute::new(AttributeType::new(0x19), &[17, 0, 0, 0]);
        request.add_attribute(&udp).expect("room");
        lab.put(&request.finish());
        lab
    }

    fn put(&mut self, data: &[u8]) {
        let _ = self.server.handle_client(self.now, &self.client, data);
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::OpenRelay { relay, .. } => {
                    let port = 50_000 + self.relays.len() as u16;
                    self.relays.push(relay);
                    let address = SocketAddr::new([9, 0, 0, 1].into(), port);
                    self.server.relay_opened(self.now, relay, Some(address));
                }
                Output::Send { data, .. } => self.learn(&data),
                _ => {}
            }
        }
    }

    /// A datagram of a stranger, perhaps without a magic cookie.
    fn stray(&mut self, data: &[u8]) {
        let client = FiveTuple {
            transport: Transport::Udp,
            ..self.client
        };
        let _ = self.server.handle_client(self.now, &client, data);
        while let Some(output) = self.server.poll_output() {
            if let Output::Send { data: reply, .. } = output {
                assert!(reply.len() * 10 <= data.len() * 21);
                self.long += usize::from(reply.len() * 10 > data.len() * 16);
                assert!(self.long <= 10);
            }
        }
    }

    fn learn(&mut self, reply: &[u8]) {
        let message = Message::from_bytes(reply).expect("the server writes messages");
        if let Ok(nonce) = message.attribute::<Nonce>() {
            self.nonce = nonce.nonce().to_owned();
        }
    }

    /// A signed request of a method with attributes: two bytes of type, one of length, the value.
    fn ask(&mut self, method: u8, mut attributes: &[u8]) {
        let method = Method::new(METHODS[usize::from(method) % METHODS.len()]);
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut message = Message::builder(kind, 7.into(), MessageWriteVec::new());
        while let [high, low, length, rest @ ..] = attributes {
            let (value, rest) = rest.split_at(rest.len().min(usize::from(*length)));
            attributes = rest;
            let kind = u16::from_be_bytes([*high & 0x80, *low]);
            if !SIGNATURES.contains(&kind) {
                // Refused only when the message is full.
                let _ = message.add_attribute(&RawAttribute::new(AttributeType::new(kind), value));
            }
        }
        let signed = Username::new("user")
            .and_then(|name| message.add_attribute(&name))
            .and_then(|()| message.add_attribute(&Realm::new(REALM)?))
            .and_then(|()| message.add_attribute(&Nonce::new(&self.nonce)?));
        let user = LongTermKeyCredentials::new("user".into(), "password".into(), REALM.into());
        let key = user.make_key(IntegrityAlgorithm::Sha1);
        let sha1 = IntegrityAlgorithm::Sha1;
        if signed.is_ok() && message.add_message_integrity_with_key(&key, sha1).is_ok() {
            self.put(&message.finish());
        }
    }

    /// Time passes, and a peer sends something.
    fn pass(&mut self, seconds: u8, data: &[u8]) {
        if seconds > 0 {
            self.now += Duration::from_secs(u64::from(seconds) * 4);
            self.long = 0;
        }
        self.server.handle_timeout(self.now);
        let peer = SocketAddr::new([9, 9, 9, 9].into(), 5_000);
        for relay in self.relays.clone() {
            let mut message = Vec::new();
            self.server
                .handle_peer(self.now, relay, peer, data, &mut message);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut lab = Lab::new();
    let mut input = data;
    while let [what, length, rest @ ..] = input {
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        match (what >> 5, piece) {
            (0, [seconds, data @ ..]) => lab.pass(*seconds, data),
            (4, piece) => lab.stray(piece),
            (1..4, piece) => lab.ask(*what & 0x1F, piece),
            (_, piece) => {
                if let Frame::Message(length) = frame(piece) {
                    assert!(length >= 4);
                }
                lab.put(piece);
            }
        }
        input = rest;
    }
});
