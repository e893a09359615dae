// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which codecs are taken, in which order, and with which feedback.

use super::extensions;
use crate::codec::{Codec, red};
use crate::media::{Extension, Feedback, MediaDescription, MediaKind, PayloadParams};

/// The codecs taken, for people.
pub(super) const SUPPORTED: &str =
    "opus (also in red), PCMU, PCMA; VP8, H264, VP9 (profile 0), AV1 (profile 0), H265";

/// Preference when a publisher can send several: what most subscribers decode comes first. Redundant audio ranks with what it is
/// made of, so there the publisher's own order stands.
const PREFERENCE: [Codec; 8] = [
    Codec::Opus,
    Codec::Pcmu,
    Codec::Pcma,
    Codec::Vp8,
    Codec::H264,
    Codec::Vp9,
    Codec::Av1,
    Codec::H265,
];

/// True when the SFU forwards this payload format, by codec, clock rate and profile.
pub fn supported(payload: &PayloadParams) -> bool {
    let plain = payload.clock_rate == payload.codec.clock_rate() && payload.pt <= 127;
    plain && profile_supported(payload.codec, &payload.fmtp)
}

/// Profiles that need more than 8 bits or 4:2:0 are decoded by too few to be forwarded to everyone.
fn profile_supported(codec: Codec, fmtp: &str) -> bool {
    match codec {
        // Of what it is made is said by the numbers of other formats.
        Codec::Red => red::listed(fmtp).all(|pt| pt.is_some()),
        Codec::Vp9 => parameter(fmtp, "profile-id").is_none_or(|v| v == "0"),
        Codec::Av1 => parameter(fmtp, "profile").is_none_or(|v| v == "0"),
        Codec::H265 => parameter(fmtp, "tx-mode").is_none_or(|v| v.eq_ignore_ascii_case("SRST")),
        _ => true,
    }
}

/// The value of a parameter in an `a=fmtp` text such as `packetization-mode=1;profile-level-id=42e01f`.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The H.264 packetization mode (RFC 6184 §8.1); 0 when not said, and for other codecs.
pub(super) fn packetization_mode(payload: &PayloadParams) -> u8 {
    match payload.codec {
        Codec::H264 => parameter(&payload.fmtp, "packetization-mode")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0),
        _ => 0,
    }
}

/// What a publisher may send, best first.
pub(super) fn publish(offered: &MediaDescription, kind: MediaKind) -> Vec<PayloadParams> {
    let transport_cc = offered.extensions.id(Extension::TransportCc).is_some();
    let mut payloads: Vec<_> = usable(offered, kind).cloned().collect();
    for payload in &mut payloads {
        payload.feedback = congestion_feedback(payload.feedback, transport_cc);
        if payload.codec == Codec::Opus {
            ask_for_inband_fec(&mut payload.fmtp);
        }
    }
    payloads.sort_by_key(|p| (rank(p.codec), std::cmp::Reverse(packetization_mode(p))));
    payloads
}

/// What a subscriber can take, in its own order.
pub(super) fn receive(offered: &MediaDescription, kind: MediaKind) -> Vec<PayloadParams> {
    let payloads = usable(offered, kind).cloned().collect();
    let mut payloads = rtx_for_all_or_none(payloads);
    let transport_cc = offered.extensions.id(Extension::TransportCc).is_some()
        && extensions::may_vary(kind, &payloads);
    for payload in &mut payloads {
        payload.feedback = congestion_feedback(payload.feedback, transport_cc);
    }
    payloads
}

/// A slot retransmits in one way, whatever it carries at the moment.
pub(super) fn rtx_for_all_or_none(mut payloads: Vec<PayloadParams>) -> Vec<PayloadParams> {
    if payloads.iter().any(|p| p.rtx_pt.is_none()) {
        payloads.iter_mut().for_each(|p| p.rtx_pt = None);
    }
    payloads
}

