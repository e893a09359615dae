// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the slots of a peer want, what there is, and what each gets.

use crate::layer::{Layer, LayerState};
use crate::media::MediaKind;
use std::cmp::Reverse;
use std::sync::Arc;

/// How much a track is wanted. Earlier ones are served first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Priority {
    /// The viewer has put it up front.
    Pinned,
    /// A shared screen.
    Screen,
    /// Any other.
    #[default]
    Normal,
    /// What the viewer would miss least.
    Low,
}

/// What a viewer wants of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Preference {
    /// Width at which it is shown, in pixels; 0 = unknown.
    pub width: u16,
    /// Height at which it is shown, in pixels; 0 = unknown.
    pub height: u16,
    /// How much it is wanted.
    pub priority: Priority,
    /// The highest layer wanted; `None` = the best.
    pub layer: Option<Layer>,
    /// Not shown at all: nothing is to be sent.
    pub paused: bool,
}

/// What a slot was given before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Last {
    /// Nothing has been decided yet.
    #[default]
    New,
    /// Paused.
    Paused,
    /// This layer.
    Layer(Layer),
}

/// One slot that wants bandwidth.
#[derive(Clone, Debug)]
pub struct Want {
    /// Audio or video. Audio is never paused for want of bandwidth.
    pub kind: MediaKind,
    /// What the viewer wants.
    pub preference: Preference,
    /// Its participant is the one who speaks.
    pub speaking: bool,
    /// What there is, from cheap to dear.
    pub layers: Arc<Vec<LayerState>>,
    /// What it was given before.
    pub last: Last,
    /// It has just been taken down: no step up yet.
    pub held: bool,
    /// What it has does not fit for long enough to be believed: it is paused if need be.
    pub short: bool,
}

impl Want {
    /// Slots of one class are served in turn.
    pub(super) fn class(&self) -> (bool, Priority, bool) {
        let video = self.kind == MediaKind::Video;
        (video, self.preference.priority, !self.speaking)
    }

    pub(super) fn rank(&self) -> ((bool, Priority, bool), Reverse<u32>) {
        let Preference { width, height, .. } = self.preference;
        let pixels = u32::from(width) * u32::from(height);
        (self.class(), Reverse(pixels))
    }
}

/// What there is to give, in bit/s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Budget {
    /// Nothing is known of the path, nor will be.
    Unlimited,
    /// Assumed until the path has shown its limit: nothing is paused for it.
    Assumed(u64),
    /// Measured: the path has shown its limit.
    Known(u64),
}

/// Why a slot gets what it gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// It is the best there is.
    Best,
    /// The path carries no more.
    Bandwidth,
    /// It is not shown any larger.
    Size,
    /// The viewer asked for this layer.
    Asked,
    /// The viewer does not want to see it.
    Paused,
    /// Nothing comes from its source.
    Inactive,
}

impl Reason {
    /// As it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Best => "best",
            Reason::Bandwidth => "bandwidth",
            Reason::Size => "size",
            Reason::Asked => "asked",
            Reason::Paused => "paused",
            Reason::Inactive => "inactive",
        }
    }
}

/// What one slot gets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Choice {
    /// The layer; `None` = nothing is forwarded.
    pub layer: Option<LayerState>,
    /// Why.
    pub reason: Reason,
    /// What it would get if bandwidth were no matter, in bit/s.
    pub wanted: u64,
    /// It is kept for a while though it does not fit.
    pub strained: bool,
}
