// SPDX-License-Identifier: MIT OR Apache-2.0
//! The receiving half of a peer: finds the track of each RTP packet by MID, RID, SSRC and payload type (RFC 8843 §9.2).

use super::stream::{Role, Step, Stream, clock_rate, repairs};
use crate::codec::{Codec, red};
use crate::id::TrackId;
use crate::layer::MAX_ENCODINGS;
use crate::media::{Extension, ExtensionMap, PayloadParams, ReceiveSpec};
use crate::packet::{MediaPacket, Origin};
use crate::router::SourceClock;
use crate::rtcp::Packet as Rtcp;
use crate::rtp::{self, Header};
use crate::twcc;
use std::time::Instant;

/// An m-line.
pub(crate) struct Line {
    pub(crate) track: TrackId,
    pub(crate) spec: ReceiveSpec,
}

/// Why packets were dropped.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReceiverCounters {
    pub(crate) malformed: u64,
    pub(crate) unknown_stream: u64,
    pub(crate) unknown_payload: u64,
    pub(crate) too_many_streams: u64,
    pub(crate) recovered: u64,
}

impl ReceiverCounters {
    /// Packets dropped, for whatever reason.
    pub(crate) fn dropped(&self) -> u64 {
        self.malformed + self.unknown_stream + self.unknown_payload + self.too_many_streams
    }
}

/// The receiving half.
pub(crate) struct Receiver {
    pub(crate) lines: Vec<Line>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) counters: ReceiverCounters,
    pub(crate) feedback: Option<twcc::Recorder>,
    pub(crate) ssrc: u32,
    max_streams: usize,
}

/// What the header extensions say of a packet's place.
#[derive(Default)]
struct Labels<'a> {
    mid: Option<&'a [u8]>,
    rid: Option<&'a [u8]>,
    repaired_rid: Option<&'a [u8]>,
    wide: Option<u16>,
}

impl Receiver {
    /// A receiver of those m-lines that reports as `ssrc`.
    pub(crate) fn new(
        lines: Vec<(TrackId, ReceiveSpec)>,
        ssrc: u32,
        max_streams: usize,
    ) -> Receiver {
        let mut receiver = Receiver {
            lines: Vec::new(),
            streams: Vec::new(),
            counters: ReceiverCounters::default(),
            feedback: None,
            ssrc,
            max_streams,
        };
        receiver.update(lines);
        receiver
    }

    /// Takes the m-lines of a renegotiation. Streams of lines that are gone are forgotten.
    pub(crate) fn update(&mut self, lines: Vec<(TrackId, ReceiveSpec)>) {
        let old = std::mem::take(&mut self.lines);
        self.lines = lines
            .into_iter()
            .map(|(track, spec)| Line { track, spec })
            .collect();
        let places: Vec<_> = old
            .iter()
            .map(|was| {
                self.lines
                    .iter()
                    .position(|line| line.spec.mid == was.spec.mid)
            })
            .collect();
        self.streams
            .retain_mut(|stream| match places.get(stream.line).copied().flatten() {
                Some(place) => {
                    stream.line = place;
                    true
                }
                None => false,
            });
        let wide = self
            .lines
            .iter()
            .any(|l| l.spec.extensions.id(Extension::TransportCc).is_some());
        if wide && self.feedback.is_none() {
            self.feedback = Some(twcc::Recorder::new());
        }
    }

