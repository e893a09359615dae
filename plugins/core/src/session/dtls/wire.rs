// SPDX-License-Identifier: MIT OR Apache-2.0

use crate::datagrams::Datagrams;
use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Bytes of a DTLS record header (RFC 6347 §4.1).
const RECORD_HEADER: usize = 13;
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
    pub(super) fn arrive(&mut self, data: &[u8]) {
        self.datagrams.arrive(data);
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

/// One record of a datagram (RFC 6347 §4.1).
pub(super) struct Record<'a> {
    pub(super) kind: u8,
    pub(super) version: [u8; 2],
    pub(super) epoch: u16,
    /// 48 bits.
    pub(super) sequence: u64,
    pub(super) fragment: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of a datagram, and the rest of it. `None` when it does not begin with a whole record.
    pub(super) fn split(datagram: &'a [u8]) -> Option<(Record<'a>, &'a [u8])> {
        let (header, rest) = datagram.split_first_chunk::<RECORD_HEADER>()?;
        // 20 to 24: change_cipher_spec, alert, handshake, application_data, heartbeat; 254.x: DTLS 1.x.
        if !(20..=24).contains(&header[0]) || header[1] != 254 {
            return None;
        }
        let len = u16::from_be_bytes([header[11], header[12]]);
        let (fragment, rest) = rest.split_at_checked(usize::from(len))?;
        let [_, _, _, e0, e1, number @ ..] = header;
        let sequence = number[..6]
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte));
        let record = Record {
            kind: header[0],
            version: [header[1], header[2]],
            epoch: u16::from_be_bytes([*e0, *e1]),
            sequence,
            fragment,
        };
        Some((record, rest))
    }

    pub(super) fn epoch_and_sequence(&self) -> u64 {
        u64::from(self.epoch) << 48 | self.sequence
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

/// True when a record says to be encrypted and has not even the bytes that encryption adds.
pub(super) fn has_stub(mut data: &[u8], overhead: usize) -> bool {
    while let Some((record, rest)) = Record::split(data) {
        if record.epoch > 0 && record.fragment.len() < overhead {
            return true;
        }
        data = rest;
    }
    false
}

/// The message number of the handshake message at the start of a datagram, when it is sent in the clear.
pub(super) fn message_seq(data: &[u8]) -> Option<u16> {
    let clear_handshake = data.first() == Some(&22) && data.get(3..5) == Some(&[0, 0]);
    let seq = data
        .get(RECORD_HEADER + 4..RECORD_HEADER + 6)
        .filter(|_| clear_handshake)?;
    Some(u16::from_be_bytes([seq[0], seq[1]]))
}
