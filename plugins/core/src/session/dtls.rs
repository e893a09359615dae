// SPDX-License-Identifier: MIT OR Apache-2.0
//! DTLS 1.2 (RFC 6347) with `use_srtp` (RFC 5764), by OpenSSL over datagrams in memory.

mod buffers;
mod flight;
mod records;
mod wire;

use super::certificate::{self, Certificate};
use super::error::SessionError;
use crate::datagrams;
use crate::media::Fingerprint;
use crate::srtp::{KeyLengthError, MasterKey, Opener, Sealer, SrtpProfile};
use flight::Flight;
use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslStream, SslVerifyMode};
use records::Records;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use wire::Wire;

/// The largest datagram we send, in bytes of DTLS; with UDP and IPv6 headers it fits any path WebRTC works on.
const MTU: u32 = 1200;
/// The largest datagram we take: an Ethernet jumbo frame is not WebRTC.
const MAX_DATAGRAM: usize = 2048;
/// Application data records waiting to be taken; a datagram brings a few.
const MAX_RECEIVED: usize = 64;
/// RFC 5764 §4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// What a datagram, or the passing of time, led to.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing to report.
    None,
    /// The handshake is done, the certificate is the announced one, these are the keys.
    Connected(Box<Keys>),
    /// The peer closed.
    Closed,
    /// The handshake failed; what is to be sent says so to the peer.
    Failed(SessionError),
}

/// The outcome of a handshake.
pub(super) struct Keys {
    pub(super) profile: SrtpProfile,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// One DTLS association.
pub(super) enum Dtls {
    /// From the first message on.
    Whole(Box<Association>),
    /// OpenSSL has been let go: the record layer is left.
    Released(Box<Records>),
}

/// An association with OpenSSL at work.
pub(super) struct Association {
    stream: SslStream<Wire>,
    client: bool,
    fingerprints: Arc<[Fingerprint]>,
    mismatch: Arc<AtomicBool>,
    connected: bool,
    started: bool,
    flight: Flight,
    /// Application data.
    received: VecDeque<Vec<u8>>,
}

impl Dtls {
    pub(super) fn new(
        certificate: &Certificate,
        client: bool,
        fingerprints: &[Fingerprint],
        profiles: &[SrtpProfile],
    ) -> Result<Dtls, SessionError> {
        let association = Association::new(certificate, client, fingerprints, profiles)?;
        Ok(Dtls::Whole(Box::new(association)))
    }

    /// Sends the ClientHello, once, when we are the client.
    pub(super) fn start(&mut self, now: Instant) -> Progress {
        match self {
            Dtls::Whole(association) => association.start(now),
            Dtls::Released(_) => Progress::None,
        }
    }

    /// Takes a datagram that came by an authenticated path. `None` when it is not DTLS or too large.
    pub(super) fn handle_datagram(&mut self, now: Instant, data: &[u8]) -> Option<Progress> {
        if data.len() > MAX_DATAGRAM || !wire::is_whole(data) {
            return None;
        }
        match self {
            Dtls::Whole(association) => association.handle_datagram(now, data),
            Dtls::Released(records) => Some(records.handle_datagram(data)),
        }
    }

    /// Sends the last flight again when it is time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Progress {
        match self {
            Dtls::Whole(association) => association.handle_timeout(now),
            Dtls::Released(_) => Progress::None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Dtls::Whole(association) => association.flight.deadline(),
            Dtls::Released(_) => None,
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        match self {
            Dtls::Whole(association) => association.stream.get_mut().poll_transmit(),
            Dtls::Released(records) => records.poll_transmit(),
        }
    }

    /// The next application data record.
    pub(super) fn poll_received(&mut self) -> Option<Vec<u8>> {
        match self {
            Dtls::Whole(association) => association.received.pop_front(),
            Dtls::Released(records) => records.poll_received(),
        }
    }

    /// Sends application data, one record and datagram each. Before the handshake is done it is dropped.
    pub(super) fn send(&mut self, packets: impl Iterator<Item = bytes::Bytes>) {
        match self {
            Dtls::Whole(association) => association.send(packets),
            Dtls::Released(records) => packets.for_each(|packet| records.send(&packet)),
        }
    }

    /// Says goodbye (close_notify).
    pub(super) fn close(&mut self) {
        match self {
            Dtls::Whole(association) => association.close(),
            Dtls::Released(records) => records.close(),
        }
    }

