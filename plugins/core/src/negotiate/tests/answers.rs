// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answering.

use super::*;
use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

#[test]
fn what_the_peer_sends_becomes_a_track_and_nothing_else() {
    let offer = description(vec![
        audio("a", SendRecv),
        video("v", SendOnly),
        video("r", RecvOnly),
        video("i", Inactive),
    ]);
    let answer = publish(&offer).unwrap();
    let mids: Vec<_> = answer.receive.iter().map(|r| r.mid.as_str()).collect();
    assert_eq!(mids, ["a", "v"]);
    let directions: Vec<_> = answer
        .description
        .media
        .iter()
        .map(|m| m.direction)
        .collect();
    assert_eq!(directions, [RecvOnly, RecvOnly, Inactive, Inactive]);
    assert_eq!(answer.refused.len(), 2);
    assert!(answer.slots.is_empty());
}

#[test]
fn what_the_peer_receives_becomes_a_slot_and_nothing_else() {
    let offer = description(vec![
        audio("a", SendRecv),
        video("v", RecvOnly),
        video("s", SendOnly),
    ]);
    let answer = receive(&offer, None).unwrap();
    let mids: Vec<_> = answer.slots.iter().map(|r| r.mid.as_str()).collect();
    assert_eq!(mids, ["a", "v"]);
    let directions: Vec<_> = answer
        .description
        .media
        .iter()
        .map(|m| m.direction)
        .collect();
    assert_eq!(directions, [SendOnly, SendOnly, Inactive]);
    assert!(answer.receive.is_empty());
}

#[test]
fn roles_follow_the_offer_and_stay() {
    for (setup, client) in [
        (Setup::ActPass, false),
        (Setup::Active, false),
        (Setup::Passive, true),
    ] {
        let mut offer = description(vec![audio("0", SendOnly)]);
        offer.transport.setup = setup;
        let answer = publish(&offer).unwrap();
        assert_eq!(answer.dtls_client, client, "{setup:?}");
        offer.transport.setup = Setup::ActPass;
        let again = answer_publish(&offer, &local(), &Limits::default(), Some(&answer)).unwrap();
        assert_eq!(again.dtls_client, client, "{setup:?}");
    }
}

#[test]
fn codecs_of_publishers_are_put_in_our_order() {
    let offered = [Codec::H265, Codec::Av1, Codec::Vp9, Codec::H264, Codec::Vp8];
    let payloads = offered
        .into_iter()
        .zip((96..).step_by(2))
        .map(|(c, pt)| with_rtx(pt, c));
    let offer = description(vec![line("0", SendOnly, payloads.collect())]);
    let codecs = |answer: &[PayloadParams]| answer.iter().map(|p| p.codec).collect::<Vec<_>>();
    let ours = [Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1, Codec::H265];
    assert_eq!(codecs(&publish(&offer).unwrap().receive[0].payloads), ours);
    let mut offer = offer;
    offer.media[0].direction = RecvOnly;
    assert_eq!(
        codecs(&receive(&offer, None).unwrap().slots[0].payloads),
        offered
    );
}

#[test]
fn profiles_few_can_decode_are_left_out() {
    let with = |codec, fmtp: &str| PayloadParams {
        fmtp: fmtp.into(),
        ..payload(96, codec)
    };
    for (codec, fmtp, taken) in [
        (Codec::Vp9, "", true),
        (Codec::Vp9, "profile-id=0", true),
        (Codec::Vp9, "profile-id=2", false),
        (Codec::Av1, "level-idx=5; profile=0; tier=0", true),
        (Codec::Av1, "profile=1", false),
        (Codec::H265, "tx-mode=SRST", true),
        (Codec::H265, "tx-mode=MRST", false),
        (Codec::Red, "111/111", true),
        (Codec::Red, "111/x", false),
        (Codec::Red, "", false),
    ] {
        assert_eq!(supported(&with(codec, fmtp)), taken, "{codec} {fmtp}");
    }
    assert!(!supported(&PayloadParams {
        clock_rate: 44100,
        ..payload(96, Codec::Opus)
    }));
}

#[test]
fn redundant_audio_is_taken_in_the_order_of_the_peer_where_it_is_made_of_opus() {
    let red = |pt, fmtp: &str| PayloadParams {
        fmtp: fmtp.into(),
        ..payload(pt, Codec::Red)
    };
    let opus = payload(111, Codec::Opus);
    let pcmu = payload(0, Codec::Pcmu);
    for (offered, taken) in [
        (vec![opus.clone(), red(63, "111/111")], vec![111, 63]),
        (vec![red(63, "111/111"), opus.clone()], vec![63, 111]),
        (
            vec![pcmu.clone(), red(63, "0/0"), opus.clone()],
            vec![111, 0],
        ),
        (vec![red(63, "111/0"), pcmu, opus.clone()], vec![111, 0]),
        (vec![red(63, "63/63"), opus], vec![111]),
    ] {
        let offer = description(vec![line("0", SendOnly, offered)]);
        let answer = publish(&offer).unwrap();
        let pts: Vec<_> = answer.receive[0].payloads.iter().map(|p| p.pt).collect();
        assert_eq!(pts, taken);
    }
    let alone = description(vec![line("0", SendOnly, vec![red(63, "111/111")])]);
    assert!(publish(&alone).is_err());
}

