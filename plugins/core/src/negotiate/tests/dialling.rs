// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offering, and what comes of the answers.

use super::*;

fn counter(mut next: u32) -> impl FnMut() -> u32 {
    move || {
        next += 1;
        next
    }
}

fn track(kind: MediaKind, payloads: Vec<PayloadParams>) -> OfferedTrack {
    OfferedTrack {
        kind,
        payloads,
        stream: "alice".into(),
        active: true,
        rids: Vec::new(),
    }
}

fn tracks() -> Vec<OfferedTrack> {
    vec![
        track(MediaKind::Audio, vec![payload(96, Codec::Opus)]),
        track(MediaKind::Video, vec![payload(96, Codec::Vp8)]),
    ]
}

#[test]
fn what_we_publish_the_server_takes() {
    let offer = offer_publish(&tracks(), &local(), None, &mut counter(10));
    let answer = publish(&offer).unwrap();
    let accepted = accept_answer(&offer, &answer.description).unwrap();
    assert!(accepted.dtls_client, "the server is passive");
    assert_eq!(accepted.remote, answer.description.transport);
    assert!(accepted.receive.is_empty() && accepted.refused.is_empty());
    let [audio, video] = accepted.slots.as_slice() else {
        panic!("{:?}", accepted.slots)
    };
    assert_eq!(
        (audio.mid.as_str(), audio.ssrc.ssrc, audio.ssrc.rtx),
        ("0", 11, None)
    );
    assert_eq!(
        (video.mid.as_str(), video.ssrc.ssrc, video.ssrc.rtx),
        ("1", 12, Some(13))
    );
    assert_eq!(answer.receive[1].ssrcs, std::slice::from_ref(&video.ssrc));
    assert_eq!(answer.receive[1].payloads[0].pt, video.payloads[0].pt);
    assert!(video.extensions.id(Extension::AbsSendTime).is_some());
}

#[test]
fn each_encoding_with_a_name_is_a_stream_of_its_own() {
    let mut tracks = tracks();
    tracks[1].rids = ["q", "f"].map(str::to_owned).to_vec();
    let offer = offer_publish(&tracks, &local(), None, &mut counter(10));
    let answer = publish(&offer).unwrap();
    assert_eq!(answer.receive[1].rids, ["q", "f"]);
    let accepted = accept_answer(&offer, &answer.description).unwrap();
    let [audio, small, large] = accepted.slots.as_slice() else {
        panic!("{:?}", accepted.slots)
    };
    assert!(audio.encoding.is_none() && audio.extensions.id(Extension::Rid).is_none());
    for (slot, number, rid) in [(small, 0, "q"), (large, 1, "f")] {
        let named = slot.encoding.as_ref().unwrap();
        assert_eq!(
            (slot.mid.as_str(), named.encoding, named.rid.as_str()),
            ("1", number, rid)
        );
        let ids = [Extension::Rid, Extension::RepairedRid].map(|e| slot.extensions.id(e));
        let taken = &answer.receive[1].extensions;
        assert_eq!(
            ids,
            [taken.id(Extension::Rid), taken.id(Extension::RepairedRid)]
        );
        assert!(ids[0].is_some() && ids[1].is_some() && slot.ssrc.rtx.is_some());
    }
    assert_ne!(small.ssrc.ssrc, large.ssrc.ssrc);
}

#[test]
fn an_encoding_is_added_to_what_goes_on() {
    let mut tracks = tracks();
    tracks[1].rids = vec!["q".into()];
    let mut numbers = counter(10);
    let first = offer_publish(&tracks, &local(), None, &mut numbers);
    let before = publish(&first).unwrap();
    let one = accept_answer(&first, &before.description).unwrap();
    assert!(first.media[1].rids.is_empty() && one.slots[1].encoding.is_none());
    tracks[1].rids.push("f".into());
    let second = offer_publish(&tracks, &local(), Some(&first), &mut numbers);
    let limits = Limits::default();
    let answer = answer_publish(&second, &local(), &limits, Some(&before)).unwrap();
    let two = accept_answer(&second, &answer.description).unwrap();
    assert_eq!(two.slots.len(), 3);
    assert_eq!(two.slots[1].ssrc, one.slots[1].ssrc);
    assert_eq!(two.slots[1].payloads, one.slots[1].payloads);
}

#[test]
fn a_server_that_takes_no_encodings_gets_one_stream() {
    let mut tracks = tracks();
    tracks[1].rids = ["q", "f"].map(str::to_owned).to_vec();
    let offer = offer_publish(&tracks, &local(), None, &mut counter(10));
    let mut answer = publish(&offer).unwrap().description;
    answer.media[1].rids.clear();
    let accepted = accept_answer(&offer, &answer).unwrap();
    let [_, video] = accepted.slots.as_slice() else {
        panic!("{:?}", accepted.slots)
    };
    assert!(video.encoding.is_none() && video.extensions.id(Extension::Rid).is_none());
}

#[test]
fn what_the_server_sends_we_receive() {
    let offer = offer_receive(2, 1, &local(), None);
    let answer = receive(&offer, None).unwrap();
    let accepted = accept_answer(&offer, &answer.description).unwrap();
    assert_eq!(accepted.receive.len(), 3);
    assert!(accepted.slots.is_empty());
    for (receive, slot) in accepted.receive.iter().zip(&answer.slots) {
        assert_eq!((&receive.mid, receive.kind), (&slot.mid, slot.kind));
        assert_eq!(receive.ssrcs, std::slice::from_ref(&slot.ssrc));
        assert_eq!(receive.extensions, slot.extensions);
        let pts = |p: &[PayloadParams]| p.iter().map(|p| (p.pt, p.rtx_pt)).collect::<Vec<_>>();
        assert_eq!(pts(&receive.payloads), pts(&slot.payloads));
    }
}

