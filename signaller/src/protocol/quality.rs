// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a viewer wants of a slot, and what it gets.

use serde::{Deserialize, Serialize};

/// One way to forward a track: an encoding, up to a spatial and a temporal layer of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Layer {
    /// Which encoding, in the order of the publisher's offer.
    #[serde(default)]
    pub encoding: u8,
    /// Highest spatial layer, 0 = base.
    #[serde(default)]
    pub spatial: u8,
    /// Highest temporal layer, 0 = base.
    #[serde(default)]
    pub temporal: u8,
}

/// A layer, and what is known of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerInfo {
    /// Which.
    #[serde(flatten)]
    pub layer: Layer,
    /// Pixels; none while unknown.
    pub width: Option<u16>,
    /// Pixels; none while unknown.
    pub height: Option<u16>,
    /// Pictures per second; none while unknown.
    pub frame_rate: Option<f32>,
    /// Bits per second.
    pub bitrate: u64,
}

/// How much a slot is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    Pinned,
    /// A shared screen.
    Screen,
    /// Any other.
    #[default]
    Normal,
    /// What would be missed least.
    Low,
}

/// What a viewer wants of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Wish {
    /// Pixels of its place on the screen; 0: unknown.
    #[serde(default)]
    pub width: u16,
    /// Pixels of its place on the screen; 0: unknown.
    #[serde(default)]
    pub height: u16,
    /// How much it is wanted.
    #[serde(default)]
    pub priority: Priority,
    /// The highest layer wanted; none: the best.
    #[serde(default)]
    pub layer: Option<Layer>,
    /// Nothing is to be sent.
    #[serde(default)]
    pub paused: bool,
}

/// Why a slot gets what it gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It is the best there is.
    Best,
    /// The path carries no more.
    Bandwidth,
    /// It is not shown any larger.
    Size,
    /// It was asked for.
    Asked,
    /// It is not wanted.
    Paused,
    /// Nothing comes from its source.
    Inactive,
}

/// What a slot gets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SlotQuality {
    /// The slot's mid.
    pub mid: String,
    /// What is forwarded; none: nothing.
    pub layer: Option<LayerInfo>,
    /// What there is.
    #[serde(default)]
    pub available: Vec<LayerInfo>,
    /// Why.
    pub reason: Reason,
}
