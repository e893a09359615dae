// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clients that come by DTLS (RFC 7350).

use super::hello::random_of_hello;
use gst_rtc_core::datagrams::{Datagrams, overhead};
use gst_rtc_core::turn::FiveTuple;
use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, SslStream};
use std::time::{Duration, Instant};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The largest record: what fits into a datagram.
const RECORD: usize = 1 << 14;

/// The end of a session.
#[derive(Debug)]
pub(super) struct Ended;

/// One client's DTLS association.
pub(super) struct Session {
    stream: SslStream<Datagrams>,
    pub(super) path: FiveTuple,
    /// What its ClientHello began with.
    random: [u8; 32],
    pub(super) started: Instant,
    open: bool,
    /// When the last message came.
    pub(super) heard: Instant,
}

impl Session {
    /// With the ClientHello already in `stream`.
    pub(super) fn new(
        now: Instant,
        stream: SslStream<Datagrams>,
        path: FiveTuple,
        random: [u8; 32],
    ) -> Session {
        Session {
            stream,
            path,
            random,
            started: now,
            open: false,
            heard: now,
        }
    }

    /// Whether this is the beginning of another session at the same port: the client has been started anew.
    pub(super) fn is_another_hello(&self, data: &[u8]) -> bool {
        self.open && random_of_hello(data).is_some_and(|random| random != self.random)
    }

    /// Whether the handshake is done.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Takes a datagram; [`Session::next_message`] tells what was in it.
    pub(super) fn handle_datagram(&mut self, data: &[u8]) -> Result<(), Ended> {
        let overhead = overhead(self.stream.ssl());
        if !self.stream.get_mut().arrive(data, overhead) {
            return Ok(());
        }
        self.shake_hands()
    }

    /// Repeats what was lost, and gives up in time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Ended> {
        if !self.open && now.saturating_duration_since(self.started) > HANDSHAKE {
            return Err(Ended);
        }
        self.shake_hands()
    }

    /// OpenSSL looks at its own timer whenever it waits for something.
    pub(super) fn shake_hands(&mut self) -> Result<(), Ended> {
        if self.open {
            return Ok(());
        }
        match self.stream.accept() {
            Ok(()) => self.open = true,
            Err(error) => waiting(error.code())?,
        }
        Ok(())
    }

    /// Puts the next message into `message`. False when there is none.
    pub(super) fn next_message(&mut self, message: &mut Vec<u8>) -> Result<bool, Ended> {
        if !self.open {
            return Ok(false);
        }
        message.resize(RECORD, 0);
        match self.stream.ssl_read(message) {
            Ok(length) => {
                message.truncate(length);
                Ok(true)
            }
            Err(error) => waiting(error.code()).map(|()| false),
        }
    }

    /// Encrypts a message. What is too long for a record is lost, as datagrams are.
    pub(super) fn send(&mut self, message: &[u8]) {
        if self.open && message.len() <= RECORD && self.stream.ssl_write(message).is_err() {
            drop(ErrorStack::get());
        }
    }

    /// Says that there will be no more.
    pub(super) fn close(&mut self) {
        if self.open && self.stream.shutdown().is_err() {
            drop(ErrorStack::get());
        }
    }

    /// A datagram to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.stream.get_mut().take_written()
    }
}

/// Only to wait for the next datagram is no end.
fn waiting(code: ErrorCode) -> Result<(), Ended> {
    match code {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Ok(()),
        _ => {
            drop(ErrorStack::get());
            Err(Ended)
        }
    }
}
