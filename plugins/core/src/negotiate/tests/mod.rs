// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules on descriptions made for the case; whole offers of real peers are answered in the tests of the SDP reader.

mod answers;
mod dialling;

use super::*;
use crate::codec::Codec;
use crate::media::{
    Direction, Extension, ExtensionMap, Feedback, MediaDescription, MediaKind, MediaLine,
    PayloadParams,
};

fn local() -> LocalTransport {
    LocalTransport {
        ufrag: "here".into(),
        pwd: "0123456789abcdefghijkl".into(),
        fingerprint: Fingerprint {
            algorithm: "sha-256".into(),
            bytes: vec![1; 32],
        },
        candidates: Vec::new(),
        ice_lite: true,
    }
}

fn description(media: Vec<MediaDescription>) -> SessionDescription {
    let transport = LocalTransport {
        ufrag: "peer".into(),
        ice_lite: false,
        ..local()
    };
    SessionDescription {
        transport: transport.describe(Setup::ActPass),
        media,
    }
}

fn payload(pt: u8, codec: Codec) -> PayloadParams {
    PayloadParams {
        pt,
        codec,
        clock_rate: codec.clock_rate(),
        channels: (codec == Codec::Opus).then_some(2),
        fmtp: String::new(),
        rtx_pt: None,
        feedback: Feedback::default(),
    }
}

fn with_rtx(pt: u8, codec: Codec) -> PayloadParams {
    let feedback = Feedback {
        nack: true,
        pli: true,
        fir: true,
        remb: true,
        transport_cc: true,
    };
    PayloadParams {
        rtx_pt: Some(pt + 1),
        feedback,
        ..payload(pt, codec)
    }
}

fn line(mid: &str, direction: Direction, payloads: Vec<PayloadParams>) -> MediaDescription {
    let kind = payloads
        .first()
        .map_or(MediaKind::Video, |p| p.codec.kind());
    let mut extensions = ExtensionMap::default();
    for (extension, id) in Extension::ALL.into_iter().zip(1..) {
        extensions.set(extension, id);
    }
    MediaDescription {
        mid: mid.into(),
        kind: Some(kind),
        line: MediaLine {
            media: kind.as_str().into(),
            proto: "UDP/TLS/RTP/SAVPF".into(),
            formats: codecs::formats(&payloads),
        },
        rejected: false,
        direction,
        payloads,
        extensions,
        ssrcs: Vec::new(),
        rids: Vec::new(),
        msid: None,
        rtcp_rsize: true,
        data: None,
    }
}

fn audio(mid: &str, direction: Direction) -> MediaDescription {
    line(mid, direction, vec![payload(111, Codec::Opus)])
}

fn video(mid: &str, direction: Direction) -> MediaDescription {
    line(mid, direction, vec![with_rtx(96, Codec::Vp8)])
}

fn publish(offer: &SessionDescription) -> Result<Answer, NegotiationError> {
    answer_publish(offer, &local(), &Limits::default(), None)
}

fn receive(
    offer: &SessionDescription,
    previous: Option<&Answer>,
) -> Result<Answer, NegotiationError> {
    // Repeats itself, as a bad source of randomness would.
    answer_receive(offer, &local(), &Limits::default(), previous, &mut || 0)
}
