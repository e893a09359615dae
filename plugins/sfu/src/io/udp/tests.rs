// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use gst_rtc_core::arena::SendArena;
use std::time::{Duration, Instant};

fn pair(address: &str) -> (UdpSocket, UdpSocket) {
    let bind = || UdpSocket::bind(address.parse().expect("an address")).expect("a free port");
    (bind(), bind())
}

fn path(from: &UdpSocket, ip: &str, to: &UdpSocket) -> Path {
    let ip = ip.parse().expect("an address");
    Path {
        proto: Proto::Udp,
        local: SocketAddr::new(ip, from.local().port()),
        remote: SocketAddr::new(ip, to.local().port()),
    }
}

fn send(socket: &mut UdpSocket, arena: &SendArena) {
    socket.send(&mut SendBatch::new(), arena.runs());
}

fn receive(socket: &mut UdpSocket, count: usize) -> Vec<(Path, Vec<u8>)> {
    let (mut batch, mut got) = (ReceiveBatch::new(), Vec::new());
    let deadline = Instant::now() + Duration::from_secs(5);
    while got.len() < count && Instant::now() < deadline {
        socket
            .receive(&mut batch, |path, data| got.push((path, data.to_vec())))
            .expect("a socket");
        std::thread::yield_now();
    }
    got
}

fn arena(path: &Path, sizes: &[usize]) -> SendArena {
    let mut arena = SendArena::default();
    for (i, size) in sizes.iter().enumerate() {
        arena.push(path, &vec![i as u8; *size]);
    }
    arena
}

fn round_trip(from: &mut UdpSocket, to: &mut UdpSocket, ip: &str) {
    let sizes: Vec<usize> = (0..150)
        .map(|i| [1200, 1200, 1200, 700, 90][i % 5])
        .collect();
    let path = path(from, ip, to);
    send(from, &arena(&path, &sizes));
    let got = receive(to, sizes.len());
    assert_eq!(got.len(), sizes.len());
    for (i, (seen, data)) in got.iter().enumerate() {
        assert_eq!(data, &vec![i as u8; sizes[i]]);
        assert_eq!(
            (seen.local, seen.remote),
            (path.remote, path.local),
            "seen from the other side"
        );
    }
}

#[test]
fn runs_arrive_as_the_datagrams_they_were_made_of() {
    let (mut a, mut b) = pair("127.0.0.1:0");
    round_trip(&mut a, &mut b, "127.0.0.1");
    assert!(a.counters().send_calls < 5, "{:?}", a.counters());
    assert_eq!(a.counters().bytes_sent, b.counters().bytes_received);
}

#[test]
fn ipv6_works_likewise() {
    let (mut a, mut b) = pair("[::1]:0");
    round_trip(&mut a, &mut b, "::1");
}

#[test]
fn without_segmentation_the_same_datagrams_arrive() {
    let (mut a, mut b) = pair("127.0.0.1:0");
    a.segmentation = false;
    round_trip(&mut a, &mut b, "127.0.0.1");
}

#[test]
fn a_socket_bound_to_any_address_answers_from_the_one_that_was_asked() {
    let (mut any, _) = pair("0.0.0.0:0");
    let mut peer =
        UdpSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let there = Path {
        proto: Proto::Udp,
        local: peer.local(),
        remote: SocketAddr::new("127.0.0.5".parse().expect("an address"), any.local().port()),
    };
    send(&mut peer, &arena(&there, &[10]));
    let (seen, _) = receive(&mut any, 1).pop().expect("a datagram");
    assert_eq!(seen.local, there.remote);
    send(&mut any, &arena(&seen, &[20, 20]));
    let (answer, _) = receive(&mut peer, 2).pop().expect("an answer");
    assert_eq!(answer.remote, there.remote);
}

#[test]
fn a_refused_run_is_sent_in_pieces_and_the_rest_follows() {
    let (mut a, mut b) = pair("127.0.0.1:0");
    let path = path(&a, "127.0.0.1", &b);
    let bytes = [7; 300];
    // The kernel refuses segments beyond its count limit with EINVAL, as it does where segmentation is not to be had.
    let refused = Run {
        path,
        bytes: &bytes,
        segment_size: 2,
    };
    let fine = Run {
        path,
        bytes: &bytes,
        segment_size: 300,
    };
    a.send(&mut SendBatch::new(), [refused, fine].into_iter());
    let got = receive(&mut b, 151);
    assert_eq!(got.iter().filter(|(_, d)| d.len() == 2).count(), 150);
    assert_eq!(got.last().map(|(_, d)| d.len()), Some(300));
    assert!(!a.segmentation());
}

#[test]
fn an_unreachable_peer_costs_only_its_own_datagrams() {
    let (mut a, mut b) = pair("127.0.0.1:0");
    let good = path(&a, "127.0.0.1", &b);
    let mut arena = SendArena::default();
    // Port 0 cannot be sent to.
    arena.push(
        &Path {
            remote: ([127, 0, 0, 1], 0).into(),
            ..good
        },
        &[1; 10],
    );
    arena.push(&good, &[2; 10]);
    send(&mut a, &arena);
    assert_eq!(receive(&mut b, 1)[0].1, [2; 10]);
    assert_eq!(a.counters().errors, 1);
}

#[test]
fn what_the_socket_has_no_room_for_is_kept_in_order_up_to_a_bound() {
    let (mut a, mut b) = pair("127.0.0.1:0");
    let path = path(&a, "127.0.0.1", &b);
    for i in 0..3 {
        a.keep(&Outgoing {
            remote: path.remote,
            source: None,
            bytes: &[i; 100],
            segment_size: 100,
        });
    }
    send(&mut a, &arena(&path, &[50]));
    assert_eq!(a.late.len(), 4, "no overtaking");
    a.send_late(&mut SendBatch::new());
    let sizes: Vec<_> = receive(&mut b, 4)
        .into_iter()
        .map(|(_, d)| (d.len(), d[0]))
        .collect();
    assert_eq!(sizes, [(100, 0), (100, 1), (100, 2), (50, 0)]);
    for _ in 0..30 {
        a.keep(&Outgoing {
            remote: path.remote,
            source: None,
            bytes: &[0; 60_000],
            segment_size: 1200,
        });
    }
    assert!(a.late_bytes <= LATE_BYTES);
    assert_eq!(a.counters().dropped, 50 * 13);
}
