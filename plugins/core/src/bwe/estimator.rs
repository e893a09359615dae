// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts the parts together: feedback in, an estimate out.

use super::bucket::Bucket;
use super::delay::{DelayDetector, Usage};
use super::groups::Groups;
use super::loss::{LossControl, Tally};
use super::probe::Prober;
use super::queue::{Order, Queue};
use super::rate::RateControl;
use super::sent::SentLog;
use super::throughput::Throughput;
use crate::rtcp::TransportFeedback;
use std::time::{Duration, Instant};

/// A tick of feedback, µs.
const TICK: i64 = 250;
/// Ticks in the whole range of the 24-bit reference time.
const REFERENCE_RANGE: i64 = 1 << 32;
/// Without feedback for so long while packets go out, the peer cannot hear them, µs.
const SILENCE: u64 = 1_500_000;
/// Without feedback for so long nobody knows how the path is, µs.
const PAUSE: u64 = 1_000_000;
/// Assumed before anything is measured.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);

/// Limits of an [`Estimator`], in bit/s.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The rate assumed before the first feedback. The first probe aims at three times as much.
    pub start: u64,
    /// Never less, so that audio passes.
    pub min: u64,
    /// Never more.
    pub max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            start: 300_000,
            min: 40_000,
            max: 100_000_000,
        }
    }
}

/// Estimates the bandwidth towards one peer that sends transport-wide feedback.
#[derive(Debug)]
pub struct Estimator {
    epoch: Instant,
    log: SentLog,
    groups: Groups,
    delay: DelayDetector,
    throughput: Throughput,
    rate: RateControl,
    loss: LossControl,
    queue: Queue,
    prober: Prober,
    bucket: Bucket,
    settings: Settings,
    wanted: u64,
    round_trip: Duration,
    /// Newest time of the receiver's clock in ticks, unwrapped.
    reference: Option<i64>,
    /// The first packet since the last feedback, µs.
    unheard: Option<u64>,
    /// When feedback came last, µs.
    heard: u64,
    settled: bool,
    limited: bool,
}

/// What a report says in all.
#[derive(Debug)]
struct Report {
    tally: Tally,
    /// When the newest of the packets that arrived was sent, µs.
    newest: u64,
    /// One-way delay of the luckiest of them, by clocks that need not agree, µs.
    least_delay: i64,
    /// The path was over-used somewhere in it.
    over: bool,
}

impl Estimator {
    /// For a path that has just come up. `epoch` is the origin of the times that [`sent`](Self::sent) takes.
    pub fn new(now: Instant, epoch: Instant, settings: Settings) -> Estimator {
        Estimator {
            epoch,
            log: SentLog::default(),
            groups: Groups::default(),
            delay: DelayDetector::default(),
            throughput: Throughput::default(),
            rate: RateControl::new(settings.start, (settings.min, settings.max)),
            loss: LossControl::default(),
            queue: Queue::default(),
            prober: Prober::new(micros(epoch, now)),
            bucket: Bucket::default(),
            settings,
            wanted: 0,
            round_trip: FIRST_ROUND_TRIP,
            reference: None,
            unheard: None,
            heard: 0,
            settled: false,
            limited: false,
        }
    }

    /// What the path carries in bit/s; `None` before that is known.
    pub fn estimate(&self) -> Option<u64> {
        self.settled.then(|| self.current())
    }