#[test]
fn opus_publishers_are_asked_for_inband_fec_unless_they_chose() {
    for (fmtp, answered) in [
        ("", "useinbandfec=1"),
        ("minptime=10", "minptime=10;useinbandfec=1"),
        ("stereo=1;useinbandfec=0", "stereo=1;useinbandfec=0"),
    ] {
        let opus = PayloadParams {
            fmtp: fmtp.into(),
            ..payload(111, Codec::Opus)
        };
        let answer = publish(&description(vec![line("0", SendOnly, vec![opus])])).unwrap();
        assert_eq!(answer.receive[0].payloads[0].fmtp, answered);
    }
}

#[test]
fn a_video_slot_without_rtx_carries_nothing_that_changes_on_resending() {
    let both = vec![with_rtx(96, Codec::Vp8), payload(98, Codec::Vp9)];
    for (payloads, resends_by_rtx) in [
        (vec![payload(96, Codec::Vp8)], false),
        (both, false),
        (vec![with_rtx(96, Codec::Vp8)], true),
    ] {
        let answer = receive(&description(vec![line("0", RecvOnly, payloads)]), None).unwrap();
        let slot = &answer.slots[0];
        assert_eq!(slot.ssrc.rtx.is_some(), resends_by_rtx);
        assert!(
            slot.payloads
                .iter()
                .all(|p| p.rtx_pt.is_some() == resends_by_rtx)
        );
        assert_eq!(
            slot.extensions.id(Extension::AbsSendTime).is_some(),
            resends_by_rtx
        );
        assert_eq!(
            slot.extensions.id(Extension::TransportCc).is_some(),
            resends_by_rtx
        );
        assert!(
            slot.payloads
                .iter()
                .all(|p| p.feedback.transport_cc == resends_by_rtx)
        );
        assert!(slot.extensions.id(Extension::Mid).is_some());
    }
}

#[test]
fn audio_slots_carry_send_times_unless_lost_packets_are_sent_again() {
    let mut offer = description(vec![audio("0", RecvOnly)]);
    let slot = |offer: &_| receive(offer, None).unwrap().slots.remove(0);
    assert!(slot(&offer).extensions.id(Extension::AbsSendTime).is_some());
    offer.media[0].payloads[0].feedback.nack = true;
    assert!(slot(&offer).extensions.id(Extension::AbsSendTime).is_none());
}

#[test]
fn layers_need_the_extension_that_names_them() {
    let mut offer = description(vec![video("0", SendOnly)]);
    offer.media[0].rids = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    assert_eq!(
        publish(&offer).unwrap().receive[0].rids,
        ["a", "b", "c", "d"]
    );
    offer.media[0].extensions.set(Extension::Rid, 0);
    let answer = publish(&offer).unwrap();
    assert!(answer.receive[0].rids.is_empty());
    assert!(answer.description.media[0].rids.is_empty());
}

#[test]
fn ids_beyond_the_one_byte_range_are_left_out() {
    let mut offer = description(vec![video("0", SendOnly)]);
    offer.media[0].extensions.set(Extension::Mid, 15);
    offer.media[0].extensions.set(Extension::Rid, 14);
    let answer = publish(&offer).unwrap();
    assert_eq!(answer.receive[0].extensions.id(Extension::Mid), None);
    assert_eq!(answer.receive[0].extensions.id(Extension::Rid), Some(14));
}

#[test]
fn lines_beyond_the_limit_are_refused_in_their_place() {
    let offer = description(vec![
        video("0", SendOnly),
        video("1", SendOnly),
        audio("2", SendOnly),
    ]);
    let limits = Limits {
        video: 1,
        ..Limits::default()
    };
    let answer = answer_publish(&offer, &local(), &limits, None).unwrap();
    let rejected: Vec<_> = answer
        .description
        .media
        .iter()
        .map(|m| m.rejected)
        .collect();
    assert_eq!(rejected, [false, true, false]);
    assert_eq!(
        answer.refused[0].to_string(),
        "m-line 1 (mid 1) is beyond the limit of 1 m-lines of its kind"
    );
}

