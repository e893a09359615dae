// SPDX-License-Identifier: MIT OR Apache-2.0
//! A slot: one sending m-line whose source may change while its numbers go on without a break.
//!
//! Sequence number, timestamp, picture id and TL0PICIDX of the source are shifted by constants that hold for a [`Run`], the stretch
//! from one source switch to the next. Within a run the shift is linear, so a NACK for one of our numbers leads
//! back to the source's packet, which is kept once for everybody.

use super::repair::Repair;
use crate::arena::SendArena;
use crate::codec;
use crate::engine::{Assignment, ClockPair, Moment};
use crate::id::TrackId;
use crate::media::{Extension, MediaKind, Path, PayloadParams, SlotSpec};
use crate::packet::MediaPacket;
use crate::rtcp::ReportBlock;
use crate::rtp::HeaderWriter;
use crate::session::{SRTP_OVERHEAD, Session};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Room for a rewritten header with every extension, and for an original sequence number.
const HEADER_ROOM: usize = 12 + 4 + 352;
/// Runs remembered for answering NACKs.
const RUNS: usize = 4;

/// A stretch of one source during which all shifts are constant.
#[derive(Clone, Debug)]
struct Run {
    formats: Arc<[Format]>,
    track: TrackId,
    epoch: u32,
    layer: u8,
    /// First sequence number of the source, and what it became.
    source_start: u64,
    out_start: u64,
    timestamp_shift: u32,
    picture_shift: u16,
    tl0_shift: u8,
}

/// Payload types for a source's formats.
#[derive(Clone, Copy, Debug)]
struct Format {
    source_pt: u8,
    pt: u8,
    rtx_pt: Option<u8>,
}

/// The track a slot shows.
#[derive(Clone, Debug)]
struct Source {
    track: TrackId,
    formats: Arc<[Format]>,
}

/// The newest packet that went out, as far as a later one must continue it.
#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u64,
    timestamp: u32,
    picture_id: u16,
    tl0: u8,
    clock_rate: u32,
    capture: Instant,
}

/// Counters of a slot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlotCounters {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    pub(crate) retransmitted: u64,
    pub(crate) fraction_lost: u8,
    pub(crate) cumulative_lost: i32,
    pub(crate) jitter: u32,
    pub(crate) nacked: u64,
    pub(crate) pli: u64,
}

/// What a slot wants done after it looked at a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Forwarded {
    /// Sent, or rightly left out.
    Done,
    /// It waits for a keyframe.
    NeedsKeyframe,
}

/// A slot.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) spec: SlotSpec,
    pub(crate) assignment: Assignment,
    pub(crate) counters: SlotCounters,
    source: Option<Source>,
    run: Option<Run>,
    earlier: VecDeque<Run>,
    last: Option<Last>,
    first_sequence: u64,
    first_timestamp: u32,
    repair: Repair,
}

impl Slot {
    /// An empty slot whose numbers begin where `random` says.
    pub(crate) fn new(spec: SlotSpec, random: u64) -> Slot {
        Slot {
            spec,
            assignment: Assignment::Auto,
            counters: SlotCounters::default(),
            source: None,
            run: None,
            earlier: VecDeque::new(),
            last: None,
            // The upper half is left free so that a first packet reordered before the wrap is not taken for another cycle
            // (RFC 3711 §3.3.1).
            first_sequence: (random & 0x7fff).max(1),
            first_timestamp: (random >> 16) as u32,
            repair: Repair::new((random >> 48) & 0x7fff),
        }
    }

    /// The track it shows.
    pub(crate) fn track(&self) -> Option<TrackId> {
        self.source.as_ref().map(|source| source.track)
    }

    /// True when the peer can take one of the formats.
    pub(crate) fn can_show(&self, kind: MediaKind, payloads: &[PayloadParams]) -> bool {
        self.spec.kind == kind
            && payloads
                .iter()
                .any(|p| matching(&self.spec.payloads, p).is_some())
    }

    /// Shows another track from its next keyframe on, or nothing.
    pub(crate) fn show(&mut self, track: Option<(TrackId, &[PayloadParams])>) {
        self.end_run();
        self.source = track.map(|(track, payloads)| Source {
            track,
            formats: payloads
                .iter()
                .filter_map(|p| {
                    let out = matching(&self.spec.payloads, p)?;
                    Some(Format {
                        source_pt: p.pt,
                        pt: out.pt,
                        rtx_pt: out.rtx_pt,
                    })
                })
                .collect(),
        });
    }

