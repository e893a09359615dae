// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers to peers that connect to us.

use super::codecs::{self, formats};
use super::error::RefusedList;
use super::{Answer, Limits, LocalTransport, NegotiationError, Refusal, Refused, extensions};
use crate::data::{DataSpec, MAX_MESSAGE};
use crate::media::{
    DataDescription, Direction, Extension, ExtensionMap, MediaDescription, MediaKind, MediaLine,
    PayloadParams, ReceiveSpec, SessionDescription, Setup, SlotSpec, SsrcDescription,
};
use std::collections::{HashMap, HashSet};

/// Answers an offer of media for us: every m-line on which the peer sends becomes a [`ReceiveSpec`].
///
/// Codecs are put in our order (VP8, H264, VP9, AV1, H265), since a publisher sends the first of the answer. `previous` is
/// the answer before, when this is a new offer on a live session.
///
/// # Errors
/// When nothing can be used, or the offer contradicts itself or `previous`.
pub fn answer_publish(
    offer: &SessionDescription,
    local: &LocalTransport,
    limits: &Limits,
    previous: Option<&Answer>,
) -> Result<Answer, NegotiationError> {
    check(offer, previous)?;
    let mut answer = Answering::new(limits);
    for offered in &offer.media {
        let Some(kind) = answer.admit(offered, Direction::sends) else {
            continue;
        };
        let payloads = codecs::publish(offered, kind);
        let extensions = extensions::publish(&offered.extensions, kind, &payloads);
        let mut media = accepted(offered, payloads, extensions);
        if offered.direction.sends() {
            media.direction = Direction::RecvOnly;
            media.rids = layers(offered, &media.extensions, limits);
            answer.receive.push(receive_spec(offered, &media, kind));
        }
        answer.media.push(media);
    }
    if answer.receive.is_empty() && answer.data.is_none() && previous.is_none() {
        return Err(NegotiationError::NothingToPublish(RefusedList(
            answer.refused,
        )));
    }
    Ok(answer.finish(offer, local, previous))
}

/// Answers an offer to receive from us: every m-line on which the peer receives becomes a [`SlotSpec`].
///
/// A slot has its own SSRC, and another for retransmissions when all of its video payloads have RTX. `ssrcs` yields random
/// numbers. Slots of `previous`, the answer before on this session, keep their SSRCs; they are known by their mid.
///
/// # Errors
/// When nothing can be used, or the offer contradicts itself or `previous`.
pub fn answer_receive(
    offer: &SessionDescription,
    local: &LocalTransport,
    limits: &Limits,
    previous: Option<&Answer>,
    ssrcs: &mut impl FnMut() -> u32,
) -> Result<Answer, NegotiationError> {
    check(offer, previous)?;
    let mut answer = Answering::new(limits);
    let mut numbers = SsrcSource::new(offer, previous, ssrcs);
    let mut streams = StreamIds::default();
    for offered in &offer.media {
        let stream = streams.next(offered.kind);
        let Some(kind) = answer.admit(offered, Direction::receives) else {
            continue;
        };
        let payloads = codecs::receive(offered, kind);
        let extensions = extensions::receive(&offered.extensions, kind, &payloads);
        let mut media = accepted(offered, payloads, extensions);
        if offered.direction.receives() {
            let ssrc = numbers.slot(&media, &stream);
            media.direction = Direction::SendOnly;
            media.ssrcs = vec![ssrc.clone()];
            media.msid = Some((stream, format!("track-{}", media.mid)));
            answer.slots.push(slot_spec(&media, kind, ssrc));
        }
        answer.media.push(media);
    }
    if answer.slots.is_empty() && answer.data.is_none() && previous.is_none() {
        return Err(NegotiationError::NothingToReceive(RefusedList(
            answer.refused,
        )));
    }
    Ok(answer.finish(offer, local, previous))
}

/// An answer in the making.
struct Answering<'a> {
    limits: &'a Limits,
    audio: usize,
    video: usize,
    media: Vec<MediaDescription>,
    receive: Vec<ReceiveSpec>,
    slots: Vec<SlotSpec>,
    data: Option<DataSpec>,
    refused: Vec<Refused>,
}

