// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

/// Statuses kept of one feedback packet; more are an error. A sender at 100 Mbit/s has about 1,000 packets in an interval.
pub const MAX_STATUSES: usize = 8192;

/// Which packets of a transport arrived, and when.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TransportFeedback {
    /// Who sends the feedback.
    pub sender: u32,
    /// A stream of the transport.
    pub media: u32,
    /// Transport-wide sequence number of the first status.
    pub base_sequence: u16,
    /// Time the first delta is counted from, in 64 ms of the receiver's clock, 24 bits signed.
    pub reference_time: i32,
    /// Counts feedback packets, to see losses of them.
    pub feedback_count: u8,
    /// For each packet from `base_sequence` on: `None` when it did not arrive, else the time since the previous one that
    /// did (the first: since the reference time), in 250 µs.
    pub deltas: Vec<Option<i16>>,
}
