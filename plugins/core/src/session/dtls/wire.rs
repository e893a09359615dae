// SPDX-License-Identifier: MIT OR Apache-2.0

use crate::datagrams::{Datagrams, RECORD_HEADER, Record};
use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Datagrams waiting to be sent; a handshake flight has at most a handful.
const MAX_QUEUED: usize = 64;

/// OpenSSL's socket, and what is known of what went through.
#[derive(Default)]
pub(super) struct Wire {
    /// Read and written by OpenSSL; what is written the flight sees first.
    datagrams: Datagrams,
    outgoing: VecDeque<Vec<u8>>,
    sent: Sent,
}

impl Wire {
    pub(super) fn arrive(&mut self, data: &[u8], overhead: usize) -> bool {
        self.datagrams.arrive(data, overhead)
    }

    pub(super) fn take_written(&mut self) -> Vec<Vec<u8>> {
        self.datagrams.drain_written().collect()
    }

    pub(super) fn send(&mut self, data: Vec<u8>) {
        if self.outgoing.len() < MAX_QUEUED {
            self.outgoing.push_back(data);
        }
    }

    /// Sends application data, whose amount its protocol bounds.
    pub(super) fn send_data(&mut self, data: Vec<u8>) {
        self.outgoing.push_back(data);
    }

    /// The last encrypted record that OpenSSL wrote.
    pub(super) fn sent(&self) -> Sent {
        self.sent
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        // What is said after the last flight (an alert) was not collected.
        for data in self.take_written() {
            self.send(data);
        }
        self.outgoing.pop_front()
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.datagrams.read(buf)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.sent.see(buf);
        self.datagrams.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The last encrypted record that went out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) sequence: u64,
    /// The part of the nonce that the record carried, in suites that have one.
    pub(super) nonce: u64,
}

impl Sent {
    /// What the next record carries. `None` when the numbers are used up.
    pub(super) fn next(self) -> Option<Sent> {
        let sequence = self.sequence + 1;
        (sequence >> 48 == 0).then(|| Sent {
            sequence,
            nonce: self.nonce.wrapping_add(1),
        })
    }

    fn see(&mut self, mut datagram: &[u8]) {
        while let Some((record, rest)) = Record::split(datagram) {
            if record.epoch > 0 {
                self.sequence = record.sequence;
                self.nonce = record
                    .fragment
                    .first_chunk()
                    .map_or(0, |nonce| u64::from_be_bytes(*nonce));
            }
            datagram = rest;
        }
    }
}

/// True when the datagram is one or more whole records. OpenSSL would drop others too; this counts them.
pub(super) fn is_whole(mut data: &[u8]) -> bool {
    loop {
        match Record::split(data) {
            None => return false,
            Some((_, [])) => return true,
            Some((_, rest)) => data = rest,
        }
    }
}

/// The message number of the handshake message at the start of a datagram, when it is sent in the clear.
pub(super) fn message_seq(data: &[u8]) -> Option<u16> {
    let clear_handshake = data.first() == Some(&22) && data.get(3..5) == Some(&[0, 0]);
    let seq = data
        .get(RECORD_HEADER + 4..RECORD_HEADER + 6)
        .filter(|_| clear_handshake)?;
    Some(u16::from_be_bytes([seq[0], seq[1]]))
}
