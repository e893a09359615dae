// SPDX-License-Identifier: MIT OR Apache-2.0
//! A track as one worker sees it: its layers, who receives it here, and who wants it elsewhere.

use super::history::{History, Inserted};
use super::keyframe_gate::KeyframeGate;
use crate::engine::TrackSpec;
use crate::media::MediaKind;
use crate::packet::MediaPacket;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Packets kept of a video layer: 5 s at 200 packets/s.
const VIDEO_HISTORY: usize = 1024;
/// Packets kept of an audio track: 2.5 s at 50 packets/s.
const AUDIO_HISTORY: usize = 128;
/// Layers a track may have (the three of simulcast, and one to spare).
pub(crate) const MAX_LAYERS: u8 = 4;
/// How often the layer with the most bits is looked for.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// A subscriber on this worker: its place among the peers, and the slot among its slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Subscriber {
    pub(crate) peer: usize,
    pub(crate) slot: usize,
}

/// One encoding of a track.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) history: History,
    pub(crate) gate: KeyframeGate,
    bytes: usize,
    last_window: usize,
}

/// A track.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) spec: TrackSpec,
    pub(crate) subscribers: Vec<Subscriber>,
    /// Came in since the last flush.
    pub(crate) pending: Vec<Arc<MediaPacket>>,
    pub(crate) layers: Vec<Layer>,
    /// Workers that asked for it.
    pub(crate) interest: u64,
    pub(crate) tap: bool,
    best: u8,
    window: Option<Instant>,
}

impl Track {
    pub(crate) fn new(spec: TrackSpec) -> Track {
        Track {
            spec,
            subscribers: Vec::new(),
            pending: Vec::new(),
            layers: Vec::new(),
            interest: 0,
            tap: false,
            best: 0,
            window: None,
        }
    }

    /// The layer subscribers are to receive: the one with the most bits.
    pub(crate) fn best_layer(&self) -> u8 {
        self.best
    }

    /// The layer of that number, made when it is new. `None` beyond [`MAX_LAYERS`].
    pub(crate) fn layer(&mut self, layer: u8) -> Option<&mut Layer> {
        if layer >= MAX_LAYERS {
            return None;
        }
        let capacity = match self.spec.kind {
            MediaKind::Audio => AUDIO_HISTORY,
            MediaKind::Video => VIDEO_HISTORY,
        };
        while self.layers.len() <= usize::from(layer) {
            self.layers.push(Layer {
                history: History::new(capacity),
                gate: KeyframeGate::default(),
                bytes: 0,
                last_window: 0,
            });
        }
        self.layers.get_mut(usize::from(layer))
    }

    /// Takes a packet for forwarding. False: a duplicate or too old, to be forgotten.
    pub(crate) fn accept(&mut self, now: Instant, packet: &Arc<MediaPacket>) -> bool {
        let Some(layer) = self.layer(packet.layer) else {
            return false;
        };
        if layer.history.insert(packet.clone()) != Inserted::New {
            return false;
        }
        layer.bytes += packet.bytes().len();
        if packet.description.keyframe {
            layer.gate.satisfied();
        }
        self.pending.push(packet.clone());
        self.choose_best(now);
        true
    }

    fn choose_best(&mut self, now: Instant) {
        if self.layers.len() == 1 || self.window.is_some_and(|at| now < at + RATE_WINDOW) {
            return;
        }
        self.window = Some(now);
        for layer in &mut self.layers {
            layer.last_window = std::mem::take(&mut layer.bytes);
        }
        let most = self
            .layers
            .iter()
            .enumerate()
            .max_by_key(|(_, layer)| layer.last_window);
        self.best = most.map_or(0, |(index, _)| index as u8);
    }

    /// Someone needs a keyframe of the layer being received.
    pub(crate) fn want_keyframe(&mut self) {
        let best = self.best;
        if let Some(layer) = self.layer(best) {
            layer.gate.want();
        }
    }
}
