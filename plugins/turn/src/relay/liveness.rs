// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds out that an allocation is gone before its lifetime is (RFC 8656 §7).
//!
//! Over UDP nothing tells that the server was restarted, or that a NAT gave us another address:
//! what we send is dropped in silence. A Refresh says it, since the server answers 437 where it
//! has no allocation for the address it sees. It is sent only after a while of hearing nothing.

use std::net::SocketAddr;
use std::time::Duration;

use stun_proto::Instant;
use stun_proto::auth::{LongTermClientAuth, LongTermClientValidation};
use stun_proto::types::attribute::ErrorCode;
use stun_proto::types::message::{
    IntegrityAlgorithm, LongTermCredentials, Message, MessageClass, MessageWriteVec,
};
use stun_proto::types::prelude::*;
use turn_client_proto::types::attribute::Lifetime;
use turn_client_proto::types::message::REFRESH;

use super::LIFETIME;
use crate::mapping::question::{Patience, Question, Standing};

/// Long enough for a bad network, short enough for a call.
const PATIENCE: Patience = Patience {
    first: Duration::from_millis(250),
    repetitions: 3,
    last: Duration::from_millis(500),
};

/// Challenges answered in a row before the server is taken not to know us any more.
const MOST_CHALLENGES: u32 = 4;

/// Watches one allocation.
#[derive(Debug)]
pub(super) struct Liveness {
    server: SocketAddr,
    credentials: LongTermCredentials,
    interval: Duration,
    question: Question,
    auth: LongTermClientAuth,
    challenges: u32,
    heard: Instant,
    again: bool,
}

/// What a message means for the allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Not an answer to us.
    Foreign,
    /// It is there, or another question will tell.
    Alive,
    /// The server has none for us.
    Gone,
}

impl Liveness {
    pub(super) fn new(
        local: SocketAddr,
        server: SocketAddr,
        credentials: LongTermCredentials,
        interval: Duration,
        now: Instant,
    ) -> Liveness {
        Liveness {
            server,
            auth: auth(&credentials),
            credentials,
            interval,
            question: Question::new(local, PATIENCE),
            challenges: 0,
            heard: now,
            again: false,
        }
    }

    /// Something came from the server that only a living allocation brings.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A message from the server.
    pub(super) fn handle_message(&mut self, message: &Message<'_>, now: Instant) -> Sign {
        if !message.has_method(REFRESH) || !self.question.is_answered_by(message, self.server, now)
        {
            return Sign::Foreign;
        }
        let validation = self.auth.validate_incoming_message(message);
        if message.has_class(MessageClass::Success) {
            if validation.is_ok() {
                self.challenges = 0;
                self.heard = now;
            }
            return Sign::Alive;
        }
        let code = message.attribute::<ErrorCode>().map(|error| error.code());
        match (code, validation) {
            (Ok(ErrorCode::ALLOCATION_MISMATCH), _) => Sign::Gone,
            (_, Ok(LongTermClientValidation::ResendRequest(_))) => self.challenged(),
            // A server that was restarted challenges us as if it had never seen us.
            (Ok(ErrorCode::UNAUTHORIZED), Err(_)) => {
                self.auth = auth(&self.credentials);
                match self.auth.validate_incoming_message(message) {
                    Ok(LongTermClientValidation::ResendRequest(_)) => self.challenged(),
                    _ => Sign::Gone,
                }
            }
            _ => Sign::Gone,
        }
    }

    fn challenged(&mut self) -> Sign {
        self.challenges += 1;
        self.again = true;
        if self.challenges > MOST_CHALLENGES {
            Sign::Gone
        } else {
            Sign::Alive
        }
    }

    /// A request or repetition that is due.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some((repetition, _)) = self.question.poll_transmit(now) {
            return Some(repetition);
        }
        let due = self.again || self.heard + self.interval <= now;
        if !due || !self.question.is_idle() {
            return None;
        }
        self.again = false;
        let request = self.refresh()?;
        Some(self.question.ask(request, self.server, now))
    }

    fn refresh(&mut self) -> Option<Vec<u8>> {
        let mut message = Message::builder_request(REFRESH, MessageWriteVec::with_capacity(256));
        message.add_attribute(&Lifetime::new(LIFETIME)).ok()?;
        let signed = self.auth.sign_outgoing_message(message).ok()?;
        Some(signed.finish())
    }

    /// When to look again, and whether the server has stopped to answer.
    pub(super) fn poll(&mut self, now: Instant) -> (Instant, Sign) {
        match self.question.poll(now) {
            Standing::Idle if self.again => (now, Sign::Alive),
            Standing::Idle => (self.heard + self.interval, Sign::Alive),
            Standing::Waiting(at) => (at, Sign::Alive),
            Standing::GivenUp => (now, Sign::Gone),
        }
    }
}

fn auth(credentials: &LongTermCredentials) -> LongTermClientAuth {
    let mut auth = LongTermClientAuth::new();
    auth.set_credentials(credentials.clone());
    auth.add_supported_integrity(IntegrityAlgorithm::Sha256);
    auth
}