impl<'a> Answering<'a> {
    fn new(limits: &'a Limits) -> Answering<'a> {
        Answering {
            limits,
            audio: 0,
            video: 0,
            media: Vec::new(),
            receive: Vec::new(),
            slots: Vec::new(),
            data: None,
            refused: Vec::new(),
        }
    }

    /// The kind of an m-line to accept for media. One of data channels, or of no use, gets its answer written here.
    fn admit(
        &mut self,
        offered: &MediaDescription,
        carries: fn(Direction) -> bool,
    ) -> Option<MediaKind> {
        if let Some(data) = &offered.data {
            self.data(offered, data);
            return None;
        }
        match self.judge(offered) {
            Ok(kind) => {
                if !carries(offered.direction) {
                    self.note(offered, Refusal::Direction(offered.direction));
                }
                Some(kind)
            }
            Err(reason) => {
                self.refuse(offered, reason);
                None
            }
        }
    }

    fn refuse(&mut self, offered: &MediaDescription, reason: Refusal) {
        self.note(offered, reason);
        self.media.push(rejected(offered));
    }

    /// Data channels, all of them on the first of their m-lines.
    fn data(&mut self, offered: &MediaDescription, peer: &DataDescription) {
        if let Err(reason) = judge_data(offered, self.data.is_some()) {
            return self.refuse(offered, reason);
        }
        self.data = Some(DataSpec::of(&offered.mid, peer));
        let media = accepted(offered, Vec::new(), ExtensionMap::default());
        self.media.push(MediaDescription {
            line: offered.line.clone(),
            direction: Direction::SendRecv,
            rtcp_rsize: false,
            data: Some(DataDescription {
                port: peer.port,
                max_message: MAX_MESSAGE as u64,
            }),
            ..media
        });
    }

    fn judge(&mut self, offered: &MediaDescription) -> Result<MediaKind, Refusal> {
        let Some(kind) = offered.kind else {
            return Err(Refusal::Media(offered.line.media.clone()));
        };
        if offered.rejected {
            return Err(Refusal::Withdrawn);
        }
        if !offered.line.proto.ends_with("RTP/SAVPF") && !offered.line.proto.ends_with("RTP/SAVP") {
            return Err(Refusal::Protocol(offered.line.proto.clone()));
        }
        if codecs::usable(offered, kind).next().is_none() {
            return Err(Refusal::Codecs);
        }
        self.count(kind)
    }

    fn count(&mut self, kind: MediaKind) -> Result<MediaKind, Refusal> {
        let (used, limit) = match kind {
            MediaKind::Audio => (&mut self.audio, self.limits.audio),
            MediaKind::Video => (&mut self.video, self.limits.video),
        };
        if *used >= limit {
            return Err(Refusal::Limit(limit));
        }
        *used += 1;
        Ok(kind)
    }

    fn note(&mut self, offered: &MediaDescription, reason: Refusal) {
        self.refused
            .push(Refused::new(self.media.len(), offered, reason));
    }

    fn finish(
        self,
        offer: &SessionDescription,
        local: &LocalTransport,
        previous: Option<&Answer>,
    ) -> Answer {
        let dtls_client = dtls_client(offer.transport.setup, previous);
        let setup = if dtls_client {
            Setup::Active
        } else {
            Setup::Passive
        };
        Answer {
            description: SessionDescription {
                transport: local.describe(setup),
                media: self.media,
            },
            receive: self.receive,
            slots: self.slots,
            data: self.data,
            dtls_client,
            refused: self.refused,
        }
    }
}

impl DataSpec {
    /// What a peer says of its data channels.
    pub(super) fn of(mid: &str, peer: &DataDescription) -> DataSpec {
        DataSpec {
            mid: mid.to_owned(),
            port: peer.port,
            max_message: match usize::try_from(peer.max_message) {
                Ok(1..MAX_MESSAGE) => peer.max_message as usize,
                _ => MAX_MESSAGE,
            },
            opens: None,
        }
    }
}

fn judge_data(offered: &MediaDescription, another: bool) -> Result<(), Refusal> {
    let line = &offered.line;
    if offered.rejected {
        Err(Refusal::Withdrawn)
    } else if !matches!(line.proto.as_str(), "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP")
        || !line.formats.iter().any(|f| f == "webrtc-datachannel")
    {
        Err(Refusal::Protocol(line.proto.clone()))
    } else if another {
        Err(Refusal::Limit(1))
    } else {
        Ok(())
    }
}

/// The offerer that leaves the choice becomes the client, so that its first packet can follow its first check. A live
/// association keeps its roles (RFC 8842 §5.5).
fn dtls_client(offered: Setup, previous: Option<&Answer>) -> bool {
    match offered {
        Setup::ActPass => previous.is_some_and(|p| p.dtls_client),
        Setup::Active => false,
        Setup::Passive => true,
    }
}

/// Finds what makes an offer contradict itself or the session so far.
fn check(offer: &SessionDescription, previous: Option<&Answer>) -> Result<(), NegotiationError> {
    let mut mids = HashMap::new();
    for (index, media) in offer.media.iter().enumerate() {
        if let Some(first) = mids.insert(media.mid.as_str(), index) {
            let mid = media.mid.clone();
            return Err(NegotiationError::DuplicateMid {
                mid,
                first,
                second: index,
            });
        }
        check_payload_types(index, media)?;
    }
    previous.map_or(Ok(()), |p| check_order(offer, &p.description))
}

fn check_payload_types(index: usize, media: &MediaDescription) -> Result<(), NegotiationError> {
    let mut seen = [false; 256];
    for pt in media
        .payloads
        .iter()
        .flat_map(|p| std::iter::once(p.pt).chain(p.rtx_pt))
    {
        if std::mem::replace(&mut seen[usize::from(pt)], true) {
            let mid = media.mid.clone();
            return Err(NegotiationError::DuplicatePayloadType { index, mid, pt });
        }
    }
    Ok(())
}

/// An m-line stays in its place; only one that was refused may be used for something else (RFC 3264 §8, RFC 8829 §5.2.2).
fn check_order(
    offer: &SessionDescription,
    previous: &SessionDescription,
) -> Result<(), NegotiationError> {
    if offer.media.len() < previous.media.len() {
        return Err(NegotiationError::MissingLines {
            offered: offer.media.len(),
            before: previous.media.len(),
        });
    }
    for (index, (now, before)) in offer.media.iter().zip(&previous.media).enumerate() {
        if now.mid != before.mid && !before.rejected {
            return Err(NegotiationError::Reordered {
                index,
                offered: now.mid.clone(),
                before: before.mid.clone(),
            });
        }
    }
    Ok(())
}

/// An m-line of the answer, still inactive.
fn accepted(
    offered: &MediaDescription,
    payloads: Vec<PayloadParams>,
    extensions: ExtensionMap,
) -> MediaDescription {
    MediaDescription {
        mid: offered.mid.clone(),
        kind: offered.kind,
        line: MediaLine {
            formats: formats(&payloads),
            ..offered.line.clone()
        },
        rejected: false,
        direction: Direction::Inactive,
        payloads,
        extensions,
        ssrcs: Vec::new(),
        rids: Vec::new(),
        msid: None,
        rtcp_rsize: offered.rtcp_rsize,
        data: None,
    }
}

/// Port 0, with the formats of the offer (RFC 3264 §6).
fn rejected(offered: &MediaDescription) -> MediaDescription {
    MediaDescription {
        rejected: true,
        line: offered.line.clone(),
        rtcp_rsize: false,
        ..accepted(offered, Vec::new(), ExtensionMap::default())
    }
}

/// The simulcast layers to take. Without the header extension their packets could not be told apart.
fn layers(offered: &MediaDescription, kept: &ExtensionMap, limits: &Limits) -> Vec<String> {
    match kept.id(Extension::Rid) {
        Some(_) => offered.rids.iter().take(limits.layers).cloned().collect(),
        None => Vec::new(),
    }
}

fn receive_spec(
    offered: &MediaDescription,
    answered: &MediaDescription,
    kind: MediaKind,
) -> ReceiveSpec {
    ReceiveSpec {
        mid: offered.mid.clone(),
        kind,
        payloads: answered.payloads.clone(),
        extensions: answered.extensions.clone(),
        ssrcs: offered.ssrcs.clone(),
        rids: answered.rids.clone(),
    }
}

fn slot_spec(answered: &MediaDescription, kind: MediaKind, ssrc: SsrcDescription) -> SlotSpec {
    SlotSpec {
        mid: answered.mid.clone(),
        kind,
        payloads: answered.payloads.clone(),
        extensions: answered.extensions.clone(),
        ssrc,
        encoding: None,
    }
}

/// Names streams so that the first audio and the first video slot belong together, the second ones, and so on. Receivers
/// play the tracks of one stream in sync. Places count, used or not, so names stay when an m-line is switched off.
#[derive(Default)]
struct StreamIds {
    audio: usize,
    video: usize,
}

impl StreamIds {
    fn next(&mut self, kind: Option<MediaKind>) -> String {
        let count = match kind {
            Some(MediaKind::Audio) => &mut self.audio,
            Some(MediaKind::Video) => &mut self.video,
            None => return String::new(),
        };
        let name = format!("slot-{count}");
        *count += 1;
        name
    }
}

/// Hands out SSRCs that nothing in the session uses.
struct SsrcSource<'a, F> {
    random: &'a mut F,
    used: HashSet<u32>,
    previous: HashMap<&'a str, &'a SlotSpec>,
}

