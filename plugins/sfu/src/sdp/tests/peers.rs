// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offers as Chromium 156, Firefox ESR 153, webrtcbin 1.22.0, aiortc 1.16 and FFmpeg 9.0 wrote them.

use super::*;
use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{Direction, Extension, MediaKind, PayloadParams, Setup, SlotSpec};
use gst_rtc_core::negotiate::Refusal;

const CHROME_SIMULCAST: &str = include_str!("fixtures/chrome-publish-simulcast.sdp");
const CHROME_RECEIVE: &str = include_str!("fixtures/chrome-receive.sdp");
const CHROME_DATA: &str = include_str!("fixtures/chrome-sendrecv-data.sdp");
const FIREFOX_SIMULCAST: &str = include_str!("fixtures/firefox-publish-simulcast.sdp");
const FIREFOX_RECEIVE: &str = include_str!("fixtures/firefox-receive.sdp");
const FIREFOX_DATA: &str = include_str!("fixtures/firefox-sendrecv-data.sdp");
const WEBRTCBIN: &str = include_str!("fixtures/webrtcbin-publish.sdp");
const WEBRTCBIN_H264: &str = include_str!("fixtures/webrtcbin-h264.sdp");
const WEBRTCBIN_RECEIVE: &str = include_str!("fixtures/webrtcbin-receive.sdp");
const WEBRTCBIN_UNBUNDLED: &str = include_str!("fixtures/webrtcbin-unbundled.sdp");
const AIORTC: &str = include_str!("fixtures/aiortc-sendrecv.sdp");
const AIORTC_RECEIVE: &str = include_str!("fixtures/aiortc-receive.sdp");
const FFMPEG: &str = include_str!("fixtures/ffmpeg-whip.sdp");

const PUBLISHERS: [&str; 8] = [
    CHROME_SIMULCAST,
    CHROME_DATA,
    FIREFOX_SIMULCAST,
    FIREFOX_DATA,
    WEBRTCBIN,
    WEBRTCBIN_H264,
    AIORTC,
    FFMPEG,
];
const RECEIVERS: [&str; 4] = [
    CHROME_RECEIVE,
    FIREFOX_RECEIVE,
    WEBRTCBIN_RECEIVE,
    AIORTC_RECEIVE,
];

fn codecs(payloads: &[PayloadParams]) -> Vec<Codec> {
    let mut codecs: Vec<_> = payloads.iter().map(|p| p.codec).collect();
    codecs.dedup();
    codecs
}

#[test]
fn what_is_sent_is_what_was_answered() {
    for text in PUBLISHERS {
        let answer = publish(text);
        assert_eq!(sent(&answer), answer.description);
    }
    for text in RECEIVERS {
        let answer = receive(text);
        assert_eq!(sent(&answer), answer.description);
    }
}

#[test]
fn every_answer_keeps_the_places_ids_and_payload_types_of_its_offer() {
    for text in PUBLISHERS.iter().chain(&RECEIVERS) {
        let offer = read(text);
        let answer = if PUBLISHERS.contains(text) {
            publish(text)
        } else {
            receive(text)
        };
        assert_eq!(offer.media.len(), answer.description.media.len());
        for (offered, answered) in offer.media.iter().zip(&answer.description.media) {
            assert_eq!((&offered.mid, offered.kind), (&answered.mid, answered.kind));
            assert!(
                answered
                    .line
                    .formats
                    .iter()
                    .all(|f| offered.line.formats.contains(f))
            );
            for (extension, id) in answered.extensions.iter() {
                assert_eq!(offered.extensions.id(extension), Some(id));
            }
            for payload in &answered.payloads {
                let same = |p: &&PayloadParams| p.pt == payload.pt && p.codec == payload.codec;
                assert!(offered.payloads.iter().any(|p| same(&p)));
            }
        }
    }
}

#[test]
fn chrome_publishes_three_layers_of_vp8_first() {
    let answer = publish(CHROME_SIMULCAST);
    let [audio, video] = answer.receive.as_slice() else {
        panic!("{:?}", answer.receive)
    };
    assert_eq!(
        codecs(&audio.payloads),
        [Codec::Opus, Codec::Red, Codec::Pcmu, Codec::Pcma]
    );
    assert_eq!(
        codecs(&video.payloads),
        [Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1]
    );
    assert_eq!(video.rids, ["q", "h", "f"]);
    assert!(video.ssrcs.is_empty(), "Chrome names no SSRC with rids");
    assert_eq!(audio.ssrcs[0].ssrc, 1_560_637_877);
    assert!(video.payloads.iter().all(|p| p.rtx_pt.is_some()));
    assert_eq!(video.extensions.id(Extension::Rid), Some(10));
    assert_eq!(video.extensions.id(Extension::RepairedRid), Some(11));
    assert_eq!(video.extensions.id(Extension::VideoOrientation), Some(13));
    assert_eq!(audio.extensions.id(Extension::AudioLevel), Some(1));
    assert!(!answer.dtls_client);
    assert_eq!(answer.description.transport.setup, Setup::Passive);
    let text = crate::sdp::write(&answer.description, 7, 1);
    assert!(text.contains("a=rid:q recv\r\n"), "{text}");
    assert!(text.contains("a=simulcast:recv q;h;f\r\n"), "{text}");
}

