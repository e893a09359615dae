// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written is read again as it was.

use crate::sdp::{parse, write};
use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{
    Candidate, CandidateKind, DataDescription, Direction, Extension, ExtensionMap, Feedback,
    Fingerprint, MediaDescription, MediaKind, MediaLine, PayloadParams, Proto, SessionDescription,
    Setup, SsrcDescription, TransportDescription,
};
use proptest::prelude::*;

fn candidate() -> impl Strategy<Value = Candidate> {
    let kind = prop_oneof![
        Just(CandidateKind::Host),
        Just(CandidateKind::ServerReflexive),
        Just(CandidateKind::PeerReflexive),
        Just(CandidateKind::Relayed),
    ];
    let addr = prop_oneof![
        (1u8..=223, any::<u8>()).prop_map(|(a, b)| std::net::IpAddr::from([a, 0, 2, b])),
        any::<u16>().prop_map(|a| std::net::IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, a])),
    ];
    let tcp_type = prop::option::of(prop_oneof![Just("active"), Just("passive"), Just("so")]);
    (
        "[a-zA-Z0-9+/]{1,32}",
        any::<u32>(),
        addr,
        1u16..,
        kind,
        tcp_type,
    )
        .prop_map(
            |(foundation, priority, ip, port, kind, tcp_type)| Candidate {
                foundation,
                component: 1,
                proto: if tcp_type.is_some() {
                    Proto::Tcp
                } else {
                    Proto::Udp
                },
                tcp_type: tcp_type.map(str::to_owned),
                priority,
                addr: (ip, port).into(),
                kind,
            },
        )
}

fn transport() -> impl Strategy<Value = TransportDescription> {
    let setup = prop_oneof![
        Just(Setup::ActPass),
        Just(Setup::Active),
        Just(Setup::Passive)
    ];
    let hash = prop::collection::vec(any::<u8>(), 32);
    (
        "[a-zA-Z0-9+/]{4,40}",
        "[a-zA-Z0-9+/]{22,60}",
        any::<bool>(),
        prop::collection::vec(hash, 1..3),
        setup,
        prop::collection::vec(candidate(), 0..5),
    )
        .prop_map(
            |(ufrag, pwd, ice_lite, hashes, setup, candidates)| TransportDescription {
                ufrag,
                pwd,
                ice_lite,
                fingerprints: hashes
                    .into_iter()
                    .map(|bytes| Fingerprint {
                        algorithm: "sha-256".into(),
                        bytes,
                    })
                    .collect(),
                setup,
                candidates,
            },
        )
}

fn feedback() -> impl Strategy<Value = Feedback> {
    any::<[bool; 5]>().prop_map(|[nack, pli, fir, remb, transport_cc]| Feedback {
        nack,
        pli,
        fir,
        remb,
        transport_cc,
    })
}

/// Formats of one kind; numbers are given by place, so that none comes twice.
fn payloads(kind: MediaKind) -> impl Strategy<Value = Vec<PayloadParams>> {
    let codecs: Vec<_> = Codec::ALL
        .iter()
        .copied()
        .filter(|c| c.kind() == kind)
        .collect();
    let payload = (
        prop::sample::select(codecs),
        "([a-z-]{1,9}=[a-z0-9]{1,9}(;[a-z-]{1,9}=[a-z0-9]{1,9})?)?",
        any::<bool>(),
        feedback(),
    );
    prop::collection::vec(payload, 1..8).prop_map(|all| {
        let numbered = all.into_iter().zip((96..).step_by(2));
        let payload =
            |((codec, fmtp, rtx, feedback), pt): ((Codec, String, bool, Feedback), u8)| {
                PayloadParams {
                    pt,
                    codec,
                    clock_rate: codec.clock_rate(),
                    channels: (codec == Codec::Opus).then_some(2),
                    fmtp,
                    rtx_pt: rtx.then_some(pt + 1),
                    feedback,
                }
            };
        numbered.map(payload).collect()
    })
}

fn extensions() -> impl Strategy<Value = ExtensionMap> {
    prop::sample::subsequence(Extension::ALL.to_vec(), 0..=8).prop_map(|chosen| {
        let mut map = ExtensionMap::default();
        for (extension, id) in chosen.into_iter().zip((1..).step_by(2)) {
            map.set(extension, if id > 14 { 2 } else { id });
        }
        map
    })
}

