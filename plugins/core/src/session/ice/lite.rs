// SPDX-License-Identifier: MIT OR Apache-2.0

use super::check::{self, TransactionId, sha1_hmac};
use super::{Credentials, Transmit, Verdict};
use crate::media::{Path, Proto};
use is::stun::StunMessage;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many addresses of one peer are remembered; the one silent for longest goes first.
const MAX_REMOTES: usize = 16;
/// Answers waiting to be sent; more only pile up when nobody polls.
const MAX_TRANSMITS: usize = 64;
/// A nominated path that was not checked for so long gives way to any other nominated path.
const STALE: Duration = Duration::from_secs(3);
/// Room for any message of ours.
const MESSAGE: usize = 512;
/// Priority of a peer-reflexive candidate of component 1 (RFC 8445 §5.1.2.1).
const PRIORITY: u32 = (110 << 24) | (0xffff << 8) | 255;

/// An address that an authentic check came from.
struct Remote {
    path: Path,
    /// An answer to our own check came from there, so the peer really is there.
    proven: bool,
    /// The latest check carried USE-CANDIDATE.
    nominated: bool,
    /// An earlier check came without USE-CANDIDATE: its appearance is a decision, not a habit.
    considered: bool,
    priority: u32,
    heard: Instant,
    check: Option<(TransactionId, Instant)>,
}

/// A lite agent (RFC 8445 §2.5) that checks before it moves.
///
/// It answers checks, and sends to the address that the peer nominated. Beyond the RFC it sends checks of its own in two
/// cases: before it moves media to another UDP address, so that a peer cannot point our stream at someone else by forging
/// the source of a check; and when the peer fell silent (RFC 7675). The first address needs no check: it has to complete a
/// DTLS handshake.
pub(in super::super) struct Lite {
    credentials: Credentials,
    random: StdRng,
    tie_breaker: u64,
    remotes: Vec<Remote>,
    selected: Option<Path>,
    transmits: VecDeque<Transmit>,
}

impl Lite {
    pub(in super::super) fn new(seed: u64, credentials: Credentials) -> Lite {
        let mut random = StdRng::seed_from_u64(seed);
        let tie_breaker = random.next_u64();
        Lite {
            credentials,
            random,
            tie_breaker,
            remotes: Vec::new(),
            selected: None,
            transmits: VecDeque::new(),
        }
    }

    pub(super) fn selected(&self) -> Option<Path> {
        self.selected
    }

    pub(super) fn is_validated(&self, path: &Path) -> bool {
        self.remotes.iter().any(|remote| remote.path == *path)
    }

