// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reception statistics of one source, for report blocks (RFC 3550 §6.4.1, §A.1, §A.3, §A.8).

use crate::rtcp::ReportBlock;
use crate::rtp::Restart;
use std::time::{Duration, Instant};

/// A larger step forward is a source that restarted (RFC 3550 §A.1, MAX_DROPOUT).
const MAX_DROPOUT: u64 = 3000;
/// A larger step back is one too (§A.1, MAX_MISORDER; more than there, because retransmissions come late).
const MAX_MISORDER: u64 = 1000;

/// Counts what arrived of one source.
#[derive(Clone, Debug)]
pub struct Reception {
    ssrc: u32,
    restart: Restart,
    /// `None` before the first packet.
    counts: Option<Counts>,
    jitter: Jitter,
    sender_report: Option<(u64, Instant)>,
}

#[derive(Clone, Debug)]
struct Counts {
    /// Extended sequence numbers.
    first: u64,
    highest: u64,
    received: u64,
    /// At the previous report.
    expected_prior: u64,
    received_prior: u64,
}

impl Counts {
    fn new(sequence: u64) -> Counts {
        Counts {
            first: sequence,
            highest: sequence,
            received: 1,
            expected_prior: 0,
            received_prior: 0,
        }
    }

    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    /// Negative when packets came twice.
    fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Loss since the previous report in 1/256, 0 when it is negative.
    fn take_fraction_lost(&mut self) -> u8 {
        let expected = self.expected() - self.expected_prior;
        let received = self.received - self.received_prior;
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let lost = expected.saturating_sub(received);
        (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8
    }
}

/// Interarrival jitter (RFC 3550 §6.4.1, §A.8).
#[derive(Clone, Debug, Default)]
struct Jitter {
    /// In 1/16 of a unit of the RTP clock.
    scaled: u64,
    epoch: Option<Instant>,
    /// Arrival less timestamp, modulo 2^32.
    transit: Option<u32>,
}

impl Jitter {
    fn update(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        let since = now.saturating_duration_since(*self.epoch.get_or_insert(now));
        let arrival = since.as_micros() * u128::from(clock_rate) / 1_000_000;
        let transit = (arrival as u32).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = u64::from((transit.wrapping_sub(before) as i32).unsigned_abs());
            // Never negative: at least 15/16 of what was there stay.
            self.scaled = self.scaled + difference - ((self.scaled + 8) >> 4);
        }
    }

    fn value(&self) -> u32 {
        u32::try_from(self.scaled >> 4).unwrap_or(u32::MAX)
    }
}

impl Reception {
    /// Nothing received yet of the source `ssrc`.
    pub fn new(ssrc: u32) -> Self {
        Reception {
            ssrc,
            restart: Restart::default(),
            counts: None,
            jitter: Jitter::default(),
            sender_report: None,
        }
    }

    /// Takes a packet: its extended sequence number, its timestamp and the clock rate in Hz of its payload type.
    ///
    /// When the numbers go on somewhere else, counting begins anew; a single stray packet is not counted.
    pub fn received(&mut self, now: Instant, sequence: u64, timestamp: u32, clock_rate: u32) {
        let Some(counts) = &mut self.counts else {
            self.begin(now, sequence, timestamp, clock_rate);
            return;
        };
        let ahead = sequence.saturating_sub(counts.highest);
        let behind = counts.highest.saturating_sub(sequence);
        if ahead > MAX_DROPOUT || behind > MAX_MISORDER {
            if self.restart.is_confirmed_by(sequence) {
                self.begin(now, sequence, timestamp, clock_rate);
            }
            return;
        }
        counts.received += 1;
        counts.highest = counts.highest.max(sequence);
        // Sent before the first that came.
        counts.first = counts.first.min(sequence);
        self.jitter.update(now, timestamp, clock_rate);
    }

    /// Takes the NTP time (32.32 bits) of a sender report that came.
    pub fn sender_report(&mut self, now: Instant, ntp: u64) {
        self.sender_report = Some((ntp, now));
    }

    /// The block for the next report. The fraction lost is that since the previous call.
    pub fn report_block(&mut self, now: Instant) -> ReportBlock {
        let (last_sender_report, delay) = match self.sender_report {
            Some((ntp, at)) => (
                (ntp >> 16) as u32,
                short_ntp(now.saturating_duration_since(at)),
            ),
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: self.counts.as_mut().map_or(0, Counts::take_fraction_lost),
            cumulative_lost: self.cumulative_lost(),
            highest_sequence: self.highest_sequence(),
            jitter: self.jitter.value(),
            last_sender_report,
            delay,
        }
    }

    /// Packets received since the source began, those that came twice counted twice.
    pub fn packets(&self) -> u64 {
        self.counts.as_ref().map_or(0, |counts| counts.received)
    }

    /// Packets lost since the source began, cut to 24 bits with a sign; negative when packets came twice.
    pub fn cumulative_lost(&self) -> i32 {
        let lost = self.counts.as_ref().map_or(0, Counts::lost);
        lost.clamp(-(1 << 23), (1 << 23) - 1) as i32
    }

    /// Interarrival jitter in units of the RTP clock.
    pub fn jitter(&self) -> u32 {
        self.jitter.value()
    }

    fn begin(&mut self, now: Instant, sequence: u64, timestamp: u32, clock_rate: u32) {
        self.counts = Some(Counts::new(sequence));
        self.jitter = Jitter::default();
        self.jitter.update(now, timestamp, clock_rate);
    }

    /// The count of wrap-arounds starts at 0, extended sequence numbers at 1 of them.
    fn highest_sequence(&self) -> u32 {
        self.counts
            .as_ref()
            .map_or(0, |counts| counts.highest.wrapping_sub(1 << 16) as u32)
    }
}

/// A duration in 1/65536 s, at most 18 hours.
fn short_ntp(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos() * 65_536 / 1_000_000_000).unwrap_or(u32::MAX)
}
