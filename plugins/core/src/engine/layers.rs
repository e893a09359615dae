// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which layers there are, and which of them a slot forwards.

use super::Engine;
use crate::id::{SessionId, TrackId};
use crate::layer::{Layer, LayerState};
use std::time::Instant;

impl Engine {
    /// The layers of a track, from cheap to dear; empty before its first packet.
    pub fn layers(&self, now: Instant, track: TrackId) -> Vec<LayerState> {
        self.router
            .track(track)
            .map(|track| track.layers(now))
            .unwrap_or_default()
    }

    /// Says up to which layer a slot forwards its track; `None` pauses it. Until told, and for every new track, it forwards the
    /// best layer. False: no such session or mid.
    ///
    /// The switch happens where a decoder can follow, usually at a keyframe, which is asked for. While the encoding of the layer
    /// does not come, the cheapest that does is forwarded in its place.
    pub fn set_target(&mut self, session: SessionId, mid: &str, target: Option<Layer>) -> bool {
        let Some(&key) = self.by_session.get(&session) else {
            return false;
        };
        let mut known = false;
        for slot in self.peers[key].slots_of(mid) {
            slot.set_target(target);
            known = true;
        }
        known
    }

    /// Says which encodings are sent on an m-line that has a slot for each, by number. What is not mentioned is, and until told all are.
    /// Has no effect on an m-line with one slot. False: no such session or mid.
    pub fn send_encodings(
        &mut self,
        now: Instant,
        session: SessionId,
        mid: &str,
        active: &[bool],
    ) -> bool {
        let Some(&key) = self.by_session.get(&session) else {
            return false;
        };
        let mut known = false;
        for slot in self.peers[key].slots_of(mid) {
            let only = slot.spec.encoding.as_ref().map(|only| only.encoding);
            let is_active = only.and_then(|only| active.get(usize::from(only)));
            slot.share.preference.paused = is_active == Some(&false);
            known = true;
        }
        if known {
            self.divide(now, key);
        }
        known
    }
}
