// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which packets of one encoding pass: those of its layers up to a level, which changes only where a decoder can follow.
//!
//! What passes is decided by the level that holds at a packet's sequence number, so that a packet that comes late, or is sent
//! again, is judged like the rest of its picture. Levels change between pictures only:
//!
//! - up to any layer at a keyframe, which nothing before it is needed for;
//! - down at any picture, as every layer below a level passes with it;
//! - up in time where the sender says so: VP8's Y and VP9's U bit, one layer at a time;
//! - with a dependency descriptor, both ways, at frames that are a switch for the decode target and depend on nothing left out.

use crate::codec::{Codec, Dependency, Indication};
use crate::packet::MediaPacket;
use std::collections::VecDeque;

/// Changes remembered for packets that come late or are asked for again.
const CHANGES: usize = 16;
/// Above every layer there is.
const ALL: u8 = u8::MAX;

/// Up to which spatial and temporal layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Level {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    /// The decode target that is (AV1 appendix A), where the stream has them.
    pub(super) target: Option<u8>,
}

impl Level {
    /// Everything.
    pub(super) const EVERYTHING: Level = Level {
        spatial: ALL,
        temporal: ALL,
        target: None,
    };

    /// Up to those layers.
    pub(super) fn up_to(spatial: u8, temporal: u8) -> Level {
        Level {
            spatial,
            temporal,
            target: None,
        }
    }

    fn passes(self, packet: &MediaPacket) -> bool {
        match (self.target, packet.dependency()) {
            (Some(target), Some(dependency)) => {
                dependency.indication(target) != Indication::NotPresent
            }
            _ => {
                let (spatial, temporal) = packet.layers();
                spatial <= self.spatial && temporal <= self.temporal
            }
        }
    }

    /// True for the last packet of the highest spatial layer that passes: it ends the picture now (RFC 9628 §4.2, AV1 §4.4).
    fn ends_picture(self, packet: &MediaPacket) -> bool {
        packet.description.end_of_frame && packet.layers().0 == self.spatial
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    /// It passes.
    pub(super) passes: bool,
    /// It ends a picture for the receiver, whatever its own marker bit says.
    pub(super) ends_picture: bool,
    /// The decode target to which the stream is cut down.
    pub(super) target: Option<u8>,
}

/// The selector.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    /// The newest last; never empty. Each holds from a sequence number on.
    levels: VecDeque<(u64, Level)>,
    /// Timestamp of the newest picture.
    picture: u32,
    /// The decode targets of which frames of that picture have passed.
    taken: u64,
    /// The highest frame number seen, extended by counting, and which frames up to it passed: the newest is the lowest bit.
    frame: u16,
    passed: u128,
}

impl Selector {
    /// Begins with the keyframe of which `packet` is the first packet.
    pub(super) fn new(packet: &MediaPacket, wanted: Level) -> Selector {
        let mut level = wanted;
        if let (Some(dependency), true) = (packet.dependency(), wanted != Level::EVERYTHING) {
            level = target_level(dependency, wanted).unwrap_or(Level::EVERYTHING);
        }
        Selector {
            levels: VecDeque::from([(packet.sequence, level)]),
            picture: packet.timestamp,
            taken: 0,
            frame: packet.dependency().map_or(0, |d| d.frame_number),
            passed: 0,
        }
    }

    /// The level that holds now.
    pub(super) fn level(&self) -> Level {
        self.levels
            .back()
            .map_or(Level::EVERYTHING, |(_, level)| *level)
    }

    /// True, with a packet newer than all before, when everything passes and everything is wanted: there is nothing to judge.
    pub(super) fn is_idle(&mut self, packet: &MediaPacket, wanted: Level) -> bool {
        let idle = wanted == Level::EVERYTHING && self.level() == Level::EVERYTHING;
        if idle {
            self.picture = packet.timestamp;
        }
        idle
    }

    /// Judges a packet newer than all before. `next` is the number behind the newest one, from which a change would hold, and `top`
    /// the highest layers there are.
    pub(super) fn judge(
        &mut self,
        packet: &MediaPacket,
        next: u64,
        wanted: Level,
        top: (u8, u8),
    ) -> Verdict {
        if let (Some(dependency), Level::EVERYTHING) = (packet.dependency(), self.level()) {
            // Nobody kept count, but nothing was left out.
            (self.frame, self.passed) = (dependency.frame_number.wrapping_sub(1), u128::MAX);
        }
        let begins = packet.timestamp != self.picture;
        if begins || packet.dependency().is_some_and(|d| d.start_of_frame) {
            self.picture = packet.timestamp;
            self.taken = if begins { 0 } else { self.taken };
            let level = self.next_level(packet, wanted, top, begins);
            self.change(next, level);
        }
        let verdict = verdict(self.level(), packet);
        if let Some(dependency) = packet.dependency() {
            self.remember(dependency.frame_number, verdict.passes);
            self.taken |= if verdict.passes {
                dependency.presence()
            } else {
                0
            };
        }
        verdict
    }

