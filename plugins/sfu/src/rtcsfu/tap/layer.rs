// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which layer of a simulcast track a pad carries: the largest that comes.

use std::time::{Duration, Instant};

/// A layer silent for this long is given up for another.
const SILENCE: Duration = Duration::from_secs(1);
/// How often a keyframe is asked for meanwhile: as often as sources are.
const ASK: Duration = Duration::from_millis(500);

/// The layer carried now.
#[derive(Debug, Clone, Copy)]
struct Current {
    layer: u8,
    /// Pixels of its pictures; 0 until a keyframe has told.
    area: u32,
    heard: Instant,
}

/// Chooses a layer and changes it at keyframes.
#[derive(Debug, Default)]
pub(super) struct LayerChoice {
    current: Option<Current>,
    asked: Option<Instant>,
}

impl LayerChoice {
    /// Whether a packet that came in `now` is of the layer to carry. `resolution`: of keyframes, where it could be read.
    pub(super) fn takes(
        &mut self,
        now: Instant,
        layer: u8,
        keyframe: bool,
        resolution: Option<(u16, u16)>,
    ) -> bool {
        let area = resolution.map_or(0, |(width, height)| u32::from(width) * u32::from(height));
        let takes = match &self.current {
            None => true,
            Some(current) if current.layer == layer => true,
            Some(current) => keyframe && (area > current.area || now > current.heard + SILENCE),
        };
        if takes {
            let before = self
                .current
                .filter(|current| current.layer == layer)
                .map_or(0, |current| current.area);
            let area = if area > 0 { area } else { before };
            self.current = Some(Current {
                layer,
                area,
                heard: now,
            });
        }
        takes
    }

    /// Whether a keyframe of another layer is to be asked for, when a packet was not taken `now`: the one carried is silent, and
    /// its source may make no keyframes by itself.
    pub(super) fn poll_keyframe(&mut self, now: Instant) -> bool {
        let silent = self
            .current
            .is_some_and(|current| now > current.heard + SILENCE);
        let due = silent && self.asked.is_none_or(|asked| now > asked + ASK);
        if due {
            self.asked = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Option<(u16, u16)> = Some((320, 180));
    const HIGH: Option<(u16, u16)> = Some((1_280, 720));

    #[test]
    fn a_track_without_layers_passes() {
        let mut choice = LayerChoice::default();
        let now = Instant::now();
        assert!(choice.takes(now, 0, false, None));
        assert!(choice.takes(now, 0, true, LOW));
        assert!(choice.takes(now, 0, false, None));
    }

    #[test]
    fn the_largest_layer_is_taken_at_its_keyframe() {
        let mut choice = LayerChoice::default();
        let now = Instant::now();
        assert!(choice.takes(now, 0, true, LOW));
        assert!(!choice.takes(now, 2, false, None));
        assert!(choice.takes(now, 2, true, HIGH));
        assert!(!choice.takes(now, 0, true, LOW));
        assert!(choice.takes(now, 2, false, None));
    }

    #[test]
    fn a_layer_that_falls_silent_is_left_at_a_keyframe() {
        let mut choice = LayerChoice::default();
        let now = Instant::now();
        assert!(choice.takes(now, 2, true, HIGH));
        let later = now + SILENCE + Duration::from_millis(1);
        assert!(!choice.takes(later, 0, false, None));
        assert!(choice.poll_keyframe(later) && !choice.poll_keyframe(later));
        assert!(choice.takes(later, 0, true, LOW));
        assert!(!choice.poll_keyframe(later));
        assert!(choice.takes(later, 2, true, HIGH), "and comes back");
    }
}