    /// Sends a packet of the shown track.
    pub(crate) fn forward(
        &mut self,
        moment: &Moment,
        packet: &MediaPacket,
        best_layer: u8,
        out: &mut Outlet<'_>,
    ) -> Forwarded {
        if !self.continues(packet) && !self.begin_run(packet, best_layer) {
            let waiting = self.run.is_none() && packet.layer == best_layer;
            return if waiting {
                Forwarded::NeedsKeyframe
            } else {
                Forwarded::Done
            };
        }
        let Some((run, format)) = self
            .run
            .as_ref()
            .and_then(|run| Some((run, run.format(packet.payload_type)?)))
        else {
            return Forwarded::Done;
        };
        let Some(sequence) = run.out_sequence(packet.sequence) else {
            return Forwarded::Done;
        };
        let next = run.last(packet, sequence);
        let numbers = Numbers {
            ssrc: self.spec.ssrc.ssrc,
            pt: format.pt,
            sequence,
            original: None,
        };
        if let Some(len) = self.write(moment, packet, run, numbers, out) {
            self.sent(packet, next, len);
        }
        Forwarded::Done
    }

    fn sent(&mut self, packet: &MediaPacket, next: Last, len: usize) {
        if self.last.is_none_or(|last| last.sequence < next.sequence) {
            self.last = Some(next);
        }
        self.counters.packets += 1;
        self.counters.octets += packet.payload().len() as u64;
        self.repair.earn(len);
    }