    /// Lets OpenSSL go, which frees tens of KiB, when the peer has shown that it has our last flight. Nothing changes for the peer.
    pub(super) fn release(&mut self) {
        let Dtls::Whole(association) = self else {
            return;
        };
        if let Some(records) = association.records() {
            *self = Dtls::Released(Box::new(records));
        }
    }
}

impl Association {
    fn new(
        certificate: &Certificate,
        client: bool,
        fingerprints: &[Fingerprint],
        profiles: &[SrtpProfile],
    ) -> Result<Association, SessionError> {
        let fingerprints: Arc<[_]> = fingerprints
            .iter()
            .filter(|f| certificate::is_usable(f))
            .cloned()
            .collect();
        if fingerprints.is_empty() {
            return Err(SessionError::NoFingerprint);
        }
        let mut ssl = Ssl::new(certificate.context())?;
        ssl.set_mtu(MTU)?;
        ssl.set_tlsext_use_srtp(&profile_list(profiles))?;
        let mismatch = Arc::new(AtomicBool::new(false));
        set_verify(&mut ssl, fingerprints.clone(), mismatch.clone());
        match client {
            true => ssl.set_connect_state(),
            false => ssl.set_accept_state(),
        }
        let stream = SslStream::new(ssl, Wire::default())?;
        Ok(Association {
            stream,
            client,
            fingerprints,
            mismatch,
            connected: false,
            started: false,
            flight: Flight::default(),
            received: VecDeque::new(),
        })
    }

    fn start(&mut self, now: Instant) -> Progress {
        if !self.client || self.started {
            return Progress::None;
        }
        self.started = true;
        self.drive(now).0
    }

    fn handle_datagram(&mut self, now: Instant, data: &[u8]) -> Option<Progress> {
        // A client that has not said hello expects nothing yet.
        if self.client && !self.started {
            return None;
        }
        self.started = true;
        let overhead = datagrams::overhead(self.stream.ssl());
        if !self.stream.get_mut().arrive(data, overhead) {
            return Some(Progress::None);
        }
        let (progress, answered) = self.drive(now);
        self.flight
            .handle_datagram(now, data, answered, self.stream.get_mut());
        Some(progress)
    }

    fn handle_timeout(&mut self, now: Instant) -> Progress {
        if !self.flight.is_due(now) {
            return Progress::None;
        }
        // OpenSSL has a timer of its own, on the wall clock, and repeats the flight with new record numbers when it has run
        // out. When the caller's clock is ahead of it, the flight goes out again as it was.
        let (progress, repeated) = self.drive(now);
        self.flight
            .handle_timeout(now, repeated, self.stream.get_mut());
        progress
    }

    /// What takes over when OpenSSL goes; `None` before the handshake is done.
    fn records(&self) -> Option<Records> {
        let ssl = self.stream.ssl();
        self.connected
            .then(|| Records::take_over(ssl, self.client, self.stream.get_ref().sent()))
            .flatten()
    }

    /// Sends application data, one record and datagram each. Before the handshake is done it is dropped.
    fn send(&mut self, packets: impl Iterator<Item = bytes::Bytes>) {
        let mut packets = packets.peekable();
        if !self.connected || packets.peek().is_none() || !buffers::alloc(self.stream.ssl()) {
            return packets.for_each(drop);
        }
        drop(ErrorStack::get());
        for packet in packets {
            // Only ever fails after the end; then nobody waits for it.
            let _ = self.stream.ssl_write(&packet);
            let wire = self.stream.get_mut();
            for record in wire.take_written() {
                wire.send_data(record);
            }
        }
        buffers::free(self.stream.ssl());
    }

    fn close(&mut self) {
        if self.started && buffers::alloc(self.stream.ssl()) {
            let _ = self.stream.shutdown(); // Only ever fails when there is nobody to tell.
        }
    }

    /// Lets OpenSSL work. True when it had something to send.
    fn drive(&mut self, now: Instant) -> (Progress, bool) {
        // OpenSSL takes any error left in the thread's queue, by whomever, for its own.
        drop(ErrorStack::get());
        if !buffers::alloc(self.stream.ssl()) {
            return (Progress::None, false);
        }
        let progress = match self.connected {
            true => self.read(),
            false => self.shake_hands(),
        };
        if self.connected {
            buffers::free(self.stream.ssl());
        }
        let sent = self
            .flight
            .collect(now, self.stream.get_mut(), self.connected);
        (progress, sent)
    }

