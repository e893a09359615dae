// SPDX-License-Identifier: MIT OR Apache-2.0
//! Learns the outside address of a socket and keeps it (RFC 8489 §8, RFC 4787 §4.3).

use std::net::SocketAddr;
use std::time::Duration;

use stun_proto::Instant;
use stun_proto::types::message::{BINDING, Message, MessageClass};

use super::message::{AnswerFrom, binding_request, mapped_address};
use super::question::{Patience, Question, Standing};

/// Answers are either there at once or lost; a mapping that changed is to be noticed soon.
const PATIENCE: Patience = Patience {
    first: Duration::from_millis(500),
    repetitions: 2,
    last: Duration::from_millis(500),
};

/// Keeps one mapping alive by asking for it.
#[derive(Debug)]
pub(crate) struct Keeper {
    server: SocketAddr,
    interval: Duration,
    question: Question,
    next: Instant,
    mapped: Option<SocketAddr>,
    silent: bool,
}

/// What a [`Keeper`] found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The outside address, for the first time or another than before.
    Mapped(SocketAddr),
    /// The server does not answer.
    Silence,
}

impl Keeper {
    /// Asks for the first time at once, then each `interval`.
    pub(crate) fn new(
        local: SocketAddr,
        server: SocketAddr,
        interval: Duration,
        now: Instant,
    ) -> Keeper {
        Keeper {
            server,
            interval,
            question: Question::new(local, PATIENCE),
            next: now,
            mapped: None,
            silent: false,
        }
    }

    /// Asks that often from now on.
    pub(crate) fn set_interval(&mut self, interval: Duration, now: Instant) {
        self.interval = interval;
        self.next = self.next.min(now + interval);
    }

    /// A message from the network; anything but an answer to us is ignored.
    pub(crate) fn handle_message(
        &mut self,
        message: &Message<'_>,
        from: SocketAddr,
        now: Instant,
    ) -> Option<Found> {
        if from != self.server
            || !message.has_method(BINDING)
            || !self.question.is_answered_by(message, from, now)
        {
            return None;
        }
        self.next = now + self.interval;
        if !message.has_class(MessageClass::Success) {
            return None;
        }
        let address = mapped_address(message)?;
        self.silent = false;
        let changed = self.mapped.replace(address) != Some(address);
        changed.then_some(Found::Mapped(address))
    }

    /// What to send to whom; to be called until there is nothing.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<(Vec<u8>, SocketAddr)> {
        if let Some(repetition) = self.question.poll_transmit(now) {
            return Some(repetition);
        }
        if self.next > now || !self.question.is_idle() {
            return None;
        }
        self.next = now + self.interval;
        let request = binding_request(AnswerFrom::Same);
        Some((self.question.ask(request, self.server, now), self.server))
    }

    /// When to look again, and what was found out by waiting.
    pub(crate) fn poll(&mut self, now: Instant) -> (Instant, Option<Found>) {
        match self.question.poll(now) {
            Standing::Idle => (self.next, None),
            Standing::Waiting(at) => (at, None),
            Standing::GivenUp => {
                self.next = now;
                let news = !std::mem::replace(&mut self.silent, true);
                (now, news.then_some(Found::Silence))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stun_proto::types::attribute::XorMappedAddress;
    use stun_proto::types::message::MessageWriteVec;
    use stun_proto::types::prelude::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn server() -> SocketAddr {
        address("192.0.2.1:3478")
    }

    fn keeper() -> Keeper {
        Keeper::new(address("10.0.0.2:5000"), server(), INTERVAL, Instant::ZERO)
    }

    fn answer(request: &[u8], mapped: &str) -> Vec<u8> {
        let request = Message::from_bytes(request).expect("a request");
        let mut message = Message::builder_success(&request, MessageWriteVec::with_capacity(40));
        let mapped = XorMappedAddress::new(address(mapped), request.transaction_id());
        message.add_attribute(&mapped).expect("room");
        message.finish()
    }

    fn hear(keeper: &mut Keeper, bytes: &[u8], from: SocketAddr, now: Instant) -> Option<Found> {
        let message = Message::from_bytes(bytes).expect("a message");
        keeper.handle_message(&message, from, now)
    }

    #[test]
    fn the_address_is_told_once_and_again_when_it_changes() {
        let (mut keeper, mut now) = (keeper(), Instant::ZERO);
        let mut told = Vec::new();
        for mapped in ["203.0.113.1:1", "203.0.113.1:1", "203.0.113.1:2"] {
            let (request, to) = keeper.poll_transmit(now).expect("a request is due");
            assert_eq!(to, server());
            told.extend(hear(&mut keeper, &answer(&request, mapped), server(), now));
            assert_eq!(keeper.poll_transmit(now), None, "one request is enough");
            now += INTERVAL;
        }
        let expected = ["203.0.113.1:1", "203.0.113.1:2"].map(|a| Found::Mapped(address(a)));
        assert_eq!(told, expected);
    }

    #[test]
    fn answers_from_elsewhere_and_to_others_are_ignored() {
        let (mut keeper, now) = (keeper(), Instant::ZERO);
        let (request, _) = keeper.poll_transmit(now).expect("a request is due");
        let forged = answer(&request, "198.51.100.9:9");
        assert_eq!(
            hear(&mut keeper, &forged, address("192.0.2.9:3478"), now),
            None
        );
        let other = answer(&binding_request(AnswerFrom::Same), "198.51.100.9:9");
        assert_eq!(hear(&mut keeper, &other, server(), now), None);
        let real = answer(&request, "203.0.113.1:1");
        assert!(hear(&mut keeper, &real, server(), now).is_some());
    }

    #[test]
    fn a_silent_server_is_told_once_and_asked_on() {
        let (mut keeper, mut now) = (keeper(), Instant::ZERO);
        let (mut requests, mut silences) = (0, 0);
        while now < Instant::ZERO + Duration::from_secs(10) {
            while keeper.poll_transmit(now).is_some() {
                requests += 1;
            }
            let (next, found) = keeper.poll(now);
            silences += usize::from(found == Some(Found::Silence));
            now = next.max(now + Duration::from_millis(1));
        }
        assert_eq!(silences, 1);
        assert!((8..40).contains(&requests), "{requests} requests in 10 s");
    }
}
