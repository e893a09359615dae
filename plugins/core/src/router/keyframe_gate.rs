// SPDX-License-Identifier: MIT OR Apache-2.0
//! Coalesces keyframe requests: many viewers, one request.

use std::time::{Duration, Instant};

/// At most one keyframe is asked of a source in this time.
pub(crate) const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// The requests for one source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyframeGate {
    asked: Option<Instant>,
    wanted: bool,
    /// It has been asked since.
    sent: bool,
}

impl KeyframeGate {
    /// Someone needs a keyframe.
    pub(crate) fn want(&mut self) {
        self.sent &= self.wanted;
        self.wanted = true;
    }

    /// Something came, and nobody can tell what: if a keyframe was asked for, it may be that.
    pub(crate) fn assume(&mut self) {
        self.wanted &= !self.sent;
    }

    /// A keyframe came.
    pub(crate) fn satisfied(&mut self) {
        self.wanted = false;
    }

    /// When the source is to be asked, if at all. In the past or `None`-asked means at once.
    pub(crate) fn timeout(&self, now: Instant) -> Option<Instant> {
        self.wanted
            .then(|| self.asked.map_or(now, |asked| asked + KEYFRAME_INTERVAL))
    }

    /// True when the source is to be asked now. The want stays until a keyframe comes, so a lost request is repeated.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        let due = self.timeout(now).is_some_and(|at| at <= now);
        if due {
            self.asked = Some(now);
            self.sent = true;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframe_requests_are_coalesced_within_500_ms() {
        let start = Instant::now();
        let mut gate = KeyframeGate::default();
        let mut asked = 0;
        for ms in 0..2_000 {
            gate.want();
            asked += usize::from(gate.poll(start + Duration::from_millis(ms)));
        }
        assert_eq!(asked, 4);
    }

    #[test]
    fn a_want_lasts_until_a_keyframe_comes() {
        let start = Instant::now();
        let mut gate = KeyframeGate::default();
        gate.want();
        assert!(gate.poll(start));
        assert!(!gate.poll(start + Duration::from_millis(499)));
        assert!(gate.poll(start + Duration::from_millis(500)));
        gate.satisfied();
        assert_eq!(gate.timeout(start), None);
        assert!(!gate.poll(start + Duration::from_secs(5)));
    }
}