    /// When NACKs or transport feedback are due next.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let nacks = self
            .streams
            .iter()
            .filter_map(|s| s.nack.as_ref()?.next_timeout());
        nacks
            .chain(
                self.feedback
                    .as_ref()
                    .and_then(twcc::Recorder::next_timeout),
            )
            .min()
    }

    /// Takes a plain RTP packet. `None`: dropped and counted, or nothing to forward.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        data: &[u8],
        next_epoch: &mut impl FnMut() -> u32,
        source_of: &mut impl FnMut(TrackId) -> Option<(SourceClock, bool)>,
    ) -> Option<MediaPacket> {
        let Ok(header) = Header::parse(data) else {
            self.counters.malformed += 1;
            return None;
        };
        let index = self.stream_of(now, &header, data, next_epoch)?;
        let stream = &mut self.streams[index];
        stream.packets += 1;
        stream.bytes += data.len() as u64;
        match stream.role {
            Role::Media => self.media(now, index, header, data, next_epoch, source_of),
            Role::Repair => self.repaired(now, index, &header, data, source_of),
        }
    }

    fn media(
        &mut self,
        now: Instant,
        index: usize,
        header: Header,
        data: &[u8],
        next_epoch: &mut impl FnMut() -> u32,
        source_of: &mut impl FnMut(TrackId) -> Option<(SourceClock, bool)>,
    ) -> Option<MediaPacket> {
        let Some(params) = self
            .payload(self.streams[index].line, header.payload_type)
            .cloned()
        else {
            self.counters.unknown_payload += 1;
            return None;
        };
        let track = self.lines[self.streams[index].line].track;
        let (_, encrypted) = source_of(track)?;
        let payload = &data[header.payload.clone()];
        if params.codec == Codec::Red && !encrypted && !self.is_redundant(index, payload) {
            self.counters.malformed += 1;
            return None;
        }
        let stream = &mut self.streams[index];
        let sequence = match stream.step(now, header.sequence, header.timestamp) {
            Step::At(sequence) => sequence,
            Step::Restarted(sequence) => {
                stream.epoch = next_epoch();
                sequence
            }
        };
        self.packet(
            now,
            index,
            header,
            data.into(),
            sequence,
            &params,
            source_of,
        )
    }

    /// True when a payload holds redundant audio whose newest frame is of a format of the m-line.
    fn is_redundant(&self, index: usize, payload: &[u8]) -> bool {
        let line = self.streams[index].line;
        let inner = red::primary(payload).and_then(|primary| self.payload(line, primary.pt));
        inner.is_some_and(|params| params.codec != Codec::Red)
    }

    /// Puts a retransmitted packet back into its stream (RFC 4588 §4).
    fn repaired(
        &mut self,
        now: Instant,
        index: usize,
        header: &Header,
        data: &[u8],
        source_of: &mut impl FnMut(TrackId) -> Option<(SourceClock, bool)>,
    ) -> Option<MediaPacket> {
        let (line, layer) = (self.streams[index].line, self.streams[index].layer);
        let original = rtp::rtx_original_sequence(&data[header.payload.clone()])?;
        let params = self.lines[line]
            .spec
            .payloads
            .iter()
            .find(|p| p.rtx_pt == Some(header.payload_type))?
            .clone();
        let same = |s: &Stream| s.role == Role::Media && s.line == line && s.layer == layer;
        let media = self.streams.iter().position(same)?;
        let sequence = self.streams[media].repaired(now, original)?;
        let bytes = unwrap_repair(data, header, &params, original, self.streams[media].ssrc);
        let header = Header::parse(&bytes).ok()?;
        self.counters.recovered += 1;
        self.packet(now, media, header, bytes, sequence, &params, source_of)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "private; everything about one packet"
    )]
    fn packet(
        &mut self,
        now: Instant,
        index: usize,
        header: Header,
        data: Box<[u8]>,
        sequence: u64,
        params: &PayloadParams,
        source_of: &mut impl FnMut(TrackId) -> Option<(SourceClock, bool)>,
    ) -> Option<MediaPacket> {
        let stream = &mut self.streams[index];
        let line = &self.lines[stream.line];
        let (source, encrypted) = source_of(line.track)?;
        let (capture, capture_synced) = stream.clock.capture(&source, header.timestamp, now);
        let origin = Origin {
            track: line.track,
            layer: stream.layer,
            epoch: stream.epoch,
            sequence,
            codec: params.codec,
            encrypted,
            clock_rate: clock_rate(params.codec, params.clock_rate),
            arrival: now,
            capture,
            capture_synced,
        };
        let mut packet = MediaPacket::new(data, header, &line.spec.extensions, origin);
        packet.read_dependency(&mut stream.dependencies);
        Some(packet)
    }

    fn payload(&self, line: usize, pt: u8) -> Option<&PayloadParams> {
        self.lines
            .get(line)?
            .spec
            .payloads
            .iter()
            .find(|p| p.pt == pt)
    }

    /// The stream of a packet, made when it is new.
    fn stream_of(
        &mut self,
        now: Instant,
        header: &Header,
        data: &[u8],
        next_epoch: &mut impl FnMut() -> u32,
    ) -> Option<usize> {
        let known = self.streams.iter().position(|s| s.ssrc == header.ssrc);
        let map = self.extensions_of(known, header.payload_type);
        let labels = map
            .map(|map| Labels::read(map, header, data))
            .unwrap_or_default();
        if let (Some(feedback), Some(wide)) = (&mut self.feedback, labels.wide) {
            feedback.received(now, wide);
        }
        if known.is_some() {
            return known;
        }
        let Some((line, layer, role)) = self.place(header, &labels) else {
            self.counters.unknown_stream += 1;
            return None;
        };
        if self.streams.len() >= self.max_streams {
            self.counters.too_many_streams += 1;
            return None;
        }
        Some(self.add_stream(header, line, layer, role, next_epoch()))
    }

    fn add_stream(
        &mut self,
        header: &Header,
        line: usize,
        layer: u8,
        role: Role,
        epoch: u32,
    ) -> usize {
        let spec = &self.lines[line].spec;
        let params = spec
            .payloads
            .iter()
            .find(|p| p.pt == header.payload_type || p.rtx_pt == Some(header.payload_type));
        let rate = params.map_or(90_000, |p| clock_rate(p.codec, p.clock_rate));
        let mut stream = Stream::new(header.ssrc, line, layer, role, rate, epoch);
        if role == Role::Media && repairs(spec.kind, params.is_some_and(|p| p.feedback.nack)) {
            stream.repair();
        }
        // A source that restarts with another SSRC replaces its former stream.
        self.streams
            .retain(|s| !(s.line == line && s.layer == layer && s.role == role));
        self.streams.push(stream);
        self.streams.len() - 1
    }

    fn extensions_of(&self, known: Option<usize>, pt: u8) -> Option<&ExtensionMap> {
        let line = match known {
            Some(index) => self.lines.get(self.streams[index].line),
            // BUNDLE demands one meaning per id in all m-lines (RFC 9143 §15), so any line that knows the payload type will do.
            None => self
                .lines
                .iter()
                .find(|l| knows(&l.spec, pt))
                .or(self.lines.first()),
        };
        line.map(|l| &l.spec.extensions)
    }

    /// Where a stream of unknown SSRC belongs (RFC 8843 §9.2): by MID and RID, else by announced SSRC, else by payload type.
    fn place(&self, header: &Header, labels: &Labels<'_>) -> Option<(usize, u8, Role)> {
        let repair = self
            .lines
            .iter()
            .flat_map(|l| &l.spec.payloads)
            .any(|p| p.rtx_pt == Some(header.payload_type));
        let role = if repair { Role::Repair } else { Role::Media };
        let line = match labels.mid {
            Some(mid) => self
                .lines
                .iter()
                .position(|l| l.spec.mid.as_bytes() == mid)?,
            None => self
                .announced(header.ssrc)
                .or_else(|| self.only_line_with(header.payload_type))?,
        };
        let rid = labels.repaired_rid.or(labels.rid);
        let layer = match rid {
            Some(rid) => self.lines[line]
                .spec
                .rids
                .iter()
                .position(|r| r.as_bytes() == rid)?,
            None => 0,
        };
        (layer < usize::from(MAX_ENCODINGS)).then_some((line, layer as u8, role))
    }

    fn announced(&self, ssrc: u32) -> Option<usize> {
        self.lines.iter().position(|l| {
            l.spec
                .ssrcs
                .iter()
                .any(|s| s.ssrc == ssrc || s.rtx == Some(ssrc))
        })
    }

    /// The only line that takes this payload type and names no SSRC of its own.
    fn only_line_with(&self, pt: u8) -> Option<usize> {
        let mut lines = self
            .lines
            .iter()
            .enumerate()
            .filter(|(_, l)| knows(&l.spec, pt) && l.spec.ssrcs.is_empty());
        let (index, _) = lines.next()?;
        lines.next().is_none().then_some(index)
    }

    /// The stream of a track's layer, for feedback.
    pub(crate) fn ssrc_of(&self, track: TrackId, layer: u8) -> Option<(u32, &Line)> {
        let line = self.lines.iter().position(|l| l.track == track)?;
        let same = |s: &&Stream| s.role == Role::Media && s.line == line && s.layer == layer;
        let heard = self.streams.iter().find(same).map(|s| s.ssrc);
        let spec = &self.lines[line].spec;
        heard
            .or_else(|| spec.ssrcs.get(usize::from(layer)).map(|s| s.ssrc))
            .map(|ssrc| (ssrc, &self.lines[line]))
    }

    /// Takes a sender report.
    pub(crate) fn sender_report(
        &mut self,
        now: Instant,
        report: &Rtcp,
        clock_of: &mut impl FnMut(TrackId, &mut dyn FnMut(&mut SourceClock)),
    ) {
        let Rtcp::SenderReport { ssrc, ntp, rtp, .. } = *report else {
            return;
        };
        let Some(stream) = self
            .streams
            .iter_mut()
            .find(|s| s.ssrc == ssrc && s.role == Role::Media)
        else {
            return;
        };
        stream.reception.sender_report(now, ntp);
        stream.clock.sender_report(now, ntp, rtp);
        clock_of(self.lines[stream.line].track, &mut |clock| {
            clock.sender_report(now, ntp)
        });
    }
}

