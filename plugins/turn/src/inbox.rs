// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way of a datagram from the thread that receives to the one that streams.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Datagrams that wait at most; with 1200 bytes each, 5 MB.
const MOST: usize = 4096;

/// One datagram as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Its payload.
    pub data: Vec<u8>,
    /// Who sent it: behind a relay the peer, not the relay.
    pub from: SocketAddr,
    /// When it was received.
    pub at: Instant,
}

/// A queue that takes only while it is open, and forgets the oldest when it is full.
///
/// Live sources deliver nothing while they pause; what came meanwhile is of no use afterwards.
#[derive(Debug, Default)]
pub struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Datagram>,
    open: bool,
    interrupted: bool,
    counts: Counts,
}

/// What went through an [`Inbox`] since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams taken in.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Datagrams that nobody fetched in time.
    pub dropped: u64,
}

impl Inbox {
    /// Takes datagrams from now on.
    pub fn open(&self) {
        self.state().open = true;
    }

    /// Takes no more, and forgets what it holds.
    pub fn close(&self) {
        let mut state = self.state();
        state.open = false;
        state.queue.clear();
    }

    /// Whether [`next`](Self::next) gives up at once.
    pub fn interrupt(&self, interrupted: bool) {
        self.state().interrupted = interrupted;
        self.changed.notify_all();
    }

    /// Puts one in.
    pub fn put(&self, datagram: Datagram) {
        let mut state = self.state();
        if !state.open {
            return;
        }
        state.counts.packets += 1;
        state.counts.bytes += datagram.data.len() as u64;
        if state.queue.len() == MOST {
            state.queue.pop_front();
            state.counts.dropped += 1;
        }
        state.queue.push_back(datagram);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for one; `None` once interrupted.
    pub fn next(&self) -> Option<Datagram> {
        let mut state = self.state();
        loop {
            if state.interrupted {
                return None;
            }
            if let Some(datagram) = state.queue.pop_front() {
                return Some(datagram);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What went through so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(number: usize) -> Datagram {
        Datagram {
            data: number.to_be_bytes().to_vec(),
            from: ([192, 0, 2, 1], 5000).into(),
            at: Instant::now(),
        }
    }

    #[test]
    fn a_closed_inbox_takes_nothing_and_an_opened_one_starts_empty() {
        let inbox = Inbox::default();
        inbox.put(datagram(1));
        inbox.open();
        inbox.put(datagram(2));
        inbox.close();
        inbox.open();
        inbox.put(datagram(3));
        assert_eq!(inbox.next().expect("put").data, datagram(3).data);
        assert_eq!(inbox.counts().packets, 2);
    }

    #[test]
    fn a_full_inbox_forgets_the_oldest() {
        let inbox = Inbox::default();
        inbox.open();
        (0..MOST + 2).for_each(|number| inbox.put(datagram(number)));
        assert_eq!(inbox.next().expect("full").data, datagram(2).data);
        assert_eq!(inbox.counts().dropped, 2);
    }

    #[test]
    fn an_interrupt_ends_the_waiting() {
        let inbox = std::sync::Arc::new(Inbox::default());
        let waiting = std::thread::spawn({
            let inbox = inbox.clone();
            move || inbox.next()
        });
        inbox.interrupt(true);
        assert_eq!(waiting.join().expect("no panic"), None);
    }
}
