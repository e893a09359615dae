// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::io::sys::Event;

/// A binding request with user name, priority and integrity (RFC 8445 §7.1). Whether it is signed rightly is the session's business.
fn binding_request() -> Vec<u8> {
    let mut request = vec![0, 1, 0, 40, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    request.extend([0, 6, 0, 3, b'a', b':', b'b', 0]);
    request.extend([0, 0x24, 0, 4, 1, 2, 3, 4]);
    request.extend([0, 8, 0, 20]);
    request.extend([9; 20]);
    request
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&(packet.len() as u16).to_be_bytes(), packet].concat()
}

struct Server {
    epoll: Epoll,
    tcp: Tcp,
    address: std::net::SocketAddr,
    frames: Vec<(Path, Vec<u8>)>,
}

impl Server {
    fn start(connections: usize) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let epoll = Epoll::new().expect("epoll");
        let limits = TcpLimits {
            connections,
            first_packet: Duration::from_secs(10),
        };
        let tcp = Tcp::new(vec![listener], limits, &epoll).expect("room in the set");
        Server {
            epoll,
            tcp,
            address,
            frames: Vec::new(),
        }
    }

    fn turn(&mut self, now: Instant) {
        let mut events: Vec<Event> = Vec::new();
        self.epoll
            .wait(&mut events, Some(Duration::from_millis(20)))
            .expect("epoll");
        for event in events {
            if event.token < CONNECTIONS {
                self.tcp.accept(now, &self.epoll, event.token);
                continue;
            }
            if event.write {
                self.tcp.write(&self.epoll, event.token);
            }
            if event.read {
                self.tcp.read(now, event.token, |path, frame| {
                    self.frames.push((path, frame.to_vec()))
                });
            }
        }
        self.tcp.handle_timeout(now, &self.epoll);
    }

    fn until(&mut self, mut done: impl FnMut(&Server) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !done(self) {
            assert!(Instant::now() < deadline, "not within 5 s");
            self.turn(Instant::now());
        }
    }

    fn connect(&mut self) -> TcpStream {
        let (stream, before) = (
            TcpStream::connect(self.address).expect("a listener"),
            self.tcp.connections(),
        );
        self.until(|s| s.tcp.connections() > before);
        stream
    }
}

#[test]
fn frames_go_both_ways_in_pieces() {
    let mut server = Server::start(10);
    let mut peer = server.connect();
    for piece in framed(&binding_request()).chunks(5) {
        peer.write_all(piece).expect("a connection");
        server.turn(Instant::now());
    }
    server.until(|s| s.frames.len() == 1);
    let (path, frame) = server.frames[0].clone();
    assert_eq!(
        (path.proto, path.local, frame),
        (Proto::Tcp, server.address, binding_request())
    );
    let bytes = [5; 250];
    server.tcp.send(
        &server.epoll,
        &Run {
            path,
            bytes: &bytes,
            segment_size: 100,
        },
    );
    let mut answer = vec![0; 256];
    peer.read_exact(&mut answer).expect("an answer");
    assert_eq!(
        answer,
        [framed(&[5; 100]), framed(&[5; 100]), framed(&[5; 50])].concat()
    );
}

#[test]
fn what_does_not_begin_with_a_check_is_closed() {
    let mut server = Server::start(10);
    for greeting in [
        &framed(&[0x80; 20])[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &framed(&[22; 100])[..],
    ] {
        let mut peer = server.connect();
        peer.write_all(greeting).expect("a connection");
        server.until(|s| s.tcp.connections() == 0);
        assert!(server.frames.is_empty());
    }
    assert!(server.tcp.by_path.is_empty());
}

#[test]
fn a_connection_that_no_session_answers_is_closed_after_the_time_for_the_first_packet() {
    let mut server = Server::start(10);
    let _silent = server.connect();
    let mut talking = server.connect();
    talking
        .write_all(&framed(&binding_request()))
        .expect("a connection");
    server.until(|s| s.frames.len() == 1);
    server.turn(Instant::now() + Duration::from_secs(9));
    assert_eq!(server.tcp.connections(), 2);
    server.turn(Instant::now() + Duration::from_secs(11));
    assert_eq!(server.tcp.connections(), 0);
    assert_eq!(server.tcp.poll_timeout(), None);
}

#[test]
fn connections_beyond_the_limit_are_closed_at_once() {
    let mut server = Server::start(1);
    let _first = server.connect();
    let mut second = TcpStream::connect(server.address).expect("a listener");
    server.turn(Instant::now());
    assert_eq!(second.read(&mut [0; 1]).expect("an orderly end"), 0);
    assert_eq!(server.tcp.connections(), 1);
}

#[test]
fn a_peer_that_does_not_read_loses_whole_frames_and_goes_on_afterwards() {
    let mut server = Server::start(10);
    let mut peer = server.connect();
    peer.write_all(&framed(&binding_request()))
        .expect("a connection");
    server.until(|s| s.frames.len() == 1);
    let path = server.frames[0].0;
    let bytes = vec![3; 60_000];
    while server.tcp.dropped() == 0 {
        server.tcp.send(
            &server.epoll,
            &Run {
                path,
                bytes: &bytes,
                segment_size: 1_000,
            },
        );
    }
    peer.set_nonblocking(true).expect("a socket");
    let (mut deframer, mut frames, mut buffer) = (Deframer::default(), 0, vec![0; 1 << 16]);
    let mut quiet = 0;
    while quiet < 5 {
        server.turn(Instant::now());
        match peer.read(&mut buffer) {
            Ok(count) => {
                let whole = |frame: &mut [u8]| {
                    assert_eq!(frame, [3; 1_000]);
                    frames += 1;
                };
                deframer.push(&mut buffer[..count], whole).expect("frames");
                quiet = 0;
            }
            Err(_) => quiet += 1,
        }
    }
    assert!(frames > MAX_WAITING / 1_002, "{frames} frames");
}
