// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sequence numbers without wrap-around.

/// Extends 16 bit sequence numbers to 64 bit ones that do not wrap (RFC 3550 §A.1, RFC 3711 §3.3.1).
///
/// Each number is taken to be the one nearest to the highest seen so far, so up to 32,767 steps forward or back.
#[derive(Clone, Debug, Default)]
pub struct ExtendedSequence {
    highest: Option<u64>,
}

impl ExtendedSequence {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The extended number of `sequence`. The first one becomes `1 << 16 | sequence`, which leaves room for packets that
    /// were sent before it and arrive after it.
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let extended = match self.highest {
            None => 1 << 16 | u64::from(sequence),
            Some(highest) => {
                let step = sequence.wrapping_sub(highest as u16) as i16;
                highest.saturating_add_signed(i64::from(step))
            }
        };
        self.highest = self.highest.max(Some(extended));
        extended
    }

    /// The highest extended number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}
