// SPDX-License-Identifier: MIT OR Apache-2.0
//! What kind of NAT is in the way (RFC 5780 §4.3 and §4.4), in the words of RFC 4787.
//!
//! It is asked from a socket of its own, since the filtering of the socket that carries media is
//! opened by its traffic, and that of this one by the questions about mapping: filtering goes first.

use std::net::SocketAddr;
use std::time::Duration;

use gst::glib;
use stun_proto::Instant;
use stun_proto::types::message::{BINDING, Message, MessageClass};

use super::message::{AnswerFrom, binding_request, mapped_address, other_address};
use super::question::{Patience, Question, Standing};

/// No answer is a finding here, so it is waited for: 0.3 + 0.6 + 0.6 s.
const PATIENCE: Patience = Patience {
    first: Duration::from_millis(300),
    repetitions: 2,
    last: Duration::from_millis(600),
};

/// On what the outside address of a socket depends (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstStunNatMapping")]
pub enum NatMapping {
    /// Not found out: the server has only one address, or is silent.
    #[default]
    #[enum_value(name = "Not known", nick = "unknown")]
    Unknown,
    /// There is no translation: inside and outside address are the same.
    #[enum_value(name = "No translation", nick = "none")]
    None,
    /// On nothing: STUN works.
    #[enum_value(name = "The same for every destination", nick = "endpoint-independent")]
    EndpointIndependent,
    /// On the address of the destination.
    #[enum_value(name = "Another for each address", nick = "address-dependent")]
    AddressDependent,
    /// On the address and port of the destination: what STUN learns is of no use to others.
    #[enum_value(
        name = "Another for each address and port",
        nick = "address-and-port-dependent"
    )]
    AddressAndPortDependent,
}

/// Whose packets come in (RFC 4787 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstStunNatFiltering")]
pub enum NatFiltering {
    /// Not found out: the server has only one address, or is silent.
    #[default]
    #[enum_value(name = "Not known", nick = "unknown")]
    Unknown,
    /// Everybody's.
    #[enum_value(name = "Everybody's", nick = "endpoint-independent")]
    EndpointIndependent,
    /// Those of addresses something was sent to.
    #[enum_value(name = "Those of known addresses", nick = "address-dependent")]
    AddressDependent,
    /// Those of addresses and ports something was sent to.
    #[enum_value(
        name = "Those of known addresses and ports",
        nick = "address-and-port-dependent"
    )]
    AddressAndPortDependent,
}

/// What was found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatKind {
    /// On what the outside address depends.
    pub mapping: NatMapping,
    /// Whose packets come in.
    pub filtering: NatFiltering,
}

/// Asks a server, step by step.
#[derive(Debug)]
pub(crate) struct Classifier {
    local: SocketAddr,
    server: SocketAddr,
    question: Question,
    step: Step,
    asked: bool,
    /// Outside address towards the server's first address.
    first: Option<SocketAddr>,
    /// Outside address towards its other address, same port.
    second: Option<SocketAddr>,
    other: Option<SocketAddr>,
    kind: NatKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Learn our address and the server's other address.
    Start,
    /// Does an answer from another address and port come in?
    FilterAddress,
    /// And one from another port only?
    FilterPort,
    /// Are we another for another address?
    MapAddress,
    /// And for another port of it?
    MapPort,
    Done,
}

impl Classifier {
    /// Asks `server` from a socket that is `local` to this host, and fresh.
    pub(crate) fn new(local: SocketAddr, server: SocketAddr) -> Classifier {
        Classifier {
            local,
            server,
            question: Question::new(local, PATIENCE),
            step: Step::Start,
            asked: false,
            first: None,
            second: None,
            other: None,
            kind: NatKind::default(),
        }
    }

    /// A message from the network; anything but an answer to us is ignored.
    pub(crate) fn handle_message(&mut self, message: &Message<'_>, from: SocketAddr, now: Instant) {
        if !message.has_method(BINDING) || !self.may_answer(from) {
            return;
        }
        if !self.question.is_answered_by(message, from, now) {
            return;
        }
        if message.has_class(MessageClass::Success) {
            self.answered(message);
        } else {
            // A server that does not know CHANGE-REQUEST says so (RFC 5780 §7.2).
            self.enter(Step::Done);
        }
    }

