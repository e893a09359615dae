// SPDX-License-Identifier: MIT OR Apache-2.0
//! The door, with a client of OpenSSL's.

use super::*;
use gst_rtc_core::turn::Transport;
use openssl::ssl::{ErrorCode, SslVerifyMode};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);

fn door() -> Door {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let files = TlsFiles {
        certificates: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificates, made.cert.pem()).expect("a file");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("a file");
    Door::new(Instant::now(), &files, &[7; 32]).expect("a door")
}

fn path(port: u16) -> FiveTuple {
    FiveTuple {
        transport: Transport::Dtls,
        client: SocketAddr::from(([198, 51, 100, 1], port)),
        server: SocketAddr::from(([198, 51, 100, 2], 5349)),
    }
}

struct Client(SslStream<Datagrams>);

impl Client {
    fn new(version: SslVersion) -> Client {
        let mut context = SslContext::builder(SslMethod::dtls()).expect("OpenSSL works");
        context.set_verify(SslVerifyMode::NONE);
        let context = context.build();
        let mut ssl = Ssl::new(&context).expect("OpenSSL works");
        ssl.set_mtu(MTU).expect("OpenSSL works");
        // Debian's OpenSSL makes no hello of the old version otherwise.
        ssl.set_security_level(0);
        ssl.set_min_proto_version(Some(version)).expect("known");
        ssl.set_max_proto_version(Some(version)).expect("known");
        ssl.set_connect_state();
        Client(SslStream::new(ssl, Datagrams::default()).expect("OpenSSL works"))
    }

    /// What it says when this has come, or nothing has.
    fn hear(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        if !data.is_empty() {
            self.0.get_mut().arrive(data, 0);
        }
        if let Err(error) = self.0.do_handshake() {
            assert_eq!(error.code(), ErrorCode::WANT_READ, "{error}");
        }
        self.0.get_mut().drain_written().collect()
    }

    /// The hello without a cookie, and that with one.
    fn hellos(&mut self, door: &mut Door, path: &FiveTuple) -> [Vec<u8>; 2] {
        let first = self.hear(&[]).remove(0);
        let Greeting::Answer(cookie) = door.knock(Instant::now(), path, &first) else {
            panic!("no answer to a hello");
        };
        let second = self.hear(&cookie).remove(0);
        [first, second]
    }
}

fn welcome(door: &mut Door, path: &FiveTuple, hello: &[u8]) -> Box<Session> {
    match door.knock(Instant::now(), path, hello) {
        Greeting::Welcome(session) => session,
        Greeting::Answer(answer) => panic!("answered {answer:?}"),
        Greeting::Ignored => panic!("ignored"),
    }
}

/// Passes everything on until nobody has anything to say.
fn talk(client: &mut Client, session: &mut Session) {
    while let Some(data) = session.poll_transmit() {
        for answer in client.hear(&data) {
            session.handle_datagram(&answer).expect("a handshake");
        }
    }
}

#[test]
fn who_knocks_gets_a_cookie_and_no_more_bytes_than_it_sent() {
    let mut door = door();
    let hello = Client::new(SslVersion::DTLS1_2).hear(&[]).remove(0);
    for _ in 0..3 {
        let Greeting::Answer(answer) = door.knock(Instant::now(), &path(1000), &hello) else {
            panic!("no answer");
        };
        assert_eq!(answer[13], 3, "no HelloVerifyRequest: {answer:?}");
        assert!(answer.len() < hello.len());
    }
}

#[test]
fn who_brings_the_cookie_is_served() {
    let (mut door, mut client) = (door(), Client::new(SslVersion::DTLS1_2));
    let [_, hello] = client.hellos(&mut door, &path(1000));
    let mut session = welcome(&mut door, &path(1000), &hello);
    talk(&mut client, &mut session);
    assert!(session.is_open());

    client.0.ssl_write(b"to the server").expect("written");
    let data = client.0.get_mut().take_written().expect("a record");
    session.handle_datagram(&data).expect("a record");
    let mut message = Vec::new();
    assert!(session.next_message(&mut message).expect("open"));
    assert_eq!(message, b"to the server");
    assert!(!session.next_message(&mut message).expect("open"));

    session.send(b"to the client");
    let data = session.poll_transmit().expect("a record");
    client.0.get_mut().arrive(&data, 0);
    let mut heard = [0; 100];
    let length = client.0.ssl_read(&mut heard).expect("a record");
    assert_eq!(&heard[..length], b"to the client");
}

