// SPDX-License-Identifier: MIT OR Apache-2.0
//! From RTP timestamps to running time, without the jitter of arrivals.
//!
//! Within a stream, distances are those of the RTP clock: packets of one timestamp get one time, whatever the order in which
//! they come. Where the stream lies in running time is estimated for every packet; the estimate is followed so slowly that
//! nothing audible or visible happens and time never runs backwards.

/// Media time over time: the stream is shifted by at most 1 % of what it advances, 10 ms in a second.
const SLEW: i64 = 100;

/// An estimate this far off, in nanoseconds, is a new position rather than drift.
const STEP: i64 = 1_000_000_000;

/// What is later by the RTP clock is later by at least this in running time, in nanoseconds: what files can tell apart.
const APART: i64 = 1_000_000;

/// Arrivals are compared over one to two of these, in nanoseconds of media time.
const WINDOW: i64 = 2_000_000_000;

/// When a packet was captured, as well as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    /// Running time in nanoseconds.
    pub(super) at: i64,
    /// From a sender report or a local clock; otherwise from the arrival, which is never early but often late.
    pub(super) certain: bool,
}

/// The running time of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// Running time in nanoseconds; negative when captured before the pipeline began.
    pub(super) at: i64,
    /// The stream was moved; distances to earlier packets mean nothing.
    pub(super) jumped: bool,
}

/// Maps the timestamps of one stream.
#[derive(Debug)]
pub(super) struct Timeline {
    clock_rate: u32,
    mapping: Option<Mapping>,
    /// The latest running time handed out.
    newest: Option<i64>,
}

impl Timeline {
    /// `clock_rate`: RTP clock rate in Hz.
    pub(super) fn new(clock_rate: u32) -> Timeline {
        Timeline {
            clock_rate: clock_rate.max(1),
            mapping: None,
            newest: None,
        }
    }

    /// Forgets the stream; what comes next may have another clock and other timestamps, but lies later.
    pub(super) fn restart(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate.max(1);
        self.mapping = None;
    }

    /// Says where the stream lies before the first packet is stamped.
    pub(super) fn anchor(&mut self, timestamp: u32, estimate: Estimate) {
        self.mapping = Some(Mapping::new(self.clock_rate, timestamp, estimate));
    }

    /// The position of tick 0 that a packet suggests; the lower of two is the one that was delayed less.
    pub(super) fn offset(&self, timestamp: u32, estimate: Estimate) -> i64 {
        estimate.at - media_time(i64::from(timestamp), self.clock_rate)
    }

    /// The running time of a packet. `estimate`: when it was captured; `None` to learn nothing from this packet.
    pub(super) fn stamp(&mut self, timestamp: u32, estimate: Option<Estimate>) -> Stamp {
        let mut later = self.mapping.is_none();
        let mapping = match (&mut self.mapping, estimate) {
            (Some(mapping), _) => mapping,
            (none, Some(estimate)) => {
                none.insert(Mapping::new(self.clock_rate, timestamp, estimate))
            }
            (None, None) => {
                return Stamp {
                    at: self.newest.unwrap_or(-1),
                    jumped: false,
                };
            }
        };
        let before = mapping.newest;
        let jumped = mapping.advance(timestamp, estimate);
        let mut at = mapping.running_time();
        later |= mapping.newest > before;
        // Parsers and muxers drop the second of two pictures with one time.
        let apart = if later { APART } else { 0 };
        let least = self.newest.map(|last| last + apart);
        if mapping.is_newest()
            && let Some(least) = least.filter(|least| at < *least)
        {
            mapping.offset += least - at;
            at = least;
        }
        self.newest = Some(self.newest.map_or(at, |last| last.max(at)));
        Stamp { at, jumped }
    }
}

/// Where a stream lies.
#[derive(Debug)]
struct Mapping {
    clock_rate: u32,
    /// Extended timestamp of the packet at hand.
    ticks: i64,
    /// The highest extended timestamp.
    newest: i64,
    /// Running time of tick 0.
    offset: i64,
    certain: bool,
    floor: Floor,
}

impl Mapping {
    fn new(clock_rate: u32, timestamp: u32, estimate: Estimate) -> Mapping {
        let ticks = i64::from(timestamp);
        let offset = estimate.at - media_time(ticks, clock_rate);
        Mapping {
            clock_rate,
            ticks,
            newest: ticks,
            offset,
            certain: estimate.certain,
            floor: Floor::new(offset),
        }
    }

    /// Moves on to a packet. True: the stream was moved.
    fn advance(&mut self, timestamp: u32, estimate: Option<Estimate>) -> bool {
        self.ticks += i64::from(timestamp.wrapping_sub(self.ticks as u32) as i32);
        let passed = media_time(self.ticks - self.newest, self.clock_rate);
        self.newest = self.newest.max(self.ticks);
        match estimate {
            Some(estimate) if passed > 0 => self.follow(estimate, passed),
            _ => false,
        }
    }

    fn follow(&mut self, estimate: Estimate, passed: i64) -> bool {
        let offset = estimate.at - media_time(self.ticks, self.clock_rate);
        let target = match (estimate.certain, self.certain) {
            (true, _) => offset,
            (false, false) => self.floor.lowest(offset, passed),
            (false, true) => return false,
        };
        self.certain = estimate.certain;
        let difference = target - self.offset;
        if difference.abs() > STEP {
            self.offset = target;
            self.floor = Floor::new(target);
            return true;
        }
        let most = passed / SLEW;
        self.offset += difference.clamp(-most, most);
        false
    }

    fn is_newest(&self) -> bool {
        self.ticks == self.newest
    }