#[test]
fn h264_with_packetization_mode_1_comes_before_mode_0_and_all_profiles_stay() {
    let answer = publish(CHROME_SIMULCAST);
    let h264 = answer.receive[1]
        .payloads
        .iter()
        .filter(|p| p.codec == Codec::H264);
    let pts: Vec<_> = h264.map(|p| p.pt).collect();
    assert_eq!(pts, [102, 108, 116, 104, 114, 39]);
}

#[test]
fn vp9_with_more_than_eight_bits_is_left_out() {
    let answer = publish(CHROME_SIMULCAST);
    let vp9 = answer.receive[1]
        .payloads
        .iter()
        .filter(|p| p.codec == Codec::Vp9);
    assert_eq!(
        vp9.map(|p| p.fmtp.as_str()).collect::<Vec<_>>(),
        ["profile-id=0"]
    );
}

#[test]
fn transport_wide_feedback_replaces_remb_for_publishers() {
    for text in [CHROME_SIMULCAST, FIREFOX_SIMULCAST] {
        let video = publish(text).receive.remove(1);
        assert!(video.extensions.id(Extension::TransportCc).is_some());
        assert!(
            video
                .payloads
                .iter()
                .all(|p| p.feedback.transport_cc && !p.feedback.remb)
        );
        assert!(
            video
                .payloads
                .iter()
                .all(|p| p.feedback.nack && p.feedback.pli && p.feedback.fir)
        );
    }
    let aiortc = publish(AIORTC).receive.remove(1);
    assert!(
        aiortc
            .payloads
            .iter()
            .all(|p| !p.feedback.transport_cc && p.feedback.remb)
    );
}

#[test]
fn browsers_receive_in_slots_of_their_own_ssrcs() {
    for text in [CHROME_RECEIVE, FIREFOX_RECEIVE] {
        let answer = receive(text);
        assert_eq!(answer.slots.len(), 8);
        let video: Vec<_> = answer
            .slots
            .iter()
            .filter(|s| s.kind == MediaKind::Video)
            .collect();
        assert_eq!(video.len(), 4);
        assert!(video.iter().all(|s| s.ssrc.rtx.is_some()));
        let mut ssrcs: Vec<_> = answer
            .slots
            .iter()
            .flat_map(|s| std::iter::once(s.ssrc.ssrc).chain(s.ssrc.rtx))
            .collect();
        ssrcs.sort_unstable();
        ssrcs.dedup();
        assert_eq!(ssrcs.len(), 12, "eight slots and four retransmissions");
        let is_numbered = |s: &SlotSpec| s.extensions.id(Extension::TransportCc).is_some();
        assert!(video.iter().all(|s| is_numbered(s)));
        assert!(
            answer
                .slots
                .iter()
                .all(|s| is_numbered(s) == s.payloads.iter().any(|p| p.feedback.transport_cc))
        );
        assert!(
            video
                .iter()
                .all(|s| s.extensions.id(Extension::AbsSendTime).is_some())
        );
    }
}

#[test]
fn slots_of_one_place_share_a_stream() {
    let answer = receive(CHROME_RECEIVE);
    let streams = |kind| -> Vec<_> {
        let media = answer
            .description
            .media
            .iter()
            .filter(move |m| m.kind == Some(kind));
        media.map(|m| m.msid.clone().unwrap().0).collect()
    };
    assert_eq!(
        streams(MediaKind::Audio),
        ["slot-0", "slot-1", "slot-2", "slot-3"]
    );
    assert_eq!(streams(MediaKind::Audio), streams(MediaKind::Video));
}

#[test]
fn data_channels_are_taken_beside_media() {
    for text in [CHROME_DATA, FIREFOX_DATA, AIORTC] {
        let answer = publish(text);
        assert_eq!((answer.receive.len(), answer.refused.len()), (2, 0));
        let data = answer.data.expect("they were offered");
        assert_eq!((data.port, data.max_message), (5000, 256 * 1024));
        let text = crate::sdp::write(&answer.description, 7, 1);
        assert!(text.contains("a=group:BUNDLE 0 1 2\r\n"), "{text}");
        assert!(text.contains("a=sctp-port:5000\r\n"), "{text}");
        assert!(text.contains("a=max-message-size:262144\r\n"), "{text}");
        assert_eq!(parse(&text), Ok(answer.description));
    }
}

