// SPDX-License-Identifier: MIT OR Apache-2.0
//! The streams of the benchmarks: VP8 with RTX, in packets of about 1.2 kB.

use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{
    Extension, ExtensionMap, Feedback, MediaKind, PayloadParams, ReceiveSpec, SsrcDescription,
};
use gst_rtc_core::rtp::HeaderWriter;

/// Length of the payload.
const PAYLOAD: usize = 1200;
const PT: u8 = 96;
/// Extension id of the transport-wide sequence number.
pub(crate) const WIDE: u8 = 4;

/// What the room does for its subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// It forwards the one encoding there is.
    Plain,
    /// It chooses between three encodings for each subscriber, by an estimate of the bandwidth towards it.
    Choosing,
}

impl Kind {
    pub(crate) fn encodings(self) -> Vec<Encoding> {
        match self {
            Kind::Plain => vec![Encoding::new(7, None, (640, 360), 5)],
            Kind::Choosing => vec![
                Encoding::new(5, Some("l"), (160, 90), 1),
                Encoding::new(6, Some("m"), (320, 180), 2),
                Encoding::new(7, Some("h"), (640, 360), 5),
            ],
        }
    }

    /// What the publisher says of its track.
    pub(crate) fn receive(self) -> ReceiveSpec {
        let encodings = self.encodings();
        let rids: Vec<_> = encodings
            .iter()
            .filter_map(|e| e.rid.map(str::to_owned))
            .collect();
        let ssrcs = encodings.iter().map(|encoding| SsrcDescription {
            ssrc: encoding.ssrc,
            rtx: None,
            cname: None,
        });
        ReceiveSpec {
            mid: "0".into(),
            kind: MediaKind::Video,
            payloads: self.payloads(),
            extensions: self.extensions(),
            ssrcs: if rids.is_empty() {
                ssrcs.collect()
            } else {
                Vec::new()
            },
            rids,
        }
    }

    pub(crate) fn payloads(self) -> Vec<PayloadParams> {
        let feedback = Feedback {
            nack: true,
            pli: true,
            fir: true,
            remb: false,
            transport_cc: self == Kind::Choosing,
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

    pub(crate) fn extensions(self) -> ExtensionMap {
        let mut map = ExtensionMap::default();
        map.set(Extension::Mid, 1);
        map.set(Extension::AbsSendTime, 2);
        if self == Kind::Choosing {
            map.set(Extension::Rid, 3);
            map.set(Extension::TransportCc, WIDE);
        }
        map
    }
}

/// An encoding that is published.
pub(crate) struct Encoding {
    ssrc: u32,
    rid: Option<&'static str>,
    size: (u16, u16),
    /// Packets of a picture: five are 1.5 Mbit/s at 30 pictures per second.
    pub(crate) parts: usize,
    /// Of its next packet, never wrapped.
    pub(crate) sequence: u64,
}

impl Encoding {
    fn new(ssrc: u32, rid: Option<&'static str>, size: (u16, u16), parts: usize) -> Encoding {
        Encoding {
            ssrc,
            rid,
            size,
            parts,
            sequence: 1,
        }
    }

    /// The next packet, plain, of picture `picture` (RFC 7741 §4.2), and the length of its header: the first of a picture, that of a
    /// keyframe, or one from the middle.
    pub(crate) fn packet(&mut self, picture: u16, part: Part) -> (Vec<u8>, usize) {
        let mut packet = vec![0; 64 + PAYLOAD];
        let timestamp = u32::from(picture) * 3000;
        let marker = part.last;
        let sequence = self.sequence as u16;
        self.sequence += 1;
        let mut writer = HeaderWriter::new(&mut packet, PT, marker, sequence, timestamp, self.ssrc);
        writer.extension(1, b"0");
        writer.extension(2, &[0; 3]);
        if let Some(rid) = self.rid {
            writer.extension(3, rid.as_bytes());
        }
        let header = writer.finish();
        packet.truncate(header + PAYLOAD);
        let [high, low] = (0x8000 | picture & 0x7fff).to_be_bytes();
        let start = 0x80 | u8::from(part.first) << 4;
        packet[header..header + 6].copy_from_slice(&[start, 0xe0, high, low, picture as u8, 0]);
        // The first bit of a picture: 0 for a keyframe (RFC 7741 §4.3).
        packet[header + 6] = u8::from(!part.keyframe);
        if part.first && part.keyframe {
            packet[header + 9..header + 12].copy_from_slice(&[0x9d, 0x01, 0x2a]);
            packet[header + 12..header + 14].copy_from_slice(&self.size.0.to_le_bytes());
            packet[header + 14..header + 16].copy_from_slice(&self.size.1.to_le_bytes());
        }
        (packet, header)
    }
}

/// Where in a picture a packet is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    pub(crate) first: bool,
    pub(crate) last: bool,
    pub(crate) keyframe: bool,
}
