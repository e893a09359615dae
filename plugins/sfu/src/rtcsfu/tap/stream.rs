// SPDX-License-Identifier: MIT OR Apache-2.0
//! One tapped stream: what comes from a worker becomes what a muxer can take.
//!
//! In order, gaps repaired or reported, video from a keyframe on, and in running time. Without threads or a clock, so that
//! tests run it in virtual time.

use super::group::{Group, Progress};
use super::reorder::Reorder;
use super::timeline::{Estimate, Stamp, Timeline};
use gst_rtc_core::media::MediaKind;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More packets than this are not held back for the sake of synchronisation.
const HELD: usize = 4_096;

/// A keyframe that does not come is asked for again after this.
const KEYFRAME_RETRY: Duration = Duration::from_secs(1);

/// What the stream needs to know of a packet.
#[derive(Clone, Debug)]
pub(super) struct Incoming<T> {
    /// Extended sequence number.
    pub(super) sequence: u64,
    /// RTP timestamp.
    pub(super) timestamp: u32,
    /// Decoding can start here.
    pub(super) keyframe: bool,
    /// When it was captured.
    pub(super) estimate: Estimate,
    /// The packet itself.
    pub(super) value: T,
}

/// A packet that can go downstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ready<T> {
    /// The packet itself.
    pub(super) value: T,
    /// Running time.
    pub(super) pts: gst::ClockTime,
    /// First of a stream, or packets before it are missing.
    pub(super) discont: bool,
    /// Part of a picture that needs earlier ones.
    pub(super) delta: bool,
}

/// A packet on its way, and whether there is a gap before it.
type Ordered<T> = (Incoming<T>, bool);

#[derive(Debug)]
enum Stage<T> {
    /// Nothing can be decoded before a keyframe.
    WaitingForKeyframe,
    /// Packets wait until it is certain when they and those of the other stream were captured.
    Holding {
        since: Instant,
        packets: VecDeque<Ordered<T>>,
    },
    Flowing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream<T> {
    kind: MediaKind,
    /// How long packets may be held back so that audio and video start in sync.
    hold: Option<Duration>,
    group: Arc<Group>,
    reorder: Reorder<Incoming<T>>,
    timeline: Timeline,
    stage: Stage<T>,
    discont: bool,
    key_timestamp: Option<u32>,
    keyframe: KeyframeWish,
    ready: VecDeque<Ready<T>>,
    late: u64,
    lost: u64,
}

impl<T> Stream<T> {
    /// A stream of a participant's `group` that has not begun.
    pub(super) fn new(kind: MediaKind, group: Arc<Group>) -> Stream<T> {
        Stream {
            kind,
            hold: None,
            group,
            reorder: Reorder::new(Duration::ZERO),
            timeline: Timeline::new(kind_clock_rate(kind)),
            stage: Stage::WaitingForKeyframe,
            discont: true,
            key_timestamp: None,
            keyframe: KeyframeWish::default(),
            ready: VecDeque::new(),
            late: 0,
            lost: 0,
        }
    }

    /// A source begins, another perhaps: sequence numbers and timestamps have nothing to do with those before. `latency`: how
    /// long a packet waits for an earlier one. `hold`: how long packets wait at most until it is certain when those of the whole
    /// group were captured.
    pub(super) fn restart(
        &mut self,
        clock_rate: u32,
        latency: Duration,
        hold: Option<Duration>,
        group: Arc<Group>,
    ) {
        self.hold = hold;
        self.group = group;
        self.group.set(self.kind, Progress::Waiting);
        self.reorder = Reorder::new(latency);
        self.timeline.restart(clock_rate);
        self.stage = Stage::WaitingForKeyframe;
        self.discont = true;
        self.key_timestamp = None;
        self.keyframe = KeyframeWish {
            wanted: self.kind == MediaKind::Video,
            asked: None,
        };
        self.ready.clear();
    }

