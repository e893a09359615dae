// SPDX-License-Identifier: MIT OR Apache-2.0
//! One peer's transport: ICE, DTLS, SRTP and, where negotiated, data channels on one or more 5-tuples.
//!
//! Feed it datagrams and time; it hands out datagrams to send, events, and decrypted media in place:
//! after every `handle_*`, drain [`Session::poll_transmit`] and [`Session::poll_event`], then sleep until
//! [`Session::poll_timeout`]. Nothing that arrives can make it fail but an aborted handshake; all else is counted in
//! [`SessionStats`]. Randomness is the caller's seed, except inside OpenSSL.

mod certificate;
mod config;
mod data;
mod demux;
mod dtls;
mod error;
mod ice;
mod sctp;
mod stats;
#[cfg(test)]
mod tests;

pub use crate::srtp::{SRTP_OVERHEAD, SrtpProfile};
pub use certificate::Certificate;
pub use config::{Incoming, SessionConfig, SessionEvent, Transmit};
pub use demux::{PacketKind, demux, stun_username};
pub use error::SessionError;
pub use ice::IceRole;
#[cfg(fuzzing)]
pub use sctp::fuzz as fuzz_sctp;
pub use sctp::{DataStats, Message};
pub use stats::SessionStats;

use crate::media::{Candidate, Path};
use crate::srtp::{OpenError, Opener, Sealer};
use data::DataChannels;
use dtls::{Dtls, Keys, Progress};
use ice::{Credentials, Full, Ice, Lite, Verdict};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A session that is not connected, or heard nothing authentic, for so long is over (RFC 7675 §5.1).
const LIFELINE: Duration = Duration::from_secs(30);
/// A peer silent for so long is asked whether it is still there, so often. Peers that check all the time never are.
const SILENCE: Duration = Duration::from_secs(10);
const PROBE_INTERVAL: Duration = Duration::from_millis(2500);
/// Candidates taken from one peer.
const MAX_CANDIDATES: usize = 50;

/// SRTP in both directions.
struct Media {
    sealer: Sealer,
    opener: Opener,
    /// Something sealed by the peer came, so that it has all that DTLS had to tell it.
    settled: bool,
}

/// One peer's transport.
pub struct Session {
    ice: Ice,
    /// `None` when the session is over.
    dtls: Option<Box<Dtls>>,
    /// Present while connected.
    media: Option<Box<Media>>,
    data: DataChannels,
    path: Option<Path>,
    events: VecDeque<SessionEvent>,
    transmits: VecDeque<Transmit>,
    stats: SessionStats,
    candidates: usize,
    /// The latest time the caller gave.
    now: Instant,
    began: Instant,
    /// The latest authentic datagram; the beginning, before the first.
    heard: Instant,
    probed: Option<Instant>,
}

impl Session {
    /// A session that waits for the peer's checks, or starts its own. `seed` must be unpredictable outside of tests.
    ///
    /// # Errors
    /// When the description has no SHA-2 fingerprint or unusable credentials, or OpenSSL refuses.
    pub fn new(now: Instant, seed: u64, config: SessionConfig) -> Result<Session, SessionError> {
        let remote = config.remote;
        let credentials = Credentials {
            local_ufrag: config.local_ufrag,
            local_pwd: config.local_pwd,
            remote_ufrag: remote.ufrag,
            remote_pwd: remote.pwd,
        };
        if !credentials.valid() {
            return Err(SessionError::BadCredentials);
        }
        let (client, profiles) = (config.dtls_client, &config.profiles);
        let dtls = Dtls::new(&config.certificate, client, &remote.fingerprints, profiles)?;
        let ice = match config.ice {
            IceRole::Lite => Ice::Lite(Lite::new(seed, credentials)),
            IceRole::Full => {
                let full = Full::new(now, seed, &credentials, &config.local_candidates);
                Ice::Full(Box::new(full))
            }
        };
        let mut session = Session {
            ice,
            dtls: Some(Box::new(dtls)),
            media: None,
            data: DataChannels::new(client, config.data_rate),
            path: None,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            stats: SessionStats::default(),
            candidates: 0,
            now,
            began: now,
            heard: now,
            probed: None,
        };
        for candidate in remote.candidates {
            session.add_remote_candidate(candidate);
        }
        if let Some(spec) = config.data {
            session.set_data(spec);
        }
        Ok(session)
    }

