// SPDX-License-Identifier: MIT OR Apache-2.0
//! A track as one worker sees it: its encodings, who receives it here, and who wants it elsewhere.

use super::encoding::Encoding;
use crate::engine::TrackSpec;
use crate::layer::{LayerState, MAX_ENCODINGS};
use crate::media::MediaKind;
use crate::packet::MediaPacket;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Packets kept of a video encoding: 10 s at 400 packets/s.
const VIDEO_HISTORY: usize = 4096;
/// Packets kept of an audio track: 2.5 s at 50 packets/s.
const AUDIO_HISTORY: usize = 128;
/// The longest time that a packet takes from one worker to another.
const RELAY: Duration = Duration::from_millis(250);
/// How often the encodings are compared.
const COMPARE: Duration = Duration::from_millis(250);

/// How often it is listed anew what there is to choose from.
const LIST: Duration = Duration::from_millis(50);

/// A subscriber on this worker: its place among the peers, and the slot among its slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Subscriber {
    pub(crate) peer: usize,
    pub(crate) slot: usize,
}

/// What a slot has to know of its track besides the packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct View {
    /// The encoding with the largest picture of those that come.
    pub(crate) best: u8,
    /// The encoding with the fewest bits of those that come.
    pub(crate) least: u8,
    /// The encodings that come, one bit each.
    pub(crate) active: u8,
    /// Highest spatial and temporal layer of each.
    pub(crate) tops: [(u8, u8); MAX_ENCODINGS as usize],
}

impl View {
    /// True when packets of the encoding come.
    pub(crate) fn is_active(&self, encoding: u8) -> bool {
        encoding < MAX_ENCODINGS && self.active & 1 << encoding != 0
    }

    /// Highest spatial and temporal layer of an encoding.
    pub(crate) fn top(&self, encoding: u8) -> (u8, u8) {
        self.tops
            .get(usize::from(encoding))
            .copied()
            .unwrap_or_default()
    }
}

/// A track.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) spec: TrackSpec,
    pub(crate) subscribers: Vec<Subscriber>,
    /// Came in since the last flush.
    pub(crate) pending: Vec<Arc<MediaPacket>>,
    pub(crate) encodings: Vec<Encoding>,
    /// Workers that asked for it.
    pub(crate) interest: u64,
    pub(crate) tap: bool,
    view: View,
    compared: Option<Instant>,
    /// What there was to choose from, and when.
    listed: Option<(Instant, Arc<Vec<LayerState>>)>,
}

impl Track {
    pub(crate) fn new(spec: TrackSpec) -> Track {
        Track {
            spec,
            subscribers: Vec::new(),
            pending: Vec::new(),
            encodings: Vec::new(),
            interest: 0,
            tap: false,
            view: View::default(),
            compared: None,
            listed: None,
        }
    }

    /// What slots have to know of it, as of the newest packet.
    pub(crate) fn view(&self) -> View {
        self.view
    }

    /// What there is to choose from, from cheap to dear.
    pub(crate) fn layers(&self, now: Instant) -> Vec<LayerState> {
        let encodings = (0..).zip(&self.encodings);
        let mut layers: Vec<_> = encodings
            .flat_map(|(index, encoding)| encoding.layers(now, index))
            .collect();
        layers.sort_by(LayerState::by_cost);
        layers
    }

    /// The same for every subscriber: as of not long ago.
    pub(crate) fn listed_layers(&mut self, now: Instant) -> Arc<Vec<LayerState>> {
        let listed = self.listed.take().filter(|(at, _)| now < *at + LIST);
        let listed = listed.unwrap_or_else(|| (now, Arc::new(self.layers(now))));
        self.listed.insert(listed).1.clone()
    }

    /// The encoding of that number, made when it is new. `None` beyond [`MAX_ENCODINGS`].
    pub(crate) fn encoding(&mut self, index: u8) -> Option<&mut Encoding> {
        if index >= MAX_ENCODINGS {
            return None;
        }
        let capacity = match self.spec.kind {
            MediaKind::Audio => AUDIO_HISTORY,
            MediaKind::Video => VIDEO_HISTORY,
        };
        while self.encodings.len() <= usize::from(index) {
            self.encodings.push(Encoding::new(capacity));
        }
        self.encodings.get_mut(usize::from(index))
    }

    /// Takes a packet for forwarding. False: a duplicate or too old, to be forgotten.
    pub(crate) fn accept(&mut self, now: Instant, packet: &Arc<MediaPacket>) -> bool {
        let taken = self
            .encoding(packet.layer)
            .is_some_and(|encoding| encoding.accept(now, packet));
        // What another worker sends of its past is for the history only: slots are to get it as such.
        let age = now.saturating_duration_since(packet.arrival);
        if taken && self.is_live(packet.layer, age) {
            self.pending.push(packet.clone());
        }
        if taken {
            let due = self.compared.is_none_or(|at| now >= at + COMPARE);
            if due || !self.view.is_active(packet.layer) || packet.description.keyframe {
                self.compare(now);
            }
        }
        taken
    }

    /// True from the first packet on that did not come out of another worker's past.
    fn is_live(&mut self, encoding: u8, age: Duration) -> bool {
        let encoding = self.encodings.get_mut(usize::from(encoding));
        encoding.is_some_and(|encoding| {
            encoding.live |= age <= RELAY;
            encoding.live
        })
    }

    /// No more comes from its home worker; what comes next begins with the past.
    pub(crate) fn end_relay(&mut self) {
        self.encodings.iter_mut().for_each(|e| e.live = false);
    }

    /// Finds out which encodings come, and which of them is what.
    fn compare(&mut self, now: Instant) {
        self.compared = Some(now);
        let active = || {
            let encodings = (0u8..).zip(&self.encodings);
            encodings.filter(|(_, encoding)| encoding.is_active(now))
        };
        // Sizes can only be compared when all are known.
        let sized = active().all(|(_, encoding)| encoding.pixels() > 0);
        let worth = |encoding: &Encoding| {
            let pixels = if sized { encoding.pixels() } else { 0 };
            (pixels, encoding.bitrate(now))
        };
        let mut view = View {
            best: self.view.best,
            least: self.view.least,
            ..View::default()
        };
        if let Some((index, _)) = active().max_by_key(|(_, encoding)| worth(encoding)) {
            view.best = index;
        }
        if let Some((index, _)) = active().min_by_key(|(_, encoding)| worth(encoding)) {
            view.least = index;
        }
        for (index, encoding) in active() {
            view.active |= 1 << index;
            view.tops[usize::from(index)] = encoding.top();
        }
        if view != self.view {
            self.listed = None;
        }
        self.view = view;
    }

    /// Someone needs a keyframe of those encodings, one bit each.
    pub(crate) fn want_keyframes(&mut self, encodings: u8) {
        for index in (0..MAX_ENCODINGS).filter(|index| encodings & 1 << index != 0) {
            if let Some(encoding) = self.encoding(index) {
                encoding.gate.want();
            }
        }
    }
}
