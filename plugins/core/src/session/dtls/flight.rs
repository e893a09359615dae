// SPDX-License-Identifier: MIT OR Apache-2.0

use super::wire::{self, Wire};
use std::time::{Duration, Instant};

/// First wait for an answer; doubles (RFC 6347 §4.2.4.1).
const FIRST_TIMEOUT: Duration = Duration::from_secs(1);
const LAST_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the last flight is kept after the handshake, for a peer that did not get it.
const LINGER: Duration = Duration::from_secs(20);
/// A peer that repeats itself gets an answer no more often than this.
const REPEAT_INTERVAL: Duration = Duration::from_millis(50);

/// How often a flight is sent again because the peer asks; every copy goes where the peer says it is.
const MAX_REPEATS: u32 = 10;

/// The last flight of handshake messages, to be repeated until the peer answers it (RFC 6347 §4.2.4).
#[derive(Default)]
pub(super) struct Flight {
    datagrams: Vec<Vec<u8>>,
    sent: Option<Instant>,
    timeout: Duration,
    repeats: u32,
    /// The handshake is over: nothing is repeated unless the peer asks, and at the deadline all is dropped.
    lingering: bool,
    /// Highest message number of the peer, and what it was when the flight was sent.
    heard: Option<u16>,
    answered: Option<u16>,
}

impl Flight {
    /// Collects what OpenSSL wrote, and sends it: a new flight replaces the one before. False when there was nothing.
    pub(super) fn collect(&mut self, now: Instant, wire: &mut Wire, connected: bool) -> bool {
        let datagrams = wire.take_written();
        if connected && !self.lingering {
            self.lingering = true;
            self.sent = Some(now);
        }
        if datagrams.is_empty() {
            return false;
        }
        self.datagrams = datagrams;
        self.timeout = self.timeout.max(FIRST_TIMEOUT);
        self.send(now, wire);
        true
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let wait = if self.lingering { LINGER } else { self.timeout };
        self.sent
            .filter(|_| !self.datagrams.is_empty())
            .map(|sent| sent + wait)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Sends the flight again, unless OpenSSL `repeated` it, or frees it.
    pub(super) fn handle_timeout(&mut self, now: Instant, repeated: bool, wire: &mut Wire) {
        if self.lingering {
            self.datagrams = Vec::new();
            return;
        }
        self.timeout = (2 * self.timeout).min(LAST_TIMEOUT);
        if !repeated {
            self.send(now, wire);
        }
    }

    /// Watches what the peer sends. A message that had its answer, which OpenSSL therefore ignores, asks for it again.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        data: &[u8],
        answered: bool,
        wire: &mut Wire,
    ) {
        let seq = wire::message_seq(data);
        self.heard = self.heard.max(seq);
        if answered {
            self.answered = self.heard;
            self.timeout = FIRST_TIMEOUT;
            self.repeats = 0;
            return;
        }
        let asked = seq.is_some() && seq <= self.answered;
        let rested = self.sent.is_some_and(|sent| now >= sent + REPEAT_INTERVAL);
        if asked && rested && self.repeats < MAX_REPEATS {
            self.repeats += 1;
            self.send(now, wire);
        }
    }

    fn send(&mut self, now: Instant, wire: &mut Wire) {
        self.sent = Some(now);
        for data in &self.datagrams {
            wire.send(data.clone());
        }
    }
}
