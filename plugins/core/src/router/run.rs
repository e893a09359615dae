// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run: the stretch of one source and encoding from one switch to the next.
//!
//! Timestamp, picture id and TL0PICIDX of the source are shifted by constants that hold for a run, and its sequence numbers go
//! through one map. So a NACK for one of our numbers leads back to the source's packet, which is kept once for everybody,
//! and it can be written again exactly as it was.

use super::formats::{Form, Format};
use super::history::Group;
use super::numbers::{Numbers, Place, Placed};
use super::selector::{Level, Selector, Verdict};
use super::timeline::Timeline;
use crate::codec::{self, Codec, red};
use crate::engine::ClockPair;
use crate::id::TrackId;
use crate::packet::MediaPacket;
use std::sync::Arc;

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) track: TrackId,
    pub(super) epoch: u32,
    pub(super) encoding: u8,
    formats: Arc<[Format]>,
    numbers: Numbers,
    selector: Selector,
    timeline: Timeline,
    picture_shift: u16,
    tl0_shift: u8,
    frame_shift: u16,
    /// Timestamp of the picture last left out.
    left_out: Option<u32>,
}

/// What becomes of a packet, and its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    pub(super) placed: Placed,
    /// False: others of its picture were left out, but its number was kept free before that was known.
    pub(super) passes: bool,
    pub(super) marker: bool,
    /// The decode target to which the stream is cut down.
    pub(super) target: Option<u8>,
}

/// The newest packet that went out, as far as a later one must continue it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) sequence: u64,
    pub(super) clock_rate: u32,
    pub(super) timestamp: u32,
    picture_id: u16,
    tl0: u8,
    frame_number: u16,
    clock: ClockPair,
}

/// Where the numbers of a slot begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
}

impl Run {
    /// A run that begins with `packet` and goes on where the one before has ended.
    pub(super) fn new(
        packet: &MediaPacket,
        formats: Arc<[Format]>,
        wanted: Level,
        first: First,
        last: Option<Last>,
    ) -> Run {
        let timestamp = last.map_or(first.timestamp, |last| last.continued(packet));
        let timeline = Timeline::live(packet, timestamp);
        Run::with(packet, formats, wanted, first, last, timeline)
    }

    /// A run that begins with a keyframe of the past, from which on time is compressed to `length`.
    pub(super) fn replay(
        group: &Group,
        length: u32,
        formats: Arc<[Format]>,
        wanted: Level,
        first: First,
        last: Option<Last>,
    ) -> Run {
        let (begin, edge) = (&*group.first, &*group.newest);
        let earliest = last.map(|last| (last.least(edge), last.continued(edge)));
        let timeline = Timeline::replay(begin, edge, length, earliest, first.timestamp);
        Run::with(begin, formats, wanted, first, last, timeline)
    }

    fn with(
        packet: &MediaPacket,
        formats: Arc<[Format]>,
        wanted: Level,
        first: First,
        last: Option<Last>,
        timeline: Timeline,
    ) -> Run {
        let picture = packet.description.picture_id.map_or(0, |id| id.value);
        let tl0 = packet.description.tl0_pic_idx.unwrap_or(0);
        let frame = packet.dependency().map_or(0, |d| d.frame_number);
        let next = match last {
            Some(last) => Next::after(last),
            None => Next {
                sequence: first.sequence,
                picture_id: picture,
                tl0,
                frame_number: frame,
            },
        };
        Run {
            track: packet.track,
            epoch: packet.epoch,
            encoding: packet.layer,
            formats,
            numbers: Numbers::new(packet.sequence, next.sequence),
            selector: Selector::new(packet, wanted),
            timeline,
            picture_shift: next.picture_id.wrapping_sub(picture),
            tl0_shift: next.tl0.wrapping_sub(tl0),
            frame_shift: next.frame_number.wrapping_sub(frame),
            left_out: None,
        }
    }

    /// Decides on a packet, and gives it a number if it is to have one.
    pub(super) fn admit(
        &mut self,
        packet: &MediaPacket,
        wanted: Level,
        top: (u8, u8),
    ) -> Option<Admitted> {
        match self.numbers.place(packet.sequence) {
            Place::New if self.selector.is_idle(packet, wanted) => {
                let placed = self.numbers.take(packet.sequence);
                Some(Admitted::whole(packet, placed))
            }
            Place::New => {
                let next = self.numbers.next();
                let verdict = self.selector.judge(packet, next, wanted, top);
                if !verdict.passes {
                    self.leave_out(packet);
                    return None;
                }
                let placed = self.numbers.take(packet.sequence);
                Some(Admitted::judged(packet, placed, verdict))
            }
            Place::Known(placed) => Some(self.admitted(packet, placed)),
            Place::Nowhere => None,
        }
    }

    /// A packet that has a number of ours, and what was decided on it.
    pub(super) fn admitted(&self, packet: &MediaPacket, placed: Placed) -> Admitted {
        Admitted::judged(packet, placed, self.selector.judge_again(packet))
    }