    /// Answers a NACK (RFC 4585 §6.2.1) from the histories of the tracks, over RTX (RFC 4588) where it was negotiated.
    pub(crate) fn retransmit<'a>(
        &mut self,
        moment: &Moment,
        lost: &[u16],
        held: impl Fn(TrackId, u8, u32, u64) -> Option<&'a Arc<MediaPacket>>,
        out: &mut Outlet<'_>,
    ) {
        self.counters.nacked += lost.len() as u64;
        for &low in lost {
            let Some(sequence) = self.extend(low) else {
                continue;
            };
            let Some(run) = self.run_of(sequence) else {
                continue;
            };
            let source = sequence - run.out_start + run.source_start;
            let Some(packet) = held(run.track, run.layer, run.epoch, source) else {
                continue;
            };
            let Some(format) = run.format(packet.payload_type) else {
                continue;
            };
            if !self
                .repair
                .allows(moment.now, sequence, packet.bytes().len())
            {
                continue;
            }
            let rtx = self.spec.ssrc.rtx.zip(format.rtx_pt);
            let numbers = match rtx {
                Some((ssrc, pt)) => Numbers {
                    ssrc,
                    pt,
                    sequence: self.repair.sequence(),
                    original: Some(sequence),
                },
                None => Numbers {
                    ssrc: self.spec.ssrc.ssrc,
                    pt: format.pt,
                    sequence,
                    original: None,
                },
            };
            if self.write(moment, packet, run, numbers, out).is_some() {
                self.repair
                    .sent(moment.now, sequence, packet.bytes().len(), rtx.is_some());
                self.counters.retransmitted += 1;
            }
        }
    }

    /// The full number of a packet sent not long ago.
    fn extend(&self, low: u16) -> Option<u64> {
        let newest = self.last?.sequence;
        let back = (newest as u16).wrapping_sub(low);
        newest
            .checked_sub(u64::from(back))
            .filter(|s| *s >= self.first_sequence && back < 0x8000)
    }

    fn run_of(&self, sequence: u64) -> Option<&Run> {
        self.run
            .iter()
            .chain(self.earlier.iter().rev())
            .find(|run| run.out_start <= sequence)
    }

    /// What a sender report says of this slot now; `None` before its first packet.
    pub(crate) fn sender_report(&self, now: Instant) -> Option<SlotReport> {
        let last = self.last?;
        self.run.as_ref()?;
        Some(SlotReport {
            ssrc: self.spec.ssrc.ssrc,
            rtp: last.clock().at(now, last.clock_rate),
            packets: self.counters.packets as u32,
            octets: self.counters.octets as u32,
        })
    }

    /// Takes what the peer says it received.
    pub(crate) fn report_block(&mut self, block: &ReportBlock) {
        self.counters.fraction_lost = block.fraction_lost;
        self.counters.cumulative_lost = block.cumulative_lost;
        self.counters.jitter = block.jitter;
    }

    fn continues(&self, packet: &MediaPacket) -> bool {
        self.run.as_ref().is_some_and(|run| {
            run.epoch == packet.epoch && run.layer == packet.layer && run.track == packet.track
        })
    }

    /// Starts a run at this packet if a decoder can start there.
    fn begin_run(&mut self, packet: &MediaPacket, best_layer: u8) -> bool {
        let stale = self
            .run
            .as_ref()
            .is_some_and(|run| run.epoch != packet.epoch && run.layer == packet.layer);
        if packet.layer != best_layer && !stale || !packet.description.keyframe {
            if stale {
                self.end_run();
            }
            return false;
        }
        self.end_run();
        let Some(formats) = self.source.as_ref().map(|source| source.formats.clone()) else {
            return false;
        };
        self.run = Some(self.next_run(packet, formats));
        true
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.earlier.push_back(run);
            if self.earlier.len() > RUNS {
                self.earlier.pop_front();
            }
        }
    }

    fn next_run(&self, packet: &MediaPacket, formats: Arc<[Format]>) -> Run {
        let picture = packet.description.picture_id.map_or(0, |id| id.value);
        let tl0 = packet.description.tl0_pic_idx.unwrap_or(0);
        let (out_start, timestamp, next_picture, next_tl0) = match self.last {
            Some(last) => (
                last.sequence + 1,
                last.continued(packet),
                last.picture_id.wrapping_add(1),
                last.tl0.wrapping_add(1),
            ),
            None => (self.first_sequence, self.first_timestamp, picture, tl0),
        };
        Run {
            formats,
            track: packet.track,
            epoch: packet.epoch,
            layer: packet.layer,
            source_start: packet.sequence,
            out_start,
            timestamp_shift: timestamp.wrapping_sub(packet.timestamp),
            picture_shift: next_picture.wrapping_sub(picture),
            tl0_shift: next_tl0.wrapping_sub(tl0),
        }
    }

    /// Writes and seals the packet in the outlet's arena: the sealed length.
    fn write(
        &self,
        moment: &Moment,
        packet: &MediaPacket,
        run: &Run,
        numbers: Numbers,
        out: &mut Outlet<'_>,
    ) -> Option<usize> {
        let payload = packet.payload();
        let buffer = out.arena.space(HEADER_ROOM + payload.len() + SRTP_OVERHEAD);
        let timestamp = packet.timestamp.wrapping_add(run.timestamp_shift);
        let header = self.write_header(moment, packet, &numbers, timestamp, buffer);
        let body = match numbers.original {
            Some(original) => {
                buffer[header..header + 2].copy_from_slice(&(original as u16).to_be_bytes());
                header + 2
            }
            None => header,
        };
        let end = body + payload.len();
        buffer[body..end].copy_from_slice(payload);
        run.rewrite(packet, &mut buffer[body..end]);
        let len = out
            .session
            .seal_rtp(buffer, header, end, numbers.sequence)?;
        out.arena.commit(&out.path, len);
        Some(len)
    }

    fn write_header(
        &self,
        moment: &Moment,
        packet: &MediaPacket,
        numbers: &Numbers,
        timestamp: u32,
        buffer: &mut [u8],
    ) -> usize {
        let (pt, ssrc, sequence) = (numbers.pt, numbers.ssrc, numbers.sequence as u16);
        let ids = &self.spec.extensions;
        let dependency = packet.dependency_descriptor();
        let mut writer = if dependency.len() > 16 {
            HeaderWriter::new_two_byte(buffer, pt, packet.marker, sequence, timestamp, ssrc)
        } else {
            HeaderWriter::new(buffer, pt, packet.marker, sequence, timestamp, ssrc)
        };
        if let Some(id) = ids.id(Extension::Mid) {
            writer.extension(id, self.spec.mid.as_bytes());
        }
        if let (Some(id), Some((level, voice))) =
            (ids.id(Extension::AudioLevel), packet.audio_level)
        {
            writer.extension(id, &[level | u8::from(voice) << 7]);
        }
        if let Some(id) = ids.id(Extension::AbsSendTime) {
            writer.extension(id, &moment.abs_send_time);
        }
        if let (Some(id), Some(orientation)) =
            (ids.id(Extension::VideoOrientation), packet.orientation)
        {
            writer.extension(id, &[orientation]);
        }
        if let (Some(id), false) = (
            ids.id(Extension::DependencyDescriptor),
            dependency.is_empty(),
        ) {
            writer.extension(id, dependency);
        }
        writer.finish()
    }
}