    /// The track was found: those of its group may wait for it.
    pub(super) fn expect(&mut self, group: Arc<Group>) {
        self.group = group;
        self.group.set(self.kind, Progress::Waiting);
    }

    /// The track is gone: nobody need wait for it.
    pub(super) fn leave(&mut self) {
        self.group.set(self.kind, Progress::Absent);
    }

    /// Takes a packet.
    pub(super) fn handle(&mut self, now: Instant, packet: Incoming<T>) {
        if !self.reorder.insert(now, packet.sequence, packet) {
            self.late += 1;
        }
    }

    /// The next packet to send downstream.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Ready<T>> {
        while self.ready.is_empty() {
            let Some((packet, gap)) = self.reorder.pop(now) else {
                break;
            };
            self.order(now, packet, gap);
        }
        if self.hold_timeout().is_some_and(|at| now >= at) {
            self.release();
        }
        self.ready.pop_front()
    }

    /// When [`Stream::poll`] may have something although nothing came in.
    pub(super) fn timeout(&self) -> Option<Instant> {
        [
            self.reorder.timeout(),
            self.hold_timeout(),
            self.keyframe.timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// True when the source should now be asked for a keyframe.
    pub(super) fn poll_keyframe(&mut self, now: Instant) -> bool {
        self.keyframe.poll(now)
    }

    /// Packets that came too late or twice.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// Gaps given up.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    fn hold_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Holding { since, .. } => Some(*since + self.hold.unwrap_or_default()),
            _ => None,
        }
    }

    fn order(&mut self, now: Instant, packet: Incoming<T>, gap: bool) {
        if gap {
            self.lost += 1;
            self.keyframe.wanted |= self.kind == MediaKind::Video;
        }
        if packet.keyframe {
            self.keyframe.wanted = false;
        }
        if matches!(self.stage, Stage::WaitingForKeyframe) {
            if !packet.keyframe {
                return;
            }
            self.stage = match self.hold {
                Some(_) => Stage::Holding {
                    since: now,
                    packets: VecDeque::new(),
                },
                None => self.settle(),
            };
        }
        match &mut self.stage {
            Stage::Holding { packets, .. } => {
                if packet.estimate.certain {
                    self.group.set(self.kind, Progress::Settled);
                }
                packets.push_back((packet, gap));
                if self.group.is_settled() || packets.len() >= HELD {
                    self.release();
                }
            }
            _ => {
                let estimate = Some(packet.estimate);
                self.emit(packet, gap, estimate);
            }
        }
    }

    fn settle(&mut self) -> Stage<T> {
        self.hold = None;
        self.group.set(self.kind, Progress::Settled);
        Stage::Flowing
    }

    /// Places the held packets in running time, by the latest that is certain or else by the one delayed least.
    fn release(&mut self) {
        let flowing = self.settle();
        let Stage::Holding { packets, .. } = std::mem::replace(&mut self.stage, flowing) else {
            return;
        };
        let held = || packets.iter().map(|(packet, _)| packet);
        let certain = held().rfind(|packet| packet.estimate.certain);
        let quickest =
            || held().min_by_key(|packet| self.timeline.offset(packet.timestamp, packet.estimate));
        if let Some((timestamp, estimate)) = certain
            .or_else(quickest)
            .map(|packet| (packet.timestamp, packet.estimate))
        {
            self.timeline.anchor(timestamp, estimate);
        }
        for (packet, gap) in packets {
            self.emit(packet, gap, None);
        }
    }

