// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers that lie and datagrams that mean harm: the room goes on as if nothing were.

use std::net::SocketAddr;
use std::time::Duration;

use gst::prelude::*;
use gst_rtc::embedded::{Embedded, sessions};
use gst_rtc::http::request;
use gst_rtc::raw_peer::{Lies, RTX, RawPeer, VP8, rtp};
use gst_rtc::{Browser, DEADLINE, Result, Server, Visitor, check, my_turn};
use gst_rtc_core::media::Setup;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};

/// A whole VP8 keyframe header of 16×16 pixels, in one RTP payload (RFC 7741 §4).
const KEYFRAME: &[u8] = &[
    0x10, 0x50, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x10, 0x00, 0x10, 0x00, 0x00, 0x07, 0x08, 0x85,
];

/// Who is in the room by the server's own account.
async fn participants(server: &Server) -> Result<String> {
    let answer = request(server.address(), "GET", "/api/v1/rooms", "text/plain", "").await?;
    check!(answer.status == 200, "{answer:?}");
    Ok(answer.body)
}

async fn forged(setup: Setup) -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let lies = Lies {
        fingerprint: true,
        setup,
    };
    let mut forger = RawPeer::offer(&server, "lobby", "mallory", lies).await?;
    let how = forger.ended().await?;
    check!(!forger.is_connected(), "still connected after {how}");
    check!(
        forger
            .send_rtp(&rtp(0x80, VP8, KEYFRAME), 12)
            .await
            .is_err(),
        "keys are left"
    );
    let until = Instant::now() + DEADLINE;
    while participants(&server).await?.contains("mallory") {
        check!(Instant::now() < until, "mallory is still in the room");
        sleep(Duration::from_millis(50)).await;
    }

    let mut honest = RawPeer::offer(&server, "lobby", "alice", Lies::NONE).await?;
    honest.connected().await?;
    check!(
        participants(&server).await?.contains("alice"),
        "alice is not in the room"
    );
    Ok(())
}

#[tokio::test]
async fn a_forged_fingerprint_of_a_dtls_client_ends_the_session() -> Result {
    forged(Setup::Active).await
}

#[tokio::test]
async fn a_forged_fingerprint_of_a_dtls_server_ends_the_session() -> Result {
    forged(Setup::Passive).await
}

#[tokio::test]
async fn junk_outside_and_inside_srtp_disturbs_nobody() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let (_node, sfu) = Embedded::node(&server).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    let bob = Visitor::join(&browser, &server, "lobby", "bob").await?;
    alice.sees_and_hears("bob").await?;

    let mut raw = RawPeer::offer(&server, "lobby", "mallory", Lies::NONE).await?;
    raw.connected().await?;
    junk_datagrams(raw.server()).await?;
    for _ in 0..20 {
        for (packet, header) in lying_packets() {
            raw.send_rtp(&packet, header).await?;
        }
        for packet in lying_reports() {
            raw.send_rtcp(&packet).await?;
        }
    }
    junk_is_counted(&mut raw, &sfu).await?;

    alice.sees_and_hears("bob").await?;
    bob.sees_and_hears("alice").await?;
    let carol = Visitor::join(&browser, &server, "lobby", "carol").await?;
    carol.sees("alice").await?;
    Ok(())
}

/// Datagrams of every length and of every kind by their first byte (RFC 7983), and from nobody known.
async fn junk_datagrams(to: SocketAddr) -> Result {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for first in (0..=255u8).step_by(3) {
        for length in [
            1, 2, 11, 12, 13, 19, 20, 21, 27, 64, 200, 1200, 1500, 9000, 65_000,
        ] {
            let mut data: Vec<u8> = (0..length).map(|_| random() as u8).collect();
            data[0] = first;
            if first < 4 && length >= 20 {
                // A STUN header whose length is a lie (RFC 8489 §5).
                data[2..8].copy_from_slice(&[0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42]);
            }
            socket.send_to(&data, to).await?;
        }
    }
    Ok(())
}

/// Datagrams of each kind that are wrong, from an address that has proved to be the peer's.
async fn junk_of_a_known_peer(raw: &mut RawPeer) -> Result {
    let good = raw.seal(&rtp(0x80, VP8 | 0x80, KEYFRAME), 12)?;
    let mut forged = raw.seal(&rtp(0x80, VP8 | 0x80, KEYFRAME), 12)?;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    // A binding request without user name and integrity, a record of DTLS that is cut off, and what is nothing at all.
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let record = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1];
    for datagram in [
        &good[..],
        &good,
        &forged,
        &good[..13],
        &stun,
        &record,
        &[200; 20],
    ] {
        raw.send_raw(datagram).await?;
    }
    Ok(())
}

