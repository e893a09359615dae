// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is due when.

use crate::id::RoomId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Due {
    /// When a peer's session, reports or feedback want to be driven.
    Peer(usize),
    /// When a source may be asked for a keyframe again.
    Keyframes,
    /// When slots that catch up may be sent more; the flush that follows does it.
    Replays,
    /// When the floor of a room may pass to another speaker.
    Floor(RoomId),
}

/// The queue. Entries are never removed early: who has set another time since goes by the time the entry was made for.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Due)>>,
}

impl Timers {
    pub(super) fn push(&mut self, at: Instant, due: Due) {
        self.heap.push(Reverse((at, due)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Something whose time has come, and that time.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Instant, Due)> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