    fn running_time(&self) -> i64 {
        self.offset + media_time(self.ticks, self.clock_rate)
    }
}

/// The lowest of the recent offsets: the packet that was delayed least.
#[derive(Debug)]
struct Floor {
    previous: i64,
    current: i64,
    passed: i64,
}

impl Floor {
    fn new(offset: i64) -> Floor {
        Floor {
            previous: offset,
            current: offset,
            passed: 0,
        }
    }

    fn lowest(&mut self, offset: i64, passed: i64) -> i64 {
        self.passed += passed;
        if self.passed > WINDOW {
            *self = Floor {
                previous: self.current,
                current: offset,
                passed: 0,
            };
        }
        self.current = self.current.min(offset);
        self.previous.min(self.current)
    }
}

/// Ticks in nanoseconds.
fn media_time(ticks: i64, clock_rate: u32) -> i64 {
    (i128::from(ticks) * 1_000_000_000 / i128::from(clock_rate)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn certain(at: i64) -> Option<Estimate> {
        Some(Estimate { at, certain: true })
    }

    fn arrival(at: i64) -> Option<Estimate> {
        Some(Estimate { at, certain: false })
    }

    #[test]
    fn arrival_jitter_does_not_reach_the_times() {
        let mut timeline = Timeline::new(90_000);
        let jitter = [0, 7, 3, 25, 0, 12, 1, 30];
        let stamps: Vec<i64> = (0..8)
            .map(|n| {
                timeline
                    .stamp(
                        n * 3_000,
                        arrival(1_000 * MS + i64::from(n) * 100 * MS / 3 + jitter[n as usize] * MS),
                    )
                    .at
            })
            .collect();
        for (n, pair) in stamps.windows(2).enumerate() {
            assert!(
                ((pair[1] - pair[0]) - 100 * MS / 3).abs() <= MS / 2,
                "step {n}: {pair:?}"
            );
        }
    }

    #[test]
    fn one_timestamp_has_one_time() {
        let mut timeline = Timeline::new(90_000);
        let first = timeline.stamp(500, arrival(10 * MS));
        assert_eq!(timeline.stamp(500, arrival(18 * MS)), first);
    }

    #[test]
    fn timestamps_wrap() {
        let mut timeline = Timeline::new(48_000);
        let first = timeline.stamp(u32::MAX - 479, certain(0)).at;
        assert_eq!(timeline.stamp(480, certain(20 * MS)).at - first, 20 * MS);
    }

    #[test]
    fn pictures_shown_out_of_order_keep_their_times() {
        let mut timeline = Timeline::new(90_000);
        let times: Vec<i64> = [0u32, 9_000, 3_000, 6_000]
            .iter()
            .map(|t| timeline.stamp(*t, certain(i64::from(*t) * MS / 90)).at / MS)
            .collect();
        assert_eq!(times, [0, 100, 33, 66]);
    }

    #[test]
    fn a_corrected_estimate_is_followed_at_one_percent_and_never_backwards() {
        let mut timeline = Timeline::new(1_000);
        timeline.stamp(0, certain(500 * MS));
        let mut last = 500 * MS;
        for n in 1..=100u32 {
            let at = timeline
                .stamp(n * 20, certain(450 * MS + i64::from(n) * 20 * MS))
                .at;
            assert!(at > last);
            last = at;
        }
        assert_eq!(
            last,
            (450 + 2_000 + 30) * MS,
            "20 ms of 50 corrected in 2 s"
        );
    }

    #[test]
    fn a_restarted_clock_is_a_jump_forwards() {
        let mut timeline = Timeline::new(1_000);
        timeline.stamp(5_000, certain(100 * MS));
        let stamp = timeline.stamp(2_000_000_000, certain(140 * MS));
        assert_eq!(
            stamp,
            Stamp {
                at: 140 * MS,
                jumped: true
            }
        );
    }

    #[test]
    fn a_restart_never_goes_back() {
        let mut timeline = Timeline::new(1_000);
        timeline.stamp(0, certain(100 * MS));
        timeline.restart(90_000);
        assert_eq!(timeline.stamp(77, certain(60 * MS)).at, 100 * MS + APART);
    }

    #[test]
    fn pictures_that_cannot_go_back_keep_different_times() {
        let mut timeline = Timeline::new(90_000);
        timeline.stamp(0, certain(5_000 * MS));
        let mut last = 5_000 * MS;
        for n in 1..5u32 {
            let estimate = certain(1_000 * MS + i64::from(n) * 20 * MS);
            let at = timeline.stamp(n * 1_800, estimate).at;
            assert!(at > last, "picture {n} at {at}");
            assert_eq!(timeline.stamp(n * 1_800, estimate).at, at, "one picture");
            last = at;
        }
    }

    #[test]
    fn an_anchor_from_a_later_packet_places_the_earlier_ones() {
        let mut timeline = Timeline::new(1_000);
        timeline.anchor(
            1_000,
            Estimate {
                at: 3_000 * MS,
                certain: true,
            },
        );
        assert_eq!(timeline.stamp(500, None).at, 2_500 * MS);
        assert_eq!(timeline.stamp(600, None).at, 2_600 * MS);
    }

    #[test]
    fn a_clock_that_runs_fast_is_followed() {
        let mut timeline = Timeline::new(48_000);
        // 300 ppm fast for ten minutes: 180 ms if it were not followed.
        for n in 0..30_000u32 {
            let true_time = i64::from(n) * 20 * MS * 10_003 / 10_000;
            let at = timeline
                .stamp(n * 960, arrival(true_time + i64::from(n * 7 % 5) * MS))
                .at;
            assert!((at - true_time).abs() < 6 * MS, "{n}: {}", at - true_time);
        }
    }
}
