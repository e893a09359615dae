// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two times: one that never jumps, and that of calendars.

use std::time::{Duration, Instant};

/// Knows when the server started, and what time it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    read: Instant,
    unix: Duration,
}

impl Clock {
    pub(super) fn new(now: Instant, unix: Duration) -> Clock {
        Clock {
            started: now,
            read: now,
            unix,
        }
    }

    pub(super) fn set(&mut self, now: Instant, unix: Duration) {
        self.read = now;
        self.unix = unix;
    }

    /// Since the start.
    pub(super) fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Seconds since 1970.
    pub(super) fn unix(&self, now: Instant) -> u64 {
        (self.unix + now.saturating_duration_since(self.read)).as_secs()
    }
}