fn knows(spec: &ReceiveSpec, pt: u8) -> bool {
    spec.payloads
        .iter()
        .any(|p| p.pt == pt || p.rtx_pt == Some(pt))
}

/// The original packet out of its retransmission: number, payload type and SSRC put back, the two extra bytes taken out.
fn unwrap_repair(
    data: &[u8],
    header: &Header,
    params: &PayloadParams,
    original: u16,
    ssrc: u32,
) -> Box<[u8]> {
    let start = header.payload.start;
    let mut bytes = Vec::with_capacity(data.len());
    bytes.extend_from_slice(&data[..start]);
    bytes.extend_from_slice(&data[start + 2..header.payload.end]);
    bytes[0] &= !0x20; // padding was left behind
    bytes[1] = bytes[1] & 0x80 | params.pt;
    bytes[2..4].copy_from_slice(&original.to_be_bytes());
    bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
    bytes.into()
}

impl<'a> Labels<'a> {
    fn read(map: &ExtensionMap, header: &Header, data: &'a [u8]) -> Labels<'a> {
        let mut labels = Labels::default();
        for (id, value) in header.extensions(data) {
            match map.extension(id) {
                Some(Extension::Mid) => labels.mid = Some(value),
                Some(Extension::Rid) => labels.rid = Some(value),
                Some(Extension::RepairedRid) => labels.repaired_rid = Some(value),
                Some(Extension::TransportCc) => {
                    labels.wide = value.try_into().ok().map(u16::from_be_bytes)
                }
                _ => {}
            }
        }
        labels
    }
}