    /// Whether the present question may be answered by this address. A server that ignores
    /// CHANGE-REQUEST answers from its first address, and must not pass for an open filter.
    fn may_answer(&self, from: SocketAddr) -> bool {
        match self.step {
            Step::Start => from == self.server,
            Step::FilterAddress => from.ip() != self.server.ip(),
            Step::FilterPort => from.ip() == self.server.ip() && from.port() != self.server.port(),
            Step::MapAddress | Step::MapPort => from.ip() != self.server.ip(),
            Step::Done => false,
        }
    }

    fn answered(&mut self, message: &Message<'_>) {
        let mapped = mapped_address(message);
        match self.step {
            Step::Start => {
                self.first = mapped;
                self.other = other_address(message).filter(|other| {
                    other.ip() != self.server.ip() && other.port() != self.server.port()
                });
                if mapped == Some(self.local) {
                    self.kind.mapping = NatMapping::None;
                }
                self.enter(match self.other {
                    Some(_) => Step::FilterAddress,
                    None => Step::Done,
                });
            }
            Step::FilterAddress => self.filters(NatFiltering::EndpointIndependent),
            Step::FilterPort => self.filters(NatFiltering::AddressDependent),
            Step::MapAddress if mapped == self.first => {
                self.maps(NatMapping::EndpointIndependent);
            }
            Step::MapAddress => {
                self.second = mapped;
                self.enter(Step::MapPort);
            }
            Step::MapPort if mapped == self.second => self.maps(NatMapping::AddressDependent),
            Step::MapPort => self.maps(NatMapping::AddressAndPortDependent),
            Step::Done => {}
        }
    }

    fn unanswered(&mut self) {
        match self.step {
            Step::FilterAddress => self.enter(Step::FilterPort),
            Step::FilterPort => self.filters(NatFiltering::AddressAndPortDependent),
            _ => self.enter(Step::Done),
        }
    }

    fn filters(&mut self, filtering: NatFiltering) {
        self.kind.filtering = filtering;
        self.enter(match self.kind.mapping {
            NatMapping::None => Step::Done,
            _ => Step::MapAddress,
        });
    }

    fn maps(&mut self, mapping: NatMapping) {
        self.kind.mapping = mapping;
        self.enter(Step::Done);
    }

    fn enter(&mut self, step: Step) {
        self.step = step;
        self.asked = false;
    }

