// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts how often the sequence numbers of each stream wrap on the wire, where they are in the clear.

use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    Up,
    Down,
}

/// By direction, client and SSRC: the newest sequence number, and how often it has wrapped.
#[derive(Default)]
pub struct Wraps(HashMap<(Direction, usize, u32), (u16, u32)>);

impl Wraps {
    /// Looks at a datagram of a client's link.
    pub fn note(&mut self, direction: Direction, client: usize, datagram: &[u8]) {
        let Some((sequence, ssrc)) = rtp(datagram) else {
            return;
        };
        let stream = (direction, client, ssrc);
        let (newest, wraps) = self.0.entry(stream).or_insert((sequence, 0));
        let ahead = sequence.wrapping_sub(*newest);
        if ahead < 0x8000 {
            *wraps += u32::from(sequence < *newest);
            *newest = sequence;
        }
    }

    /// How often a stream has wrapped.
    pub fn of(&self, direction: Direction, client: usize, ssrc: u32) -> u32 {
        self.0
            .get(&(direction, client, ssrc))
            .map_or(0, |(_, wraps)| *wraps)
    }
}

/// Sequence number and SSRC, if it is RTP and no RTCP (RFC 5761 §4, RFC 7983 §7).
fn rtp(datagram: &[u8]) -> Option<(u16, u32)> {
    let (head, _) = datagram.split_first_chunk::<12>()?;
    let is_rtp = (128..192).contains(&head[0]) && !(192..224).contains(&head[1]);
    let ssrc = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    is_rtp.then(|| (u16::from_be_bytes([head[2], head[3]]), ssrc))
}
