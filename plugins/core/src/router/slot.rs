// SPDX-License-Identifier: MIT OR Apache-2.0
//! A slot: one sending m-line whose source and layer may change while its numbers go on without a break.

use super::formats::{Format, formats, matching};
use super::outlet::{Fields, Outlet};
use super::repair::Repair;
use super::replay::Replay;
use super::run::{Admitted, First, Last, Run};
use super::selector::Level;
use super::share::Share;
use super::track::View;
use crate::engine::{Assignment, Moment, TrackSpec};
use crate::id::TrackId;
use crate::layer::Layer;
use crate::media::{MediaKind, PayloadParams, SlotSpec};
use crate::packet::MediaPacket;
use crate::rtcp::ReportBlock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Pictures after which a lower spatial layer should have become possible without a keyframe.
const PATIENCE: u8 = 16;
/// Runs remembered for answering NACKs.
const RUNS: usize = 8;

/// The track a slot shows.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) track: TrackId,
    pub(super) formats: Arc<[Format]>,
}

/// What a slot is to forward of its track.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Target {
    /// The best there is.
    #[default]
    Best,
    /// The one that costs least.
    Least,
    /// Up to this layer.
    Layer(Layer),
    /// Nothing.
    Paused,
}

impl Target {
    /// The encoding to be forwarded. One that does not come is replaced by the one that costs least, until somebody says
    /// what else would fit.
    pub(super) fn encoding(self, view: &View) -> Option<u8> {
        match self {
            Target::Best => Some(view.best),
            Target::Layer(layer) if view.is_active(layer.encoding) => Some(layer.encoding),
            Target::Layer(_) | Target::Least => Some(view.least),
            Target::Paused => None,
        }
    }

    /// The layers of that encoding to be forwarded.
    pub(super) fn level(self, view: &View) -> Level {
        match self {
            Target::Layer(layer) if view.is_active(layer.encoding) => {
                let top = view.top(layer.encoding);
                if layer.spatial >= top.0 && layer.temporal >= top.1 {
                    Level::EVERYTHING
                } else {
                    Level::up_to(layer.spatial, layer.temporal)
                }
            }
            _ => Level::EVERYTHING,
        }
    }
}

/// What a slot goes for, as long as neither its target nor the view of its track changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    encoding: Option<u8>,
    level: Level,
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
    /// It waits for a keyframe of this encoding.
    NeedsKeyframe(u8),
}

/// A slot.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) spec: SlotSpec,
    pub(crate) assignment: Assignment,
    pub(crate) counters: SlotCounters,
    pub(crate) share: Share,
    pub(super) target: Target,
    pub(super) source: Option<Source>,
    pub(super) run: Option<Run>,
    /// Highest spatial and temporal layer of the encoding.
    pub(super) top: (u8, u8),
    /// Pictures since a spatial layer is wanted that is not forwarded.
    stuck: u8,
    earlier: VecDeque<Run>,
    pub(super) last: Option<Last>,
    pub(super) first: First,
    pub(super) repair: Repair,
    pub(super) replay: Option<Replay>,
    /// When the run began with a keyframe.
    pub(super) began: Option<Instant>,
}

