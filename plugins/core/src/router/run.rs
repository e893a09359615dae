// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run: the stretch of one source and encoding from one switch to the next.
//!
//! Timestamp, picture id and TL0PICIDX of the source are shifted by constants that hold for a run, and its sequence numbers go
//! through one map. So a NACK for one of our numbers leads back to the source's packet, which is kept once for everybody,
//! and it can be written again exactly as it was.

use super::formats::Format;
use super::numbers::{Numbers, Placed};
use crate::codec;
use crate::engine::ClockPair;
use crate::id::TrackId;
use crate::packet::MediaPacket;
use std::sync::Arc;
use std::time::Instant;

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) track: TrackId,
    pub(super) epoch: u32,
    pub(super) encoding: u8,
    pub(super) numbers: Numbers,
    formats: Arc<[Format]>,
    timestamp_shift: u32,
    picture_shift: u16,
    tl0_shift: u8,
}

/// The newest packet that went out, as far as a later one must continue it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) sequence: u64,
    pub(super) clock_rate: u32,
    timestamp: u32,
    picture_id: u16,
    tl0: u8,
    capture: Instant,
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
        first: First,
        last: Option<Last>,
    ) -> Run {
        let picture = packet.description.picture_id.map_or(0, |id| id.value);
        let tl0 = packet.description.tl0_pic_idx.unwrap_or(0);
        let (sequence, timestamp, next_picture, next_tl0) = match last {
            Some(last) => (
                last.sequence + 1,
                last.continued(packet),
                last.picture_id.wrapping_add(1),
                last.tl0.wrapping_add(1),
            ),
            None => (first.sequence, first.timestamp, picture, tl0),
        };
        Run {
            track: packet.track,
            epoch: packet.epoch,
            encoding: packet.layer,
            numbers: Numbers::new(packet.sequence, sequence),
            formats,
            timestamp_shift: timestamp.wrapping_sub(packet.timestamp),
            picture_shift: next_picture.wrapping_sub(picture),
            tl0_shift: next_tl0.wrapping_sub(tl0),
        }
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
        packet.timestamp.wrapping_add(self.timestamp_shift)
    }

    /// Writes our numbers over those in the payload.
    pub(super) fn rewrite(&self, packet: &MediaPacket, placed: Placed, payload: &mut [u8]) {
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
            clock_rate: packet.clock_rate,
            capture: packet.capture,
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
}

impl Last {
    /// Our RTP clock against the time of capture.
    pub(super) fn clock(&self) -> ClockPair {
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