#[test]
fn records_that_are_not_authentic_end_nothing_however_short() {
    let (mut door, mut client) = (door(), Client::new(SslVersion::DTLS1_2));
    let [_, hello] = client.hellos(&mut door, &path(1000));
    let mut session = welcome(&mut door, &path(1000), &hello);
    talk(&mut client, &mut session);
    let mut message = Vec::new();
    for kind in 20..25 {
        for len in 0..80u8 {
            let mut data = vec![kind, 254, 253, 0, 1, 0, 0, 0, 0, 9, len, 0, len];
            data.resize(13 + usize::from(len), 0);
            session.handle_datagram(&data).expect("it is dropped");
            assert!(!session.next_message(&mut message).expect("still open"));
        }
    }
    client.0.ssl_write(b"to the server").expect("written");
    let data = client.0.get_mut().take_written().expect("a record");
    session.handle_datagram(&data).expect("a record");
    assert!(session.next_message(&mut message).expect("open"));
}

#[test]
fn the_cookie_of_another_address_is_none() {
    let (mut door, mut client) = (door(), Client::new(SslVersion::DTLS1_2));
    let [_, hello] = client.hellos(&mut door, &path(1000));
    let answer = door.knock(Instant::now(), &path(1001), &hello);
    assert!(matches!(answer, Greeting::Answer(answer) if answer[13] == 3));
}

#[test]
fn an_old_version_is_refused_in_words() {
    let (mut door, mut client) = (door(), Client::new(SslVersion::DTLS1));
    let [_, hello] = client.hellos(&mut door, &path(1000));
    let Greeting::Answer(alert) = door.knock(Instant::now(), &path(1000), &hello) else {
        panic!("no alert");
    };
    // Alert, fatal, protocol_version (RFC 5246 §7.2).
    assert_eq!((alert[0], &alert[13..]), (21, &[2, 70][..]));
}

#[test]
fn a_lost_flight_is_repeated() {
    let (mut door, mut client) = (door(), Client::new(SslVersion::DTLS1_2));
    let [_, hello] = client.hellos(&mut door, &path(1000));
    let mut session = welcome(&mut door, &path(1000), &hello);
    while session.poll_transmit().is_some() {}
    let until = Instant::now() + DEADLINE;
    while !session.is_open() && Instant::now() < until {
        // OpenSSL has a clock of its own.
        sleep(Duration::from_millis(50));
        let started = session.started;
        session.handle_timeout(started).expect("in time");
        talk(&mut client, &mut session);
    }
    assert!(session.is_open());
}

#[test]
fn who_does_not_go_on_is_given_up() {
    let (mut door, mut client) = (door(), Client::new(SslVersion::DTLS1_2));
    let [_, hello] = client.hellos(&mut door, &path(1000));
    let mut session = welcome(&mut door, &path(1000), &hello);
    let late = Instant::now() + Duration::from_secs(20);
    assert!(session.handle_timeout(late).is_err());
}

#[test]
fn a_client_started_anew_is_told_from_a_hello_that_comes_twice() {
    let (mut door, mut client) = (door(), Client::new(SslVersion::DTLS1_2));
    let [_, hello] = client.hellos(&mut door, &path(1000));
    let mut session = welcome(&mut door, &path(1000), &hello);
    talk(&mut client, &mut session);
    assert!(!session.is_another_hello(&hello));
    let another = Client::new(SslVersion::DTLS1_2).hear(&[]).remove(0);
    assert!(session.is_another_hello(&another));
}

#[test]
fn nothing_but_a_whole_hello_opens_the_door() {
    let (mut door, mut client) = (door(), Client::new(SslVersion::DTLS1_2));
    let [_, hello] = client.hellos(&mut door, &path(1000));
    for length in 0..hello.len() {
        let cut = door.knock(Instant::now(), &path(1000), &hello[..length]);
        assert!(!matches!(cut, Greeting::Welcome(_)), "{length} bytes");
    }
    for at in 0..hello.len() {
        let mut wrong = hello.clone();
        wrong[at] ^= 0x80;
        // Whatever comes of it, the door stands.
        door.knock(Instant::now(), &path(1000), &wrong);
    }
    welcome(&mut door, &path(1000), &hello);
}