/// Where a slot's packets go: the peer's transport and the buffer of what is to be sent.
pub(crate) struct Outlet<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) path: Path,
    pub(crate) arena: &'a mut SendArena,
}

/// The numbers of one outgoing packet; `original` makes it a retransmission over RTX.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    ssrc: u32,
    pt: u8,
    sequence: u64,
    original: Option<u64>,
}

/// What a sender report says of a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotReport {
    pub(crate) ssrc: u32,
    pub(crate) rtp: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

impl Run {
    /// Our number for the source's; `None` from before the run.
    fn out_sequence(&self, source: u64) -> Option<u64> {
        Some(source.checked_sub(self.source_start)? + self.out_start)
    }

    fn format(&self, source_pt: u8) -> Option<Format> {
        self.formats
            .iter()
            .find(|f| f.source_pt == source_pt)
            .copied()
    }

    fn picture_id(&self, packet: &MediaPacket) -> u16 {
        packet
            .description
            .picture_id
            .map_or(0, |id| id.value.wrapping_add(self.picture_shift))
    }

    fn tl0(&self, packet: &MediaPacket) -> u8 {
        packet
            .description
            .tl0_pic_idx
            .map_or(0, |tl0| tl0.wrapping_add(self.tl0_shift))
    }

    fn rewrite(&self, packet: &MediaPacket, payload: &mut [u8]) {
        if self.picture_shift != 0 || self.tl0_shift != 0 {
            let (picture_id, tl0) = (self.picture_id(packet), self.tl0(packet));
            codec::rewrite(packet.codec, payload, &packet.description, picture_id, tl0);
        }
    }

    fn last(&self, packet: &MediaPacket, sequence: u64) -> Last {
        Last {
            sequence,
            timestamp: packet.timestamp.wrapping_add(self.timestamp_shift),
            picture_id: self.picture_id(packet),
            tl0: self.tl0(packet),
            clock_rate: packet.clock_rate,
            capture: packet.capture,
        }
    }
}

impl Last {
    fn clock(&self) -> ClockPair {
        ClockPair {
            instant: self.capture,
            rtp: self.timestamp,
        }
    }

    /// The timestamp at which another source goes on: as much later as it was captured later, and at least a little.
    fn continued(&self, packet: &MediaPacket) -> u32 {
        let least = self.timestamp.wrapping_add(packet.clock_rate / 100);
        let at = self.clock().at(packet.capture, packet.clock_rate);
        if (at.wrapping_sub(least) as i32) < 0 {
            least
        } else {
            at
        }
    }
}

/// The peer's payload type for a source's format.
fn matching<'a>(offered: &'a [PayloadParams], source: &PayloadParams) -> Option<&'a PayloadParams> {
    let same = |p: &&PayloadParams| p.codec == source.codec && p.clock_rate == source.clock_rate;
    let exact = offered
        .iter()
        .filter(same)
        .find(|p| profile(p) == profile(source));
    exact.or_else(|| offered.iter().find(same))
}

/// What tells variants of one codec apart: H.264 profile (not level) and packetization mode, VP9 and AV1 profile.
fn profile(params: &PayloadParams) -> (Option<String>, Option<&str>) {
    let parameter = |name: &str| {
        params.fmtp.split(';').find_map(|p| {
            p.trim()
                .split_once('=')
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        })
    };
    let profile = parameter("profile-level-id")
        .map(|(_, value)| value.get(..4).unwrap_or(value))
        .or_else(|| {
            parameter("profile-id")
                .or_else(|| parameter("profile"))
                .map(|(_, value)| value)
        })
        .map(str::to_ascii_lowercase);
    (
        profile,
        parameter("packetization-mode").map(|(_, value)| value),
    )
}