    /// Takes the path the peer started to use before it nominated one.
    pub(super) fn adopt(&mut self, path: Path) {
        if self.selected.is_none() && self.is_validated(&path) {
            self.selected = Some(path);
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(super) fn handle_stun(&mut self, now: Instant, path: Path, data: &[u8]) -> Verdict {
        let Ok(message) = StunMessage::parse(data) else {
            return Verdict::Refused;
        };
        if message.is_binding_request() {
            self.handle_request(now, path, &message)
        } else if message.is_successful_binding_response() {
            self.handle_response(now, path, &message, data)
        } else {
            Verdict::Refused
        }
    }

    fn handle_request(&mut self, now: Instant, path: Path, message: &StunMessage<'_>) -> Verdict {
        if !self.is_authentic(message) {
            return Verdict::Refused;
        }
        if message.ice_controlled().is_some() {
            // A lite agent is always the controlled one (RFC 8445 §6.1.1).
            self.reply(
                path,
                StunMessage::binding_role_conflict_reply(message.trans_id()),
            );
            return Verdict::Authentic;
        }
        self.reply(
            path,
            StunMessage::binding_reply(message.trans_id(), path.remote),
        );
        self.remember(now, path, message);
        self.follow(now, path);
        Verdict::Authentic
    }

    fn is_authentic(&self, message: &StunMessage<'_>) -> bool {
        let Credentials {
            local_ufrag,
            local_pwd,
            remote_ufrag,
            ..
        } = &self.credentials;
        message.split_username() == Some((local_ufrag.as_str(), remote_ufrag.as_str()))
            && message.verify(local_pwd.as_bytes(), sha1_hmac)
    }

    fn remember(&mut self, now: Instant, path: Path, message: &StunMessage<'_>) {
        let (nominated, priority) = (message.use_candidate(), message.prio().unwrap_or(0));
        if let Some(remote) = self.remotes.iter_mut().find(|remote| remote.path == path) {
            remote.considered |= !nominated;
            remote.nominated = nominated;
            remote.priority = priority;
            remote.heard = now;
            return;
        }
        if self.remotes.len() >= MAX_REMOTES {
            self.forget_one();
        }
        // A TCP connection proves by itself that the peer is there.
        let proven = path.proto == Proto::Tcp;
        self.remotes.push(Remote {
            path,
            proven,
            nominated,
            considered: !nominated,
            priority,
            heard: now,
            check: None,
        });
    }

    fn forget_one(&mut self) {
        let kept = self.selected;
        let others = self
            .remotes
            .iter()
            .enumerate()
            .filter(|(_, r)| Some(r.path) != kept);
        if let Some((oldest, _)) = others.min_by_key(|(_, remote)| remote.heard) {
            self.remotes.swap_remove(oldest);
        }
    }

    /// Moves to a nominated path, or checks it first.
    fn follow(&mut self, now: Instant, path: Path) {
        let Some(at) = self.remotes.iter().position(|remote| remote.path == path) else {
            return;
        };
        let remote = &self.remotes[at];
        if self.selected == Some(path) || !remote.nominated || !self.is_better(now, remote) {
            return;
        }
        if remote.proven || self.selected.is_none() {
            self.selected = Some(path);
        } else {
            self.send_check(now, at);
        }
    }

    /// Whether a nominated path takes over from the selected one. Peers that nominate as they go (RFC 5245 §8.1.1.2) mark
    /// every check, and mean the path of the highest priority; the others change their mind, and mean the last.
    fn is_better(&self, now: Instant, remote: &Remote) -> bool {
        let current = self
            .remotes
            .iter()
            .find(|other| Some(other.path) == self.selected);
        current.is_none_or(|current| {
            remote.considered
                || !current.nominated
                || remote.priority > current.priority
                || now.saturating_duration_since(current.heard) > STALE
        })
    }

    fn handle_response(
        &mut self,
        now: Instant,
        path: Path,
        message: &StunMessage<'_>,
        data: &[u8],
    ) -> Verdict {
        let id = check::transaction_id(data);
        let asked = self.remotes.iter_mut().find(|remote| {
            remote.path == path && remote.check.is_some_and(|(asked, _)| Some(asked) == id)
        });
        match asked {
            Some(remote) if message.verify(self.credentials.remote_pwd.as_bytes(), sha1_hmac) => {
                let sent = remote.check.take().map_or(now, |(_, sent)| sent);
                remote.proven = true;
                remote.heard = now;
                self.follow(now, path);
                Verdict::Answered(now.saturating_duration_since(sent))
            }
            _ => Verdict::Refused,
        }
    }

    /// Asks the peer, on the path in use, whether it is still there.
    pub(super) fn probe(&mut self, now: Instant) {
        if let Some(at) = self
            .remotes
            .iter()
            .position(|r| Some(r.path) == self.selected)
        {
            self.send_check(now, at);
        }
    }

    fn send_check(&mut self, now: Instant, at: usize) {
        let mut id = TransactionId::default();
        self.random.fill_bytes(&mut id);
        let Credentials {
            local_ufrag,
            remote_ufrag,
            remote_pwd,
            ..
        } = &self.credentials;
        let username = format!("{remote_ufrag}:{local_ufrag}");
        let data = check::controlled_check(id, &username, remote_pwd, PRIORITY, self.tie_breaker);
        self.remotes[at].check = Some((id, now));
        self.send(self.remotes[at].path, data);
    }

    fn reply(&mut self, path: Path, message: StunMessage<'_>) {
        let mut data = vec![0; MESSAGE];
        let pwd = self.credentials.local_pwd.as_bytes();
        if let Ok(len) = message.to_bytes(Some(pwd), &mut data, sha1_hmac) {
            data.truncate(len);
            self.send(path, data);
        }
    }

    fn send(&mut self, path: Path, data: Vec<u8>) {
        if self.transmits.len() < MAX_TRANSMITS {
            self.transmits.push_back(Transmit { path, data });
        }
    }
}
