// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who speaks, and so who is big.

use std::collections::BTreeMap;
use std::time::Duration;

/// Finds the one who speaks most, without going back and forth at every cough.
#[derive(Debug, Default)]
pub struct Speakers {
    heard: BTreeMap<String, Voice>,
    dominant: Option<String>,
    since: Duration,
}

/// How loud somebody has been lately.
#[derive(Debug, Clone, Copy)]
struct Voice {
    /// Mean square, with [`WINDOW`] as the time constant.
    power: f64,
    at: Duration,
}

/// Over how long loudness is averaged.
const WINDOW: Duration = Duration::from_millis(500);
/// Below it, as mean square (−45 dBFS), nobody speaks.
const QUIET: f64 = 3.2e-5;
/// How much more power (6 dB) another voice must have to take over.
const MARGIN: f64 = 4.0;
/// How long the dominant speaker stays, whatever the others do.
const HOLD: Duration = Duration::from_millis(1500);

impl Speakers {
    /// Takes the mean square (0 to 1) of a piece of somebody's sound that ends at `now`.
    pub fn handle_power(&mut self, now: Duration, participant: &str, power: f64) {
        let Some(voice) = self.heard.get_mut(participant) else {
            let voice = Voice {
                power: 0.0,
                at: now,
            };
            self.heard.insert(participant.to_owned(), voice);
            return;
        };
        let passed = now.saturating_sub(voice.at).as_secs_f64();
        let weight = 1.0 - (-passed / WINDOW.as_secs_f64()).exp();
        voice.power += (power.clamp(0.0, 1.0) - voice.power) * weight;
        voice.at = now;
    }

    /// Forgets those who have left.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.heard.retain(|name, _| is_there(name));
        self.dominant = self.dominant.take().filter(|name| is_there(name));
    }

    /// Decides anew; true when somebody else is dominant now. In silence the last one stays.
    pub fn update(&mut self, now: Duration) -> bool {
        let current = self.dominant.as_ref().and_then(|name| self.heard.get(name));
        let threshold = current.map_or(QUIET, |voice| (voice.power * MARGIN).max(QUIET));
        if current.is_some() && now.saturating_sub(self.since) < HOLD {
            return false;
        }
        let loudest = (self.heard.iter())
            .filter(|(name, _)| self.dominant.as_ref() != Some(name))
            .max_by(|a, b| a.1.power.total_cmp(&b.1.power));
        match loudest {
            Some((name, voice)) if voice.power > threshold => {
                self.dominant = Some(name.clone());
                self.since = now;
                true
            }
            _ => false,
        }
    }

    /// Who is big now. None until somebody has spoken.
    pub fn dominant(&self) -> Option<&str> {
        self.dominant.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(20);

    /// Lets them speak for a while; who is dominant after each step.
    fn speak(
        speakers: &mut Speakers,
        now: &mut Duration,
        steps: u32,
        powers: &[(&str, f64)],
    ) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..steps {
            *now += STEP;
            for (name, power) in powers {
                speakers.handle_power(*now, name, *power);
            }
            speakers.update(*now);
            seen.push(speakers.dominant().unwrap_or("").to_owned());
        }
        seen
    }

    #[test]
    fn the_one_who_speaks_is_dominant_within_a_second() {
        let (mut speakers, mut now) = (Speakers::default(), Duration::ZERO);
        let seen = speak(&mut speakers, &mut now, 50, &[("a", 0.0), ("b", 0.01)]);
        assert_eq!(seen.last().map(String::as_str), Some("b"));
        speak(&mut speakers, &mut now, 100, &[("a", 0.0), ("b", 0.0)]);
        assert_eq!(
            speakers.dominant(),
            Some("b"),
            "in silence the last one stays"
        );
        let seen = speak(&mut speakers, &mut now, 50, &[("a", 0.01), ("b", 0.0)]);
        assert_eq!(seen.last().map(String::as_str), Some("a"));
    }

    #[test]
    fn a_cough_does_not_change_it_and_equals_do_not_alternate() {
        let (mut speakers, mut now) = (Speakers::default(), Duration::ZERO);
        speak(&mut speakers, &mut now, 100, &[("a", 0.01), ("b", 0.0)]);
        let cough = speak(&mut speakers, &mut now, 4, &[("a", 0.01), ("b", 0.1)]);
        assert!(cough.iter().all(|name| name == "a"), "{cough:?}");
        let both = speak(&mut speakers, &mut now, 500, &[("a", 0.01), ("b", 0.011)]);
        assert!(both.iter().all(|name| name == "a"));
    }

    #[test]
    fn who_left_is_not_dominant() {
        let (mut speakers, mut now) = (Speakers::default(), Duration::ZERO);
        speak(&mut speakers, &mut now, 50, &[("a", 0.01)]);
        speakers.retain(|name| name != "a");
        assert_eq!(speakers.dominant(), None);
        assert!(!speakers.update(now));
    }

    #[test]
    fn noise_below_the_threshold_is_nobody() {
        let (mut speakers, mut now) = (Speakers::default(), Duration::ZERO);
        let seen = speak(&mut speakers, &mut now, 200, &[("a", 1e-5), ("b", 2e-5)]);
        assert!(seen.iter().all(String::is_empty));
    }
}
