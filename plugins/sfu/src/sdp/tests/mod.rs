// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offers of real peers, answered; texts meant to do harm; and what we write, read again.

mod candidates;
mod golden;
mod hostile;
mod peers;
mod round_trip;
mod servers;
mod webrtcbin;

use super::parse;
use gst_rtc_core::media::{Fingerprint, SessionDescription};
use gst_rtc_core::negotiate::{
    Answer, Limits, LocalTransport, NegotiationError, answer_publish, answer_receive,
};

/// A server on the loopback.
fn local() -> LocalTransport {
    let candidate = |line| super::parse_candidate(line).unwrap().unwrap();
    LocalTransport {
        ufrag: "sfu1".into(),
        pwd: "0123456789abcdefghijkl".into(),
        fingerprint: Fingerprint {
            algorithm: "sha-256".into(),
            bytes: (0..32).collect(),
        },
        candidates: vec![
            candidate("candidate:2 1 TCP 1015021823 127.0.0.1 5000 typ host tcptype passive"),
            candidate("candidate:1 1 UDP 2130706431 127.0.0.1 5000 typ host"),
        ],
        ice_lite: true,
    }
}

fn read(text: &str) -> SessionDescription {
    gst::init().unwrap();
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn publish(text: &str) -> Answer {
    try_publish(text).unwrap_or_else(|error| panic!("{error}"))
}

fn try_publish(text: &str) -> Result<Answer, NegotiationError> {
    answer_publish(&read(text), &local(), &Limits::default(), None)
}

fn receive(text: &str) -> Answer {
    let mut next = 1000;
    let mut ssrcs = || {
        next += 1;
        next
    };
    answer_receive(&read(text), &local(), &Limits::default(), None, &mut ssrcs)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What we answer, as the peer gets it, read again.
fn sent(answer: &Answer) -> SessionDescription {
    read(&super::write(&answer.description, 7, 1))
}