    /// True once the path has shown that it carries no more than some rate: by a queue, by loss, or by silence. Before that the
    /// estimate says what has been tried.
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    /// Round trip of media and its feedback, the delay of the feedback included.
    pub fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Share of packets lost lately, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.loss.fraction()
    }

    /// What arrives, in bit/s; `None` before half a second of packets.
    pub fn throughput(&self) -> Option<u64> {
        self.throughput.rate()
    }

    /// Says what the peer could use, in bit/s: more is not probed for. Default: 0.
    pub fn set_wanted(&mut self, wanted: u64) {
        self.wanted = wanted;
    }

    /// The transport-wide sequence number for the packet that is sent next.
    #[inline]
    pub fn next_sequence(&self) -> u16 {
        self.log.next()
    }

    /// Notes a packet of `bytes` that is sent `at` microseconds after the epoch, and says its transport-wide sequence number.
    #[inline]
    pub fn sent(&mut self, at: u64, bytes: usize) -> u16 {
        if self.unheard.is_none() {
            self.unheard = Some(at);
        }
        let cluster = self.prober.current();
        if cluster != 0 {
            self.prober.sent(at, bytes);
        }
        self.bucket.sent(bytes);
        self.log.push(at, bytes, cluster)
    }

    /// Takes a report of the peer.
    pub fn handle_feedback(&mut self, now: Instant, feedback: &TransportFeedback) {
        let at = micros(self.epoch, now);
        self.unheard = None;
        self.forget_past(at);
        self.heard = at;
        let report = self.read(at, feedback);
        self.log.trim(at);
        let newest = (report.tally.received > 0).then_some(report.newest);
        if let Some(newest) = newest {
            self.measure_round_trip(at, newest);
            self.queue.measure(at, report.least_delay);
        }
        let verdict = self.judge_delay(report.over);
        if verdict == Usage::Over {
            self.prober.postpone(at);
            let capacity = self.throughput.of_full_path().unwrap_or(0);
            self.bucket.full(at, capacity, self.queue.delay());
        } else if let Some(rate) = self.throughput.rate() {
            self.bucket.arrives(at, rate);
        }
        self.judge_probe(at);
        let arriving = match verdict {
            Usage::Over => self.throughput.of_full_path(),
            _ => self.throughput.rate(),
        };
        let order = self.control(at, verdict, arriving, newest);
        let rate = self.rate.rate();
        let passes = self.throughput.of_full_path().unwrap_or(0);
        self.loss
            .update(at, report.tally, self.queue.is_standing(), rate, passes);
        let full = verdict == Usage::Over || order == Order::Drain;
        self.settled |= full || arriving.is_some();
        self.limited |= full || self.loss.limit().is_some();
    }

    /// Does what is due, and says how many bytes of padding to send now for a probe; 0: none.
    pub fn poll(&mut self, now: Instant) -> usize {
        let at = micros(self.epoch, now);
        if self.settled && self.unheard.is_some_and(|since| at >= since + SILENCE) {
            self.rate.starve();
            self.limited = true;
            self.unheard = Some(at);
        }
        self.judge_probe(at);
        self.forget_past(at);
        let over = self.delay.usage() == Usage::Over && self.queue.is_there();
        if over || self.loss.is_high() {
            self.prober.postpone(at);
        }
        let bucket = self.bucket.size();
        if self
            .prober
            .begin_due(at, self.current(), self.wanted, bucket)
        {
            self.bucket.begin(at);
        }
        self.prober.poll(at)
    }

    /// When to call [`poll`](Self::poll) next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let silence = self
            .unheard
            .filter(|_| self.settled)
            .map(|since| since + SILENCE);
        let wants_more = self.wanted as f64 > self.current() as f64 * 1.05;
        let probe = self
            .prober
            .timeout()
            .or(wants_more.then(|| self.prober.next()));
        let at = [silence, probe].into_iter().flatten().min()?;
        Some(self.epoch + Duration::from_micros(at))
    }

    /// Bytes of memory it takes.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.log.memory()
    }

    /// After a pause of the feedback what was seen before it says nothing of now.
    fn forget_past(&mut self, at: u64) {
        if at >= self.heard + PAUSE {
            self.groups = Groups::default();
            self.delay = DelayDetector::default();
            self.loss.forget();
            self.heard = at;
        }
    }

    fn current(&self) -> u64 {
        let rate = self.rate.rate();
        self.loss
            .limit()
            .map_or(rate, |limit| limit.min(rate))
            .max(self.settings.min)
    }

    /// Takes what a report says of each packet, in the order in which they arrived.
    fn read(&mut self, at: u64, feedback: &TransportFeedback) -> Report {
        let offset = self.unwrap(feedback.reference_time);
        let mut report = Report {
            tally: Tally::default(),
            newest: 0,
            least_delay: i64::MAX,
            over: false,
        };
        if feedback.is_in_order() {
            for status in feedback.arrivals() {
                self.read_status(at, offset, status, &mut report);
            }
        } else {
            let mut statuses: Vec<_> = feedback.arrivals().collect();
            statuses.sort_by_key(|(_, arrival)| *arrival);
            for status in statuses {
                self.read_status(at, offset, status, &mut report);
            }
        }
        report
    }

    #[inline]
    fn read_status(
        &mut self,
        at: u64,
        offset: i64,
        (sequence, arrival): (u16, Option<i64>),
        report: &mut Report,
    ) {
        let Some(arrival) = arrival else {
            if let Some(sent) = self.log.lost(at, sequence) {
                self.prober.lost(&sent);
                report.tally.lost += 1;
            }
            return;
        };
        let Some(sent) = self.log.received(at, sequence) else {
            return;
        };
        let arrival = (arrival + offset) * TICK;
        report.tally.received += 1;
        report.tally.recovered += u32::from(sent.was_lost);
        report.newest = report.newest.max(sent.at);
        report.least_delay = report.least_delay.min(arrival - sent.at as i64);
        if sent.cluster != 0 {
            self.prober.received(&sent, arrival);
        }
        self.throughput.packet(arrival, sent.bytes);
        if let Some(delta) = self.groups.packet(sent.at, arrival) {
            self.delay.group(delta);
            report.over |= self.delay.usage() == Usage::Over;
        }
    }

    /// What to add to the ticks of a report, so that they go on where the 24-bit reference time wraps.
    fn unwrap(&mut self, reference_time: i32) -> i64 {
        let ticks = i64::from(reference_time) * 256;
        let newest = self.reference.unwrap_or(ticks);
        let distance = (ticks - newest).rem_euclid(REFERENCE_RANGE);
        let signed = if distance >= REFERENCE_RANGE / 2 {
            distance - REFERENCE_RANGE
        } else {
            distance
        };
        let unwrapped = newest + signed;
        self.reference = Some(newest.max(unwrapped));
        unwrapped - ticks
    }

    fn measure_round_trip(&mut self, at: u64, newest: u64) {
        let sample = Duration::from_micros(at.saturating_sub(newest));
        // Mostly the least, since a queue and a slow report lengthen it; a longer path is believed after a while.
        self.round_trip = sample.min(self.round_trip + self.round_trip / 50);
    }

    /// Over-use anywhere in the report is over-use, if it has left a queue behind: on a path where even one packet has found
    /// none, the others waited for something else, as for a processor. That is no reason to send less, nor more.
    fn judge_delay(&self, over: bool) -> Usage {
        match self.delay.usage() {
            usage if !over && usage != Usage::Over => usage,
            _ if self.queue.is_there() => Usage::Over,
            _ => Usage::Under,
        }
    }

    fn control(
        &mut self,
        at: u64,
        verdict: Usage,
        arriving: Option<u64>,
        newest: Option<u64>,
    ) -> Order {
        let order = if newest.is_none() {
            Order::Go
        } else {
            let round_trip = self.round_trip.as_micros() as u64;
            self.queue.order(at, round_trip)
        };
        match order {
            Order::Go => {
                let sent = newest.unwrap_or(0);
                self.rate
                    .update(at, sent, verdict, arriving, self.round_trip);
            }
            Order::Drain => self.rate.drain(arriving),
            Order::Hold => {}
            Order::Restore => self.rate.restore(),
        }
        order
    }

    fn judge_probe(&mut self, at: u64) {
        let Some(shown) = self.prober.result(at) else {
            return;
        };
        self.settled = true;
        self.limited |= shown.filled;
        if !shown.filled {
            self.bucket.shown(shown.rate);
        }
        if !self.loss.is_high() {
            self.rate
                .probed(at, shown.rate, shown.filled, self.throughput.rate());
            self.loss.probed(shown.rate);
        }
    }
}

fn micros(epoch: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(epoch).as_micros() as u64
}