    fn emit(&mut self, packet: Incoming<T>, gap: bool, estimate: Option<Estimate>) {
        let Stamp { at, jumped } = self.timeline.stamp(packet.timestamp, estimate);
        if packet.keyframe {
            self.key_timestamp = Some(packet.timestamp);
        }
        let Ok(at) = u64::try_from(at) else {
            self.skip_prehistory();
            return;
        };
        // A picture whose beginning lies before the pipeline's cannot be decoded.
        if matches!(self.stage, Stage::WaitingForKeyframe) {
            if !packet.keyframe {
                return;
            }
            self.stage = Stage::Flowing;
            self.keyframe.wanted = false;
        }
        self.ready.push_back(Ready {
            value: packet.value,
            pts: gst::ClockTime::from_nseconds(at),
            discont: std::mem::take(&mut self.discont) || gap || jumped,
            delta: self.kind == MediaKind::Video && self.key_timestamp != Some(packet.timestamp),
        });
    }

    /// What was captured before the pipeline began has no running time.
    fn skip_prehistory(&mut self) {
        if self.kind == MediaKind::Video {
            self.stage = Stage::WaitingForKeyframe;
            self.keyframe.wanted = true;
        }
    }
}

fn kind_clock_rate(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}

/// A keyframe is wanted, and when it was asked for.
#[derive(Debug, Default)]
struct KeyframeWish {
    wanted: bool,
    asked: Option<Instant>,
}

impl KeyframeWish {
    fn timeout(&self) -> Option<Instant> {
        self.asked
            .filter(|_| self.wanted)
            .map(|asked| asked + KEYFRAME_RETRY)
    }

