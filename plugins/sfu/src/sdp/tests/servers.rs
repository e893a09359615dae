// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers in the manner of other servers to offers of ours.

use super::*;
use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{MediaKind, SsrcDescription};
use gst_rtc_core::negotiate::{
    Accepted, OfferedTrack, accept_answer, offer_publish, offer_receive, offered_payloads,
};

const HASH: &str = "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f";

fn accept(offer: &SessionDescription, lines: &[&str]) -> Accepted {
    // What we write is what the server reads.
    assert_eq!(&read(&crate::sdp::write(offer, 7, 1)), offer);
    let answer = read(&lines.join("\r\n").replace("HASH", HASH));
    accept_answer(offer, &answer).unwrap_or_else(|error| panic!("{error}"))
}

fn publishing_offer() -> SessionDescription {
    let track = |kind| OfferedTrack {
        kind,
        payloads: offered_payloads(kind),
        stream: "alice".into(),
        active: true,
        rids: Vec::new(),
    };
    let mut ssrc = 100;
    let mut ssrcs = || {
        ssrc += 1;
        ssrc
    };
    offer_publish(
        &[track(MediaKind::Audio), track(MediaKind::Video)],
        &local(),
        None,
        &mut ssrcs,
    )
}

/// ICE lite and hash at the top, one format per m-line, extensions with directions, no `a=rtcp-rsize`.
#[test]
fn a_server_with_its_transport_above_the_m_lines() {
    let accepted = accept(
        &publishing_offer(),
        &[
            "v=0",
            "o=server 10000 1 IN IP4 0.0.0.0",
            "s=-",
            "t=0 0",
            "a=ice-lite",
            "a=fingerprint:sha-256 HASH",
            "a=msid-semantic: WMS *",
            "a=group:BUNDLE 0 1",
            "m=audio 7 UDP/TLS/RTP/SAVPF 111",
            "c=IN IP4 127.0.0.1",
            "a=rtpmap:111 opus/48000/2",
            "a=fmtp:111 usedtx=1;useinbandfec=1",
            "a=extmap:1/recvonly urn:ietf:params:rtp-hdrext:sdes:mid",
            "a=setup:active",
            "a=mid:0",
            "a=recvonly",
            "a=ice-ufrag:fedcba9876543210",
            "a=ice-pwd:0123456789abcdef0123456789abcdef",
            "a=candidate:udpcandidate 1 udp 1076558079 192.0.2.9 40100 typ host",
            "a=candidate:tcpcandidate 1 tcp 1076302079 192.0.2.9 40101 typ host tcptype passive",
            "a=end-of-candidates",
            "a=ice-options:renomination",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            "m=video 7 UDP/TLS/RTP/SAVPF 96 97",
            "c=IN IP4 127.0.0.1",
            "a=rtpmap:96 VP8/90000",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
            "a=rtcp-fb:* nack",
            "a=rtcp-fb:* nack pli",
            "a=setup:active",
            "a=mid:1",
            "a=recvonly",
            "a=ice-ufrag:fedcba9876543210",
            "a=ice-pwd:0123456789abcdef0123456789abcdef",
            "a=rtcp-mux",
            "",
        ],
    );
    assert!(accepted.remote.ice_lite && !accepted.dtls_client);
    assert_eq!(accepted.remote.candidates.len(), 2);
    let [audio, video] = accepted.slots.as_slice() else {
        panic!("{:?}", accepted.slots)
    };
    assert_eq!(
        audio.payloads.iter().map(|p| p.codec).collect::<Vec<_>>(),
        [Codec::Opus]
    );
    assert_eq!(audio.payloads[0].fmtp, "usedtx=1;useinbandfec=1");
    assert_eq!(
        (video.payloads[0].pt, video.payloads[0].rtx_pt),
        (96, Some(97))
    );
    assert!(video.payloads[0].feedback.nack && video.payloads[0].feedback.pli);
    assert_eq!((video.ssrc.ssrc, video.ssrc.rtx), (102, Some(103)));
}

/// A full ICE agent, both ways offered as one; a refused m-line without a mid, its SSRCs with names.
#[test]
fn a_server_that_refuses_a_line_and_sends_on_the_other() {
    let accepted = accept(
        &offer_receive(1, 1, &local(), None),
        &[
            "v=0",
            "o=- 1 1 IN IP4 192.0.2.9",
            "s=room",
            "t=0 0",
            "a=group:BUNDLE 1",
            "a=ice-options:trickle",
            "a=fingerprint:sha-256 HASH",
            "m=audio 0 UDP/TLS/RTP/SAVPF 0",
            "c=IN IP4 192.0.2.9",
            "a=inactive",
            "m=video 9 UDP/TLS/RTP/SAVPF 102 103",
            "c=IN IP4 192.0.2.9",
            "a=sendonly",
            "a=mid:1",
            "a=rtcp-mux",
            "a=ice-ufrag:Hx0k",
            "a=ice-pwd:yLZOUSMWJ0KQCVhGVI3/8K",
            "a=setup:passive",
            "a=rtpmap:102 H264/90000",
            "a=fmtp:102 profile-level-id=42e01f;packetization-mode=1",
            "a=rtcp-fb:102 nack",
            "a=rtpmap:103 rtx/90000",
            "a=fmtp:103 apt=102",
            "a=msid:room video",
            "a=ssrc-group:FID 5 6",
            "a=ssrc:5 cname:room",
            "a=ssrc:6 cname:room",
            "a=candidate:1 1 udp 2015363327 host.example 51556 typ host",
            "a=candidate:2 1 udp 2015363327 192.0.2.9 51556 typ host",
            "",
        ],
    );
    assert!(accepted.dtls_client && !accepted.remote.ice_lite);
    assert_eq!(accepted.refused.len(), 1);
    let [video] = accepted.receive.as_slice() else {
        panic!("{:?}", accepted.receive)
    };
    assert_eq!(
        (video.payloads[0].pt, video.payloads[0].rtx_pt),
        (102, Some(103))
    );
    assert!(
        video.payloads[0]
            .fmtp
            .starts_with("profile-level-id=42e01f")
    );
    let ssrc = SsrcDescription {
        ssrc: 5,
        rtx: Some(6),
        cname: Some("room".into()),
    };
    assert_eq!(video.ssrcs, [ssrc]);
    assert_eq!(accepted.remote.candidates.len(), 1);
}