impl Slot {
    /// An empty slot whose numbers begin where `random` says.
    pub(crate) fn new(spec: SlotSpec, random: u64) -> Slot {
        Slot {
            spec,
            assignment: Assignment::Auto,
            counters: SlotCounters::default(),
            share: Share::default(),
            target: Target::Best,
            source: None,
            run: None,
            top: (0, 0),
            stuck: 0,
            earlier: VecDeque::new(),
            last: None,
            first: First {
                // The upper half is left free so that a first packet reordered before the wrap is not taken for another
                // cycle (RFC 3711 §3.3.1).
                sequence: (random & 0x7fff).max(1),
                timestamp: (random >> 16) as u32,
            },
            repair: Repair::new((random >> 48) & 0x7fff),
            replay: None,
            began: None,
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

    /// Shows another track from its next keyframe on, or nothing. What was asked of the track before says nothing of this one,
    /// but that somebody has to be careful, who will say what fits.
    pub(crate) fn show(&mut self, track: Option<&TrackSpec>) {
        self.end_run();
        self.target = match self.target {
            Target::Best => Target::Best,
            _ => Target::Least,
        };
        self.share.renew();
        self.source = track.map(|track| Source {
            track: track.id,
            formats: formats(&self.spec.payloads, &track.payloads, track.encrypted),
        });
    }

    /// Says up to which layer the track is to be forwarded, from the next place on at which a decoder can follow. `None`:
    /// not at all; its numbers go on without a gap when it is forwarded again.
    pub(crate) fn set_target(&mut self, target: Option<Layer>) {
        self.target = target.map_or(Target::Paused, Target::Layer);
        if self.target == Target::Paused {
            self.end_run();
        }
    }

    /// Forwards the best there is, whatever it was told before.
    /// There is no need to be careful.
    pub(crate) fn relax(&mut self) {
        if self.target == Target::Least {
            self.target = Target::Best;
        }
    }

    pub(super) fn follow_best(&mut self) {
        self.target = Target::Best;
    }

    /// True when it may ever forward that encoding.
    pub(crate) fn is_for(&self, encoding: u8) -> bool {
        let only = self.spec.encoding.as_ref();
        only.is_none_or(|only| only.encoding == encoding)
    }

    /// The encoding to be forwarded: what its target says, or else its own or none.
    pub(super) fn wanted(&self, view: &View) -> Option<u8> {
        match &self.spec.encoding {
            None => self.target.encoding(view),
            Some(_) if self.target == Target::Paused => None,
            Some(only) => Some(only.encoding).filter(|only| view.is_active(*only)),
        }
    }

    /// The layer it forwards.
    pub(crate) fn current(&self) -> Option<Layer> {
        let run = self.run.as_ref()?;
        let level = run.level();
        Some(Layer {
            encoding: run.encoding,
            spatial: level.spatial.min(self.top.0),
            temporal: level.temporal.min(self.top.1),
        })
    }

    /// True when it may forward a packet of the shown track.
    pub(crate) fn wants(&self, packet: &MediaPacket, view: &View) -> bool {
        let now = self.run.as_ref().map(|run| run.encoding);
        [now, self.wanted(view)].contains(&Some(packet.layer))
    }

    /// What it goes for now.
    pub(crate) fn aim(&self, view: &View) -> Aim {
        Aim {
            encoding: self.wanted(view),
            level: self.target.level(view),
        }
    }

    /// Sends a packet of the shown track.
    #[inline]
    pub(crate) fn forward(
        &mut self,
        moment: &Moment,
        packet: &MediaPacket,
        (view, aim): (&View, &Aim),
        out: &mut Outlet<'_>,
    ) -> Forwarded {
        let now = self.run.as_ref().map(|run| run.encoding);
        if now != Some(packet.layer) && aim.encoding != Some(packet.layer) {
            return Forwarded::Done;
        }
        self.forward_concerned(moment, packet, (view, aim), out)
    }

    /// Sends a packet of the encoding that it forwards or wants.
    fn forward_concerned(
        &mut self,
        moment: &Moment,
        packet: &MediaPacket,
        (view, aim): (&View, &Aim),
        out: &mut Outlet<'_>,
    ) -> Forwarded {
        let Aim {
            encoding: wanted,
            level,
        } = *aim;
        let mut ours = self.run.as_ref().is_some_and(|run| run.is_of(packet));
        if ours && self.replay.is_some() {
            if self.overtaken(packet).is_none() {
                return Forwarded::Done;
            }
            ours = self.run.is_some();
        }
        if !ours && !self.begin_run(moment.now, packet, wanted, level) {
            return match wanted {
                Some(wanted) if packet.layer == wanted => Forwarded::NeedsKeyframe(wanted),
                _ => Forwarded::Done,
            };
        }
        self.top = view.top(packet.layer);
        self.send(moment, packet, level, out);
        // Where decoding can begin is not known of a source that is opaque: what began may be anything.
        if self.is_stuck(packet, level) || !ours && packet.is_opaque() {
            Forwarded::NeedsKeyframe(packet.layer)
        } else {
            Forwarded::Done
        }
    }

    /// Sends a packet of the run.
    pub(super) fn send(
        &mut self,
        moment: &Moment,
        packet: &MediaPacket,
        level: Level,
        out: &mut Outlet<'_>,
    ) -> Option<()> {
        let run = self.run.as_mut()?;
        let format = run.format(packet.payload_type)?;
        let admitted = run.admit(packet, level, self.top)?;
        let fields = fields(&self.spec, run, packet, admitted, format);
        if !admitted.passes {
            return out.pad(moment, &self.spec, &fields, 1).map(|_| ());
        }
        let next = run.last(packet, admitted.placed);
        let payload = format.payload.part(packet.payload())?;
        let len = out.write(moment, &self.spec, &fields, packet, payload, |payload| {
            run.rewrite(packet, admitted.placed, format, payload)
        })?;
        self.sent(payload.len(), next, len);
        Some(())
    }

    /// True when another spatial layer is wanted than the one that is forwarded, and nothing but a keyframe will do: a
    /// higher one begins there, and a lower one should have begun within a few pictures.
    fn is_stuck(&mut self, packet: &MediaPacket, wanted: Level) -> bool {
        let Some(run) = &self.run else { return false };
        let (now, wanted) = (
            run.level().spatial.min(self.top.0),
            wanted.spatial.min(self.top.0),
        );
        if now == wanted {
            self.stuck = 0;
        } else if packet.description.start_of_frame {
            self.stuck = self.stuck.saturating_add(1);
        }
        self.stuck > if now < wanted { 0 } else { PATIENCE }
    }

    fn sent(&mut self, octets: usize, next: Last, len: usize) {
        if self.last.is_none_or(|last| last.sequence < next.sequence) {
            self.last = Some(next);
        }
        self.counters.packets += 1;
        self.counters.octets += octets as u64;
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
        for &low in lost {
            self.retransmit_one(moment, low, &held, out);
        }
    }

    fn retransmit_one<'a>(
        &mut self,
        moment: &Moment,
        low: u16,
        held: &impl Fn(TrackId, u8, u32, u64) -> Option<&'a Arc<MediaPacket>>,
        out: &mut Outlet<'_>,
    ) -> Option<()> {
        let sequence = self.extend(low)?;
        let repair = &self.repair;
        let allowed = |bytes: usize, _| repair.allows(moment.now, sequence, bytes);
        let (bytes, over_rtx, _) = self.resend(moment, sequence, held, allowed, out)?;
        self.repair.sent(moment.now, sequence, bytes, over_rtx);
        self.counters.retransmitted += 1;
        Some(())
    }

    /// Sends a packet again if it is held, and `allowed` says so of its size and of whether it goes over RTX: both, and its size
    /// when sealed.
    pub(super) fn resend<'a>(
        &self,
        moment: &Moment,
        sequence: u64,
        held: &impl Fn(TrackId, u8, u32, u64) -> Option<&'a Arc<MediaPacket>>,
        allowed: impl FnOnce(usize, bool) -> bool,
        out: &mut Outlet<'_>,
    ) -> Option<(usize, bool, usize)> {
        let run = self.run_of(sequence)?;
        let (source, placed) = run.source_of(sequence)?;
        let packet = held(run.track, run.encoding, run.epoch, source)?;
        let admitted = run.admitted(packet, placed);
        let format = run.format(packet.payload_type)?;
        let bytes = packet.bytes().len();
        let rtx = self.spec.ssrc.rtx.zip(format.rtx_pt);
        if !admitted.passes || !allowed(bytes, rtx.is_some()) {
            return None;
        }
        let plain = fields(&self.spec, run, packet, admitted, format);
        let fields = rtx.map_or(plain, |(ssrc, pt)| Fields {
            ssrc,
            pt,
            sequence: self.repair.sequence(),
            original: Some(sequence),
            ..plain
        });
        let payload = format.payload.part(packet.payload())?;
        let len = out.write(moment, &self.spec, &fields, packet, payload, |payload| {
            run.rewrite(packet, placed, format, payload)
        })?;
        Some((bytes, rtx.is_some(), len))
    }

