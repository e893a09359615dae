// SPDX-License-Identifier: MIT OR Apache-2.0
//! The speakers of a room: who has the floor, and in which order the others come when there is not room for all.
//!
//! The floor passes to somebody who has spoken for a while when whoever has it is silent. So neither a cough nor an interjection
//! takes it, and two who speak at once do not take it from each other by turns.

use crate::id::ParticipantId;
use std::time::{Duration, Instant};

/// How long somebody has spoken before the floor passes.
const PATIENCE: Duration = Duration::from_millis(500);

/// The speakers of one room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Speakers {
    /// Who speaks now, and since when; the longest first.
    speaking: Vec<(ParticipantId, Instant)>,
    /// Who spoke, the last to begin first.
    heard: Vec<ParticipantId>,
    /// Who had the floor, the last first.
    floor: Vec<ParticipantId>,
}

impl Speakers {
    /// Somebody began or ceased to speak.
    pub(crate) fn set(&mut self, now: Instant, participant: ParticipantId, speaking: bool) {
        let known = self.speaking.iter().position(|(id, _)| *id == participant);
        match (known, speaking) {
            (None, true) => {
                self.speaking.push((participant, now));
                to_front(&mut self.heard, participant);
            }
            (Some(place), false) => {
                self.speaking.remove(place);
            }
            _ => {}
        }
    }

    /// Somebody has left.
    pub(crate) fn remove(&mut self, participant: ParticipantId) {
        self.speaking.retain(|(id, _)| *id != participant);
        self.heard.retain(|id| *id != participant);
        self.floor.retain(|id| *id != participant);
    }

    /// Passes the floor if it is time: to whom.
    pub(crate) fn pass(&mut self, now: Instant) -> Option<ParticipantId> {
        let (next, since) = self.next()?;
        (now >= since + PATIENCE).then(|| {
            to_front(&mut self.floor, next);
            next
        })
    }

    /// When the floor may pass.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.next().map(|(_, since)| since + PATIENCE)
    }

    /// Who has the floor for `viewer`: the last one who had it and is somebody else.
    pub(crate) fn floor_for(&self, viewer: ParticipantId) -> Option<ParticipantId> {
        self.floor.iter().copied().find(|id| *id != viewer)
    }

    /// Whose picture comes first when not all fit: the place, lower first.
    pub(crate) fn place_to_be_seen(&self, participant: ParticipantId) -> usize {
        place(&self.floor, participant)
    }

    /// Who is heard first when not all fit: those who speak, then those who did. The place, lower first.
    pub(crate) fn place_to_be_heard(&self, participant: ParticipantId) -> usize {
        let speaking = self.speaking.iter().position(|(id, _)| *id == participant);
        speaking.unwrap_or_else(|| {
            let heard = place(&self.heard, participant);
            heard.saturating_add(self.speaking.len())
        })
    }

    /// Who would get the floor: of those who speak the first, unless somebody who speaks has it.
    fn next(&self) -> Option<(ParticipantId, Instant)> {
        let holder = self.floor.first();
        let held = self.speaking.iter().any(|(id, _)| Some(id) == holder);
        self.speaking.first().filter(|_| !held).copied()
    }
}

fn place(order: &[ParticipantId], participant: ParticipantId) -> usize {
    let place = order.iter().position(|id| *id == participant);
    place.unwrap_or(usize::MAX)
}

fn to_front(order: &mut Vec<ParticipantId>, participant: ParticipantId) {
    order.retain(|id| *id != participant);
    order.insert(0, participant);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: ParticipantId = ParticipantId(1);
    const BOB: ParticipantId = ParticipantId(2);
    const CAROL: ParticipantId = ParticipantId(3);

    fn after(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_floor_is_taken_after_a_while_and_kept_while_its_holder_speaks() {
        let start = Instant::now();
        let mut speakers = Speakers::default();
        speakers.set(start, ALICE, true);
        assert_eq!(speakers.pass(start + after(499)), None);
        assert_eq!(speakers.timeout(), Some(start + after(500)));
        assert_eq!(speakers.pass(start + after(500)), Some(ALICE));
        speakers.set(start + after(600), BOB, true);
        assert_eq!(speakers.timeout(), None);
        assert_eq!(speakers.pass(start + after(60_000)), None);
        speakers.set(start + after(60_000), ALICE, false);
        assert_eq!(speakers.pass(start + after(60_000)), Some(BOB));
        assert_eq!(speakers.floor_for(CAROL), Some(BOB));
        assert_eq!(
            speakers.floor_for(BOB),
            Some(ALICE),
            "nobody looks at himself"
        );
    }

    #[test]
    fn an_interjection_takes_nothing() {
        let start = Instant::now();
        let mut speakers = Speakers::default();
        speakers.set(start, ALICE, true);
        speakers.pass(start + after(500));
        speakers.set(start + after(1_000), ALICE, false);
        speakers.set(start + after(1_100), BOB, true);
        assert_eq!(speakers.pass(start + after(1_500)), None);
        speakers.set(start + after(1_550), BOB, false);
        assert_eq!(speakers.pass(start + after(9_000)), None);
        assert_eq!(speakers.floor_for(CAROL), Some(ALICE));
    }

    #[test]
    fn who_speaks_is_heard_first_then_who_spoke_last_and_who_leaves_is_forgotten() {
        let start = Instant::now();
        let mut speakers = Speakers::default();
        for (ms, id) in [(0, ALICE), (1_000, BOB), (2_000, CAROL)] {
            speakers.set(start + after(ms), id, true);
            speakers.pass(start + after(ms + 600));
            speakers.set(start + after(ms + 700), id, false);
        }
        speakers.set(start + after(3_000), ALICE, true);
        let mut order = [ALICE, BOB, CAROL];
        order.sort_by_key(|id| speakers.place_to_be_heard(*id));
        assert_eq!(order, [ALICE, CAROL, BOB]);
        order.sort_by_key(|id| speakers.place_to_be_seen(*id));
        assert_eq!(order, [CAROL, BOB, ALICE]);
        speakers.remove(CAROL);
        assert_eq!(speakers.floor_for(ALICE), Some(BOB));
        assert_eq!(speakers.place_to_be_seen(CAROL), usize::MAX);
    }
}
