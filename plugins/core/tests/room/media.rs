// SPDX-License-Identifier: MIT OR Apache-2.0
//! Payloads that say which they are, and the formats of str0m's defaults.

use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{Extension, ExtensionMap, Feedback, MediaKind, PayloadParams};

pub const VP8_PT: u8 = 96;
pub const OPUS_PT: u8 = 111;
/// Redundant audio, by the numbers of two peers, and Opus by that of the second.
pub const RED_PTS: [u8; 3] = [63, 62, 100];

/// The payload types str0m declares by default.
pub fn payloads(kind: MediaKind) -> Vec<PayloadParams> {
    let video = kind == MediaKind::Video;
    vec![PayloadParams {
        pt: if video { VP8_PT } else { OPUS_PT },
        codec: if video { Codec::Vp8 } else { Codec::Opus },
        clock_rate: if video { 90_000 } else { 48_000 },
        channels: (!video).then_some(2),
        fmtp: String::new(),
        rtx_pt: video.then_some(97),
        feedback: Feedback {
            nack: video,
            pli: video,
            fir: video,
            remb: false,
            transport_cc: true,
        },
    }]
}

/// The extension ids str0m uses by default.
pub fn extensions(transport_cc: bool) -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.set(Extension::AudioLevel, 1);
    map.set(Extension::AbsSendTime, 2);
    if transport_cc {
        map.set(Extension::TransportCc, 3);
    }
    map.set(Extension::Mid, 4);
    map.set(Extension::Rid, 10);
    map.set(Extension::RepairedRid, 11);
    map.set(Extension::VideoOrientation, 13);
    map
}

/// A VP8 packet, descriptor and all (RFC 7741 §4.2), that carries `number`.
pub fn vp8(number: u64, picture_id: u16, tl0: u8, start: bool, keyframe: bool) -> Vec<u8> {
    let mut payload = vec![0x80 | u8::from(start) << 4, 0xe0];
    payload.extend((0x8000 | picture_id & 0x7fff).to_be_bytes());
    payload.extend([tl0, 0]);
    if start {
        payload.extend([u8::from(!keyframe), 0, 0]);
        if keyframe {
            payload.extend([0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
        }
    }
    payload.extend(number.to_be_bytes());
    payload.resize(payload.len() + 400, 0x55);
    payload
}

/// A [`vp8`] packet that begins a keyframe of another size.
pub fn vp8_keyframe(number: u64, picture_id: u16, tl0: u8, (width, height): (u16, u16)) -> Vec<u8> {
    let mut payload = vp8(number, picture_id, tl0, true, true);
    payload[12..14].copy_from_slice(&width.to_le_bytes());
    payload[14..16].copy_from_slice(&height.to_le_bytes());
    payload
}

/// What a [`vp8`] payload says: (picture id, TL0PICIDX, number).
pub fn read_vp8(payload: &[u8]) -> (u16, u8, u64) {
    let start = payload[0] & 0x10 != 0;
    let keyframe = start && payload[6] & 1 == 0;
    let at = 6 + if keyframe {
        10
    } else if start {
        3
    } else {
        0
    };
    let number = payload[at..at + 8].try_into().expect("eight bytes");
    (
        u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff,
        payload[4],
        u64::from_be_bytes(number),
    )
}
