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
        let waiting = self.arrivals.range(start..);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{self, Builder, Packet};
    use proptest::prelude::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A recorder that received packets at times in milliseconds after the returned one.
    fn after(packets: impl IntoIterator<Item = (u64, u16)>) -> (Recorder, Instant) {
        let (mut recorder, start) = (Recorder::new(), Instant::now());
        packets
            .into_iter()
            .for_each(|(at, sequence)| recorder.received(start + millis(at), sequence));
        (recorder, start)
    }

    /// Every report until there is no more, as late as needed.
    fn reports(recorder: &mut Recorder, start: Instant) -> Vec<TransportFeedback> {
        std::iter::from_fn(|| recorder.poll(start + Duration::from_secs(3600))).collect()
    }

    /// Packets that the reports say have arrived, with the time in ticks, and those that have not.
    fn arrivals(reports: &[TransportFeedback]) -> Vec<(u16, Option<i64>)> {
        reports
            .iter()
            .flat_map(TransportFeedback::arrivals)
            .collect()
    }

    #[test]
    fn nothing_is_reported_before_a_packet_came() {
        let (mut recorder, start) = after([]);
        assert_eq!(recorder.next_timeout(), None);
        assert_eq!(recorder.poll(start + millis(1000)), None);
    }

    #[test]
    fn reports_come_100_ms_after_the_first_packet() {
        let (mut recorder, start) = after([(0, 5), (60, 6)]);
        assert_eq!(recorder.next_timeout(), Some(start + INTERVAL));
        assert_eq!(recorder.poll(start + millis(99)), None);
        let report = recorder.poll(start + INTERVAL).unwrap();
        assert_eq!((report.base_sequence, report.feedback_count), (5, 0));
        assert_eq!(report.deltas, [Some(0), Some(240)]);
        assert_eq!(
            (recorder.poll(start + INTERVAL), recorder.next_timeout()),
            (None, None)
        );
        recorder.received(start + millis(150), 7);
        assert_eq!(recorder.next_timeout(), Some(start + millis(250)));
        let report = recorder.poll(start + millis(250)).unwrap();
        // 150 ms are two units of 64 ms and 22 ms.
        assert_eq!(
            (
                report.base_sequence,
                report.feedback_count,
                report.reference_time
            ),
            (7, 1, 2)
        );
        assert_eq!(report.deltas, [Some(88)]);
    }

    #[test]
    fn losses_are_reported_as_not_received_over_the_wrap() {
        let (mut recorder, start) = after([(0, 65_534), (1, 1)]);
        let expected = [(65_534, Some(0)), (65_535, None), (0, None), (1, Some(4))];
        assert_eq!(arrivals(&reports(&mut recorder, start)), expected);
    }

    #[test]
    fn a_loss_between_two_reports_is_reported() {
        let (mut recorder, start) = after([(0, 10)]);
        recorder.poll(start + INTERVAL).unwrap();
        recorder.received(start + millis(120), 12);
        let report = recorder.poll(start + millis(220)).unwrap();
        assert_eq!((report.base_sequence, report.deltas.len()), (11, 2));
        assert_eq!(report.deltas[0], None);
    }

    #[test]
    fn reordered_packets_have_negative_deltas() {
        let (mut recorder, start) = after([(0, 1), (10, 3), (20, 2)]);
        assert_eq!(
            reports(&mut recorder, start)[0].deltas,
            [Some(0), Some(80), Some(-40)]
        );
    }

    #[test]
    fn duplicates_are_not_recorded() {
        let (mut recorder, start) = after([(0, 1), (10, 1)]);
        assert_eq!(reports(&mut recorder, start)[0].deltas, [Some(0)]);
        recorder.received(start + millis(200), 1);
        assert_eq!(recorder.next_timeout(), None);
    }

    #[test]
    fn a_packet_that_comes_after_its_report_is_reported_with_its_neighbours() {
        let (mut recorder, start) = after([(0, 1), (0, 3)]);
        recorder.poll(start + INTERVAL).unwrap();
        recorder.received(start + millis(128), 2);
        let report = recorder.poll(start + millis(228)).unwrap();
        assert_eq!(arrivals(&[report]), [(2, Some(512)), (3, Some(0))]);
    }

    #[test]
    fn a_pause_longer_than_a_delta_can_say_begins_another_report() {
        let (mut recorder, start) = after([(0, 1), (8_000, 2), (17_000, 3)]);
        let reports = reports(&mut recorder, start);
        assert_eq!(
            reports
                .iter()
                .map(|report| report.deltas.len())
                .collect::<Vec<_>>(),
            [2, 1]
        );
        assert_eq!(
            arrivals(&reports),
            [(1, Some(0)), (2, Some(32_000)), (3, Some(68_000))]
        );
    }

    #[test]
    fn long_reports_are_split_so_that_each_fits_a_packet() {
        // Alternating small and large deltas and losses, the worst there is.
        let packets = (0..2_000u16).map(|n| (u64::from(n / 2) * 70, n * 2));
        let (mut recorder, start) = after(packets);
        let reports = reports(&mut recorder, start);
        assert!(reports.len() >= 9);
        for report in &reports {
            assert!(report.deltas.len() <= MAX_REPORTED);
            assert!(Builder::new().transport_cc(report).len() < 1_200);
        }
    }

    #[test]
    fn a_long_loss_keeps_the_reference_time_near() {
        let (mut recorder, start) = after([(0, 0)]);
        recorder.poll(start + INTERVAL).unwrap();
        recorder.received(start + millis(64_000), 2_000);
        let reports = reports(&mut recorder, start);
        let references: Vec<_> = reports.iter().map(|report| report.reference_time).collect();
        assert_eq!(references, [1_000; 5]);
    }

    #[test]
    fn a_jump_ahead_begins_anew() {
        let (mut recorder, start) = after([(0, 0), (0, 20_000), (0, 20_001)]);
        assert_eq!(
            arrivals(&reports(&mut recorder, start)),
            [(20_000, Some(0)), (20_001, Some(0))]
        );
    }

    #[test]
    fn a_jump_back_begins_anew_when_it_is_confirmed() {
        let (mut recorder, start) = after([(0, 30_000), (0, 10), (0, 12), (0, 30_001)]);
        assert_eq!(
            arrivals(&reports(&mut recorder, start)),
            [(30_000, Some(0)), (30_001, Some(0))]
        );
        let (mut recorder, start) = after([(0, 30_000), (0, 10), (0, 11), (0, 12)]);
        assert_eq!(
            arrivals(&reports(&mut recorder, start)),
            [(11, Some(0)), (12, Some(0))]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn memory_is_bounded_and_reports_end(sequences in prop::collection::vec(any::<u16>(), 1..64)) {
            let (mut recorder, start) = after(sequences.into_iter().enumerate().map(|(at, n)| (at as u64 * 40, n % 12_000)));
            prop_assert!(recorder.arrivals.len() <= MAX_WINDOW);
            let reports = reports(&mut recorder, start);
            prop_assert!(reports.iter().all(|report| !report.deltas.is_empty()));
            prop_assert!(reports.iter().map(|report| report.deltas.len()).sum::<usize>() <= MAX_WINDOW);
            prop_assert!(recorder.arrivals.len() <= MAX_HISTORY);
        }

        #[test]
        fn every_arrival_reaches_the_sender(
            steps in prop::collection::vec((0u64..300, prop_oneof![8 => Just(1u16), 1 => 2u16..40]), 1..200),
            first in any::<u16>(),
            poll_every in 1usize..50,
        ) {
            let (mut recorder, start) = (Recorder::new(), Instant::now());
            let (mut at, mut sequence) = (0, first);
            let (mut sent, mut reported) = (Vec::new(), Vec::new());
            for (index, (pause, step)) in steps.into_iter().enumerate() {
                recorder.received(start + millis(at), sequence);
                sent.push((sequence, Some(at as i64 * 4)));
                (at, sequence) = (at + pause, sequence.wrapping_add(step));
                if index % poll_every == 0 {
                    reported.extend(recorder.poll(start + millis(at)));
                }
            }
            reported.extend(reports(&mut recorder, start));
            // Over the wire and back, each report in a packet of its own.
            let read: Vec<_> = reported.iter().map(|report| {
                let data = Builder::new().transport_cc(report).finish();
                match rtcp::parse(&data).next() {
                    Some(Ok(Packet::TransportCc(feedback))) => feedback,
                    other => panic!("expected transport-wide feedback, got {other:?}"),
                }
            }).collect();
            let arrived: Vec<_> = arrivals(&read).into_iter().filter(|(_, arrival)| arrival.is_some()).collect();
            prop_assert_eq!(arrived, sent);
        }
    }
}
