// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last packets of one layer, kept once for all of its subscribers.

use crate::packet::MediaPacket;
use std::sync::Arc;

/// What became of a packet that was offered to a [`History`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inserted {
    /// Seen for the first time.
    New,
    /// Already here, for example repaired before the original came after all.
    Duplicate,
    /// From before the window.
    TooOld,
}

/// A ring of packets of one epoch, indexed by sequence number.
#[derive(Debug)]
pub(crate) struct History {
    ring: Vec<Option<Arc<MediaPacket>>>,
    epoch: u32,
    newest: u64,
}

impl History {
    /// A history of `capacity` packets, a power of two. It takes memory only as packets come.
    pub(crate) fn new(capacity: usize) -> History {
        debug_assert!(capacity.is_power_of_two());
        History {
            ring: vec![None; capacity],
            epoch: 0,
            newest: 0,
        }
    }

    fn slot(&self, sequence: u64) -> usize {
        (sequence as usize) & (self.ring.len() - 1)
    }

    /// Keeps a packet. A packet of another epoch empties the history first.
    pub(crate) fn insert(&mut self, packet: Arc<MediaPacket>) -> Inserted {
        if packet.epoch != self.epoch {
            self.ring.fill(None);
            (self.epoch, self.newest) = (packet.epoch, packet.sequence);
        }
        if packet.sequence + self.ring.len() as u64 <= self.newest {
            return Inserted::TooOld;
        }
        let slot = self.slot(packet.sequence);
        if self.ring[slot]
            .as_ref()
            .is_some_and(|held| held.sequence == packet.sequence)
        {
            return Inserted::Duplicate;
        }
        self.newest = self.newest.max(packet.sequence);
        self.ring[slot] = Some(packet);
        Inserted::New
    }

    /// The packet of that number, if it is still here.
    pub(crate) fn get(&self, epoch: u32, sequence: u64) -> Option<&Arc<MediaPacket>> {
        let held = self.ring[self.slot(sequence)].as_ref()?;
        (held.epoch == epoch && held.sequence == sequence).then_some(held)
    }
}