    /// The source's number, and where it is placed, for a number of ours.
    pub(super) fn source_of(&self, sequence: u64) -> Option<(u64, Placed)> {
        let source = self.numbers.source_of(sequence)?;
        match self.numbers.place(source) {
            Place::Known(placed) => Some((source, placed)),
            _ => None,
        }
    }

    /// The first of our numbers it remembers.
    pub(super) fn first(&self) -> u64 {
        self.numbers.first()
    }

    /// The level of layers that passes.
    pub(super) fn level(&self) -> Level {
        self.selector.level()
    }

    /// How far our frame numbers in dependency descriptors are from the source's.
    pub(super) fn frame_shift(&self) -> u16 {
        self.frame_shift
    }

    fn leave_out(&mut self, packet: &MediaPacket) {
        let picture = self.left_out != Some(packet.timestamp);
        self.left_out = Some(packet.timestamp);
        // A receiver of VP8 takes a gap in the picture ids for a loss. In VP9 pictures refer to each other by them.
        let closes = picture && packet.codec == Codec::Vp8;
        self.numbers.leave_out(packet.sequence, closes);
    }

    /// True when the packet is of the same stream.
    pub(super) fn is_of(&self, packet: &MediaPacket) -> bool {
        self.epoch == packet.epoch && self.encoding == packet.layer && self.track == packet.track
    }

    /// The format of a packet, if the peer takes it.
    pub(super) fn format(&self, source_pt: u8) -> Option<Format> {
        self.formats
            .iter()
            .find(|f| f.source_pt == source_pt)
            .copied()
    }

    /// Our timestamp of a packet.
    pub(super) fn timestamp(&self, packet: &MediaPacket) -> u32 {
        self.timeline.at(packet.timestamp)
    }

    /// Writes our numbers over those in the payload.
    pub(super) fn rewrite(
        &self,
        packet: &MediaPacket,
        placed: Placed,
        format: Format,
        payload: &mut [u8],
    ) {
        if packet.encrypted {
            return;
        }
        if let Form::Renumbered { from, to } = format.payload {
            red::renumber(payload, from, to);
        }
        let shift = self.picture_shift(placed);
        if shift != 0 || self.tl0_shift != 0 {
            let (picture_id, tl0) = (self.picture_id(packet, placed), self.tl0(packet));
            codec::rewrite(packet.codec, payload, &packet.description, picture_id, tl0);
        }
    }

    /// What a later run has to go on from after this packet.
    pub(super) fn last(&self, packet: &MediaPacket, placed: Placed) -> Last {
        Last {
            sequence: placed.sequence,
            timestamp: self.timestamp(packet),
            picture_id: self.picture_id(packet, placed),
            tl0: self.tl0(packet),
            frame_number: self.frame_number(packet),
            clock_rate: packet.clock_rate,
            clock: self.timeline.clock(packet),
        }
    }

    fn picture_shift(&self, placed: Placed) -> u16 {
        self.picture_shift.wrapping_sub(placed.pictures)
    }

    fn picture_id(&self, packet: &MediaPacket, placed: Placed) -> u16 {
        packet
            .description
            .picture_id
            .map_or(0, |id| id.value.wrapping_add(self.picture_shift(placed)))
    }

    fn tl0(&self, packet: &MediaPacket) -> u8 {
        packet
            .description
            .tl0_pic_idx
            .map_or(0, |tl0| tl0.wrapping_add(self.tl0_shift))
    }

    fn frame_number(&self, packet: &MediaPacket) -> u16 {
        packet
            .dependency()
            .map_or(0, |d| d.frame_number.wrapping_add(self.frame_shift))
    }
}

impl Admitted {
    fn whole(packet: &MediaPacket, placed: Placed) -> Admitted {
        Admitted {
            placed,
            passes: true,
            marker: packet.marker,
            target: None,
        }
    }

    fn judged(packet: &MediaPacket, placed: Placed, verdict: Verdict) -> Admitted {
        Admitted {
            placed,
            passes: verdict.passes,
            marker: packet.marker || verdict.ends_picture,
            target: verdict.target,
        }
    }
}

/// The numbers of a run's first packet.
struct Next {
    sequence: u64,
    picture_id: u16,
    tl0: u8,
    frame_number: u16,
}

impl Next {
    fn after(last: Last) -> Next {
        Next {
            sequence: last.sequence + 1,
            picture_id: last.picture_id.wrapping_add(1),
            tl0: last.tl0.wrapping_add(1),
            frame_number: last.frame_number.wrapping_add(1),
        }
    }
}

impl Last {
    /// Our RTP clock against the time of capture.
    pub(super) fn clock(&self) -> ClockPair {
        self.clock
    }

    /// The timestamp at which another source goes on: as much later as it was captured later, and at least a little.
    fn continued(&self, packet: &MediaPacket) -> u32 {
        let least = self.least(packet);
        let at = self.clock().at(packet.capture, packet.clock_rate);
        if (at.wrapping_sub(least) as i32) < 0 {
            least
        } else {
            at
        }
    }

    /// The earliest timestamp of another source.
    fn least(&self, packet: &MediaPacket) -> u32 {
        self.timestamp.wrapping_add(packet.clock_rate / 100)
    }
}
