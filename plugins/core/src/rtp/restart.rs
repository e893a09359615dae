// SPDX-License-Identifier: MIT OR Apache-2.0
//! Telling a source that restarted from a stray packet.

/// Watches sequence numbers that are too far off to be of the stream (RFC 3550 §A.1, `bad_seq`): two of them in a row mean
/// that the source goes on from there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restart {
    next: Option<u64>,
}

impl Restart {
    /// Takes a number that is too far off. True when it follows the previous such number directly.
    pub(crate) fn is_confirmed_by(&mut self, sequence: u64) -> bool {
        let confirmed = self.next == Some(sequence);
        self.next = if confirmed { None } else { Some(sequence + 1) };
        confirmed
    }
}
