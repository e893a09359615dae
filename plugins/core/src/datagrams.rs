// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams in memory, where OpenSSL wants a socket.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Datagrams that wait to be taken; a handshake flight has at most a handful.
const MAX_WRITTEN: usize = 64;

/// What came and what is to go: one read is one datagram, and one write too. Reading never blocks.
#[derive(Debug, Default)]
pub struct Datagrams {
    incoming: Option<Vec<u8>>,
    written: VecDeque<Vec<u8>>,
}

impl Datagrams {
    /// Takes a datagram, to be read next; one that was not read is lost.
    pub fn arrive(&mut self, data: &[u8]) {
        self.incoming = Some(data.to_vec());
    }

    /// A datagram that was written, the first of them. Beyond 64 that wait they are lost, as on a network.
    pub fn take_written(&mut self) -> Option<Vec<u8>> {
        self.written.pop_front()
    }

    /// All that were written; those that the caller leaves are gone too.
    pub fn drain_written(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.written.drain(..)
    }
}

impl Read for Datagrams {
    /// What does not fit into `into` is lost.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let data = self.incoming.take().ok_or(io::ErrorKind::WouldBlock)?;
        let length = data.len().min(into.len());
        into[..length].copy_from_slice(&data[..length]);
        Ok(length)
    }
}

impl Write for Datagrams {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.written.len() < MAX_WRITTEN {
            self.written.push_back(data.to_vec());
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_read_once_and_what_does_not_fit_is_lost() {
        let (mut datagrams, mut into) = (Datagrams::default(), [0; 2]);
        let nothing = datagrams.read(&mut into).expect_err("nothing came");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        datagrams.arrive(&[1, 2, 3]);
        assert_eq!(datagrams.read(&mut into).expect("one came"), 2);
        assert_eq!(into, [1, 2]);
        assert!(datagrams.read(&mut into).is_err());
    }

    #[test]
    fn too_many_that_nobody_takes_are_lost() {
        let mut datagrams = Datagrams::default();
        for n in 0..100 {
            assert_eq!(datagrams.write(&[n]).expect("it never fails"), 1);
        }
        let taken: Vec<_> = datagrams.drain_written().collect();
        assert_eq!((taken.len(), taken[0][0]), (MAX_WRITTEN, 0));
    }
}