impl<'a, F: FnMut() -> u32> SsrcSource<'a, F> {
    fn new(offer: &SessionDescription, previous: Option<&'a Answer>, random: &'a mut F) -> Self {
        let slots = previous.map_or(&[][..], |p| &p.slots);
        let offered = offer.media.iter().flat_map(|m| &m.ssrcs);
        let used = offered.chain(slots.iter().map(|s| &s.ssrc));
        SsrcSource {
            random,
            used: used
                .flat_map(|s| std::iter::once(s.ssrc).chain(s.rtx))
                .collect(),
            previous: slots.iter().map(|s| (s.mid.as_str(), s)).collect(),
        }
    }

    fn slot(&mut self, media: &MediaDescription, stream: &str) -> SsrcDescription {
        let before = self
            .previous
            .get(media.mid.as_str())
            .map(|s| s.ssrc.clone());
        let rtx = media.payloads.iter().all(|p| p.rtx_pt.is_some());
        SsrcDescription {
            ssrc: before.as_ref().map_or_else(|| self.draw(), |s| s.ssrc),
            rtx: rtx.then(|| before.and_then(|s| s.rtx).unwrap_or_else(|| self.draw())),
            cname: Some(stream.to_owned()),
        }
    }

    /// 0 is left out since some peers take it for "none"; a source that repeats itself is stepped over.
    fn draw(&mut self) -> u32 {
        let mut ssrc = (self.random)();
        while ssrc == 0 || !self.used.insert(ssrc) {
            ssrc = ssrc.wrapping_add(1);
        }
        ssrc
    }
}