#[test]
fn an_offer_with_nothing_usable_is_told_what_is_taken() {
    let mut unencrypted = audio("0", SendOnly);
    unencrypted.line.proto = "RTP/AVP".into();
    let red = line("1", SendOnly, vec![payload(63, Codec::Red)]);
    let error = publish(&description(vec![unencrypted, red]))
        .unwrap_err()
        .to_string();
    for says in [
        "m-line 0 (mid 0) uses protocol `RTP/AVP`",
        "m-line 1 (mid 1) has no supported codec",
        "H264",
    ] {
        assert!(error.contains(says), "{error}");
    }
    assert!(matches!(
        publish(&description(vec![])),
        Err(NegotiationError::NothingToPublish(_))
    ));
    let many = (0..100).map(|n| audio(&n.to_string(), RecvOnly)).collect();
    let error = publish(&description(many)).unwrap_err().to_string();
    assert!(
        error.contains("and 96 more") && error.len() < 800,
        "{error}"
    );
}

#[test]
fn contradictions_are_errors() {
    let twice = description(vec![audio("0", SendOnly), video("0", SendOnly)]);
    let duplicate = NegotiationError::DuplicateMid {
        mid: "0".into(),
        first: 0,
        second: 1,
    };
    assert_eq!(publish(&twice), Err(duplicate));
    let payloads = vec![with_rtx(96, Codec::Vp8), payload(97, Codec::Vp9)];
    let twice = description(vec![line("0", SendOnly, payloads)]);
    let duplicate = NegotiationError::DuplicatePayloadType {
        index: 0,
        mid: "0".into(),
        pt: 97,
    };
    assert_eq!(publish(&twice), Err(duplicate));
}

#[test]
fn ssrcs_are_unique_and_never_zero_whatever_the_source_yields() {
    let mut offer = description(vec![
        video("0", RecvOnly),
        video("1", RecvOnly),
        audio("2", RecvOnly),
    ]);
    offer.media[2].ssrcs = vec![crate::media::SsrcDescription {
        ssrc: 1,
        rtx: None,
        cname: None,
    }];
    let answer = receive(&offer, None).unwrap();
    let ssrcs = answer
        .slots
        .iter()
        .flat_map(|s| std::iter::once(s.ssrc.ssrc).chain(s.ssrc.rtx));
    assert_eq!(ssrcs.collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
}

#[test]
fn slots_keep_their_ssrcs_when_more_are_offered() {
    let mut offer = description(vec![audio("a", RecvOnly), video("v", RecvOnly)]);
    let first = receive(&offer, None).unwrap();
    offer.media.push(video("w", RecvOnly));
    let second = receive(&offer, Some(&first)).unwrap();
    assert_eq!(second.slots[..2], first.slots[..]);
    let used = |s: &SlotSpec| {
        std::iter::once(s.ssrc.ssrc)
            .chain(s.ssrc.rtx)
            .collect::<Vec<_>>()
    };
    assert!(
        first
            .slots
            .iter()
            .all(|s| !used(s).contains(&second.slots[2].ssrc.ssrc))
    );
    let streams = second
        .description
        .media
        .iter()
        .map(|m| m.msid.clone().unwrap().0);
    assert_eq!(streams.collect::<Vec<_>>(), ["slot-0", "slot-0", "slot-1"]);
}

#[test]
fn lines_of_a_live_session_stay_in_their_places() {
    let before = description(vec![audio("a", SendOnly), video("v", SendOnly)]);
    let answer = publish(&before).unwrap();
    let again = |media| {
        answer_publish(
            &description(media),
            &local(),
            &Limits::default(),
            Some(&answer),
        )
    };
    let error = again(vec![audio("a", SendOnly)]).unwrap_err();
    assert_eq!(
        error,
        NegotiationError::MissingLines {
            offered: 1,
            before: 2
        }
    );
    let error = again(vec![video("v", SendOnly), audio("a", SendOnly)]).unwrap_err();
    assert!(
        matches!(error, NegotiationError::Reordered { index: 0, .. }),
        "{error}"
    );
    let off = again(vec![audio("a", Inactive), video("v", Inactive)]).unwrap();
    assert!(
        off.receive.is_empty(),
        "a live session may switch everything off"
    );
}

#[test]
fn a_refused_line_may_be_used_again_under_another_name() {
    let mut refused = audio("a", SendOnly);
    refused.rejected = true;
    let answer = publish(&description(vec![refused, video("v", SendOnly)])).unwrap();
    let offer = description(vec![video("w", SendOnly), video("v", SendOnly)]);
    let again = answer_publish(&offer, &local(), &Limits::default(), Some(&answer)).unwrap();
    assert_eq!(again.receive.len(), 2);
}
