// SPDX-License-Identifier: MIT OR Apache-2.0
//! One RTP stream (SSRC) that a peer sends.

use crate::codec::{Codec, DependencyReader};
use crate::media::MediaKind;
use crate::nack::Generator;
use crate::reception::Reception;
use crate::router::StreamClock;
use crate::rtp::ExtendedSequence;
use std::time::Instant;

/// A jump of the sequence number further than this is a restart, not loss: nothing before it could be repaired any more.
pub(crate) const RESTART: u64 = 1_000;

/// What a stream carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Media of an m-line and layer.
    Media,
    /// Retransmissions (RFC 4588) of them.
    Repair,
}

/// A stream.
pub(crate) struct Stream {
    pub(crate) ssrc: u32,
    /// The m-line.
    pub(crate) line: usize,
    pub(crate) layer: u8,
    pub(crate) role: Role,
    pub(crate) epoch: u32,
    pub(crate) clock: StreamClock,
    pub(crate) reception: Reception,
    pub(crate) nack: Option<Generator>,
    pub(crate) dependencies: DependencyReader,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    clock_rate: u32,
    sequence: ExtendedSequence,
}

/// How a packet's number continues the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// It belongs where this says.
    At(u64),
    /// The source has started anew; the stream was reset.
    Restarted(u64),
}

impl Stream {
    pub(crate) fn new(
        ssrc: u32,
        line: usize,
        layer: u8,
        role: Role,
        clock_rate: u32,
        epoch: u32,
    ) -> Stream {
        Stream {
            ssrc,
            line,
            layer,
            role,
            epoch,
            clock: StreamClock::new(clock_rate),
            reception: Reception::new(ssrc),
            nack: None,
            dependencies: DependencyReader::default(),
            packets: 0,
            bytes: 0,
            clock_rate,
            sequence: ExtendedSequence::new(),
        }
    }

    pub(crate) fn is_repair(&self) -> bool {
        self.role == Role::Repair
    }

    /// Asks for repair of what gets lost from now on.
    pub(crate) fn repair(&mut self) {
        self.nack.get_or_insert_with(Generator::new);
    }

    /// Takes a packet's number, statistics included.
    pub(crate) fn step(&mut self, now: Instant, sequence: u16, timestamp: u32) -> Step {
        let before = self.sequence.highest();
        let mut extended = self.sequence.extend(sequence);
        let jumped = before.is_some_and(|highest| extended.abs_diff(highest) > RESTART);
        if jumped {
            self.sequence = ExtendedSequence::new();
            extended = self.sequence.extend(sequence);
            self.nack = self.nack.take().map(|_| Generator::new());
            self.reception = Reception::new(self.ssrc);
        }
        self.reception
            .received(now, extended, timestamp, self.clock_rate);
        if let Some(nack) = &mut self.nack {
            nack.received(now, extended);
        }
        if jumped {
            Step::Restarted(extended)
        } else {
            Step::At(extended)
        }
    }

    /// The full number of a packet that came back as a retransmission; `None` when it is not one of this stream's past.
    pub(crate) fn repaired(&mut self, now: Instant, sequence: u16) -> Option<u64> {
        let highest = self.sequence.highest()?;
        let back = (highest as u16).wrapping_sub(sequence);
        let extended = highest
            .checked_sub(u64::from(back))
            .filter(|_| back < 0x8000)?;
        if let Some(nack) = &mut self.nack {
            nack.received(now, extended);
        }
        Some(extended)
    }
}

/// True when losses of such a codec are repaired by retransmission.
pub(crate) fn repairs(kind: MediaKind, negotiated: bool) -> bool {
    negotiated && kind == MediaKind::Video
}

/// The clock of a codec as negotiated.
pub(crate) fn clock_rate(codec: Codec, negotiated: u32) -> u32 {
    if negotiated == 0 {
        codec.clock_rate()
    } else {
        negotiated
    }
}