    /// What to send to whom; to be called until there is nothing.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<(Vec<u8>, SocketAddr)> {
        if let Some(repetition) = self.question.poll_transmit(now) {
            return Some(repetition);
        }
        if self.asked {
            return None;
        }
        let (answer_from, to) = self.next_question()?;
        self.asked = true;
        let request = self.question.ask(binding_request(answer_from), to, now);
        Some((request, to))
    }

    fn next_question(&self) -> Option<(AnswerFrom, SocketAddr)> {
        let server = self.server;
        let question = match self.step {
            Step::Start => (AnswerFrom::Same, server),
            Step::FilterAddress => (AnswerFrom::OtherAddress, server),
            Step::FilterPort => (AnswerFrom::OtherPort, server),
            Step::MapAddress => {
                let to = SocketAddr::new(self.other?.ip(), server.port());
                (AnswerFrom::Same, to)
            }
            Step::MapPort => (AnswerFrom::Same, self.other?),
            Step::Done => return None,
        };
        Some(question)
    }

    /// When to look again; the finding instead, once there is one.
    pub(crate) fn poll(&mut self, now: Instant) -> Result<NatKind, Instant> {
        if self.step == Step::Done {
            return Ok(self.kind);
        }
        match self.question.poll(now) {
            Standing::Idle => Err(now),
            Standing::Waiting(at) => Err(at),
            Standing::GivenUp => {
                self.unanswered();
                Err(now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stun_proto::types::attribute::{
        AttributeType, MappedSocketAddr, RawAttribute, XorMappedAddress,
    };
    use stun_proto::types::message::MessageWriteVec;
    use stun_proto::types::prelude::*;

    /// A NAT by its rules, and a server with two addresses behind it.
    struct Lab {
        nat: NatKind,
        two_addresses: bool,
        heeds_change_request: bool,
    }

    fn address(ip: u8, port: u16) -> SocketAddr {
        ([192, 0, 2, ip], port).into()
    }

    impl Lab {
        fn outside(&self, to: SocketAddr) -> SocketAddr {
            let last = to.ip().to_string().ends_with('2');
            let port = match self.nat.mapping {
                NatMapping::None => return local(),
                NatMapping::AddressDependent => 1000 + u16::from(last),
                NatMapping::AddressAndPortDependent => to.port() + u16::from(last),
                _ => 1000,
            };
            ([203, 0, 113, 1], port).into()
        }

        /// The answer to a request, and where it comes from, unless the NAT keeps it out.
        fn answer(&self, request: &[u8], to: SocketAddr) -> Option<(Vec<u8>, SocketAddr)> {
            let request = Message::from_bytes(request).expect("a request");
            let change = request.raw_attribute(AttributeType::new(3));
            let flags = change
                .filter(|_| self.heeds_change_request)
                .map_or(0, |c| c.value[3]);
            let from = match flags {
                0 => to,
                2 => address(1, 3479),
                _ => address(2, 3479),
            };
            let enters = match self.nat.filtering {
                NatFiltering::AddressDependent => from.ip() == to.ip(),
                NatFiltering::AddressAndPortDependent => from == to,
                _ => true,
            };
            let mut message =
                Message::builder_success(&request, MessageWriteVec::with_capacity(64));
            let mapped = XorMappedAddress::new(self.outside(to), request.transaction_id());
            message.add_attribute(&mapped).expect("room");
            if self.two_addresses {
                let mut value = [0; 8];
                MappedSocketAddr::new(address(2, 3479)).write_into_unchecked(&mut value);
                let other = RawAttribute::new(AttributeType::new(0x802c), &value);
                message.add_attribute(&other).expect("room");
            }
            enters.then(|| (message.finish(), from))
        }

        fn classify(&self) -> NatKind {
            let mut classifier = Classifier::new(local(), address(1, 3478));
            let mut now = Instant::ZERO;
            loop {
                while let Some((request, to)) = classifier.poll_transmit(now) {
                    if let Some((answer, from)) = self.answer(&request, to) {
                        let message = Message::from_bytes(&answer).expect("an answer");
                        classifier.handle_message(&message, from, now);
                    }
                }
                match classifier.poll(now) {
                    Ok(kind) => return kind,
                    Err(at) => now = at.max(now + Duration::from_millis(1)),
                }
                assert!(now < Instant::ZERO + Duration::from_secs(60), "no end");
            }
        }
    }

    fn local() -> SocketAddr {
        ([10, 0, 0, 2], 5000).into()
    }

    #[test]
    fn every_kind_of_nat_is_recognised() {
        use NatFiltering as F;
        use NatMapping as M;
        for mapping in [
            M::None,
            M::EndpointIndependent,
            M::AddressDependent,
            M::AddressAndPortDependent,
        ] {
            for filtering in [
                F::EndpointIndependent,
                F::AddressDependent,
                F::AddressAndPortDependent,
            ] {
                let nat = NatKind { mapping, filtering };
                let lab = Lab {
                    nat,
                    two_addresses: true,
                    heeds_change_request: true,
                };
                assert_eq!(lab.classify(), nat);
            }
        }
    }

    #[test]
    fn a_server_with_one_address_cannot_tell() {
        let lab = Lab {
            nat: NatKind {
                mapping: NatMapping::EndpointIndependent,
                filtering: NatFiltering::AddressDependent,
            },
            two_addresses: false,
            heeds_change_request: true,
        };
        assert_eq!(lab.classify(), NatKind::default());
    }

    #[test]
    fn a_server_that_answers_from_where_it_was_asked_is_no_open_filter() {
        let nat = NatKind {
            mapping: NatMapping::EndpointIndependent,
            filtering: NatFiltering::EndpointIndependent,
        };
        let lab = Lab {
            nat,
            two_addresses: true,
            heeds_change_request: false,
        };
        assert_ne!(lab.classify().filtering, NatFiltering::EndpointIndependent);
    }
}
