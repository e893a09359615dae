// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one stream of the benchmarks: VP8 with RTX, in packets of about 1.2 kB.

use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{Extension, ExtensionMap, Feedback, PayloadParams};
use gst_rtc_core::rtp::HeaderWriter;

/// SSRC of the publisher.
pub(crate) const SSRC: u32 = 7;
/// Length of the packets' header: the fixed part, and MID and abs-send-time behind the four bytes of the extension.
pub(crate) const HEADER: usize = 12 + 4 + 8;
/// Length of the payload.
const PAYLOAD: usize = 1200;
const PT: u8 = 96;

pub(crate) fn payloads() -> Vec<PayloadParams> {
    let feedback = Feedback {
        nack: true,
        pli: true,
        fir: true,
        remb: false,
        transport_cc: false,
    };
    vec![PayloadParams {
        pt: PT,
        codec: Codec::Vp8,
        clock_rate: 90_000,
        channels: None,
        fmtp: String::new(),
        rtx_pt: Some(PT + 1),
        feedback,
    }]
}

pub(crate) fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.set(Extension::Mid, 1);
    map.set(Extension::AbsSendTime, 2);
    map
}

/// The plain packet number `sequence` of picture `picture` (RFC 7741 §4.2): the first of a keyframe, or one from its middle.
pub(crate) fn vp8(sequence: u16, picture: u16, keyframe: bool) -> Vec<u8> {
    let mut packet = vec![0; HEADER + PAYLOAD];
    let mut writer = HeaderWriter::new(
        &mut packet,
        PT,
        false,
        sequence,
        u32::from(picture) * 3000,
        SSRC,
    );
    writer.extension(1, b"0");
    writer.extension(2, &[0; 3]);
    let header = writer.finish();
    assert_eq!(header, HEADER);
    let [high, low] = (0x8000 | picture & 0x7fff).to_be_bytes();
    let descriptor = [
        0x80 | u8::from(keyframe) << 4,
        0xe0,
        high,
        low,
        picture as u8,
        0,
    ];
    packet[header..header + 6].copy_from_slice(&descriptor);
    if keyframe {
        packet[header + 6..header + 16]
            .copy_from_slice(&[0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    }
    packet
}
