// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
//!
//! `rtcp-types` has a reader, which hands out absolute times and counts of packets nobody bounds, and a writer, which wants
//! the chunks made up by its caller.

use super::parse::Feedback;

/// Statuses in one feedback packet; one with more is malformed. A sender at 100 Mbit/s has about 1,000 packets in an
/// interval of feedback.
pub const MAX_STATUSES: usize = 8192;

/// Bits of the length in a run length chunk.
const MAX_RUN: usize = 0x1FFF;
/// One-bit symbols in a status vector chunk.
const ONE_BIT_SYMBOLS: usize = 14;
/// Two-bit symbols in a status vector chunk.
const TWO_BIT_SYMBOLS: usize = 7;

/// Which packets of a transport arrived, and when.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TransportFeedback {
    /// SSRC of who sends the feedback.
    pub sender: u32,
    /// SSRC of a stream of the transport. Browsers ignore feedback for a stream that is not theirs.
    pub media: u32,
    /// Transport-wide sequence number of the first status.
    pub base_sequence: u16,
    /// The time from which the first delta counts, in 64 ms of the receiver's clock; 24 bits with a sign.
    pub reference_time: i32,
    /// Counts feedback packets, so that a lost one is seen.
    pub feedback_count: u8,
    /// For each packet from `base_sequence` on: `None` when it did not arrive, else the time since the previous one that
    /// did (of the first: since the reference time), in 250 µs.
    pub deltas: Vec<Option<i16>>,
}

impl TransportFeedback {
    /// Each packet with its arrival, in 250 µs since time 0 of the receiver's clock, or `None` when it did not arrive.
    pub fn arrivals(&self) -> impl Iterator<Item = (u16, Option<i64>)> + '_ {
        let mut time = i64::from(self.reference_time) * 256;
        self.deltas.iter().enumerate().map(move |(index, delta)| {
            let arrival = delta.map(|delta| {
                time += i64::from(delta);
                time
            });
            (self.base_sequence.wrapping_add(index as u16), arrival)
        })
    }

    /// True when the packets arrived in the order in which they were sent.
    pub fn is_in_order(&self) -> bool {
        self.deltas.iter().flatten().all(|delta| *delta >= 0)
    }

    /// `None` when the lengths in it lie or a reserved symbol is used.
    pub(super) fn parse(feedback: Feedback<'_>) -> Option<TransportFeedback> {
        let (
            &[
                base_a,
                base_b,
                count_a,
                count_b,
                time_a,
                time_b,
                time_c,
                feedback_count,
            ],
            mut rest,
        ) = feedback.control.split_first_chunk()?;
        let count = usize::from(u16::from_be_bytes([count_a, count_b]));
        if count > MAX_STATUSES {
            return None;
        }
        // The deltas follow the chunks, of which nobody says how many they are.
        let mut deltas = rest;
        let mut covered = 0;
        while covered < count {
            let (chunk, later) = deltas.split_first_chunk()?;
            covered += Chunk::read(*chunk).len();
            deltas = later;
        }
        let mut read = Vec::with_capacity(count);
        while read.len() < count {
            let (chunk, later) = rest.split_first_chunk()?;
            Chunk::read(*chunk).read_deltas(count, &mut deltas, &mut read)?;
            rest = later;
        }
        Some(TransportFeedback {
            sender: feedback.sender,
            media: feedback.media,
            base_sequence: u16::from_be_bytes([base_a, base_b]),
            reference_time: i32::from_be_bytes([time_a, time_b, time_c, 0]) >> 8,
            feedback_count,
            deltas: read,
        })
    }

    /// Appends the feedback control information.
    pub(super) fn write(&self, data: &mut Vec<u8>) {
        let deltas = &self.deltas[..self.deltas.len().min(MAX_STATUSES)];
        data.extend_from_slice(&self.base_sequence.to_be_bytes());
        data.extend_from_slice(&(deltas.len() as u16).to_be_bytes());
        data.extend_from_slice(&self.reference_time.to_be_bytes()[1..]);
        data.push(self.feedback_count);
        let mut rest = deltas;
        while !rest.is_empty() {
            let (chunk, taken) = next_chunk(rest);
            data.extend_from_slice(&chunk.to_be_bytes());
            rest = &rest[taken..];
        }
        for delta in deltas.iter().flatten() {
            match u8::try_from(*delta) {
                Ok(small) => data.push(small),
                Err(_) => data.extend_from_slice(&delta.to_be_bytes()),
            }
        }
    }
}

/// Packet status symbols (§3.1.1); 3 is reserved.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Symbol {
    NotReceived = 0,
    SmallDelta = 1,
    LargeDelta = 2,
    Reserved = 3,
}