    /// Takes a candidate of the peer; those after the 50th are ignored. A lite session never sends to them.
    pub fn add_remote_candidate(&mut self, candidate: Candidate) {
        if self.candidates < MAX_CANDIDATES && !self.is_over() {
            self.candidates += 1;
            self.ice.add_remote_candidate(self.now, &candidate);
            self.follow_ice(self.now);
        }
    }

    /// Takes a datagram that arrived by `path`. Media is decrypted in place; everything wrong is counted in
    /// [`Session::stats`].
    pub fn handle_datagram(&mut self, now: Instant, path: Path, data: &mut [u8]) -> Incoming {
        self.now = now;
        match demux(data) {
            PacketKind::Rtp => return self.handle_rtp(now, data),
            PacketKind::Rtcp => return self.handle_rtcp(now, data),
            PacketKind::Stun => self.handle_stun(now, path, data),
            PacketKind::Dtls => self.handle_dtls(now, path, data),
            PacketKind::Unknown => self.stats.unknown += 1,
        }
        Incoming::None
    }

    fn handle_rtp(&mut self, now: Instant, data: &mut [u8]) -> Incoming {
        let opened = self.media.as_mut().map(|media| media.opener.open_rtp(data));
        self.opened(now, opened)
            .map_or(Incoming::None, Incoming::Rtp)
    }

    fn handle_rtcp(&mut self, now: Instant, data: &mut [u8]) -> Incoming {
        let opened = self
            .media
            .as_mut()
            .map(|media| media.opener.open_rtcp(data));
        self.opened(now, opened)
            .map_or(Incoming::None, Incoming::Rtcp)
    }

    fn opened(&mut self, now: Instant, opened: Option<Result<usize, OpenError>>) -> Option<usize> {
        let counter = match opened {
            Some(Ok(len)) => {
                self.heard = now;
                self.settle();
                return Some(len);
            }
            None => &mut self.stats.before_keys,
            Some(Err(OpenError::Malformed)) => &mut self.stats.srtp_malformed,
            Some(Err(OpenError::Forged)) => &mut self.stats.srtp_auth,
            Some(Err(OpenError::Replayed)) => &mut self.stats.srtp_replay,
            Some(Err(OpenError::TooManySources)) => &mut self.stats.srtp_sources,
        };
        *counter += 1;
        None
    }

    /// The peer uses its keys: the handshake is over on its side as well.
    fn settle(&mut self) {
        let Some(media) = self.media.as_mut().filter(|media| !media.settled) else {
            return;
        };
        media.settled = true;
        if let Some(dtls) = &mut self.dtls {
            dtls.release();
        }
    }

    fn handle_stun(&mut self, now: Instant, path: Path, data: &[u8]) {
        if self.is_over() {
            return;
        }
        match self.ice.handle_stun(now, path, data) {
            Verdict::Refused => self.stats.stun_bad += 1,
            Verdict::Authentic => self.heard = now,
            Verdict::Answered(round_trip) => {
                self.heard = now;
                self.stats.round_trip = Some(round_trip);
            }
        }
        self.follow_ice(now);
    }

    /// Notices where ICE wants to send, and lets our ClientHello out once it knows.
    fn follow_ice(&mut self, now: Instant) {
        let selected = self.ice.selected();
        if let Some(path) = selected.filter(|_| selected != self.path) {
            self.events.push_back(match self.path.replace(path) {
                None => SessionEvent::IceConnected(path),
                Some(_) => SessionEvent::PathChanged(path),
            });
            let progress = self.dtls.as_mut().map(|dtls| dtls.start(now));
            self.follow_dtls(progress);
        }
        while let Some(transmit) = self.ice.poll_transmit() {
            self.transmits.push_back(transmit);
        }
    }

    fn handle_dtls(&mut self, now: Instant, path: Path, data: &[u8]) {
        // Only a peer that proved to know our password may speak to OpenSSL: others could race its handshake.
        if !self.ice.is_validated(&path) {
            self.stats.dtls_bad += 1;
            return;
        }
        let Some(dtls) = &mut self.dtls else { return };
        match dtls.handle_datagram(now, data) {
            None => self.stats.dtls_bad += 1,
            progress => {
                self.ice.adopt(path);
                self.follow_ice(now);
                self.follow_dtls(progress);
                self.take_data(now);
            }
        }
    }