    /// Judges a packet from before.
    pub(super) fn judge_again(&self, packet: &MediaPacket) -> Verdict {
        let holds = |(from, _): &&(u64, Level)| *from <= packet.sequence;
        let level = self.levels.iter().rev().find(holds);
        verdict(level.map_or(self.levels[0].1, |(_, level)| *level), packet)
    }

    fn change(&mut self, from: u64, level: Level) {
        if level == self.level() {
            return;
        }
        if self.levels.len() == CHANGES {
            self.levels.pop_front();
        }
        self.levels.push_back((from, level));
    }

    fn next_level(
        &self,
        packet: &MediaPacket,
        wanted: Level,
        top: (u8, u8),
        begins: bool,
    ) -> Level {
        let level = self.level();
        if let Some(dependency) = packet.dependency() {
            return self.switch(dependency, level, wanted);
        }
        if !begins || !matches!(packet.codec, Codec::Vp8 | Codec::Vp9) {
            return level;
        }
        let wanted_temporal = wanted.temporal.min(top.1);
        let temporal = level.temporal.min(wanted_temporal);
        let next = if packet.description.keyframe {
            Level::up_to(wanted.spatial, wanted.temporal)
        } else {
            Level::up_to(
                level.spatial.min(wanted.spatial),
                raised(packet, temporal, wanted_temporal),
            )
        };
        if next.spatial >= top.0 && next.temporal >= top.1 && wanted == Level::EVERYTHING {
            Level::EVERYTHING
        } else {
            next
        }
    }

    /// The level after a frame with a dependency descriptor: the best one wanted to which a decoder can switch at it.
    fn switch(&self, dependency: &Dependency, level: Level, wanted: Level) -> Level {
        let unlimited = level == Level::EVERYTHING;
        if !dependency.start_of_frame || unlimited && wanted == Level::EVERYTHING {
            return level;
        }
        let rank = |level: &Level| (level.spatial, level.temporal);
        let fits =
            |level: &Level| level.spatial <= wanted.spatial && level.temporal <= wanted.temporal;
        let targets = (0u8..).zip(dependency.structure.targets());
        let best = targets
            .map(|(index, target)| Level {
                target: Some(index),
                ..Level::up_to(target.spatial, target.temporal)
            })
            .filter(fits)
            .filter(|candidate| !fits(&level) || rank(candidate) > rank(&level))
            .filter(|candidate| self.can_switch(dependency, candidate.target))
            .max_by_key(rank);
        best.unwrap_or(level)
    }

    fn can_switch(&self, dependency: &Dependency, target: Option<u8>) -> bool {
        // A picture of which a part has passed has its end where that was said.
        let is_switch = target.is_some_and(|t| {
            dependency.indication(t) == Indication::Switch && self.taken >> (2 * t) & 3 == 0
        });
        let ahead = dependency.frame_number.wrapping_sub(self.frame);
        let passed = |back: u16| {
            // Counted from the newest frame seen.
            let back = back.wrapping_sub(ahead);
            back < 128 && self.passed >> back & 1 == 1
        };
        is_switch && dependency.references().iter().all(|back| passed(*back))
    }

    fn remember(&mut self, frame: u16, passes: bool) {
        let ahead = frame.wrapping_sub(self.frame);
        if ahead == 0 || ahead > 0x8000 {
            self.passed |= u128::from(passes && ahead == 0);
            return;
        }
        self.passed = self.passed.checked_shl(u32::from(ahead)).unwrap_or(0);
        self.passed |= u128::from(passes);
        self.frame = frame;
    }
}

fn verdict(level: Level, packet: &MediaPacket) -> Verdict {
    Verdict {
        passes: level.passes(packet),
        ends_picture: level.ends_picture(packet),
        target: level.target,
    }
}

/// The temporal layer after a picture: one higher, or all of them, where it lets a receiver of `temporal` follow.
fn raised(packet: &MediaPacket, temporal: u8, wanted: u8) -> u8 {
    let description = &packet.description;
    let (_, own) = packet.layers();
    if !description.switch_up || own > wanted {
        return temporal;
    }
    match packet.codec {
        // What the layers above depend on from now on is not above this picture's own layer.
        Codec::Vp9 if own <= temporal => temporal.max(wanted.min(own + 1)),
        _ if own == temporal + 1 => own,
        _ => temporal,
    }
}

/// The level of the best decode target that is wanted.
fn target_level(dependency: &Dependency, wanted: Level) -> Option<Level> {
    let structure = &dependency.structure;
    let index = structure.target_up_to(wanted.spatial, wanted.temporal)?;
    let target = structure.targets()[usize::from(index)];
    Some(Level {
        target: Some(index),
        ..Level::up_to(target.spatial, target.temporal)
    })
}
