// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offer and answer (RFC 3264, RFC 8829, RFC 9143) on typed descriptions.
//!
//! A peer that connects to us offers: [`answer_publish`] takes what it sends, [`answer_receive`] fills the slots on which
//! it receives. Where we dial out, [`offer_publish`], [`offer_receive`] and [`offer_data`] make the offer and
//! [`accept_answer`] reads the answer. One connection has one direction, all its m-lines share one transport (BUNDLE, `rtcp-mux`), and m-lines keep
//! their places for as long as it lives.
//!
//! What is not understood is refused m-line by m-line (port 0) and told in [`Answer::refused`]; only an offer with nothing
//! to use, or one that contradicts itself, is an error. Data channels are taken from peers that connect to us, on connections of
//! either direction; we offer them alone. FEC is not taken.

mod accept;
mod answer;
mod codecs;
mod error;
mod extensions;
mod offer;
#[cfg(test)]
mod tests;

pub use accept::{Accepted, accept_answer};
pub use answer::{answer_publish, answer_receive};
pub use codecs::{offered_payloads, supported};
pub use error::{NegotiationError, Refusal, Refused, RefusedList};
pub use offer::{OfferedTrack, offer_data, offer_publish, offer_receive};

use crate::data::DataSpec;
use crate::media::{
    Candidate, Fingerprint, Proto, ReceiveSpec, SessionDescription, Setup, SlotSpec,
    TransportDescription,
};

/// Our side of a transport, before its DTLS role is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalTransport {
    /// ICE user name fragment, 4 to 256 `ice-char` (RFC 8839 §5.4).
    pub ufrag: String,
    /// ICE password, 22 to 256 `ice-char`.
    pub pwd: String,
    /// Hash of our certificate.
    pub fingerprint: Fingerprint,
    /// Where we can be reached; every one is told at once, none trickles later.
    pub candidates: Vec<Candidate>,
    /// True for a server that answers checks and sends none (RFC 8445 §2.5).
    pub ice_lite: bool,
}

impl LocalTransport {
    /// Simple clients try the first candidate only, and most of them over UDP and IPv4.
    fn describe(&self, setup: Setup) -> TransportDescription {
        let mut candidates = self.candidates.clone();
        candidates.sort_by_key(|c| (c.proto == Proto::Tcp, c.addr.is_ipv6()));
        TransportDescription {
            ufrag: self.ufrag.clone(),
            pwd: self.pwd.clone(),
            ice_lite: self.ice_lite,
            fingerprints: vec![self.fingerprint.clone()],
            setup,
            candidates,
        }
    }
}

/// How much of one offer is used. M-lines beyond are refused, layers beyond are left out of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Audio m-lines; default 128.
    pub audio: usize,
    /// Video m-lines; default 128.
    pub video: usize,
    /// Simulcast layers of one m-line; default 4.
    pub layers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            audio: 128,
            video: 128,
            layers: 4,
        }
    }
}

/// What we answer, and what it means for the session.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The answer itself.
    pub description: SessionDescription,
    /// The m-lines on which media will arrive, in the order of the offer.
    pub receive: Vec<ReceiveSpec>,
    /// The m-lines on which we will send, in the order of the offer.
    pub slots: Vec<SlotSpec>,
    /// Data channels, where they were offered.
    pub data: Option<DataSpec>,
    /// True when we send the DTLS ClientHello.
    pub dtls_client: bool,
    /// The m-lines not used, and why.
    pub refused: Vec<Refused>,
}
