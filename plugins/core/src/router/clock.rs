// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a packet was captured, on our clock.
//!
//! A sender report (RFC 3550 §6.4.1) pairs the sender's wall clock with a stream's RTP clock. All streams of a participant share
//! its wall clock, so one offset from that clock to ours, kept per participant, puts them on one time line: what was
//! captured together stays together, whatever each packet's way through the network took.

use std::time::{Duration, Instant};

/// Nanoseconds the offset may creep up per second: a generous bound on the drift between two quartz clocks (100 ppm).
const DRIFT_NS_PER_S: i64 = 100_000;
/// How fast a report may place a stream later than the earlier ones did, in ns/ms: more than any sound card's clock is off.
const REPORT_DRIFT: i64 = 500;
/// Reports this much apart, in nanoseconds, tell of a clock that was set or a source that paused: a late report is off by a quarter of it.
const REPORT_STEP_NS: i64 = 100_000_000;
/// A first report is believed at once when its timestamp is no further ahead of what has arrived, in nanoseconds: encoding takes as long.
const PLAUSIBLE_LEAD_NS: i64 = 500_000_000;

/// What arrived longer ago than this says nothing of a report: the source may have paused since.
const LATELY: Duration = Duration::from_millis(250);

/// A capture that much before or after the arrival is none: another stream's reports are of another wall clock. Arrivals tell then.
const PLAUSIBLE_AGE: Duration = Duration::from_secs(10);
const PLAUSIBLE_EARLINESS: Duration = Duration::from_secs(2);

/// The mapping from a participant's wall clock to ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceClock {
    origin: Instant,
    /// Ours minus theirs in nanoseconds, of the report that travelled fastest; and when it was taken.
    offset: Option<(i64, Instant)>,
}

impl SourceClock {
    /// A mapping that counts our time from `origin`.
    pub(crate) fn new(origin: Instant) -> SourceClock {
        SourceClock {
            origin,
            offset: None,
        }
    }

    /// Takes a sender report. The quickest one so far wins: delay only ever adds.
    pub(crate) fn sender_report(&mut self, now: Instant, ntp: u64) {
        let sample = self.since_origin(now) - ntp_nanos(ntp);
        let offset = match self.offset {
            Some((offset, at)) => {
                let seconds = now.saturating_duration_since(at).as_secs_f64();
                sample.min(offset.saturating_add((seconds * DRIFT_NS_PER_S as f64) as i64))
            }
            None => sample,
        };
        self.offset = Some((offset, now));
    }

    /// Their wall clock on ours.
    fn local(&self, ntp_nanos: i64) -> Option<Instant> {
        let nanos = ntp_nanos.checked_add(self.offset?.0)?;
        let distance = Duration::from_nanos(nanos.unsigned_abs());
        if nanos < 0 {
            self.origin.checked_sub(distance)
        } else {
            self.origin.checked_add(distance)
        }
    }

    fn since_origin(&self, now: Instant) -> i64 {
        i64::try_from(now.saturating_duration_since(self.origin).as_nanos()).unwrap_or(i64::MAX / 4)
    }
}

/// NTP time in nanoseconds. Fits: the era's 2^32 seconds are 4.3e18 ns.
fn ntp_nanos(ntp: u64) -> i64 {
    ((u128::from(ntp) * 1_000_000_000) >> 32) as i64
}

/// One stream's RTP clock against its participant's wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamClock {
    rate: u32,
    report: Option<Report>,
    /// A report that did not fit what arrived, until another one says the same.
    doubted: Option<Report>,
    /// How far the last believed report was ahead of what had arrived, in nanoseconds.
    lead: Option<i64>,
    arrival: Option<(Instant, u32)>,
    /// The packet of late that was quickest to arrive.
    quickest: Option<(Instant, u32)>,
}

/// A wall clock in nanoseconds, and the timestamp of that moment.
#[derive(Clone, Copy, Debug)]
struct Report {
    ntp: i64,
    rtp: u32,
}

impl StreamClock {
    /// For an RTP clock of `rate` Hz.
    pub(crate) fn new(rate: u32) -> StreamClock {
        StreamClock {
            rate: rate.max(1),
            report: None,
            doubted: None,
            lead: None,
            arrival: None,
            quickest: None,
        }
    }

