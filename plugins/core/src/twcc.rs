// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transport-wide feedback towards a sender: records when packets arrive and reports it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use crate::rtp::{ExtendedSequence, Restart};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use crate::rtcp::TransportFeedback;

/// Time between the first packet that was not reported and its report.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// Statuses in one report: so many fit into a packet of 1,200 bytes whatever they are.
pub const MAX_REPORTED: usize = 450;
/// Packets remembered. A larger step of the sequence number is a sender that restarted.
pub const MAX_WINDOW: usize = 4096;
/// Packets remembered after they were reported, so that one which comes late is not reported without its neighbours.
const MAX_HISTORY: usize = 512;

/// Units of the deltas.
const TICK: Duration = Duration::from_micros(250);
/// Ticks in a unit of the reference time, 64 ms.
const TICKS_PER_REFERENCE: i64 = 256;

/// Records arrivals of one transport and writes the feedback about them.
#[derive(Clone, Debug)]
pub struct Recorder {
    sequence: ExtendedSequence,
    restart: Restart,
    /// Arrival in ticks since `epoch` of the packet `first`, and of those after it.
    arrivals: VecDeque<Option<i64>>,
    first: u64,
    /// The lowest sequence number the next report begins with.
    unreported: u64,
    epoch: Option<Instant>,
    timeout: Option<Instant>,
    feedback_count: u8,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Nothing received yet.
    pub fn new() -> Self {
        Recorder {
            sequence: ExtendedSequence::new(),
            restart: Restart::default(),
            arrivals: VecDeque::new(),
            first: 0,
            unreported: 0,
            epoch: None,
            timeout: None,
            feedback_count: 0,
        }
    }

    /// Takes the transport-wide sequence number of a packet that came. A second arrival of the same packet is not recorded.
    pub fn received(&mut self, now: Instant, wide_sequence: u16) {
        let sequence = self.sequence.extend(wide_sequence);
        let epoch = *self.epoch.get_or_insert(now);
        let Some(index) = self.index(sequence) else {
            return;
        };
        if index >= self.arrivals.len() {
            self.arrivals.resize(index + 1, None);
        }
        if self.arrivals[index].is_some() {
            return;
        }
        let ticks = now.saturating_duration_since(epoch).as_micros() / TICK.as_micros();
        self.arrivals[index] = Some(ticks as i64);
        self.unreported = self.unreported.min(sequence);
        self.timeout.get_or_insert(now + INTERVAL);
    }

    /// The feedback that is due, with at most [`MAX_REPORTED`] statuses; `None`: nothing (more). The caller fills in the SSRCs.
    pub fn poll(&mut self, now: Instant) -> Option<TransportFeedback> {
        if self.timeout.is_none_or(|timeout| timeout > now) {
            return None;
        }
        let feedback = self.report();
        if self.unreported == self.end() {
            self.timeout = None;
            self.forget();
        }
        Some(feedback)
    }

    /// When to call [`poll`](Self::poll) next; `None` while everything is reported.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    /// One past the last packet recorded.
    fn end(&self) -> u64 {
        self.first + self.arrivals.len() as u64
    }

    /// Where a packet belongs in the window, which is moved or begun anew for it as needed. `None`: nowhere.
    fn index(&mut self, sequence: u64) -> Option<usize> {
        let end = self.end();
        if self.arrivals.is_empty() || sequence >= end + MAX_WINDOW as u64 {
            self.begin(sequence);
        } else if sequence < self.first {
            if !self.restart.is_confirmed_by(sequence) {
                return None;
            }
            self.begin(sequence);
        }
        let excess = (sequence - self.first + 1).saturating_sub(MAX_WINDOW as u64);
        self.arrivals
            .drain(..self.arrivals.len().min(excess as usize));
        self.first += excess;
        self.unreported = self.unreported.max(self.first);
        Some((sequence - self.first) as usize)
    }

    fn begin(&mut self, sequence: u64) {
        self.arrivals.clear();
        self.first = sequence;
        self.unreported = sequence;
    }

    /// There is at least one arrival from `unreported` on.
    fn report(&mut self) -> TransportFeedback {
        let start = (self.unreported - self.first) as usize;
        let waiting = self.arrivals.range(start..).take(MAX_REPORTED);
        let first_arrival = waiting
            .clone()
            .find_map(|arrival| *arrival)
            .unwrap_or_default();
        let reference = first_arrival.div_euclid(TICKS_PER_REFERENCE);
        let mut time = reference * TICKS_PER_REFERENCE;
        let mut deltas = Vec::with_capacity(waiting.len().min(MAX_REPORTED));
        for arrival in waiting.take(MAX_REPORTED) {
            let delta = arrival.map(|arrival| i16::try_from(arrival - time));
            // Eight seconds apart: the next report has a reference time of its own.
            let Ok(delta) = delta.transpose() else {
                break;
            };
            time += i64::from(delta.unwrap_or_default());
            deltas.push(delta);
        }
        let feedback = TransportFeedback {
            base_sequence: self.unreported as u16,
            reference_time: (reference as i32) << 8 >> 8,
            feedback_count: self.feedback_count,
            ..TransportFeedback::default()
        };
        self.unreported += deltas.len() as u64;
        self.feedback_count = self.feedback_count.wrapping_add(1);
        TransportFeedback { deltas, ..feedback }
    }

    fn forget(&mut self) {
        let excess = self.arrivals.len().saturating_sub(MAX_HISTORY);
        self.arrivals.drain(..excess);
        self.first += excess as u64;
    }
}