#[test]
fn one_payload_type_means_one_format_in_a_whole_offer() {
    let mut tracks = tracks();
    let h264 = |level: &str| {
        let fmtp = format!("packetization-mode=1;profile-level-id={level}");
        PayloadParams {
            fmtp,
            ..payload(96, Codec::H264)
        }
    };
    tracks.push(track(
        MediaKind::Video,
        vec![h264("42e01f"), payload(97, Codec::Vp8)],
    ));
    tracks.push(track(
        MediaKind::Video,
        vec![h264("42e01f"), h264("64001f")],
    ));
    tracks.push(track(MediaKind::Audio, vec![payload(96, Codec::Pcmu)]));
    let offer = offer_publish(&tracks, &local(), None, &mut counter(0));
    let mut meanings = std::collections::HashMap::new();
    for payload in offer.media.iter().flat_map(|m| &m.payloads) {
        let meaning = (payload.codec, payload.fmtp.clone(), false);
        assert_eq!(
            meanings.entry(payload.pt).or_insert(meaning.clone()),
            &meaning
        );
        if let Some(rtx) = payload.rtx_pt {
            let meaning = (payload.codec, payload.fmtp.clone(), true);
            assert_eq!(meanings.entry(rtx).or_insert(meaning.clone()), &meaning);
        }
    }
    assert_eq!(meanings.len(), 1 + 2 * 3 + 1);
    assert_eq!(offer.media[4].payloads[0].pt, 0);
}

#[test]
fn our_own_formats_are_all_taken_and_numbered_once() {
    let mut seen = std::collections::HashSet::new();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        for payload in offered_payloads(kind) {
            assert!(supported(&payload), "{payload:?}");
            assert!(seen.insert(payload.pt) && payload.rtx_pt.is_none_or(|pt| seen.insert(pt)));
        }
    }
}

#[test]
fn a_longer_offer_keeps_what_was_there() {
    let mut tracks = tracks();
    let first = offer_publish(&tracks, &local(), None, &mut counter(10));
    tracks[0].active = false;
    tracks.push(track(MediaKind::Video, vec![payload(96, Codec::Vp9)]));
    let second = offer_publish(&tracks, &local(), Some(&first), &mut counter(20));
    assert_eq!(second.media[0].direction, Direction::Inactive);
    assert_eq!(second.media[1], first.media[1]);
    assert_eq!(second.media[2].ssrcs[0].ssrc, 21);

    let first = offer_receive(1, 1, &local(), None);
    let second = offer_receive(2, 2, &local(), Some(&first));
    assert_eq!(second.media[..2], first.media[..]);
    let kinds: Vec<_> = second.media.iter().filter_map(|m| m.kind).collect();
    use MediaKind::{Audio, Video};
    assert_eq!(kinds, [Audio, Video, Audio, Video]);
    let mids: Vec<_> = second.media.iter().map(|m| m.mid.as_str()).collect();
    assert_eq!(mids, ["0", "1", "2", "3"]);
}

#[test]
fn what_the_server_refuses_is_told_and_the_rest_used() {
    let offer = offer_publish(&tracks(), &local(), None, &mut counter(10));
    let mut answer = publish(&offer).unwrap().description;
    answer.media[0].rejected = true;
    answer.media[0].mid = "unnamed".into();
    let accepted = accept_answer(&offer, &answer).unwrap();
    assert_eq!(accepted.slots.len(), 1);
    assert_eq!(
        (accepted.refused[0].index, &accepted.refused[0].reason),
        (0, &Refusal::Withdrawn)
    );
    answer.media[1].rejected = true;
    assert_eq!(
        accept_answer(&offer, &answer),
        Err(NegotiationError::AnswerRefused { offered: 2 })
    );
}

#[test]
fn servers_that_number_in_their_own_way_are_understood() {
    let offer = offer_publish(&tracks(), &local(), None, &mut counter(10));
    let mut answer = publish(&offer).unwrap().description;
    answer.media[1].payloads[0].pt = 120;
    answer.media[1].payloads[0].rtx_pt = None;
    answer.media[1].extensions.set(Extension::Mid, 9);
    let slot = accept_answer(&offer, &answer).unwrap().slots.remove(1);
    assert_eq!((slot.payloads[0].pt, slot.payloads[0].rtx_pt), (120, None));
    assert_eq!(slot.ssrc.rtx, None);
    assert_eq!(
        slot.extensions.id(Extension::Mid),
        None,
        "ids are not the answerer's to choose"
    );
    assert_eq!(slot.extensions.id(Extension::AbsSendTime), None);
}

#[test]
fn answers_to_something_else_are_errors() {
    let offer = offer_publish(&tracks(), &local(), None, &mut counter(10));
    let answer = publish(&offer).unwrap().description;
    let with = |change: fn(&mut SessionDescription)| {
        let mut changed = answer.clone();
        change(&mut changed);
        accept_answer(&offer, &changed).unwrap_err()
    };
    let error = with(|a| drop(a.media.pop()));
    assert_eq!(
        error,
        NegotiationError::AnswerLines {
            answered: 1,
            offered: 2
        }
    );
    let error = with(|a| a.media[1].mid = "x".into());
    assert!(
        matches!(error, NegotiationError::AnswerMid { index: 1, .. }),
        "{error}"
    );
    let error = with(|a| a.media[1].payloads.clear());
    assert_eq!(
        error,
        NegotiationError::AnswerCodecs {
            index: 1,
            mid: "1".into()
        }
    );
}