    /// Takes the pair of clocks out of a sender report.
    ///
    /// Browsers take the time when sound is encoded for that of its capture, so load makes their reports late, never early: the
    /// earliest counts, as far as a clock does not drift.
    ///
    /// GStreamer reports timestamps that run ahead when its encoder's do (x265enc): a report that contradicts those before, and
    /// the packets as well, counts only when the next one confirms it.
    pub(crate) fn sender_report(&mut self, now: Instant, ntp: u64, rtp: u32) {
        let reported = Report {
            ntp: ntp_nanos(ntp),
            rtp,
        };
        let lead = self.lead_of(now, rtp);
        self.quickest = None;
        if let Some(expected) = self.report.map(|report| self.carried(report, rtp)) {
            let late = reported.ntp.saturating_sub(expected.ntp);
            if late.abs() <= REPORT_STEP_NS {
                self.follow(expected, late, rtp);
                self.lead = lead.or(self.lead);
                self.doubted = None;
                return;
            }
            if self.is_doubtful(reported, late, lead) {
                self.report = Some(expected);
                self.doubted = Some(reported);
                return;
            }
        } else if lead.is_some_and(|lead| lead > PLAUSIBLE_LEAD_NS) && !self.confirms(reported) {
            self.doubted = Some(reported);
            return;
        }
        self.report = Some(reported);
        self.lead = lead;
        self.doubted = None;
    }

    /// Moves on to a report that says about the same as those before.
    fn follow(&mut self, expected: Report, late: i64, rtp: u32) {
        let passed = self.report.map_or(0, |report| self.nanos(report.rtp, rtp));
        let drift = passed.max(0) / 1_000_000 * REPORT_DRIFT;
        self.report = Some(Report {
            ntp: expected.ntp.saturating_add(late.min(drift)),
            rtp,
        });
    }

    /// True when packets went on arriving as the reports before said, and not as this one does.
    fn is_doubtful(&self, reported: Report, late: i64, lead: Option<i64>) -> bool {
        let moved = self.lead.zip(lead).map(|(before, now)| now - before);
        moved.is_some_and(|moved| moved.abs() > late.abs() / 2) && !self.confirms(reported)
    }

    /// True when the report before was doubted and says the same.
    fn confirms(&self, reported: Report) -> bool {
        self.doubted.is_some_and(|doubted| {
            let carried = self.carried(doubted, reported.rtp);
            reported.ntp.saturating_sub(carried.ntp).abs() <= REPORT_STEP_NS
        })
    }

    /// What a report says of another timestamp.
    fn carried(&self, report: Report, rtp: u32) -> Report {
        Report {
            ntp: report.ntp.saturating_add(self.nanos(report.rtp, rtp)),
            rtp,
        }
    }

    /// How long after `now` the sample of that timestamp would arrive, in nanoseconds, going by the packets since the last report.
    fn lead_of(&self, now: Instant, rtp: u32) -> Option<i64> {
        let (arrival, at) = self.quickest?;
        let age = now.saturating_duration_since(arrival).as_nanos();
        Some(self.nanos(at, rtp) - i64::try_from(age).unwrap_or(i64::MAX / 4))
    }

    /// When the sample of that timestamp was captured, and whether sender reports say so.
    pub(crate) fn capture(
        &mut self,
        clock: &SourceClock,
        rtp: u32,
        arrival: Instant,
    ) -> (Instant, bool) {
        let estimate = self.estimate(rtp, arrival);
        let old = |(at, _)| arrival.saturating_duration_since(at) > LATELY;
        let quicker = self.lead_of(arrival, rtp).is_none_or(|lead| lead > 0);
        if quicker || self.quickest.is_some_and(old) {
            self.quickest = Some((arrival, rtp));
        }
        let reported = self
            .report
            .and_then(|report| clock.local(report.ntp.checked_add(self.nanos(report.rtp, rtp))?));
        let is_plausible = |capture: &Instant| {
            arrival.saturating_duration_since(*capture) <= PLAUSIBLE_AGE
                && capture.saturating_duration_since(arrival) <= PLAUSIBLE_EARLINESS
        };
        match reported.filter(is_plausible) {
            Some(capture) => (capture, true),
            None => (estimate, false),
        }
    }

    /// The RTP clock laid through the earliest arrival.
    fn estimate(&mut self, rtp: u32, arrival: Instant) -> Instant {
        let Some((instant, at)) = self.arrival else {
            self.arrival = Some((arrival, rtp));
            return arrival;
        };
        let estimate = shift(instant, self.nanos(at, rtp));
        if estimate > arrival || arrival - estimate > Duration::from_secs(2) {
            self.arrival = Some((arrival, rtp));
            return arrival;
        }
        estimate
    }

