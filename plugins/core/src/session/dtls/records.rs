// SPDX-License-Identifier: MIT OR Apache-2.0
//! The record layer after the handshake (RFC 6347 §4.1): the peer's alerts and ours (RFC 5246 §7.2), and application data. The keys
//! are those OpenSSL negotiated; OpenSSL itself, tens of KiB of each session, can go.

use super::wire;
use super::{MAX_RECEIVED, Progress};
use crate::datagrams::Record;
use crate::srtp::ReplayWindow;
use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use aws_lc_rs::hmac;
use openssl::ssl::SslRef;
use std::collections::VecDeque;

/// Content types (RFC 5246 §6.2.1).
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;
/// DTLS 1.2 (RFC 6347 §4.1).
const VERSION: [u8; 2] = [254, 253];
const WARNING: u8 = 1;
const FATAL: u8 = 2;
const CLOSE_NOTIFY: u8 = 0;
/// What comes encrypted after the handshake.
const EPOCH: u16 = 1;
/// Secrets of TLS 1.2 have this size (RFC 5246 §8.1).
const MASTER_SECRET: usize = 48;
const RANDOM: usize = 32;

/// One of the cipher suites that are offered: all AEAD, see `certificate::context`.
struct Suite {
    algorithm: &'static Algorithm,
    prf: hmac::Algorithm,
    key: usize,
    /// The part of the nonce that the handshake gives.
    iv: usize,
    /// The part of it that each record carries (RFC 5288 §3; none in RFC 7905 §2).
    explicit: usize,
}

impl Suite {
    fn of(ssl: &SslRef) -> Option<Suite> {
        let name = ssl.current_cipher()?.name();
        let gcm = |algorithm, prf, key| Suite {
            algorithm,
            prf,
            key,
            iv: 4,
            explicit: 8,
        };
        if name.ends_with("AES128-GCM-SHA256") {
            Some(gcm(&AES_128_GCM, hmac::HMAC_SHA256, 16))
        } else if name.ends_with("AES256-GCM-SHA384") {
            Some(gcm(&AES_256_GCM, hmac::HMAC_SHA384, 32))
        } else if name.ends_with("CHACHA20-POLY1305") {
            Some(Suite {
                algorithm: &CHACHA20_POLY1305,
                prf: hmac::HMAC_SHA256,
                key: 32,
                iv: 12,
                explicit: 0,
            })
        } else {
            None
        }
    }
}

/// Key and fixed part of the nonce of one direction.
struct Direction {
    algorithm: &'static Algorithm,
    key: Box<[u8]>,
    iv: Box<[u8]>,
    explicit: usize,
}

/// Both directions of an association.
pub(in crate::session) struct Records {
    read: Direction,
    write: Direction,
    /// Which records of the peer were taken (RFC 6347 §4.1.2.6).
    window: ReplayWindow,
    last: wire::Sent,
    received: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Records {
    /// Takes over from OpenSSL, which may send nothing more. `last` is the last encrypted record it sent. `None` when the cipher
    /// suite is not one of ours.
    pub(super) fn take_over(ssl: &SslRef, client: bool, last: wire::Sent) -> Option<Records> {
        let suite = Suite::of(ssl)?;
        let block = key_block(ssl, &suite)?;
        let (keys, ivs) = block.split_at(2 * suite.key);
        let direction = |index: usize| Direction {
            algorithm: suite.algorithm,
            key: keys[index * suite.key..][..suite.key].into(),
            iv: ivs[index * suite.iv..][..suite.iv].into(),
            explicit: suite.explicit,
        };
        let (client_write, server_write) = (direction(0), direction(1));
        let (read, write) = match client {
            true => (server_write, client_write),
            false => (client_write, server_write),
        };
        Some(Records {
            read,
            write,
            // The first is the peer's Finished.
            window: ReplayWindow::new(0),
            last,
            received: VecDeque::new(),
            outgoing: VecDeque::new(),
        })
    }

    /// Takes a datagram of whole records. What is not authentic, repeated, or of the handshake is dropped.
    pub(super) fn handle_datagram(&mut self, mut datagram: &[u8]) -> Progress {
        while let Some((record, rest)) = Record::split(datagram) {
            let text = self.open(&record);
            match (record.kind, text.as_deref()) {
                (ALERT, Some([FATAL, _] | [_, CLOSE_NOTIFY])) => return Progress::Closed,
                (APPLICATION_DATA, Some(_)) if self.received.len() < MAX_RECEIVED => {
                    self.received.extend(text);
                }
                _ => {}
            }
            datagram = rest;
        }
        Progress::None
    }

    fn open(&mut self, record: &Record<'_>) -> Option<Vec<u8>> {
        let expected = record.version == VERSION && record.epoch == EPOCH;
        if !expected || !self.window.is_new(record.sequence) {
            return None;
        }
        let text = self.read.open(record)?;
        self.window.take(record.sequence);
        Some(text)
    }

    /// The content of the next record of application data.
    pub(super) fn poll_received(&mut self) -> Option<Vec<u8>> {
        self.received.pop_front()
    }

    /// Sends a record of application data, whose amount its protocol bounds.
    pub(super) fn send(&mut self, data: &[u8]) {
        self.seal(APPLICATION_DATA, data);
    }

    /// Says goodbye.
    pub(super) fn close(&mut self) {
        self.seal(ALERT, &[WARNING, CLOSE_NOTIFY]);
    }

    /// Nothing is sent when there are no record numbers left.
    fn seal(&mut self, kind: u8, text: &[u8]) {
        if let Some(next) = self.last.next() {
            self.last = next;
            self.outgoing.extend(self.write.seal(kind, next, text));
        }
    }

    /// The next datagram to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }
}

impl Direction {
    fn cipher(&self) -> Option<LessSafeKey> {
        Some(LessSafeKey::new(
            UnboundKey::new(self.algorithm, &self.key).ok()?,
        ))
    }