    fn poll(&mut self, now: Instant) -> bool {
        let due = self.wanted && self.asked.is_none_or(|asked| now >= asked + KEYFRAME_RETRY);
        if due {
            self.asked = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(100);
    const MS: i64 = 1_000_000;

    fn packet(sequence: u64, keyframe: bool, at: i64, certain: bool) -> Incoming<u64> {
        let timestamp = (sequence * 3_000) as u32;
        Incoming {
            sequence,
            timestamp,
            keyframe,
            estimate: Estimate {
                at: at * MS,
                certain,
            },
            value: sequence,
        }
    }

    fn video(hold: Option<Duration>) -> Stream<u64> {
        of_group(MediaKind::Video, hold, &Arc::new(Group::new()))
    }

    fn of_group(kind: MediaKind, hold: Option<Duration>, group: &Arc<Group>) -> Stream<u64> {
        let mut stream = Stream::new(kind, group.clone());
        stream.restart(90_000, LATENCY, hold, group.clone());
        stream
    }

    fn drain(stream: &mut Stream<u64>, now: Instant) -> Vec<Ready<u64>> {
        std::iter::from_fn(|| stream.poll(now)).collect()
    }

    fn values(ready: &[Ready<u64>]) -> Vec<u64> {
        ready.iter().map(|ready| ready.value).collect()
    }

    #[test]
    fn video_starts_with_a_keyframe_which_is_asked_for_each_second() {
        let now = Instant::now();
        let mut stream = video(None);
        assert!(stream.poll_keyframe(now));
        assert!(!stream.poll_keyframe(now));
        stream.handle(now, packet(1, false, 100, true));
        assert_eq!(drain(&mut stream, now), []);
        assert!(stream.poll_keyframe(now + KEYFRAME_RETRY));
        stream.handle(now, packet(2, true, 133, true));
        stream.handle(now, packet(3, false, 166, true));
        let ready = drain(&mut stream, now);
        assert_eq!(values(&ready), [2, 3]);
        assert_eq!((ready[0].discont, ready[0].delta), (true, false));
        assert_eq!((ready[1].discont, ready[1].delta), (false, true));
        assert!(!stream.poll_keyframe(now + 5 * KEYFRAME_RETRY));
    }

    #[test]
    fn a_lost_packet_is_a_discontinuity_and_asks_for_a_keyframe() {
        let now = Instant::now();
        let mut stream = video(None);
        stream.handle(now, packet(1, true, 100, true));
        stream.handle(now, packet(3, false, 166, true));
        assert_eq!(values(&drain(&mut stream, now)), [1]);
        let later = stream.timeout().expect("waits for packet 2");
        let ready = drain(&mut stream, later);
        assert!(ready[0].discont);
        assert_eq!(stream.lost(), 1);
        assert!(stream.poll_keyframe(later));
    }

    #[test]
    fn held_packets_get_the_times_of_the_first_certain_one() {
        let now = Instant::now();
        let mut stream = video(Some(Duration::from_secs(3)));
        stream.handle(now, packet(30, true, 1_100, false));
        stream.handle(now, packet(31, false, 1_140, false));
        assert_eq!(drain(&mut stream, now), []);
        stream.handle(now, packet(60, false, 2_000, true));
        for lost in 32..60 {
            stream.handle(now, packet(lost, false, 1_900, false));
        }
        let ready = drain(&mut stream, now);
        assert_eq!(ready.len(), 31);
        assert_eq!(ready[0].pts, gst::ClockTime::from_mseconds(1_000));
        assert_eq!(ready[30].pts, gst::ClockTime::from_mseconds(2_000));
    }

    #[test]
    fn holding_ends_with_the_timeout_and_the_least_delayed_packet() {
        let now = Instant::now();
        let hold = Duration::from_secs(3);
        let mut stream = video(Some(hold));
        stream.handle(now, packet(30, true, 1_100, false));
        stream.handle(now, packet(31, false, 1_050, false));
        assert_eq!(drain(&mut stream, now), []);
        assert_eq!(stream.timeout(), Some(now + hold));
        let ready = drain(&mut stream, now + hold);
        assert_eq!(values(&ready), [30, 31]);
        assert_eq!(ready[1].pts, gst::ClockTime::from_mseconds(1_050));
    }

    #[test]
    fn audio_and_video_are_held_until_both_are_certain() {
        let now = Instant::now();
        let hold = Some(Duration::from_secs(3));
        let group = Arc::new(Group::new());
        let mut audio = of_group(MediaKind::Audio, hold, &group);
        let mut video = of_group(MediaKind::Video, hold, &group);
        audio.handle(now, packet(30, true, 1_000, true));
        assert_eq!(drain(&mut audio, now), []);
        video.handle(now, packet(30, true, 990, true));
        assert_eq!(values(&drain(&mut video, now)), [30]);
        // Meanwhile a quicker report has moved the participant's clock by 10 ms: both start from there.
        audio.handle(now, packet(31, false, 1_023, true));
        let start = drain(&mut audio, now)[0].pts;
        assert!(
            start.absdiff(gst::ClockTime::from_mseconds(990)) < gst::ClockTime::from_mseconds(1),
            "{start}"
        );
    }

    #[test]
    fn nobody_waits_for_a_track_that_is_gone() {
        let now = Instant::now();
        let hold = Some(Duration::from_secs(3));
        let group = Arc::new(Group::new());
        let mut audio = of_group(MediaKind::Audio, hold, &group);
        let mut video = of_group(MediaKind::Video, hold, &group);
        audio.handle(now, packet(30, true, 1_000, true));
        assert_eq!(drain(&mut audio, now), []);
        video.leave();
        audio.handle(now, packet(31, true, 1_033, true));
        assert_eq!(values(&drain(&mut audio, now)), [30, 31]);
    }

    #[test]
    fn what_was_captured_before_the_pipeline_began_is_skipped_up_to_a_keyframe() {
        let now = Instant::now();
        let mut stream = video(None);
        stream.handle(now, packet(1, true, -50, true));
        stream.handle(now, packet(2, false, -17, true));
        stream.handle(now, packet(3, false, 16, true));
        stream.handle(now, packet(4, true, 50, true));
        assert_eq!(values(&drain(&mut stream, now)), [4]);
    }

    #[test]
    fn audio_starts_at_once() {
        let now = Instant::now();
        let mut stream = of_group(MediaKind::Audio, None, &Arc::new(Group::new()));
        assert!(!stream.poll_keyframe(now));
        stream.handle(now, packet(1, true, 100, false));
        let ready = drain(&mut stream, now);
        assert!(ready[0].discont && !ready[0].delta);
    }
}
