// SPDX-License-Identifier: MIT OR Apache-2.0
//! One encoding of a track: what came of it last, what it costs, and who may ask for its keyframes.

use super::history::{History, Inserted};
use super::keyframe_gate::KeyframeGate;
use super::meter::{Meter, SPATIAL, TEMPORAL};
use crate::layer::{Layer, LayerState};
use crate::packet::MediaPacket;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An encoding of which nothing came for so long has been stopped: longer than the pause between two pictures of a shared
/// screen, shorter than anybody likes to look at a picture that stands still.
const SILENCE: Duration = Duration::from_millis(1_500);

/// An encoding.
#[derive(Debug)]
pub(crate) struct Encoding {
    pub(crate) history: History,
    pub(crate) gate: KeyframeGate,
    pub(super) meter: Meter,
    /// Packets come as they are captured.
    pub(super) live: bool,
    epoch: u32,
}

impl Encoding {
    /// An encoding of which `capacity` packets are kept.
    pub(super) fn new(capacity: usize) -> Encoding {
        Encoding {
            history: History::new(capacity),
            gate: KeyframeGate::default(),
            meter: Meter::default(),
            live: false,
            epoch: 0,
        }
    }

    /// Takes a packet. False: a duplicate or too old.
    pub(super) fn accept(&mut self, now: Instant, packet: &Arc<MediaPacket>) -> bool {
        if self.history.insert(packet.clone()) != Inserted::New {
            return false;
        }
        if packet.epoch != self.epoch {
            self.epoch = packet.epoch;
            self.meter.restart();
        }
        self.meter.count(now, packet);
        if packet.description.keyframe {
            self.gate.satisfied();
        }
        if packet.is_opaque() {
            self.gate.assume();
        }
        true
    }

    /// True while packets come.
    pub(super) fn is_active(&self, now: Instant) -> bool {
        self.meter
            .last()
            .is_some_and(|last| now.saturating_duration_since(last) < SILENCE)
    }

    /// Bits per second of all of it; 0 while that is not known.
    pub(super) fn bitrate(&self, now: Instant) -> u64 {
        let (spatial, temporal) = self.top();
        self.meter.bitrate(now, spatial, temporal).unwrap_or(0)
    }

    /// Pixels of its largest pictures; 0 while that is not known.
    pub(super) fn pixels(&self) -> u32 {
        let resolutions = (0..SPATIAL as u8).filter_map(|spatial| self.meter.resolution(spatial));
        resolutions
            .map(|(width, height)| u32::from(width) * u32::from(height))
            .max()
            .unwrap_or(0)
    }

    /// The highest spatial and the highest temporal layer that come.
    pub(super) fn top(&self) -> (u8, u8) {
        self.present()
            .fold((0, 0), |top, (s, t)| (top.0.max(s), top.1.max(t)))
    }

    /// What there is to choose from, as encoding `index` of its track.
    pub(super) fn layers(&self, now: Instant, index: u8) -> impl Iterator<Item = LayerState> + '_ {
        let active = self.is_active(now);
        let nothing = (self.meter.last().is_some() && !active).then_some((0, 0));
        let present = self.present().filter(move |_| active).chain(nothing);
        present.map(move |(spatial, temporal)| LayerState {
            layer: Layer {
                encoding: index,
                spatial,
                temporal,
            },
            bitrate: if active {
                self.meter.bitrate(now, spatial, temporal).unwrap_or(0)
            } else {
                0
            },
            resolution: self.meter.resolution(spatial),
            frame_rate: self
                .meter
                .frame_rate(now, spatial, temporal)
                .filter(|_| active),
            active,
        })
    }

    fn present(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        (0..SPATIAL as u8)
            .flat_map(|s| (0..TEMPORAL as u8).map(move |t| (s, t)))
            .filter(|(s, t)| self.meter.has(*s, *t))
    }
}
