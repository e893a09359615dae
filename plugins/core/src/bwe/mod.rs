// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bandwidth towards a peer: how much there is, and who gets it.
//!
//! [`Estimator`] is the send side of "A Google Congestion Control Algorithm for Real-Time Communication"
//! (draft-ietf-rmcat-gcc-02) over transport-wide feedback: groups of packets (§5.2), the trend of their one-way delay, an
//! over-use detector with an adaptive threshold (§5.4), a rate that grows by little steps and falls at once (§5.5), and
//! a limit by loss (§6). The arrival-time filter is the least-squares trend that browsers use in place of the draft's Kalman
//! filter. Probe clusters tell within a few round trips what multiplicative growth would take half a minute to find.
//!
//! [`allocate`] divides what there is over the tracks a peer receives.
//!
//! Rates are bit/s of SRTP datagrams, without UDP and IP headers. Left out: congestion windows, ECN.

mod allocate;
mod bucket;
mod delay;
mod estimator;
mod groups;
mod loss;
mod pacer;
mod probe;
mod queue;
mod rate;
mod sent;
mod throughput;

#[cfg(test)]
mod tests;

pub use allocate::{Budget, Choice, Last, Preference, Priority, Reason, Want, allocate};
pub use estimator::{Estimator, Settings};
pub(crate) use pacer::{Pace, Pacer};

/// `bytes` in `micros` microseconds as bit/s.
fn bits_per_second(bytes: u64, micros: u64) -> u64 {
    bytes * 8_000_000 / micros.max(1)
}
