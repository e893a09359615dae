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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A source whose packets came at once, all with the same timestamp.
    fn after(sequences: impl IntoIterator<Item = u64>) -> (Reception, Instant) {
        let (mut reception, now) = (Reception::new(7), Instant::now());
        sequences
            .into_iter()
            .for_each(|sequence| reception.received(now, sequence, 0, 90_000));
        (reception, now)
    }

    #[test]
    fn nothing_received_is_reported_as_nothing() {
        let (mut reception, now) = after([]);
        assert_eq!(
            reception.report_block(now),
            ReportBlock {
                ssrc: 7,
                ..ReportBlock::default()
            }
        );
    }

    #[test]
    fn a_whole_stream_has_no_loss() {
        let (mut reception, now) = after(65_536 + 10..65_536 + 110);
        let block = reception.report_block(now);
        assert_eq!(
            (
                block.fraction_lost,
                block.cumulative_lost,
                block.highest_sequence
            ),
            (0, 0, 109)
        );
        assert_eq!(reception.packets(), 100);
    }

    #[test]
    fn the_fraction_is_that_since_the_last_report() {
        // Three of every four.
        let (mut reception, now) = after((0..=400).filter(|n| n % 4 != 1).map(|n| 70_000 + n));
        let block = reception.report_block(now);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (63, 100));
        (70_401..70_501).for_each(|sequence| reception.received(now, sequence, 0, 90_000));
        let block = reception.report_block(now);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 100));
        assert_eq!(reception.report_block(now).fraction_lost, 0);
    }

    #[test]
    fn everything_lost_but_one_is_almost_256() {
        let (mut reception, now) = after([70_000]);
        reception.report_block(now);
        reception.received(now, 70_000 + 1_000, 0, 90_000);
        assert_eq!(reception.report_block(now).fraction_lost, 255);
    }

    #[test]
    fn duplicates_make_the_loss_negative_but_not_the_fraction() {
        let (mut reception, now) = after([70_000, 70_001, 70_001, 70_001]);
        let block = reception.report_block(now);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, -2));
    }

    #[test]
    fn reordered_packets_are_not_lost_even_before_the_first() {
        let (mut reception, now) = after([70_003, 70_001, 70_004, 70_002]);
        let block = reception.report_block(now);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0));
    }

    #[test]
    fn wrap_arounds_are_counted_in_the_upper_half() {
        let (mut reception, now) = after(0x1_FFFE..=0x2_0001);
        let block = reception.report_block(now);
        assert_eq!(
            (block.highest_sequence, block.cumulative_lost),
            (0x0001_0001, 0)
        );
    }

    #[test]
    fn a_restart_begins_the_counts_anew_after_two_packets() {
        for far in [70_000 + MAX_DROPOUT + 1, 70_000 - MAX_MISORDER - 3] {
            let (mut reception, now) = after([70_000, far, far + 1, far + 2]);
            assert_eq!((reception.packets(), reception.cumulative_lost()), (2, 0));
            assert_eq!(
                reception.report_block(now).highest_sequence,
                (far + 2 - 65_536) as u32
            );
        }
    }

    #[test]
    fn a_single_stray_packet_is_not_counted() {
        let (reception, _) = after([70_000, 90_000, 70_001, 70_002]);
        assert_eq!((reception.packets(), reception.cumulative_lost()), (3, 0));
    }

    #[test]
    fn loss_is_cut_to_24_bits() {
        let (reception, _) = after((0..9_000).map(|n| 70_000 + n * 2_900));
        assert_eq!(reception.cumulative_lost(), (1 << 23) - 1);
    }

    #[test]
    fn a_steady_stream_has_no_jitter() {
        let (mut reception, start) = (Reception::new(7), Instant::now());
        for n in 0..100u32 {
            // Timestamps wrap on the way.
            let timestamp = (u32::MAX - 10_000).wrapping_add(n * 960);
            reception.received(
                start + Duration::from_millis(20) * n,
                70_000 + u64::from(n),
                timestamp,
                48_000,
            );
        }
        assert_eq!(reception.jitter(), 0);
    }

    #[test]
    fn jitter_settles_at_the_mean_difference_of_transit_times() {
        let (mut reception, start) = (Reception::new(7), Instant::now());
        for n in 0..400u32 {
            // Every other packet is 10 ms late: each differs by 80 units from the one before.
            let late = Duration::from_millis(u64::from(n % 2) * 10);
            reception.received(
                start + Duration::from_millis(20) * n + late,
                70_000 + u64::from(n),
                n * 160,
                8_000,
            );
        }
        assert!(
            (78..=80).contains(&reception.jitter()),
            "jitter {}",
            reception.jitter()
        );
    }

    #[test]
    fn sender_reports_are_answered_with_their_time_and_delay() {
        let (mut reception, now) = after([70_000]);
        reception.sender_report(now, 0x0123_4567_89AB_CDEF);
        let block = reception.report_block(now + Duration::from_millis(1_500));
        assert_eq!(
            (block.last_sender_report, block.delay),
            (0x4567_89AB, 98_304)
        );
        assert_eq!(
            reception
                .report_block(now + Duration::from_secs(1 << 20))
                .delay,
            u32::MAX
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn lies_do_not_overflow(
            packets in prop::collection::vec((any::<u64>(), any::<u32>(), any::<u32>(), 0u64..1 << 40), 0..40),
            modulus in prop_oneof![Just(u64::MAX), 1u64..10_000],
        ) {
            let (mut reception, start) = (Reception::new(7), Instant::now());
            for (sequence, timestamp, clock_rate, at) in packets {
                let now = start + Duration::from_millis(at);
                reception.received(now, sequence % modulus, timestamp, clock_rate);
                reception.sender_report(now, sequence);
                let block = reception.report_block(start);
                prop_assert!((-(1 << 23)..1 << 23).contains(&block.cumulative_lost));
            }
        }

        #[test]
        fn expected_is_received_and_lost(lost in prop::collection::btree_set(1u64..499, 0..250), first in 65_536u64..140_000) {
            let (mut reception, now) = after((0..500).filter(|n| !lost.contains(n)).map(|n| first + n));
            let block = reception.report_block(now);
            prop_assert_eq!(block.cumulative_lost as usize, lost.len());
            prop_assert_eq!(usize::from(block.fraction_lost), lost.len() * 256 / 500);
        }
    }
}
