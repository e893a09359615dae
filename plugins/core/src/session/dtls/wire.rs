// SPDX-License-Identifier: MIT OR Apache-2.0

use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Bytes of a DTLS record header (RFC 6347 §4.1).
const RECORD_HEADER: usize = 13;
/// Datagrams waiting to be sent; a handshake flight has at most a handful.
const MAX_QUEUED: usize = 64;

/// Datagrams in memory, seen by OpenSSL as its socket: one read is one datagram, and one write too.
#[derive(Default)]
pub(super) struct Wire {
    incoming: Option<Vec<u8>>,
    /// Written by OpenSSL, not yet seen by the flight.
    written: Vec<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Wire {
    pub(super) fn arrive(&mut self, data: &[u8]) {
        self.incoming = Some(data.to_vec());
    }

    pub(super) fn take_written(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.written)
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
        let data = self.incoming.take().ok_or(io::ErrorKind::WouldBlock)?;
        let len = data.len().min(buf.len());
        buf[..len].copy_from_slice(&data[..len]);
        Ok(len)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.written.len() < MAX_QUEUED {
            self.written.push(buf.to_vec());
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// True when the datagram is one or more whole records. OpenSSL would drop others too; this counts them.
pub(super) fn is_whole(mut data: &[u8]) -> bool {
    loop {
        let Some(header) = data.get(..RECORD_HEADER) else {
            return false;
        };
        let len = RECORD_HEADER + usize::from(u16::from_be_bytes([header[11], header[12]]));
        // 20 to 24: change_cipher_spec, alert, handshake, application_data, heartbeat; 254.x: DTLS 1.x.
        if !(20..=24).contains(&header[0]) || header[1] != 254 || len > data.len() {
            return false;
        }
        data = &data[len..];
        if data.is_empty() {
            return true;
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
