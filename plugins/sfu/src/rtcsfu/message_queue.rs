// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waits for the task of a data pad.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Messages that may wait; of more, the oldest are dropped.
const MOST: usize = 1_000;
/// Bytes of them, likewise.
const MOST_BYTES: usize = 8 << 20;

/// A message of a participant.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) room: String,
    pub(super) participant: String,
    pub(super) label: String,
    pub(super) text: bool,
    pub(super) payload: Arc<[u8]>,
    /// When it came.
    pub(super) running_time: Option<gst::ClockTime>,
}

/// What the task has to do.
#[derive(Debug)]
pub(super) enum Next {
    Message(Heard),
    /// End of stream.
    End,
    /// The pad is not active any more.
    Stop,
}

#[derive(Debug, Default)]
struct State {
    active: bool,
    playing: bool,
    ended: bool,
    /// The task is downstream with something.
    busy: bool,
    heard: VecDeque<Heard>,
    bytes: usize,
}

/// The queue: one task takes, anybody adds.
#[derive(Debug, Default)]
pub(super) struct MessageQueue {
    state: Mutex<State>,
    changed: Condvar,
}

impl MessageQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message, unless the pad is not active or has ended. How many had to go for it.
    pub(super) fn push(&self, heard: Heard) -> usize {
        let mut state = self.lock();
        if !state.active || state.ended {
            return 0;
        }
        state.bytes += heard.payload.len();
        state.heard.push_back(heard);
        let mut dropped = 0;
        while state.heard.len() > MOST || state.bytes > MOST_BYTES {
            let oldest = state.heard.pop_front();
            state.bytes -= oldest.map_or(0, |heard| heard.payload.len());
            dropped += 1;
        }
        self.changed.notify_all();
        dropped
    }

    /// Waits, in PLAYING, for what comes next.
    pub(super) fn next(&self) -> Next {
        let mut state = self.lock();
        state.busy = false;
        self.changed.notify_all();
        loop {
            if !state.active {
                return Next::Stop;
            }
            if let Some(heard) = state.playing.then(|| state.heard.pop_front()).flatten() {
                state.bytes -= heard.payload.len();
                state.busy = true;
                return Next::Message(heard);
            }
            if state.ended {
                state.active = false;
                return Next::End;
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn activate(&self) {
        let playing = self.lock().playing;
        *self.lock() = State {
            active: true,
            playing,
            ..State::default()
        };
    }

    /// Lets the task end. False: it has not come back from downstream by then.
    pub(super) fn stop(&self, until: Instant) -> bool {
        let mut state = self.lock();
        state.active = false;
        self.changed.notify_all();
        while state.busy {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(super) fn set_playing(&self, playing: bool) {
        self.lock().playing = playing;
        self.changed.notify_all();
    }

    /// After what waits the stream ends.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: usize) -> Heard {
        Heard {
            room: "lobby".into(),
            participant: "alice".into(),
            label: "chat".into(),
            text: true,
            payload: vec![0x41; bytes].into(),
            running_time: None,
        }
    }

    fn playing() -> MessageQueue {
        let queue = MessageQueue::default();
        queue.set_playing(true);
        queue.activate();
        queue
    }

    #[test]
    fn what_waits_comes_in_order_and_then_the_end() {
        let queue = playing();
        for bytes in [1, 2, 3] {
            assert_eq!(queue.push(heard(bytes)), 0);
        }
        queue.end();
        assert_eq!(queue.push(heard(4)), 0, "too late to count");
        for bytes in [1, 2, 3] {
            let Next::Message(heard) = queue.next() else {
                panic!("a message of {bytes} bytes is missing");
            };
            assert_eq!(heard.payload.len(), bytes);
        }
        assert!(matches!(queue.next(), Next::End));
        assert!(matches!(queue.next(), Next::Stop));
    }

    #[test]
    fn the_oldest_make_way() {
        let queue = playing();
        let dropped: usize = (0..MOST + 5).map(|_| queue.push(heard(10))).sum();
        assert_eq!(dropped, 5);
        assert_eq!(queue.push(heard(MOST_BYTES)), MOST);
        assert!(matches!(queue.next(), Next::Message(m) if m.payload.len() == MOST_BYTES));
    }

    #[test]
    fn a_pad_that_is_not_active_keeps_nothing() {
        let queue = MessageQueue::default();
        assert_eq!(queue.push(heard(1)), 0);
        assert!(matches!(queue.next(), Next::Stop));
        let queue = playing();
        queue.push(heard(1));
        assert!(matches!(queue.next(), Next::Message(_)));
        assert!(!queue.stop(Instant::now()), "the task is downstream");
        assert!(matches!(queue.next(), Next::Stop));
        assert!(queue.stop(Instant::now()));
    }
}
