// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bucket of a path: bytes that pass at once after a time of less, however narrow it is. Access links have one. A short cluster
//! finds it full and shows a rate that does not last; what follows shows how much was in it.

/// A rate that holds so long after it was shown is none of a bucket, µs.
const TRIAL: u64 = 5_000_000;
/// What arrives of a rate that holds is at least this share of it.
const HOLDS: f64 = 0.8;
/// The first bucket that is assumed has room for these bytes, and none for more than those.
const LEAST: u64 = 3_000;
const MOST: u64 = 64_000;

/// What is known of the bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    size: u64,
    /// Bytes sent in all.
    sent: u64,
    begun: Mark,
    trial: Option<Trial>,
}

/// A time, µs, and what had been sent by then.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: u64,
    sent: u64,
}

/// A rate that was shown by a cluster and has to hold.
#[derive(Debug)]
struct Trial {
    begun: Mark,
    rate: u64,
}

impl Bucket {
    /// Bytes that a cluster has to send beyond what the path takes, before it shows more than the bucket; 0: none is known.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    #[inline]
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// A cluster begins.
    pub(super) fn begin(&mut self, at: u64) {
        self.begun = Mark {
            at,
            sent: self.sent,
        };
    }

    /// The cluster has shown `rate`, and has not filled the path.
    pub(super) fn shown(&mut self, rate: u64) {
        let begun = self.begun;
        self.trial = Some(Trial { begun, rate });
    }

    /// So much arrives, and leaves no queue.
    pub(super) fn arrives(&mut self, at: u64, rate: u64) {
        let Some(trial) = &self.trial else {
            return;
        };
        let holds = rate as f64 >= trial.rate as f64 * HOLDS;
        if at > trial.begun.at + TRIAL {
            if holds {
                self.size = 0;
            }
            self.trial = None;
        }
    }

    /// The path is full, with `capacity` bit/s arriving, the newest `queue` µs late.
    pub(super) fn full(&mut self, at: u64, capacity: u64, queue: u64) {
        let Some(trial) = self.trial.take() else {
            return;
        };
        let elapsed = at.saturating_sub(trial.begun.at);
        if elapsed > TRIAL || capacity as f64 >= trial.rate as f64 * HOLDS {
            return;
        }
        let passed = capacity * (elapsed + queue) / 8_000_000;
        let held = (self.sent - trial.begun.sent).saturating_sub(passed);
        // What arrives is measured over a while in which the bucket still gave, so that this is the least.
        self.size = held.max(self.size * 2).clamp(LEAST, MOST);
    }
}