impl Symbol {
    /// Of the lowest two bits.
    fn from_bits(bits: u16) -> Symbol {
        match bits & 3 {
            0 => Symbol::NotReceived,
            1 => Symbol::SmallDelta,
            2 => Symbol::LargeDelta,
            _ => Symbol::Reserved,
        }
    }

    fn of(delta: &Option<i16>) -> Symbol {
        match delta {
            None => Symbol::NotReceived,
            Some(0..=255) => Symbol::SmallDelta,
            Some(_) => Symbol::LargeDelta,
        }
    }
}

/// A packet status chunk (§3.1.3, §3.1.4).
#[derive(Clone, Copy)]
enum Chunk {
    /// So many of one symbol.
    Run(Symbol, usize),
    /// Symbols of one bit each, the first one highest.
    OneBit(u16),
    /// Symbols of two bits each, the first one highest.
    TwoBit(u16),
}

impl Chunk {
    fn read(bytes: [u8; 2]) -> Chunk {
        let chunk = u16::from_be_bytes(bytes);
        match chunk >> 14 {
            0b00 | 0b01 => Chunk::Run(Symbol::from_bits(chunk >> 13), usize::from(chunk) & MAX_RUN),
            0b10 => Chunk::OneBit(chunk),
            _ => Chunk::TwoBit(chunk),
        }
    }

    fn len(self) -> usize {
        match self {
            Chunk::Run(_, run) => run,
            Chunk::OneBit(_) => ONE_BIT_SYMBOLS,
            Chunk::TwoBit(_) => TWO_BIT_SYMBOLS,
        }
    }

    /// Adds what the symbols say, but never more than `count` in all: the last chunk may hold some that mean nothing. `None`:
    /// malformed.
    fn read_deltas(
        self,
        count: usize,
        deltas: &mut &[u8],
        read: &mut Vec<Option<i16>>,
    ) -> Option<()> {
        let len = self.len().min(count - read.len());
        match self {
            Chunk::Run(Symbol::NotReceived, _) => read.resize(read.len() + len, None),
            Chunk::Run(Symbol::SmallDelta, _) => {
                let (small, later) = deltas.split_at_checked(len)?;
                read.extend(small.iter().map(|delta| Some(i16::from(*delta))));
                *deltas = later;
            }
            Chunk::Run(symbol, _) => {
                for _ in 0..len {
                    read.push(read_delta(symbol, deltas)?);
                }
            }
            Chunk::OneBit(bits) => {
                for bit in (0..ONE_BIT_SYMBOLS).rev().take(len) {
                    read.push(read_delta(Symbol::from_bits(bits >> bit & 1), deltas)?);
                }
            }
            Chunk::TwoBit(bits) => {
                for pair in (0..TWO_BIT_SYMBOLS).rev().take(len) {
                    read.push(read_delta(Symbol::from_bits(bits >> (pair * 2)), deltas)?);
                }
            }
        }
        Some(())
    }
}

/// Outer `None`: malformed. Inner: not received.
#[inline]
fn read_delta(symbol: Symbol, rest: &mut &[u8]) -> Option<Option<i16>> {
    match symbol {
        Symbol::NotReceived => Some(None),
        Symbol::SmallDelta => {
            let (small, later) = rest.split_first()?;
            *rest = later;
            Some(Some(i16::from(*small)))
        }
        Symbol::LargeDelta => {
            let (large, later) = rest.split_first_chunk()?;
            *rest = later;
            Some(Some(i16::from_be_bytes(*large)))
        }
        Symbol::Reserved => None,
    }
}

/// The chunk that says most about the beginning of `deltas`, and about how many of them.
fn next_chunk(deltas: &[Option<i16>]) -> (u16, usize) {
    let first = Symbol::of(&deltas[0]);
    let run = deltas
        .iter()
        .take(MAX_RUN)
        .take_while(|delta| Symbol::of(delta) == first)
        .count();
    let one_bit = &deltas[..deltas.len().min(ONE_BIT_SYMBOLS)];
    let two_bit = &deltas[..deltas.len().min(TWO_BIT_SYMBOLS)];
    let fits_one_bit = one_bit
        .iter()
        .all(|delta| Symbol::of(delta) != Symbol::LargeDelta);
    if run
        >= if fits_one_bit {
            one_bit.len()
        } else {
            two_bit.len()
        }
    {
        ((first as u16) << 13 | run as u16, run)
    } else if fits_one_bit {
        (vector(0b10, one_bit, 1), one_bit.len())
    } else {
        (vector(0b11, two_bit, 2), two_bit.len())
    }
}

/// A status vector chunk of symbols `width` bits wide, filled up with zeros.
fn vector(kind: u16, deltas: &[Option<i16>], width: usize) -> u16 {
    deltas
        .iter()
        .enumerate()
        .fold(kind << 14, |chunk, (index, delta)| {
            chunk | (Symbol::of(delta) as u16) << (14 - width * (index + 1))
        })
}
