// SPDX-License-Identifier: MIT OR Apache-2.0
//! ICE (RFC 8445): [`Lite`] towards clients, [`Full`] when we dial out.

mod check;
mod full;
mod lite;
#[cfg(test)]
mod tests;

pub(super) use full::Full;
pub(super) use lite::Lite;

use super::Transmit;
use crate::media::{Candidate, Path};
use std::time::{Duration, Instant};

/// Which part a session plays in ICE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IceRole {
    /// The client checks, we answer (RFC 8445 §2.5). For sessions that the peer dials.
    Lite,
    /// We check and nominate. For sessions that we dial, mostly towards lite peers.
    Full,
}

/// User name fragment and password of both sides.
pub(super) struct Credentials {
    pub(super) local_ufrag: String,
    pub(super) local_pwd: String,
    pub(super) remote_ufrag: String,
    pub(super) remote_pwd: String,
}

impl Credentials {
    /// Lengths of RFC 8839 §5.4, which also rules out what would break a STUN user name.
    pub(super) fn valid(&self) -> bool {
        let ufrag = |text: &str| (4..=256).contains(&text.len()) && !text.contains(':');
        let pwd = |text: &str| (22..=256).contains(&text.len());
        ufrag(&self.local_ufrag)
            && ufrag(&self.remote_ufrag)
            && pwd(&self.local_pwd)
            && pwd(&self.remote_pwd)
    }
}

/// What became of a STUN message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Malformed, not for us, or not authentic.
    Refused,
    /// Authentic: the peer is alive.
    Authentic,
    /// Authentic, and the answer to a check of ours, after this time.
    Answered(Duration),
}

/// The agent of a session.
#[allow(clippy::large_enum_variant)] // Nearly all sessions are lite.
pub(super) enum Ice {
    Lite(Lite),
    Full(Box<Full>),
}

impl Ice {
    pub(super) fn handle_stun(&mut self, now: Instant, path: Path, data: &[u8]) -> Verdict {
        match self {
            Ice::Lite(lite) => lite.handle_stun(now, path, data),
            Ice::Full(full) => full.handle_stun(now, path, data),
        }
    }

    pub(super) fn add_remote_candidate(&mut self, now: Instant, candidate: &Candidate) {
        match self {
            // A lite agent sends nothing to candidates; it learns addresses from checks.
            Ice::Lite(_) => {}
            Ice::Full(full) => full.add_remote_candidate(now, candidate),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Ice::Lite(_) => {}
            Ice::Full(full) => full.handle_timeout(now),
        }
    }

    /// When to call `handle_timeout`.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Ice::Lite(_) => None,
            Ice::Full(full) => full.poll_timeout(),
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        match self {
            Ice::Lite(lite) => lite.poll_transmit(),
            Ice::Full(full) => full.poll_transmit(),
        }
    }

    /// Asks a silent peer whether it is still there. A full agent asks all the time.
    pub(super) fn probe(&mut self, now: Instant) {
        match self {
            Ice::Lite(lite) => lite.probe(now),
            Ice::Full(_) => {}
        }
    }

    /// The peer's handshake came by this path. Without a nomination yet, that is as good as one; a later nomination of
    /// another path then is a move, and has to be proven like any other.
    pub(super) fn adopt(&mut self, path: Path) {
        match self {
            Ice::Lite(lite) => lite.adopt(path),
            Ice::Full(_) => {}
        }
    }

    /// Where to send.
    pub(super) fn selected(&self) -> Option<Path> {
        match self {
            Ice::Lite(lite) => lite.selected(),
            Ice::Full(full) => full.selected(),
        }
    }

    /// True when an authentic check or answer came by this path.
    pub(super) fn is_validated(&self, path: &Path) -> bool {
        match self {
            Ice::Lite(lite) => lite.is_validated(path),
            Ice::Full(full) => full.is_validated(path),
        }
    }
}
