// SPDX-License-Identifier: MIT OR Apache-2.0

use super::check::StunHmac;
use super::{Credentials, Transmit, Verdict};
use crate::media::{Candidate, CandidateKind, Path, Proto};
use is::stun::{StunMessage, StunPacket};
use is::{IceAgent, IceAgentEvent, IceCreds, Protocol};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How many candidates of a peer are tried (RFC 8445 §19.5.1: the "voice hammer"), and how many it may invent by itself.
const MAX_REMOTE_CANDIDATES: usize = 50;

/// A full, controlling agent over UDP, by the `is` crate: pairs, paces checks and nominates.
pub(in super::super) struct Full {
    agent: IceAgent,
    locals: Vec<SocketAddr>,
    /// Addresses of the peer: from its candidates, and those its checks come from.
    remotes: Vec<SocketAddr>,
    selected: Option<Path>,
    next: Option<Instant>,
}

impl Full {
    pub(in super::super) fn new(
        now: Instant,
        seed: u64,
        credentials: &Credentials,
        locals: &[Candidate],
    ) -> Full {
        let creds = |ufrag: &String, pass: &String| IceCreds {
            ufrag: ufrag.clone(),
            pass: pass.clone(),
        };
        let local = creds(&credentials.local_ufrag, &credentials.local_pwd);
        let mut agent = IceAgent::with_hmac(local, &StunHmac);
        agent.set_remote_credentials(creds(&credentials.remote_ufrag, &credentials.remote_pwd));
        agent.set_controlling(true);
        agent.set_control_tie_breaker(seed);
        agent.set_max_candidate_pairs(MAX_REMOTE_CANDIDATES);
        let mut full = Full {
            agent,
            locals: Vec::new(),
            remotes: Vec::new(),
            selected: None,
            next: None,
        };
        for candidate in locals.iter().filter(|c| c.proto == Proto::Udp) {
            full.locals.push(candidate.addr);
            full.agent
                .add_local_candidate(to_agent(candidate, CandidateKind::Host));
        }
        full.handle_timeout(now);
        full
    }

    pub(super) fn selected(&self) -> Option<Path> {
        self.selected
    }

    pub(super) fn is_validated(&self, path: &Path) -> bool {
        path.proto == Proto::Udp && self.agent.has_viable_remote_candidate(path.remote)
    }

    pub(super) fn add_remote_candidate(&mut self, now: Instant, candidate: &Candidate) {
        let known = self.remotes.contains(&candidate.addr);
        let usable = candidate.proto == Proto::Udp
            && candidate.component == 1
            && self.may_send_to(candidate.addr);
        if known || !usable || self.remotes.len() >= MAX_REMOTE_CANDIDATES {
            return;
        }
        self.remotes.push(candidate.addr);
        self.agent
            .add_remote_candidate(to_agent(candidate, candidate.kind));
        match self.remotes.len() {
            1 => self.handle_timeout(now),
            // Each further check has to wait for its turn.
            _ => self.advance(now),
        }
    }

    /// No checks to groups, and none to this host's own services unless we are on loopback ourselves.
    fn may_send_to(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        let local = self.locals.iter().any(|local| local.ip().is_loopback());
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        addr.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && !broadcast
            && (local || !ip.is_loopback())
    }

    pub(super) fn handle_stun(&mut self, now: Instant, path: Path, data: &[u8]) -> Verdict {
        let Ok(message) = StunMessage::parse(data) else {
            return Verdict::Refused;
        };
        if path.proto != Proto::Udp || !self.agent.accepts_message(&message) {
            return Verdict::Refused;
        }
        if message.is_binding_request() && !self.remotes.contains(&path.remote) {
            if self.remotes.len() >= MAX_REMOTE_CANDIDATES || !self.may_send_to(path.remote) {
                return Verdict::Refused;
            }
            self.remotes.push(path.remote);
        }
        let answer = message.is_successful_binding_response();
        let packet = StunPacket {
            proto: Protocol::Udp,
            source: path.remote,
            destination: self.local_for(path.local),
            message,
        };
        let accepted = self.agent.handle_packet(now, packet);
        self.advance(now);
        match accepted {
            true if answer => self
                .agent
                .nominated_pair_rtt()
                .map_or(Verdict::Authentic, Verdict::Answered),
            true => Verdict::Authentic,
            false => Verdict::Refused,
        }
    }

    /// The candidate of a socket: a socket bound to all addresses receives for each of them.
    fn local_for(&self, bound: SocketAddr) -> SocketAddr {
        let same_family = |local: &&SocketAddr| local.is_ipv4() == bound.is_ipv4();
        match self.locals.contains(&bound) {
            true => bound,
            false => self
                .locals
                .iter()
                .find(same_family)
                .copied()
                .unwrap_or(bound),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.advance(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn advance(&mut self, now: Instant) {
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend {
                source,
                destination,
                ..
            } = event
            {
                self.selected = Some(Path {
                    proto: Proto::Udp,
                    local: source,
                    remote: destination,
                });
            }
        }
        // The agent may ask for a time that has passed; never spin on it.
        self.next = self
            .agent
            .poll_timeout()
            .map(|next| next.max(now + Duration::from_millis(5)));
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.agent.poll_transmit()?;
        let path = Path {
            proto: Proto::Udp,
            local: transmit.source,
            remote: transmit.destination,
        };
        Some(Transmit {
            path,
            data: transmit.contents.into(),
        })
    }
}

fn to_agent(candidate: &Candidate, kind: CandidateKind) -> is::Candidate {
    let kind = match kind {
        CandidateKind::Host => is::CandidateKind::Host,
        CandidateKind::ServerReflexive => is::CandidateKind::ServerReflexive,
        CandidateKind::PeerReflexive => is::CandidateKind::PeerReflexive,
        CandidateKind::Relayed => is::CandidateKind::Relayed,
    };
    is::Candidate::from_parts(
        candidate.foundation.clone(),
        candidate.component.into(),
        Protocol::Udp,
        candidate.priority,
        candidate.addr,
        kind,
        None,
        None,
        None,
    )
}
