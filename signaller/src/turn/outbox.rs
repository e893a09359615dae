// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams to be sent, put together where they go the same way.

use std::net::{IpAddr, SocketAddr};

/// Most bytes in one call: what an IPv4 datagram could hold.
const MOST: usize = 65_000;

/// Which socket sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sender {
    /// One for clients.
    Client(usize),
    /// A relay's.
    Relay(usize),
}

/// Where a datagram goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Way {
    pub(super) sender: Sender,
    pub(super) to: SocketAddr,
    /// From this of the machine's addresses.
    pub(super) from: Option<IpAddr>,
    pub(super) dont_fragment: bool,
}

/// Datagrams of one size, one after the other; the last may be shorter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    way: Way,
    start: usize,
    end: usize,
    segment: usize,
    segments: usize,
}

/// What waits to be sent, in order.
#[derive(Default)]
pub(super) struct Outbox {
    memory: Vec<u8>,
    runs: Vec<Run>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The memory, to append one datagram to; then call [`Outbox::close`].
    pub(super) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.memory
    }

    /// How much memory was used before a datagram is appended.
    pub(super) fn mark(&self) -> usize {
        self.memory.len()
    }

    /// What was appended since `start` goes this way.
    pub(super) fn close(&mut self, start: usize, way: Way, most_segments: usize) {
        let (end, size) = (self.memory.len(), self.memory.len() - start);
        if let Some(run) = self.runs.last_mut()
            && run.way == way
            && size > 0
            && size <= run.segment
            // A shorter one was the last.
            && run.end - run.start == run.segment * run.segments
            && run.segments < most_segments
            && end - run.start <= MOST
        {
            run.end = end;
            run.segments += 1;
            return;
        }
        self.runs.push(Run {
            way,
            start,
            end,
            segment: size,
            segments: 1,
        });
    }

    /// What was appended since `start` goes another way: takes it out.
    pub(super) fn take_back(&mut self, start: usize, mut take: impl FnMut(&[u8])) {
        take(&self.memory[start..]);
        self.memory.truncate(start);
    }

    pub(super) fn push(&mut self, data: &[u8], way: Way, most_segments: usize) {
        let start = self.mark();
        self.memory.extend_from_slice(data);
        self.close(start, way, most_segments);
    }

    /// Gives out everything: the way, the bytes, and the size of segments if there are several.
    pub(super) fn flush(&mut self, mut send: impl FnMut(&Way, &[u8], Option<usize>)) {
        for run in self.runs.drain(..) {
            let several = (run.segments > 1).then_some(run.segment);
            send(&run.way, &self.memory[run.start..run.end], several);
        }
        self.memory.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(port: u16) -> Way {
        Way {
            sender: Sender::Relay(1),
            to: SocketAddr::from(([9, 9, 9, 9], port)),
            from: None,
            dont_fragment: false,
        }
    }

    fn runs(sizes: &[(u16, usize)]) -> Vec<(u16, usize, Option<usize>)> {
        let mut outbox = Outbox::default();
        for (port, size) in sizes {
            outbox.push(&vec![0; *size], way(*port), 64);
        }
        let mut sent = Vec::new();
        outbox.flush(|way, data, segment| sent.push((way.to.port(), data.len(), segment)));
        assert!(outbox.is_empty());
        sent
    }

    #[test]
    fn equal_sizes_to_one_peer_are_one_call() {
        assert_eq!(runs(&[(1, 100), (1, 100), (1, 50)]), [(1, 250, Some(100))]);
    }

    #[test]
    fn a_shorter_one_ends_a_run_and_a_longer_one_begins_another() {
        assert_eq!(
            runs(&[(1, 100), (1, 50), (1, 100), (1, 200)]),
            [(1, 150, Some(100)), (1, 100, None), (1, 200, None)]
        );
    }

    #[test]
    fn other_ways_and_empty_datagrams_are_alone() {
        assert_eq!(
            runs(&[(1, 100), (2, 100), (1, 0), (1, 0)]),
            [(1, 100, None), (2, 100, None), (1, 0, None), (1, 0, None)]
        );
    }

    #[test]
    fn no_call_has_more_than_a_datagram_could_hold() {
        let sent = runs(&[(1, 20_000); 4]);
        assert_eq!(sent, [(1, 60_000, Some(20_000)), (1, 20_000, None)]);
    }
}