/// The formats of an m-line that can be forwarded.
pub(super) fn usable(
    offered: &MediaDescription,
    kind: MediaKind,
) -> impl Iterator<Item = &PayloadParams> {
    let payloads = &offered.payloads;
    payloads
        .iter()
        .filter(move |p| p.codec.kind() == kind && supported(p) && is_made_of_opus(p, payloads))
}

/// True unless it is redundant audio (RFC 2198) of something else.
fn is_made_of_opus(payload: &PayloadParams, offered: &[PayloadParams]) -> bool {
    let is_opus = |pt| {
        let format = offered.iter().find(|p| pt == Some(p.pt));
        format.is_some_and(|p| p.codec == Codec::Opus && supported(p))
    };
    payload.codec != Codec::Red || red::listed(&payload.fmtp).all(is_opus)
}

fn rank(codec: Codec) -> usize {
    let codec = match codec {
        Codec::Red => Codec::Opus,
        codec => codec,
    };
    PREFERENCE
        .iter()
        .position(|c| *c == codec)
        .unwrap_or(PREFERENCE.len())
}

/// One congestion signal is enough: transport-wide feedback when both halves of it were offered, else REMB.
fn congestion_feedback(offered: Feedback, extension: bool) -> Feedback {
    let transport_cc = offered.transport_cc && extension;
    Feedback {
        transport_cc,
        remb: offered.remb && !transport_cc,
        ..offered
    }
}

/// In an answer `useinbandfec` says what we would like to get (RFC 7587 §6.1); the peer's own choice stands.
fn ask_for_inband_fec(fmtp: &mut String) {
    if parameter(fmtp, "useinbandfec").is_some() {
        return;
    }
    if !fmtp.is_empty() {
        fmtp.push(';');
    }
    fmtp.push_str("useinbandfec=1");
}

/// Every payload format the SFU forwards, as we offer them when we dial out; payload types as browsers number them.
pub fn offered_payloads(kind: MediaKind) -> Vec<PayloadParams> {
    const H264: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=";
    match kind {
        MediaKind::Audio => vec![
            audio(111, Codec::Opus, Some(2), "minptime=10;useinbandfec=1"),
            audio(0, Codec::Pcmu, None, ""),
            audio(8, Codec::Pcma, None, ""),
        ],
        MediaKind::Video => vec![
            video(96, Codec::Vp8, ""),
            video(102, Codec::H264, &format!("{H264}42e01f")),
            video(
                104,
                Codec::H264,
                "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
            ),
            video(106, Codec::H264, &format!("{H264}4d001f")),
            video(108, Codec::H264, &format!("{H264}64001f")),
            video(98, Codec::Vp9, "profile-id=0"),
            video(100, Codec::Av1, ""),
            video(116, Codec::H265, ""),
        ],
    }
}

fn audio(pt: u8, codec: Codec, channels: Option<u8>, fmtp: &str) -> PayloadParams {
    PayloadParams {
        pt,
        codec,
        clock_rate: codec.clock_rate(),
        channels,
        fmtp: fmtp.to_owned(),
        rtx_pt: None,
        feedback: Feedback::default(),
    }
}

fn video(pt: u8, codec: Codec, fmtp: &str) -> PayloadParams {
    PayloadParams {
        pt,
        codec,
        clock_rate: codec.clock_rate(),
        channels: None,
        fmtp: fmtp.to_owned(),
        rtx_pt: Some(pt + 1),
        feedback: Feedback {
            nack: true,
            pli: true,
            fir: true,
            remb: false,
            transport_cc: false,
        },
    }
}

/// Formats as the m-line lists them: each payload type followed by its retransmissions.
pub(super) fn formats(payloads: &[PayloadParams]) -> Vec<String> {
    payloads
        .iter()
        .flat_map(|p| std::iter::once(p.pt).chain(p.rtx_pt))
        .map(|pt| pt.to_string())
        .collect()
}