    fn nonce(&self, epoch_and_sequence: u64, explicit: &[u8]) -> Option<Nonce> {
        let mut nonce = [0; 12];
        nonce[..self.iv.len()].copy_from_slice(&self.iv);
        if explicit.is_empty() {
            for (byte, number) in nonce[4..].iter_mut().zip(epoch_and_sequence.to_be_bytes()) {
                *byte ^= number;
            }
        } else {
            nonce.get_mut(4..)?.copy_from_slice(explicit);
        }
        Some(Nonce::assume_unique_for_key(nonce))
    }

    fn open(&self, record: &Record<'_>) -> Option<Vec<u8>> {
        let (explicit, sealed) = record.fragment.split_at_checked(self.explicit)?;
        let len = sealed.len().checked_sub(self.algorithm.tag_len())?;
        let mut text = sealed.to_vec();
        let number = record.epoch_and_sequence();
        let aad = additional_data(number, record.kind, len);
        self.cipher()?
            .open_in_place(self.nonce(number, explicit)?, Aad::from(aad), &mut text)
            .ok()?;
        text.truncate(len);
        Some(text)
    }

    fn seal(&self, kind: u8, sent: wire::Sent, text: &[u8]) -> Option<Vec<u8>> {
        let number = u64::from(EPOCH) << 48 | sent.sequence;
        let explicit = &sent.nonce.to_be_bytes()[..self.explicit];
        let mut sealed = text.to_vec();
        let aad = additional_data(number, kind, text.len());
        self.cipher()?
            .seal_in_place_append_tag(self.nonce(number, explicit)?, Aad::from(aad), &mut sealed)
            .ok()?;
        let len = (explicit.len() + sealed.len()) as u16;
        let mut record = vec![kind];
        record.extend(VERSION);
        record.extend(number.to_be_bytes());
        record.extend(len.to_be_bytes());
        record.extend(explicit);
        record.extend(sealed);
        Some(record)
    }
}

/// RFC 5246 §6.2.3.3, with epoch and sequence number for the latter (RFC 6347 §4.1.2.1).
fn additional_data(epoch_and_sequence: u64, kind: u8, len: usize) -> [u8; 13] {
    let mut data = [0; 13];
    data[..8].copy_from_slice(&epoch_and_sequence.to_be_bytes());
    data[8] = kind;
    data[9..11].copy_from_slice(&VERSION);
    data[11..].copy_from_slice(&(len as u16).to_be_bytes());
    data
}

/// Keys of client and server, then IVs of client and server (RFC 5246 §6.3).
fn key_block(ssl: &SslRef, suite: &Suite) -> Option<Vec<u8>> {
    let mut secret = [0; MASTER_SECRET];
    if ssl.session()?.master_key(&mut secret) != MASTER_SECRET {
        return None;
    }
    let mut seed = b"key expansion".to_vec();
    let label = seed.len();
    seed.resize(label + 2 * RANDOM, 0);
    let (server, client) = seed[label..].split_at_mut(RANDOM);
    if ssl.server_random(server) != RANDOM || ssl.client_random(client) != RANDOM {
        return None;
    }
    let len = 2 * (suite.key + suite.iv);
    Some(expand(suite.prf, &secret, &seed, len))
}

/// `P_hash` (RFC 5246 §5).
fn expand(prf: hmac::Algorithm, secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
    let key = hmac::Key::new(prf, secret);
    let mut output = Vec::with_capacity(len + 48);
    let mut a = hmac::sign(&key, seed);
    while output.len() < len {
        let block = hmac::sign(&key, &[a.as_ref(), seed].concat());
        output.extend_from_slice(block.as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    output.truncate(len);
    output
}