#[test]
fn data_channels_alone_make_a_session() {
    let start = CHROME_DATA.find("m=audio").expect("an audio m-line");
    let data = CHROME_DATA.find("m=application").expect("data channels");
    let mid = parse(CHROME_DATA).expect("it is valid").media[2]
        .mid
        .clone();
    let session = CHROME_DATA[..start].replace("BUNDLE 0 1 2", &format!("BUNDLE {mid}"));
    let offer = session + &CHROME_DATA[data..];
    let answer = publish(&offer);
    assert!(answer.receive.is_empty() && answer.data.is_some());
    let second = offer[offer.find("m=application").expect("there")..].replace("a=mid:2", "a=mid:3");
    let twice = offer.replace("BUNDLE 2", "BUNDLE 2 3") + &second;
    assert_eq!(publish(&twice).refused[0].reason, Refusal::Limit(1));
}

#[test]
fn data_channels_of_old_peers_are_refused() {
    let old = CHROME_DATA.replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000");
    let answer = publish(&old);
    assert_eq!(
        answer.refused[0].reason,
        Refusal::Media("application".into())
    );
    assert!(answer.description.media[2].rejected && answer.data.is_none());
}

#[test]
fn webrtcbin_publishes_with_its_bundle_only_line() {
    let answer = publish(WEBRTCBIN);
    let [video, audio] = answer.receive.as_slice() else {
        panic!("{:?}", answer.receive)
    };
    assert_eq!(
        (video.kind, video.mid.as_str()),
        (MediaKind::Video, "video0")
    );
    assert_eq!(
        (audio.kind, audio.mid.as_str()),
        (MediaKind::Audio, "audio1")
    );
    assert_eq!(video.payloads[0].rtx_pt, Some(98));
    assert_eq!(
        (video.ssrcs[0].ssrc, video.ssrcs[0].rtx),
        (2_164_402_838, Some(3_206_986_082))
    );
    assert!(audio.payloads[0].fmtp.ends_with("useinbandfec=1"));
    // It offers the feedback without the extension that it needs.
    assert!(!video.payloads[0].feedback.transport_cc);
}

#[test]
fn webrtcbin_receives_without_rtx_and_so_without_send_times() {
    let answer = receive(WEBRTCBIN_RECEIVE);
    let video = answer
        .slots
        .iter()
        .find(|s| s.kind == MediaKind::Video)
        .unwrap();
    assert_eq!(video.ssrc.rtx, None);
    assert_eq!(video.extensions.id(Extension::AbsSendTime), None);
}

#[test]
fn webrtcbin_without_max_bundle_is_told_the_remedy() {
    gst::init().unwrap();
    let error = parse(WEBRTCBIN_UNBUNDLED).unwrap_err().to_string();
    assert!(error.contains("m-line 1 (mid audio1)"), "{error}");
    assert!(error.contains("bundle-policy=max-bundle"), "{error}");
}

#[test]
fn ffmpeg_waits_for_our_client_hello() {
    let answer = publish(FFMPEG);
    assert!(answer.dtls_client);
    assert_eq!(answer.description.transport.setup, Setup::Active);
    let video = &answer.receive[1];
    assert_eq!(codecs(&video.payloads), [Codec::H264]);
    assert_eq!(
        (video.ssrcs[0].ssrc, video.ssrcs[0].rtx),
        (1_390_611_395, Some(1_390_611_396))
    );
}

#[test]
fn udp_candidates_are_written_first_and_once() {
    let text = crate::sdp::write(&publish(FFMPEG).description, 7, 1);
    let candidates: Vec<_> = text
        .lines()
        .filter(|l| l.starts_with("a=candidate:"))
        .collect();
    assert_eq!(candidates.len(), 2);
    assert!(candidates[0].contains(" UDP "), "{candidates:?}");
}

#[test]
fn only_the_candidates_of_the_first_bundled_line_count() {
    let ports: Vec<_> = read(AIORTC)
        .transport
        .candidates
        .iter()
        .map(|c| c.addr.port())
        .collect();
    assert_eq!(ports, [50920, 50595]);
}

#[test]
fn candidates_hidden_behind_mdns_names_are_left_out() {
    assert!(read(CHROME_SIMULCAST).transport.candidates.is_empty());
    assert!(read(FIREFOX_SIMULCAST).transport.candidates.is_empty());
}

#[test]
fn a_receiving_offer_cannot_be_published() {
    let error = try_publish(CHROME_RECEIVE).unwrap_err().to_string();
    assert!(error.contains("m-line 0 (mid 0) is recvonly"), "{error}");
    assert!(error.contains("VP8"), "{error}");
}

#[test]
fn a_switched_off_line_stays_inactive() {
    let text = CHROME_SIMULCAST.replacen("a=sendonly", "a=inactive", 1);
    let answer = publish(&text);
    assert_eq!(answer.receive.len(), 1);
    assert_eq!(answer.description.media[0].direction, Direction::Inactive);
    assert!(!answer.description.media[0].rejected);
}
