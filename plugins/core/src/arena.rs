// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a worker is about to send: datagrams side by side in one buffer, grouped in runs that one system call can take.

use crate::media::Path;

/// Segments one UDP GSO call may carry (Linux: `UDP_MAX_SEGMENTS`).
const MAX_SEGMENTS: usize = 64;
/// Bytes one UDP GSO call may carry, with room for IP and UDP headers below 65,535.
const MAX_RUN_BYTES: usize = 65_000;

/// Datagrams to one destination, contiguous: all of `segment_size` bytes but the last, which may be shorter.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Where they go.
    pub path: Path,
    /// The datagrams, one after the other.
    pub bytes: &'a [u8],
    /// Size of each datagram but the last.
    pub segment_size: usize,
}

impl<'a> Run<'a> {
    /// The datagrams, one by one.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks(self.segment_size)
    }

    /// How many datagrams there are.
    pub fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.segment_size)
    }
}

#[derive(Debug)]
struct Stretch {
    path: Path,
    start: usize,
    end: usize,
    segment_size: usize,
    /// A shorter datagram has ended it.
    full: bool,
}

/// The buffer. The caller sends the runs and then calls [`SendArena::clear`]; memory is kept for the next batch.
#[derive(Debug, Default)]
pub struct SendArena {
    buffer: Vec<u8>,
    used: usize,
    stretches: Vec<Stretch>,
}

impl SendArena {
    /// Bytes waiting.
    pub fn len(&self) -> usize {
        self.used
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// The runs, in the order they were written.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.stretches.iter().map(|s| Run {
            path: s.path,
            bytes: &self.buffer[s.start..s.end],
            segment_size: s.segment_size,
        })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.used = 0;
        self.stretches.clear();
    }

    /// Space for a datagram of up to `size` bytes. It counts only after [`SendArena::commit`].
    pub fn space(&mut self, size: usize) -> &mut [u8] {
        let end = self.used + size;
        if self.buffer.len() < end {
            self.buffer.resize(end.next_power_of_two(), 0);
        }
        &mut self.buffer[self.used..end]
    }

    /// Makes the first `len` bytes of the last [`SendArena::space`] a datagram to `path`.
    pub fn commit(&mut self, path: &Path, len: usize) {
        if len == 0 {
            return;
        }
        let (start, end) = (self.used, self.used + len);
        self.used = end;
        match self.stretches.last_mut() {
            Some(s) if s.takes(path, len) => {
                s.full = len < s.segment_size;
                s.end = end;
            }
            _ => self.stretches.push(Stretch {
                path: *path,
                start,
                end,
                segment_size: len,
                full: false,
            }),
        }
    }

    /// Copies a datagram in.
    pub fn push(&mut self, path: &Path, datagram: &[u8]) {
        self.space(datagram.len()).copy_from_slice(datagram);
        self.commit(path, datagram.len());
    }
}

impl Stretch {
    fn takes(&self, path: &Path, len: usize) -> bool {
        let bytes = self.end - self.start;
        !self.full
            && len <= self.segment_size
            && bytes + len <= MAX_RUN_BYTES
            && bytes / self.segment_size < MAX_SEGMENTS
            && self.path == *path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Proto;

    fn path(port: u16) -> Path {
        Path {
            proto: Proto::Udp,
            local: ([127, 0, 0, 1], 1).into(),
            remote: ([127, 0, 0, 1], port).into(),
        }
    }

    #[test]
    fn datagrams_of_one_size_to_one_peer_form_a_run_ended_by_a_shorter_one() {
        let mut arena = SendArena::default();
        for len in [100, 100, 60, 100] {
            arena.push(&path(1), &vec![len as u8; len]);
        }
        arena.push(&path(2), &[1; 100]);
        let runs: Vec<_> = arena
            .runs()
            .map(|r| (r.path.remote.port(), r.count(), r.bytes.len()))
            .collect();
        assert_eq!(runs, [(1, 3, 260), (1, 1, 100), (2, 1, 100)]);
        let sizes: Vec<_> = arena
            .runs()
            .next()
            .expect("a run")
            .datagrams()
            .map(<[u8]>::len)
            .collect();
        assert_eq!(sizes, [100, 100, 60]);
    }

    #[test]
    fn a_run_never_exceeds_what_one_call_may_carry() {
        let mut arena = SendArena::default();
        for _ in 0..130 {
            arena.push(&path(1), &[0; 10]);
        }
        for _ in 0..60 {
            arena.push(&path(2), &[0; 1400]);
        }
        let counts: Vec<_> = arena.runs().map(|r| r.count()).collect();
        assert_eq!(counts, [64, 64, 2, 46, 14]);
    }
}