fn ssrcs() -> impl Strategy<Value = Vec<SsrcDescription>> {
    let source = (any::<bool>(), prop::option::of("[!-~]{1,20}"));
    (any::<u32>(), prop::collection::vec(source, 0..4)).prop_map(|(first, sources)| {
        let number = |place: usize| first.wrapping_add(u32::try_from(place).unwrap());
        let source = |(place, (rtx, cname)): (usize, (bool, Option<String>))| SsrcDescription {
            ssrc: number(2 * place),
            rtx: rtx.then(|| number(2 * place + 1)),
            cname,
        };
        sources.into_iter().enumerate().map(source).collect()
    })
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![
        Just(Direction::SendRecv),
        Just(Direction::SendOnly),
        Just(Direction::RecvOnly),
        Just(Direction::Inactive),
    ]
}

fn media() -> impl Strategy<Value = MediaDescription> {
    let kind = prop_oneof![Just(MediaKind::Audio), Just(MediaKind::Video)];
    kind.prop_flat_map(|kind| {
        let parts = (
            payloads(kind),
            extensions(),
            ssrcs(),
            direction(),
            prop::collection::hash_set("[a-zA-Z0-9_-]{1,16}", 0..4),
            prop::option::of(("[a-zA-Z0-9{}-]{1,36}", "[a-zA-Z0-9{}-]{0,36}")),
            any::<bool>(),
        );
        parts.prop_map(
            move |(payloads, extensions, ssrcs, direction, rids, msid, rtcp_rsize)| {
                let pts = payloads
                    .iter()
                    .flat_map(|p| std::iter::once(p.pt).chain(p.rtx_pt));
                MediaDescription {
                    mid: String::new(),
                    kind: Some(kind),
                    line: MediaLine {
                        media: kind.as_str().into(),
                        proto: "UDP/TLS/RTP/SAVPF".into(),
                        formats: pts.map(|pt| pt.to_string()).collect(),
                    },
                    rejected: false,
                    direction,
                    payloads,
                    extensions,
                    // Streams with names are not told by numbers as well.
                    ssrcs: if rids.is_empty() { ssrcs } else { Vec::new() },
                    rids: rids.into_iter().collect(),
                    msid,
                    rtcp_rsize,
                    data: None,
                }
            },
        )
    })
}

fn data() -> impl Strategy<Value = MediaDescription> {
    (1..u16::MAX, any::<u32>()).prop_map(|(port, max_message)| MediaDescription {
        mid: String::new(),
        kind: None,
        line: MediaLine {
            media: "application".into(),
            proto: "UDP/DTLS/SCTP".into(),
            formats: vec!["webrtc-datachannel".into()],
        },
        rejected: false,
        direction: Direction::SendRecv,
        payloads: Vec::new(),
        extensions: ExtensionMap::default(),
        ssrcs: Vec::new(),
        rids: Vec::new(),
        msid: None,
        rtcp_rsize: false,
        data: Some(DataDescription {
            port,
            max_message: max_message.into(),
        }),
    })
}

/// What a refused m-line says.
fn bare(media: MediaDescription) -> MediaDescription {
    MediaDescription {
        rejected: true,
        direction: Direction::Inactive,
        payloads: Vec::new(),
        extensions: ExtensionMap::default(),
        ssrcs: Vec::new(),
        rids: Vec::new(),
        msid: None,
        rtcp_rsize: false,
        data: None,
        ..media
    }
}

prop_compose! {
    fn description()(
        transport in transport(),
        lines in prop::collection::vec((prop_oneof![4 => media(), 1 => data()], prop::bool::weighted(0.2)), 1..6),
    ) -> SessionDescription {
        let mut media: Vec<_> =
            lines.into_iter().map(|(m, refused)| if refused { bare(m) } else { m }).collect();
        for (place, media) in media.iter_mut().enumerate() {
            media.mid = format!("m{place}");
        }
        SessionDescription { transport, media }
    }
}

proptest! {
    #[test]
    fn descriptions_come_back_as_they_were(
        description in description().prop_filter("one m-line carries the transport", |d| {
            d.media.iter().any(|m| !m.rejected)
        }),
        id in 0..i64::MAX as u64,
        version in any::<u32>(),
    ) {
        gst::init().unwrap();
        let text = write(&description, id, u64::from(version));
        prop_assert_eq!(parse(&text), Ok(description), "{}", text);
    }
}