/// Sends junk until the element's `stats` tell of each kind under its own name. Again and again, as a busy machine loses some.
async fn junk_is_counted(raw: &mut RawPeer, sfu: &gst::Element) -> Result {
    let until = Instant::now() + DEADLINE;
    loop {
        junk_of_a_known_peer(raw).await?;
        sleep(Duration::from_millis(100)).await;
        let stats = sfu.property::<gst::Structure>("stats");
        let missing = uncounted(&stats);
        if missing.is_empty() {
            return Ok(());
        }
        check!(
            Instant::now() < until,
            "nothing under {missing:?} in {stats}"
        );
    }
}

fn uncounted(stats: &gst::StructureRef) -> Vec<&'static str> {
    const OF_NODE: [&str; 3] = [
        "datagrams-unknown",
        "datagrams-oversized",
        "packets-invalid",
    ];
    const OF_SESSION: [&str; 6] = [
        "unknown",
        "stun",
        "dtls",
        "srtp-authentication",
        "srtp-replay",
        "srtp-malformed",
    ];
    let of_node = |name: &&str| stats.get::<u64>(*name).is_ok_and(|n| n > 0);
    let drops: Vec<_> = sessions(stats)
        .iter()
        .filter_map(|session| session.get::<gst::Structure>("drops").ok())
        .collect();
    let of_session = |name: &&str| {
        let counts = drops
            .iter()
            .map(|drops| drops.get::<u64>(*name).unwrap_or(0));
        counts.sum::<u64>() > 0
    };
    let node = OF_NODE.into_iter().filter(|name| !of_node(name));
    let session = OF_SESSION.into_iter().filter(|name| !of_session(name));
    node.chain(session).collect()
}

/// Packets whose lengths lie, with the length of the header by which they are sealed.
fn lying_packets() -> Vec<(Vec<u8>, usize)> {
    let extension = |profile: [u8; 2], words: u16, data: &[u8]| {
        [&profile[..], &words.to_be_bytes()[..], data].concat()
    };
    vec![
        // Nothing inside, a descriptor that promises more, and a frame header cut off.
        (rtp(0x80, VP8, &[]), 12),
        (rtp(0x80, VP8, &[0x90]), 12),
        (rtp(0x80, VP8, &[0x90, 0xf0, 0x80]), 12),
        (rtp(0x80, VP8, &KEYFRAME[..5]), 12),
        // Padding longer than the packet, of no length, and of everything (RFC 3550 §5.1).
        (rtp(0xa0, VP8, &[1, 2, 3, 255]), 12),
        (rtp(0xa0, VP8, &[1, 2, 3, 0]), 12),
        (rtp(0xa0, VP8, &[4, 4, 4, 4]), 12),
        // Fifteen contributing sources of which none is there.
        (rtp(0x8f, VP8, &[0; 8]), 12),
        // An extension longer than the packet, and elements longer than it (RFC 8285 §4.2, §4.3).
        (
            rtp(0x90, VP8, &extension([0xbe, 0xde], 0xffff, &[0; 4])),
            16,
        ),
        (
            rtp(
                0x90,
                VP8,
                &extension([0xbe, 0xde], 1, &[0x1f, b'0', 0, 0, 0x10]),
            ),
            20,
        ),
        (
            rtp(
                0x90,
                VP8,
                &extension([0x10, 0x00], 1, &[1, 255, 0, 0, 0x10]),
            ),
            20,
        ),
        // A retransmission of nothing (RFC 4588 §4), and a payload type nobody knows.
        (rtp(0x80, RTX, &[]), 12),
        (rtp(0x80, RTX, &[0]), 12),
        (rtp(0x80, 127, KEYFRAME), 12),
        // A keyframe as it should be, in between.
        (rtp(0x80, VP8 | 0x80, KEYFRAME), 12),
    ]
}

/// Reports whose lengths and counts lie (RFC 3550 §6.4, RFC 4585 §6.1).
fn lying_reports() -> Vec<Vec<u8>> {
    let packet = |first: u8, kind: u8, words: u16, rest: &[u8]| {
        [&[first, kind][..], &words.to_be_bytes()[..], rest].concat()
    };
    vec![
        packet(0x9f, 200, 6, &[0; 24]),
        packet(0x81, 201, 0xffff, &[0; 4]),
        packet(0x9f, 202, 1, &[0; 4]),
        packet(0x81, 205, 2, &[0xff; 8]),
        packet(0x81, 205, 3, &[0xff; 12]),
        packet(0x8f, 205, 4, &[0xff; 16]),
        packet(0x84, 206, 2, &[0; 8]),
        packet(0xa1, 206, 2, &[0, 0, 0, 0, 0, 0, 0, 255]),
    ]
}
