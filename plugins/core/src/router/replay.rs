// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first picture at once: a slot that has nothing to show gets the newest group of pictures out of the history, with
//! its own numbers, and then catches up with what comes live. The publisher is not asked for anything.

use super::history::{Group, History};
use super::outlet::Outlet;
use super::run::Run;
use super::slot::Slot;
use super::track::View;
use crate::engine::Moment;
use crate::packet::MediaPacket;
use std::time::{Duration, Instant};

/// Bytes that may be sent at once: a keyframe of usual size.
const FIRST_CREDIT: i64 = 32 * 1024;

/// What is replayed has to be so many times as fast as it was.
const LEAD: u64 = 3;
/// Bits per second with which the rest of a short group of pictures goes out, however full the path.
const SLOWEST: u64 = 1_000_000;
/// A keyframe sent a shorter time ago may not have arrived, or not been decoded.
const ON_ITS_WAY: Duration = Duration::from_millis(300);

/// Bytes per second that go out before anything is known of the path.
const UNKNOWN: u64 = 300_000 / 8;
/// Who has not caught up by then is on a path that carries little more than the track.
const LONG: Duration = Duration::from_secs(2);

/// Where a slot that catches up has got to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replay {
    /// The source's number of what is to be sent next.
    next: u64,
    /// Bytes per second.
    rate: u64,
    /// Bytes that may be sent now; less than none while a packet was longer.
    credit: i64,
}

/// What is left of a replay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// There is more, and it may be sent at once.
    More,
    /// There is more, for the next time.
    Later,
    /// It has caught up, or has ended otherwise.
    Done,
}

impl Slot {
    /// The encoding of which it would show the newest group of pictures; `None` when it shows something or nothing is wanted.
    pub(crate) fn lacks(&self, view: &View) -> Option<u8> {
        let encoding = self.wanted(view)?;
        self.run.is_none().then_some(encoding)
    }

    /// Begins to replay a group of pictures at `rate` bits per second. False: it is of no use to this slot, or it would be long
    /// in catching up.
    pub(crate) fn begin_replay(
        &mut self,
        now: Instant,
        group: &Group,
        view: &View,
        rate: u64,
    ) -> bool {
        let first = &group.first;
        let Some(source) = self.source.as_ref().filter(|s| s.track == first.track) else {
            return false;
        };
        if group.bytes as i64 > FIRST_CREDIT && group.bitrate() * LEAD > rate {
            return false;
        }
        let rate = rate.max(SLOWEST);
        let length = group.bytes as u64 * 8 * u64::from(first.clock_rate) / rate;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let level = self.target.level(view);
        let formats = source.formats.clone();
        let run = Run::replay(group, length, formats, level, self.first, self.last);
        if run.format(first.payload_type).is_none() {
            return false;
        }
        self.run = Some(run);
        self.began = Some(now);
        self.top = view.top(first.layer);
        self.replay = Some(Replay {
            next: first.sequence,
            rate: rate / 8,
            credit: FIRST_CREDIT,
        });
        true
    }

    /// True when it has been catching up for so long that a new keyframe is the shorter way.
    pub(crate) fn lags(&self, now: Instant) -> bool {
        let long = |began| now.saturating_duration_since(began) >= LONG;
        self.is_replaying() && self.began.is_some_and(long)
    }

    /// True while it catches up.
    pub(crate) fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// True while it catches up, or what it began with is still on its way: who asks for a keyframe then gets one without asking.
    pub(crate) fn is_beginning(&self, now: Instant) -> bool {
        let just = |began| now.saturating_duration_since(began) < ON_ITS_WAY;
        self.is_replaying() || self.run.is_some() && self.began.is_some_and(just)
    }

    /// What a slot that catches up has to do with a live packet of its run: `None` when the packet is in the history and its turn
    /// will come.
    pub(super) fn overtaken(&mut self, packet: &MediaPacket) -> Option<()> {
        let replay = self.replay?;
        if packet.sequence < replay.next {
            return Some(());
        }
        if packet.description.keyframe && packet.sequence > replay.next {
            // Here is a shorter way.
            self.end_run();
            return Some(());
        }
        None
    }

    /// May send as much as comes to it in that time, at `rate` bits per second if that is more than it began with. `None`: nothing
    /// is known of the path.
    pub(crate) fn grant(&mut self, elapsed: Duration, rate: Option<u64>) {
        if let Some(replay) = &mut self.replay {
            replay.rate = replay.rate.max(rate.unwrap_or(0) / 8);
            let rate = rate.map_or(UNKNOWN, |_| replay.rate);
            replay.credit += (rate as f64 * elapsed.as_secs_f64()) as i64;
        }
    }

    /// Sends the next packets of the past, at most `budget` bytes of them.
    pub(crate) fn replay(
        &mut self,
        moment: &Moment,
        history: &History,
        view: &View,
        budget: usize,
        out: &mut Outlet<'_>,
    ) -> Progress {
        let before = out.arena.len();
        while let (Some(replay), Some(run)) = (self.replay, &self.run) {
            let epoch = run.epoch;
            let Some(newest) = history
                .newest(epoch)
                .filter(|newest| replay.next <= *newest)
            else {
                self.replay = None;
                break;
            };
            if replay.credit <= 0 || out.pacer.is_full() {
                return Progress::Later;
            }
            if out.arena.len() - before >= budget {
                return Progress::More;
            }
            let packet = history.get(epoch, replay.next);
            let bytes = packet.map_or(0, |packet| packet.bytes().len());
            if let Some(packet) = packet {
                let level = self.target.level(view);
                self.send(moment, packet, level, out);
            }
            let caught_up = replay.next == newest;
            self.replay = (!caught_up).then_some(Replay {
                next: replay.next + 1,
                credit: replay.credit - bytes as i64,
                ..replay
            });
        }
        Progress::Done
    }
}
