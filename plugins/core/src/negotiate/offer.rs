// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offers for where we dial out: a guest node towards the home of a room, or a load generator.

use super::codecs::{self, formats};
use super::{LocalTransport, extensions};
use crate::codec::Codec;
use crate::data::MAX_MESSAGE;
use crate::media::{
    DataDescription, Direction, ExtensionMap, Feedback, MediaDescription, MediaKind, MediaLine,
    PayloadParams, SessionDescription, Setup, SsrcDescription,
};

/// What a browser writes, and every WebRTC peer reads (RFC 8829 §5.1.2).
const PROTO: &str = "UDP/TLS/RTP/SAVPF";

/// What everybody uses inside DTLS, where no other association can be (RFC 8841 §5).
const SCTP_PORT: u16 = 5000;

/// A track we offer to send.
#[derive(Clone, PartialEq, Debug)]
pub struct OfferedTrack {
    /// Audio or video.
    pub kind: MediaKind,
    /// The formats in which it can be sent, best first. Payload types are a wish, feedback and RTX are ours to offer.
    pub payloads: Vec<PayloadParams>,
    /// Stream id and CNAME: tracks with the same one are played in sync.
    pub stream: String,
    /// False once it has ended: its m-line stays, inactive.
    pub active: bool,
    /// The names of its encodings, by number. With two or more each is a stream of its own (simulcast, RFC 8853), so that the other
    /// side chooses; else there is one stream.
    pub rids: Vec<String>,
}

/// Offers to send `tracks`, one m-line each, in their order.
///
/// On a live session give `previous`, the offer before, and every track it had in the same place: their m-lines keep mid,
/// SSRCs and payload types; one whose track has more encodings than before has more SSRCs. A payload type means one format in the whole offer, so tracks may be given others than they
/// wished for; those of the accepted answer count. `ssrcs` yields random numbers.
pub fn offer_publish(
    tracks: &[OfferedTrack],
    local: &LocalTransport,
    previous: Option<&SessionDescription>,
    ssrcs: &mut impl FnMut() -> u32,
) -> SessionDescription {
    let mut media: Vec<MediaDescription> = previous.map_or(Vec::new(), |p| p.media.clone());
    let mut numbers = PayloadTypes::default();
    media
        .iter()
        .flat_map(|m| &m.payloads)
        .for_each(|p| numbers.reserve(p));
    for track in tracks.iter().skip(media.len()) {
        let line = track_line(media.len(), track, &mut numbers, ssrcs);
        media.push(line);
    }
    for (line, track) in media.iter_mut().zip(tracks) {
        line.direction = if track.active {
            Direction::SendOnly
        } else {
            Direction::Inactive
        };
        if track.active && track.rids.len() > 1 {
            name_encodings(line, track, ssrcs);
        }
    }
    SessionDescription {
        transport: local.describe(Setup::ActPass),
        media,
    }
}

/// Offers to receive `audio` and `video` tracks in every format the SFU forwards.
///
/// On a live session give `previous`, the offer before: its m-lines stay and what is missing is appended.
pub fn offer_receive(
    audio: usize,
    video: usize,
    local: &LocalTransport,
    previous: Option<&SessionDescription>,
) -> SessionDescription {
    let mut media: Vec<MediaDescription> = previous.map_or(Vec::new(), |p| p.media.clone());
    for (kind, wanted) in [(MediaKind::Audio, audio), (MediaKind::Video, video)] {
        let have = media.iter().filter(|m| m.kind == Some(kind)).count();
        for _ in have..wanted {
            let payloads = codecs::offered_payloads(kind);
            media.push(line(media.len(), kind, payloads, Direction::RecvOnly));
        }
    }
    SessionDescription {
        transport: local.describe(Setup::ActPass),
        media,
    }
}

/// Offers data channels and nothing else.
pub fn offer_data(local: &LocalTransport) -> SessionDescription {
    let media = MediaDescription {
        mid: "0".to_owned(),
        kind: None,
        line: MediaLine {
            media: "application".to_owned(),
            proto: "UDP/DTLS/SCTP".to_owned(),
            formats: vec!["webrtc-datachannel".to_owned()],
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
            port: SCTP_PORT,
            max_message: MAX_MESSAGE as u64,
        }),
    };
    SessionDescription {
        transport: local.describe(Setup::ActPass),
        media: vec![media],
    }
}

