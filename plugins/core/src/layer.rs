// SPDX-License-Identifier: MIT OR Apache-2.0
//! Layers: the ways in which one track can be forwarded.
//!
//! A track has one encoding or, with simulcast (RFC 8853), several; each encoding may be scalable in resolution (spatial
//! layers) and in frame rate (temporal layers). A [`Layer`] names one point of that grid, a [`LayerState`] says what it is
//! worth and what it costs.

use std::cmp::Ordering;

/// Encodings a track may have (the three of simulcast, and one to spare).
pub const MAX_ENCODINGS: u8 = 4;

/// One way to forward a track: an encoding, up to a spatial and a temporal layer of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Layer {
    /// Which encoding: index into the track's encodings in the order of the offer's `rid`s (RFC 8853), 0 when it is not
    /// simulcast. The order says nothing of quality.
    pub encoding: u8,
    /// Highest spatial layer forwarded, 0 = base. 0 where the encoding has no spatial layers.
    pub spatial: u8,
    /// Highest temporal layer forwarded, 0 = base. 0 where the encoding has no temporal layers.
    pub temporal: u8,
}

impl Layer {
    /// True when everything of `other` is also forwarded with this layer.
    pub fn includes(self, other: Layer) -> bool {
        self.encoding == other.encoding
            && self.spatial >= other.spatial
            && self.temporal >= other.temporal
    }
}

/// What is known of a layer from its stream.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LayerState {
    /// The layer.
    pub layer: Layer,
    /// Bits per second, headers included, measured over about a second; with all the layers it depends on.
    pub bitrate: u64,
    /// Width and height in pixels, once known.
    pub resolution: Option<(u16, u16)>,
    /// Pictures per second, once known.
    pub frame_rate: Option<f32>,
    /// False when nothing has come of it for about two seconds: paused by the publisher, or switched off for want of
    /// bandwidth or processor time.
    pub active: bool,
}

impl LayerState {
    /// The order in which layers are listed: by bitrate, what costs the same by what it shows, and then by name, so
    /// that the order is total and the same twice.
    pub fn by_cost(&self, other: &LayerState) -> Ordering {
        let rate = |state: &LayerState| state.frame_rate.unwrap_or(0.0);
        self.bitrate
            .cmp(&other.bitrate)
            .then_with(|| self.pixels().cmp(&other.pixels()))
            .then_with(|| rate(self).total_cmp(&rate(other)))
            .then_with(|| self.layer.place().cmp(&other.layer.place()))
    }

    /// Pixels of one picture; 0 while the resolution is unknown.
    pub fn pixels(&self) -> u32 {
        self.resolution
            .map_or(0, |(width, height)| u32::from(width) * u32::from(height))
    }
}

impl Layer {
    fn place(self) -> (u8, u8, u8) {
        (self.encoding, self.spatial, self.temporal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(encoding: u8, spatial: u8, temporal: u8) -> Layer {
        Layer {
            encoding,
            spatial,
            temporal,
        }
    }

    fn state(layer: Layer, bitrate: u64, resolution: Option<(u16, u16)>) -> LayerState {
        LayerState {
            layer,
            bitrate,
            resolution,
            frame_rate: Some(30.0),
            active: true,
        }
    }

    #[test]
    fn a_layer_includes_those_below_it_in_its_own_encoding() {
        let top = layer(1, 2, 1);
        for below in [top, layer(1, 0, 0), layer(1, 2, 0), layer(1, 1, 1)] {
            assert!(top.includes(below), "{below:?}");
        }
        for other in [layer(0, 0, 0), layer(1, 2, 2), layer(1, 3, 0)] {
            assert!(!top.includes(other), "{other:?}");
        }
    }

    #[test]
    fn layers_are_listed_from_cheap_to_dear_whatever_their_names() {
        let mut states = [
            state(layer(0, 0, 0), 900_000, Some((1280, 720))),
            state(layer(2, 0, 0), 100_000, Some((320, 180))),
            state(layer(1, 0, 0), 300_000, Some((640, 360))),
        ];
        states.sort_by(LayerState::by_cost);
        assert_eq!(states.map(|s| s.layer.encoding), [2, 1, 0]);
    }

    #[test]
    fn what_costs_the_same_is_listed_by_what_it_shows() {
        let slow = LayerState {
            frame_rate: Some(15.0),
            ..state(layer(0, 1, 0), 0, Some((640, 360)))
        };
        let mut states = [
            state(layer(0, 1, 1), 0, Some((640, 360))),
            slow,
            state(layer(0, 0, 1), 0, Some((320, 180))),
            state(layer(0, 0, 0), 0, None),
        ];
        states.sort_by(LayerState::by_cost);
        let names = states.map(|s| (s.layer.spatial, s.layer.temporal));
        assert_eq!(names, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }
}
