// SPDX-License-Identifier: MIT OR Apache-2.0
//! One instant in the notations that packets use.

use std::time::Instant;

/// An instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    /// Microseconds since the epoch.
    pub(crate) micros: u64,
    /// NTP time, 32.32 fixed point.
    pub(crate) ntp: u64,
    /// The middle 24 bits of it, 6.18 fixed point, as the abs-send-time extension wants them.
    pub(crate) abs_send_time: [u8; 3],
}

impl Moment {
    /// `now`, when the clock showed `epoch_ntp` at `epoch`.
    pub(crate) fn new(now: Instant, epoch: Instant, epoch_ntp: u64) -> Moment {
        let elapsed = now.saturating_duration_since(epoch).as_nanos();
        let ntp = epoch_ntp.wrapping_add(((elapsed << 32) / 1_000_000_000) as u64);
        let [_, high, middle, low] = ((ntp >> 14) as u32).to_be_bytes();
        Moment {
            now,
            micros: (elapsed / 1_000) as u64,
            ntp,
            abs_send_time: [high, middle, low],
        }
    }
}
