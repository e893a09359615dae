// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call in virtual time: media over a [`Link`], reports of the receiver, an [`Estimator`].

use super::link::{Link, Shape};
use super::tcp::Tcp;
use crate::bwe::{Estimator, Settings};
use crate::rtcp::TransportFeedback;
use crate::twcc::Recorder;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MILLI: u64 = 1_000;
const PACKET: usize = 1_200;
const PADDING: usize = 280;

/// How much the sender sends.
pub(super) enum Media {
    /// As much as the estimate, up to this, in bit/s.
    Elastic(u64),
    /// The largest of these rates that the estimate allows, as a simulcast publisher's layers are.
    Layers(&'static [u64]),
}

impl Media {
    fn rate(&self, estimate: u64) -> u64 {
        match self {
            Media::Elastic(most) => estimate.min(*most),
            Media::Layers(layers) => {
                let fits = layers.iter().rev().find(|layer| **layer <= estimate);
                *fits.unwrap_or(&layers[0])
            }
        }
    }

    fn wanted(&self) -> u64 {
        match self {
            Media::Elastic(most) => *most,
            Media::Layers(layers) => layers[layers.len() - 1] * 5 / 4,
        }
    }
}

/// What a stretch of the call was like.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) estimates: Vec<u64>,
    /// Queueing delay of every packet sent, µs, sorted.
    pub(super) queueing: Vec<u64>,
    /// Media that arrived, bytes.
    pub(super) arrived: u64,
    pub(super) padding: u64,
    pub(super) seconds: f64,
}

impl Report {
    pub(super) fn mean(&self) -> u64 {
        self.estimates.iter().sum::<u64>() / self.estimates.len().max(1) as u64
    }

    /// 95th percentile, ms.
    pub(super) fn queueing_p95(&self) -> u64 {
        self.queueing[self.queueing.len() * 95 / 100] / MILLI
    }

    pub(super) fn arrived_rate(&self) -> u64 {
        (self.arrived as f64 * 8.0 / self.seconds) as u64
    }
}

pub(super) struct Call {
    pub(super) link: Link,
    pub(super) tcp: Option<Tcp>,
    media: Media,
    start: Instant,
    now: u64,
    estimator: Estimator,
    recorder: Recorder,
    arrivals: VecDeque<(u64, u16, usize)>,
    reports: VecDeque<(u64, TransportFeedback)>,
    next_frame: u64,
    /// Bytes of the current frame that wait for the pacer, and when the pacer has sent what it did.
    frame: usize,
    paced: u64,
    report: Report,
}

impl Call {
    pub(super) fn new(shape: Shape, media: Media, seed: u64) -> Call {
        let start = Instant::now();
        let mut estimator = Estimator::new(start, start, Settings::default());
        estimator.set_wanted(media.wanted());
        Call {
            link: Link::new(shape, seed),
            tcp: None,
            media,
            start,
            now: 0,
            estimator,
            recorder: Recorder::new(),
            arrivals: VecDeque::new(),
            reports: VecDeque::new(),
            next_frame: 0,
            frame: 0,
            paced: 0,
            report: Report::default(),
        }
    }

    pub(super) fn estimate(&self) -> u64 {
        self.estimator.estimate().unwrap_or(300_000)
    }

    pub(super) fn is_limited(&self) -> bool {
        self.estimator.is_limited()
    }

    pub(super) fn reshape(&mut self, change: impl FnOnce(&mut Shape)) {
        let mut shape = self.link.shape;
        change(&mut shape);
        self.link.reshape(self.now, shape);
    }

    /// Goes on for `seconds` and says what they were like.
    pub(super) fn run(&mut self, seconds: u64) -> Report {
        let end = self.now + seconds * 1_000 * MILLI;
        while self.now < end {
            self.now += MILLI;
            self.step();
        }
        self.report.seconds = seconds as f64;
        self.report.queueing.sort_unstable();
        std::mem::take(&mut self.report)
    }

    /// True as soon as the estimate is at least `rate`; gives up after `seconds`.
    pub(super) fn reaches(&mut self, rate: u64, seconds: u64) -> Option<f64> {
        let (begin, end) = (self.now, self.now + seconds * 1_000 * MILLI);
        while self.now < end {
            self.now += MILLI;
            self.step();
            if self.estimate() >= rate {
                return Some((self.now - begin) as f64 / 1e6);
            }
        }
        None
    }

    fn at(&self, micros: u64) -> Instant {
        self.start + Duration::from_micros(micros)
    }

    fn step(&mut self) {
        self.deliver();
        self.send_media();
        self.send_padding();
        if let Some(tcp) = &mut self.tcp {
            tcp.run(self.now, &mut self.link);
        }
        if self.now.is_multiple_of(100 * MILLI) {
            let estimate = self.estimate();
            self.report.estimates.push(estimate);
        }
    }

    fn deliver(&mut self) {
        while let Some((at, sequence, bytes)) =
            self.arrivals.pop_front_if(|(at, ..)| *at <= self.now)
        {
            self.recorder.received(self.at(at), sequence);
            if bytes == PACKET {
                self.report.arrived += bytes as u64;
            }
        }
        while let Some(feedback) = self.recorder.poll(self.at(self.now)) {
            self.reports
                .push_back((self.now + self.link.shape.delay, feedback));
        }
        while let Some((_, feedback)) = self.reports.pop_front_if(|(at, _)| *at <= self.now) {
            self.estimator.handle_feedback(self.at(self.now), &feedback);
        }
    }

    /// A frame 30 times a second, spread over 15 ms as a pacer would.
    fn send_media(&mut self) {
        if self.now >= self.next_frame {
            self.next_frame += 33_333;
            self.frame += self.media.rate(self.estimate()) as usize / 8 / 30;
            self.paced = self.paced.max(self.now.saturating_sub(15 * MILLI));
        }
        let gap = 15 * MILLI * PACKET as u64 / (self.estimate() / 8 / 30).max(PACKET as u64);
        while self.frame >= PACKET && self.paced <= self.now {
            self.frame -= PACKET;
            self.paced = self.paced.max(self.now - MILLI) + gap;
            self.send(PACKET);
        }
    }

    fn send_padding(&mut self) {
        let mut padding = self.estimator.poll(self.at(self.now));
        while padding > 0 {
            let bytes = padding.clamp(60, PADDING);
            padding -= bytes.min(padding);
            self.report.padding += bytes as u64;
            self.send(bytes);
        }
    }

    fn send(&mut self, bytes: usize) {
        let sequence = self.estimator.sent(self.now, bytes);
        self.report.queueing.push(self.link.backlog(self.now));
        if let Some(arrival) = self.link.send(self.now, bytes) {
            self.arrivals.push_back((arrival, sequence, bytes));
        }
    }
}