    fn follow_dtls(&mut self, progress: Option<Progress>) {
        self.drain_dtls();
        match progress {
            None | Some(Progress::None) => {}
            Some(Progress::Connected(keys)) => {
                let Keys {
                    profile,
                    sealer,
                    opener,
                } = *keys;
                self.media = Some(Box::new(Media {
                    sealer,
                    opener,
                    settled: false,
                }));
                self.events.push_back(SessionEvent::Connected(profile));
                self.start_data();
            }
            Some(Progress::Closed) => self.finish(SessionEvent::Closed),
            Some(Progress::Failed(error)) => self.finish(SessionEvent::Failed(error)),
        }
    }

    fn drain_dtls(&mut self) {
        let (Some(dtls), Some(path)) = (&mut self.dtls, self.path) else {
            return;
        };
        while let Some(data) = dtls.poll_transmit() {
            self.transmits.push_back(Transmit { path, data });
        }
    }

    /// Ends the session and frees what it holds; what is still to be sent says goodbye.
    fn finish(&mut self, event: SessionEvent) {
        self.say_goodbye();
        self.events.push_back(event);
    }

    fn say_goodbye(&mut self) {
        if let Some(dtls) = &mut self.dtls {
            dtls.close();
        }
        self.drain_dtls();
        self.dtls = None;
        self.media = None;
        self.data.end();
    }

    fn is_over(&self) -> bool {
        self.dtls.is_none()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.is_over() {
            return;
        }
        if now >= self.lifeline() {
            return self.expire();
        }
        if self.ice.poll_timeout().is_some_and(|at| at <= now) {
            self.ice.handle_timeout(now);
        }
        if self.probe_deadline().is_some_and(|at| at <= now) {
            self.probed = Some(now);
            self.ice.probe(now);
        }
        self.follow_ice(now);
        let progress = self.dtls.as_mut().map(|dtls| dtls.handle_timeout(now));
        self.follow_dtls(progress);
        self.handle_data_timeout(now);
    }

    fn expire(&mut self) {
        if self.is_connected() {
            self.events.push_back(SessionEvent::IceDisconnected);
        }
        let error = match (self.path, &self.media) {
            (None, _) => SessionError::IceTimeout,
            (Some(_), None) => SessionError::DtlsTimeout,
            (Some(_), Some(_)) => SessionError::ConsentLost,
        };
        self.finish(SessionEvent::Failed(error));
    }

    /// When to call [`Session::handle_timeout`]; `None` when the session is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let dtls = self.dtls.as_ref()?;
        let others = [
            self.ice.poll_timeout(),
            dtls.poll_timeout(),
            self.probe_deadline(),
            self.data.poll_timeout(),
        ];
        others.into_iter().flatten().chain([self.lifeline()]).min()
    }

    /// When the session is over unless something happens.
    fn lifeline(&self) -> Instant {
        let since = if self.is_connected() {
            self.heard
        } else {
            self.began
        };
        since + LIFELINE
    }

    /// When to ask a connected peer that is silent.
    fn probe_deadline(&self) -> Option<Instant> {
        let silent = self.heard + SILENCE;
        let asked = self.probed.map(|probed| probed + PROBE_INTERVAL);
        self.is_connected()
            .then(|| asked.map_or(silent, |asked| asked.max(silent)))
    }

    /// The next STUN or DTLS datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Where media goes.
    pub fn path(&self) -> Option<Path> {
        self.path
    }

    /// True when an authentic check of this peer, or an answer to ours, came by this path: what else comes by it is the
    /// peer's.
    pub fn is_validated(&self, path: &Path) -> bool {
        self.ice.is_validated(path)
    }

    /// True from [`SessionEvent::Connected`] until the end: media can be sealed and opened.
    pub fn is_connected(&self) -> bool {
        self.media.is_some()
    }

    /// Seals the RTP packet `buf[..len]` in place; see [`Sealer::seal_rtp`]. `None` also when not connected.
    pub fn seal_rtp(
        &mut self,
        buf: &mut [u8],
        header_len: usize,
        len: usize,
        index: u64,
    ) -> Option<usize> {
        self.media
            .as_ref()?
            .sealer
            .seal_rtp(buf, header_len, len, index)
    }

    /// Seals a compound RTCP packet in place. False when not connected, or when it is not one.
    pub fn seal_rtcp(&mut self, buf: &mut Vec<u8>) -> bool {
        self.media
            .as_mut()
            .is_some_and(|media| media.sealer.seal_rtcp(buf))
    }

    /// Ends the session: the peer is told, keys are dropped, nothing comes in any more. No event follows.
    pub fn close(&mut self, now: Instant) {
        self.now = now;
        self.say_goodbye();
    }

    /// What was counted so far.
    pub fn stats(&self) -> &SessionStats {
        &self.stats
    }
}
