// SPDX-License-Identifier: MIT OR Apache-2.0
//! One STUN request at a time, repeated until it is answered or given up (RFC 8489 §6.2).

use std::net::SocketAddr;
use std::time::Duration;

use stun_proto::Instant;
use stun_proto::agent::{StunAgent, StunAgentPollRet};
use stun_proto::types::TransportType;
use stun_proto::types::message::{Message, TransactionId};

/// How often and for how long a request is repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Until the first repetition; each wait is twice the one before.
    pub(crate) first: Duration,
    /// Repetitions.
    pub(crate) repetitions: u32,
    /// From the last repetition until it is given up.
    pub(crate) last: Duration,
}

/// Asks over UDP.
#[derive(Debug)]
pub(crate) struct Question {
    agent: StunAgent,
    pending: Option<TransactionId>,
}

/// How a [`Question`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is asked.
    Idle,
    /// Look again then.
    Waiting(Instant),
    /// Nobody answered; it is idle from now on.
    GivenUp,
}

impl Question {
    pub(crate) fn new(local: SocketAddr, patience: Patience) -> Question {
        let agent = StunAgent::builder(TransportType::Udp, local)
            .request_retransmits(
                patience.first,
                Duration::from_secs(1),
                patience.repetitions,
                patience.last,
            )
            .build();
        Question {
            agent,
            pending: None,
        }
    }

    /// Asks; what was asked before is forgotten. Returns the packet to send to `to`.
    pub(crate) fn ask(&mut self, message: Vec<u8>, to: SocketAddr, now: Instant) -> Vec<u8> {
        self.forget();
        self.pending = Message::from_bytes(&message)
            .ok()
            .map(|message| message.transaction_id());
        self.agent
            .send_request(&message, to, now)
            .map(|transmit| transmit.data.to_vec())
            .unwrap_or(message)
    }

    /// Whether this is the answer; if so, nothing is asked any more.
    pub(crate) fn is_answered_by(
        &mut self,
        message: &Message<'_>,
        from: SocketAddr,
        now: Instant,
    ) -> bool {
        let answered = self.pending == Some(message.transaction_id())
            && self.agent.handle_stun_message_with_time(message, from, now);
        if answered {
            self.pending = None;
        }
        answered
    }

    /// Whether nothing is asked. What was given up must have been noticed by [`poll`](Self::poll).
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_none()
    }

    /// Stops asking.
    pub(crate) fn forget(&mut self) {
        if let Some(mut request) = self
            .pending
            .take()
            .and_then(|id| self.agent.mut_request_transaction(id))
        {
            request.cancel();
        }
    }

    /// A repetition that is due.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<(Vec<u8>, SocketAddr)> {
        self.agent
            .poll_transmit(now)
            .map(|transmit| (transmit.data.to_vec(), transmit.to))
    }

    /// To be called until it returns other than [`Standing::GivenUp`].
    pub(crate) fn poll(&mut self, now: Instant) -> Standing {
        loop {
            match self.agent.poll(now) {
                StunAgentPollRet::WaitUntil(at) => {
                    return match self.pending {
                        Some(_) => Standing::Waiting(at),
                        None => Standing::Idle,
                    };
                }
                StunAgentPollRet::TransactionTimedOut(id)
                | StunAgentPollRet::TransactionCancelled(id) => {
                    if self.pending == Some(id) {
                        self.pending = None;
                        return Standing::GivenUp;
                    }
                }
            }
        }
    }
}
