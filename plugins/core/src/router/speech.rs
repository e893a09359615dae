// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who speaks, from the audio levels senders write into their packets (RFC 6464).

use std::time::{Duration, Instant};

/// Louder than this (in -dBov) counts as speech.
const THRESHOLD: f32 = 50.0;
/// Weight of a new level: at 20 ms a packet, the average follows in about 100 ms.
const WEIGHT: f32 = 0.2;
/// Speech is taken to go on through pauses shorter than this.
const HANG: Duration = Duration::from_millis(700);

/// The speech state of one participant.
#[derive(Debug)]
pub(crate) struct Speech {
    average: f32,
    last_loud: Option<Instant>,
    speaking: bool,
}

impl Default for Speech {
    fn default() -> Speech {
        Speech {
            average: 127.0,
            last_loud: None,
            speaking: false,
        }
    }
}

impl Speech {
    /// Takes the level of one packet, 0 (loudest) to 127 (silence): `Some` when speech began or ceased with it.
    pub(crate) fn level(&mut self, now: Instant, level: u8) -> Option<bool> {
        self.average += WEIGHT * (f32::from(level) - self.average);
        if self.average < THRESHOLD {
            self.last_loud = Some(now);
        }
        let speaking = self.last_loud.is_some_and(|at| now < at + HANG);
        let changed = speaking != self.speaking;
        self.speaking = speaking;
        changed.then_some(speaking)
    }

    /// True while its owner speaks.
    pub(crate) fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Ends speech when the track ends or falls silent without packets.
    pub(crate) fn stop(&mut self) -> Option<bool> {
        self.average = 127.0;
        self.last_loud = None;
        std::mem::take(&mut self.speaking).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_is_not_speech_and_a_pause_does_not_end_it() {
        let start = Instant::now();
        let mut speech = Speech::default();
        let mut changes = Vec::new();
        for n in 0..200u32 {
            let level = match n {
                10 => 20,                  // a click
                50..=80 | 100..=120 => 30, // words with a pause of 400 ms
                _ => 127,
            };
            let now = start + Duration::from_millis(20) * n;
            changes.extend(speech.level(now, level).map(|speaking| (n, speaking)));
        }
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!((50..60).contains(&changes[0].0) && changes[0].1);
        assert!((150..165).contains(&changes[1].0) && !changes[1].1);
    }
}