    fn shake_hands(&mut self) -> Progress {
        match self.stream.do_handshake() {
            Ok(()) => self.finish(),
            Err(error) if is_blocked(error.code()) => Progress::None,
            Err(_) if self.mismatch.load(Ordering::Relaxed) => {
                Progress::Failed(SessionError::FingerprintMismatch)
            }
            Err(error) => Progress::Failed(SessionError::Dtls(reason(&error))),
        }
    }

    fn finish(&mut self) -> Progress {
        match self.keys() {
            Ok(keys) => {
                self.connected = true;
                Progress::Connected(Box::new(keys))
            }
            Err(error) => {
                self.close();
                Progress::Failed(error)
            }
        }
    }

    /// Certificate first, keys after (RFC 5763 §5).
    fn keys(&self) -> Result<Keys, SessionError> {
        let ssl = self.stream.ssl();
        let certificate = ssl
            .peer_certificate()
            .ok_or(SessionError::FingerprintMismatch)?;
        if !self
            .fingerprints
            .iter()
            .any(|f| certificate::matches(&certificate, f))
        {
            return Err(SessionError::FingerprintMismatch);
        }
        let name = ssl.selected_srtp_profile().map(|profile| profile.name());
        let profile = name.and_then(SrtpProfile::from_openssl_name);
        self.export(profile.ok_or(SessionError::NoSrtpProfile)?)
    }

    /// Keys and salts of both directions, in the order of RFC 5764 §4.2.
    fn export(&self, profile: SrtpProfile) -> Result<Keys, SessionError> {
        let mut material = [0; 2 * (32 + 14)];
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let material = &mut material[..2 * (key + salt)];
        self.stream
            .ssl()
            .export_keying_material(material, EXPORTER_LABEL, None)?;
        let (keys, salts) = material.split_at(2 * key);
        let (client, server) = (
            MasterKey {
                key: &keys[..key],
                salt: &salts[..salt],
            },
            MasterKey {
                key: &keys[key..],
                salt: &salts[salt..],
            },
        );
        let (ours, theirs) = if self.client {
            (client, server)
        } else {
            (server, client)
        };
        let wrong = |error: KeyLengthError| SessionError::Crypto(error.to_string());
        Ok(Keys {
            profile,
            sealer: Sealer::new(profile, ours).map_err(wrong)?,
            opener: Opener::new(profile, theirs).map_err(wrong)?,
        })
    }

    /// Reads what comes after the handshake: a repeated flight, an alert, or application data.
    fn read(&mut self) -> Progress {
        let mut data = [0; MAX_DATAGRAM];
        loop {
            match self.stream.ssl_read(&mut data) {
                Ok(len) if self.received.len() < MAX_RECEIVED => {
                    self.received.push_back(data[..len].to_vec());
                }
                Ok(_) => {}
                Err(error) if is_blocked(error.code()) => return Progress::None,
                // A peer that aborts leaves just the same as one that says goodbye.
                Err(_) => return Progress::Closed,
            }
        }
    }
}

fn profile_list(profiles: &[SrtpProfile]) -> String {
    let names: Vec<_> = profiles
        .iter()
        .map(|profile| profile.openssl_name())
        .collect();
    names.join(":")
}

/// Refuses a wrong certificate inside the handshake, so that the peer gets an alert and never believes to be connected.
fn set_verify(ssl: &mut Ssl, fingerprints: Arc<[Fingerprint]>, mismatch: Arc<AtomicBool>) {
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    ssl.set_verify_callback(mode, move |_, chain| {
        // The peer's own certificate is the first of the chain, which nobody signed that we know.
        let leaf = chain
            .chain()
            .and_then(|chain| chain.get(0))
            .or(chain.current_cert());
        let right =
            leaf.is_some_and(|leaf| fingerprints.iter().any(|f| certificate::matches(leaf, f)));
        if !right {
            mismatch.store(true, Ordering::Relaxed);
        }
        right
    });
}

fn is_blocked(code: ErrorCode) -> bool {
    code == ErrorCode::WANT_READ || code == ErrorCode::WANT_WRITE
}

fn reason(error: &openssl::ssl::Error) -> String {
    let first = error.ssl_error().and_then(|stack| stack.errors().first());
    match first.and_then(|error| error.reason()) {
        Some(reason) => reason.to_owned(),
        None => "the peer closed during the handshake".to_owned(),
    }
}
