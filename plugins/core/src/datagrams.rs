// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams in memory, where OpenSSL wants a socket.

use openssl::ssl::SslRef;
use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Bytes of a DTLS record header (RFC 6347 §4.1).
pub(crate) const RECORD_HEADER: usize = 13;
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
    ///
    /// RFC 6347 §4.1.2.7 has records dropped that are not authentic. Of one that says to be encrypted and is shorter than the
    /// [`overhead`] of that, OpenSSL 3.5 makes an end, and anybody can send it: a datagram with such a record is left out. False
    /// then.
    pub fn arrive(&mut self, data: &[u8], overhead: usize) -> bool {
        let whole = !has_stub(data, overhead);
        if whole {
            self.incoming = Some(data.to_vec());
        }
        whole
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

/// Bytes that encryption adds to a record at least: a tag of 16, and with AES in GCM a part of the nonce (RFC 5288 §3, RFC 7905 §2).
pub fn overhead(ssl: &SslRef) -> usize {
    let is_gcm = ssl
        .current_cipher()
        .is_some_and(|cipher| cipher.name().contains("GCM"));
    if is_gcm { 24 } else { 16 }
}

fn has_stub(mut datagram: &[u8], overhead: usize) -> bool {
    while let Some((record, rest)) = Record::split(datagram) {
        if record.epoch > 0 && record.fragment.len() < overhead {
            return true;
        }
        datagram = rest;
    }
    false
}

/// One record of a datagram (RFC 6347 §4.1).
pub(crate) struct Record<'a> {
    pub(crate) kind: u8,
    pub(crate) version: [u8; 2],
    pub(crate) epoch: u16,
    /// 48 bits.
    pub(crate) sequence: u64,
    pub(crate) fragment: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of a datagram, and the rest of it. `None` when it does not begin with a whole record.
    pub(crate) fn split(datagram: &'a [u8]) -> Option<(Record<'a>, &'a [u8])> {
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

    pub(crate) fn epoch_and_sequence(&self) -> u64 {
        u64::from(self.epoch) << 48 | self.sequence
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
        datagrams.arrive(&[1, 2, 3], 0);
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

    #[test]
    fn encrypted_records_shorter_than_their_overhead_are_left_out() {
        let record = |epoch, len: u8| {
            let mut data = vec![23, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 1, 0, len];
            data.resize(RECORD_HEADER + usize::from(len), 0);
            data
        };
        let mut datagrams = Datagrams::default();
        for (data, taken) in [
            (record(0, 1), true),
            (record(1, 24), true),
            (record(1, 23), false),
            ([record(1, 24), record(1, 0)].concat(), false),
        ] {
            assert_eq!(datagrams.arrive(&data, 24), taken, "{data:?}");
        }
    }
}