fn track_line(
    index: usize,
    track: &OfferedTrack,
    numbers: &mut PayloadTypes,
    ssrcs: &mut impl FnMut() -> u32,
) -> MediaDescription {
    let wanted = track
        .payloads
        .iter()
        .filter(|p| p.codec.kind() == track.kind && p.codec != Codec::Red);
    let payloads: Vec<_> = wanted.filter_map(|p| numbers.assign(p)).collect();
    let rtx = !payloads.is_empty() && payloads.iter().all(|p| p.rtx_pt.is_some());
    let mut media = line(index, track.kind, payloads, Direction::SendOnly);
    media.msid = Some((track.stream.clone(), format!("track-{index}")));
    media.ssrcs = vec![SsrcDescription {
        ssrc: ssrcs(),
        rtx: rtx.then(ssrcs),
        cname: Some(track.stream.clone()),
    }];
    media
}

/// Makes a line with one stream, or fewer, one with a stream for each encoding.
fn name_encodings(
    media: &mut MediaDescription,
    track: &OfferedTrack,
    ssrcs: &mut impl FnMut() -> u32,
) {
    media.extensions = extensions::offer(track.kind, true);
    media.rids.clone_from(&track.rids);
    let rtx = media.ssrcs.iter().all(|source| source.rtx.is_some());
    while media.ssrcs.len() < track.rids.len() {
        media.ssrcs.push(SsrcDescription {
            ssrc: ssrcs(),
            rtx: rtx.then(&mut *ssrcs),
            cname: Some(track.stream.clone()),
        });
    }
}

fn line(
    index: usize,
    kind: MediaKind,
    payloads: Vec<PayloadParams>,
    direction: Direction,
) -> MediaDescription {
    MediaDescription {
        mid: index.to_string(),
        kind: Some(kind),
        line: MediaLine {
            media: kind.as_str().to_owned(),
            proto: PROTO.to_owned(),
            formats: formats(&payloads),
        },
        rejected: false,
        direction,
        payloads,
        extensions: extensions::offer(kind, false),
        ssrcs: Vec::new(),
        rids: Vec::new(),
        msid: None,
        rtcp_rsize: true,
        data: None,
    }
}

/// Gives each format one payload type in the whole offer (RFC 9143 §9.1).
#[derive(Default)]
struct PayloadTypes {
    given: Vec<PayloadParams>,
}

impl PayloadTypes {
    fn reserve(&mut self, payload: &PayloadParams) {
        self.given.push(payload.clone());
    }

    /// `None` when all numbers are taken.
    fn assign(&mut self, wanted: &PayloadParams) -> Option<PayloadParams> {
        let same = |p: &&PayloadParams| {
            (p.codec, p.channels, &p.fmtp) == (wanted.codec, wanted.channels, &wanted.fmtp)
        };
        if let Some(given) = self.given.iter().find(same) {
            return Some(given.clone());
        }
        let mut payload = wanted.clone();
        payload.rtx_pt = None;
        payload.pt = self.number(wanted)?;
        self.reserve(&payload);
        if payload.codec.kind() == MediaKind::Video {
            payload.rtx_pt = self.free(payload.pt + 1);
            payload.feedback = Feedback {
                nack: true,
                pli: true,
                fir: true,
                ..Feedback::default()
            };
        }
        self.given.pop();
        self.reserve(&payload);
        Some(payload)
    }

    /// G.711 has its own numbers (RFC 3551 §6); the others get what they wish for where it is free.
    fn number(&self, wanted: &PayloadParams) -> Option<u8> {
        match wanted.codec {
            Codec::Pcmu => Some(0),
            Codec::Pcma => Some(8),
            _ => self.free(wanted.pt),
        }
    }

    /// The dynamic numbers from `first` on, then all of them, then those that are unassigned and cannot be taken for RTCP
    /// (RFC 5761 §4).
    fn free(&self, first: u8) -> Option<u8> {
        let first = if (96..=127).contains(&first) {
            first
        } else {
            96
        };
        let taken = |pt: u8| {
            self.given
                .iter()
                .any(|p| p.pt == pt || p.rtx_pt == Some(pt))
        };
        (first..=127)
            .chain(96..=127)
            .chain(35..=63)
            .find(|pt| !taken(*pt))
    }
}