    /// The full number of a packet sent not long ago.
    fn extend(&self, low: u16) -> Option<u64> {
        let newest = self.last?.sequence;
        let back = (newest as u16).wrapping_sub(low);
        newest
            .checked_sub(u64::from(back))
            .filter(|s| *s >= self.first.sequence && back < 0x8000)
    }

    fn run_of(&self, sequence: u64) -> Option<&Run> {
        self.run
            .iter()
            .chain(self.earlier.iter().rev())
            .find(|run| run.first() <= sequence)
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

    /// Starts a run at this packet if it is wanted and a decoder can start there.
    fn begin_run(
        &mut self,
        now: Instant,
        packet: &MediaPacket,
        wanted: Option<u8>,
        level: Level,
    ) -> bool {
        // The same encoding of the same track, and yet not this run's: the source has begun anew, and the run goes nowhere.
        let stale = self
            .run
            .as_ref()
            .is_some_and(|run| run.encoding == packet.layer);
        let may_begin = packet.description.keyframe || packet.is_opaque();
        let begins = may_begin && (stale || wanted == Some(packet.layer));
        if stale || begins {
            self.end_run();
        }
        let formats = self.source.as_ref().map(|source| source.formats.clone());
        match formats {
            Some(formats) if begins && wanted.is_some() => {
                self.run = Some(Run::new(packet, formats, level, self.first, self.last));
                self.began = Some(now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn end_run(&mut self) {
        self.replay = None;
        if let Some(run) = self.run.take() {
            self.earlier.push_back(run);
            if self.earlier.len() > RUNS {
                self.earlier.pop_front();
            }
        }
    }
}

/// The header fields of a packet on its first way.
fn fields(
    spec: &SlotSpec,
    run: &Run,
    packet: &MediaPacket,
    admitted: Admitted,
    format: Format,
) -> Fields {
    Fields {
        ssrc: spec.ssrc.ssrc,
        pt: format.pt,
        sequence: admitted.placed.sequence,
        timestamp: run.timestamp(packet),
        marker: admitted.marker,
        original: None,
        frame_shift: run.frame_shift(),
        target: admitted.target,
    }
}

/// What a sender report says of a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotReport {
    pub(crate) ssrc: u32,
    pub(crate) rtp: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}