    fn nanos(&self, from: u32, to: u32) -> i64 {
        i64::from(to.wrapping_sub(from) as i32) * 1_000_000_000 / i64::from(self.rate)
    }
}

fn shift(instant: Instant, nanos: i64) -> Instant {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    let shifted = if nanos < 0 {
        instant.checked_sub(distance)
    } else {
        instant.checked_add(distance)
    };
    shifted.unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ntp(ms: u64) -> u64 {
        (3_900_000_000 << 32) + ((ms << 32) / 1000)
    }

    #[test]
    fn tracks_of_one_source_share_a_time_line_whatever_their_reports_took() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut source = SourceClock::new(start);
        let (mut audio, mut video) = (StreamClock::new(48_000), StreamClock::new(90_000));
        source.sender_report(at(140), ntp(100)); // 40 ms on the way
        audio.sender_report(at(140), ntp(100), 4_800);
        source.sender_report(at(510), ntp(500)); // 10 ms on the way
        video.sender_report(at(510), ntp(500), 7_000);
        let (a, a_sure) = audio.capture(&source, 4_800 + 48_000, at(1_200));
        let (v, v_sure) = video.capture(&source, 7_000 + 54_000, at(1_300));
        assert!(a_sure && v_sure);
        let apart = a.max(v) - a.min(v);
        assert!(
            apart < Duration::from_millis(1),
            "captured together, {apart:?} apart"
        );
        let captured = (a - start).as_micros();
        assert!((1_109_990..=1_110_010).contains(&captured), "{captured}");
    }

    #[test]
    fn a_late_report_moves_a_stream_no_more_than_a_clock_drifts() {
        let mut stream = StreamClock::new(48_000);
        let start = Instant::now();
        let mut takes = |late_us: u64, seconds: u32| {
            let at = ((u64::from(seconds) * 1_000_000 + late_us) << 32) / 1_000_000;
            stream.sender_report(start, (3_900_000_000 << 32) + at, seconds * 48_000);
            let nanos = stream.report.expect("a report was taken").ntp;
            (nanos - ntp_nanos(ntp(0)) - i64::from(seconds) * 1_000_000_000) / 1_000
        };
        assert_eq!(takes(12_000, 0), 12_000 - 1, "the first counts as it is");
        assert!((4_990..=5_000).contains(&takes(5_000, 5)), "earlier");
        assert!((7_480..=7_500).contains(&takes(30_000, 10)), "later");
        assert!((8_480..=8_500).contains(&takes(8_490, 15)), "by drift");
        assert!(takes(2_000_000, 20) > 1_999_000, "a clock that was set");
    }

    /// One packet of 20 ms after another, on the way for 30 ms, whose timestamps begin at 0.
    fn played(stream: &mut StreamClock, start: Instant, ms: std::ops::Range<u64>) {
        let source = SourceClock::new(start);
        for ms in ms.step_by(20) {
            let arrival = start + Duration::from_millis(ms + 30);
            stream.capture(&source, ms as u32 * 90, arrival);
        }
    }

    /// Where the stream's start is, in milliseconds of the sender's clock.
    fn began(stream: &StreamClock) -> Option<i64> {
        let report = stream.carried(stream.report?, 0);
        Some((report.ntp - ntp_nanos(ntp(0)) + 500_000).div_euclid(1_000_000))
    }

    #[test]
    fn reports_that_run_ahead_of_the_packets_are_not_believed() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stream = StreamClock::new(90_000);
        for (from, to) in [(0, 1_000), (1_000, 4_000), (4_000, 6_000)] {
            played(&mut stream, start, from..to);
            // Twice as fast as the packets.
            stream.sender_report(at(to + 10), ntp(to), 2 * to as u32 * 90);
            assert_eq!(began(&stream), None, "at {to}");
        }
        // It has come to its senses.
        played(&mut stream, start, 6_000..8_000);
        stream.sender_report(at(8_010), ntp(8_000), 8_000 * 90);
        assert_eq!(began(&stream), Some(0));
        // And goes wrong again.
        played(&mut stream, start, 8_000..10_000);
        stream.sender_report(at(10_010), ntp(10_000), 13_000 * 90);
        assert_eq!(began(&stream), Some(0));
    }

    #[test]
    fn an_encoder_that_takes_long_is_believed_when_it_repeats_itself() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stream = StreamClock::new(90_000);
        // What arrives at 1,000 was captured 2 s before.
        played(&mut stream, start, 0..1_000);
        stream.sender_report(at(1_010), ntp(3_000), 3_000 * 90);
        assert_eq!(began(&stream), None);
        played(&mut stream, start, 1_000..3_000);
        stream.sender_report(at(3_010), ntp(5_000), 5_000 * 90);
        assert_eq!(began(&stream), Some(0));
    }

    #[test]
    fn a_source_that_paused_and_a_clock_that_was_set_are_believed_at_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stream = StreamClock::new(90_000);
        played(&mut stream, start, 0..2_000);
        stream.sender_report(at(2_010), ntp(2_000), 2_000 * 90);
        // Its clock stood still for 700 ms.
        played(&mut stream, at(700), 2_000..4_000);
        stream.sender_report(at(4_710), ntp(4_700), 4_000 * 90);
        assert_eq!(began(&stream), Some(700));
        played(&mut stream, at(700), 4_000..6_000);
        stream.sender_report(at(6_710), ntp(60_000), 6_000 * 90);
        assert_eq!(began(&stream), Some(54_000));
    }

    #[test]
    fn a_pause_between_two_reports_is_believed_too() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stream = StreamClock::new(90_000);
        played(&mut stream, start, 0..2_000);
        stream.sender_report(at(2_010), ntp(2_000), 2_000 * 90);
        played(&mut stream, start, 2_000..3_000);
        played(&mut stream, at(300), 3_000..4_000);
        stream.sender_report(at(4_310), ntp(4_300), 4_000 * 90);
        assert_eq!(began(&stream), Some(300));
    }

    #[test]
    fn before_a_report_the_earliest_arrival_counts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let source = SourceClock::new(start);
        let mut stream = StreamClock::new(90_000);
        stream.capture(&source, 0, at(50));
        let (late, sure) = stream.capture(&source, 9_000, at(190));
        assert_eq!((late, sure), (at(150), false));
        let (early, _) = stream.capture(&source, 18_000, at(220));
        assert_eq!(early, at(220));
    }

    /// The most that a participant's sound and picture, sent at once, are apart in ten seconds. The sound's reports, two a second, are
    /// right; `of_video` says what those of the picture tell at that time, in milliseconds.
    fn most_apart(of_video: impl Fn(u64) -> Option<u64>) -> Duration {
        let start = Instant::now();
        let mut source = SourceClock::new(start);
        let (mut audio, mut video) = (StreamClock::new(48_000), StreamClock::new(90_000));
        let mut most = Duration::ZERO;
        for ms in (0..10_000u64).step_by(20) {
            let arrival = start + Duration::from_millis(ms + 30 + ms / 20 % 3);
            let sound = audio.capture(&source, ms as u32 * 48, arrival).0;
            let picture = video.capture(&source, ms as u32 * 90, arrival).0;
            most = most.max(sound.max(picture) - sound.min(picture));
            if ms % 500 == 480 {
                source.sender_report(arrival, ntp(ms));
                audio.sender_report(arrival, ntp(ms), ms as u32 * 48);
                if let Some(told) = of_video(ms) {
                    source.sender_report(arrival, ntp(told));
                    video.sender_report(arrival, ntp(told), ms as u32 * 90);
                }
            }
        }
        most
    }

    #[test]
    fn without_right_reports_sound_and_picture_are_together_as_they_arrive() {
        const HOUR: u64 = 3_600_000;
        let together = Duration::from_millis(5);
        assert!(most_apart(Some) <= together, "with reports");
        assert!(most_apart(|_| None) <= together, "never one");
        assert!(
            most_apart(|ms| (ms > 5_000).then_some(ms)) <= together,
            "late"
        );
        let once = |ms| (ms < 500).then_some(ms);
        assert!(most_apart(once) <= together, "one and no more");
        assert!(most_apart(|ms| Some(ms + HOUR)) <= together, "an hour fast");
        let slow = |ms: u64| Some(ms).filter(|ms| *ms < 5_000).or(Some(ms + HOUR));
        assert!(most_apart(slow) <= together, "set in mid-call");
    }

    #[test]
    fn timestamps_far_from_the_report_wrap_and_never_panic() {
        let start = Instant::now();
        let mut source = SourceClock::new(start);
        let mut stream = StreamClock::new(90_000);
        source.sender_report(start, u64::MAX);
        stream.sender_report(start, 0, u32::MAX);
        stream.capture(&source, 5, start);
        stream.capture(&source, 1 << 31, start);
    }
}
