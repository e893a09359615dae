// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// How far a wait may be from its middle, as a share of it.
const SPREAD: f64 = 0.25;

/// Waits that double, up to a longest.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with `first`. No wait is longer than `longest`, but for the spread.
    pub fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff {
            first,
            longest,
            next: first,
        }
    }

    /// The next wait, a quarter shorter (`random` 0) to a quarter longer (1): all clients of a server that was restarted would else
    /// come back in the same moment.
    pub fn next_wait(&mut self, random: f64) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        wait.mul_f64(1.0 + SPREAD * (2.0 * random.clamp(0.0, 1.0) - 1.0))
    }

    /// It was no failure after all: the next wait is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(1), seconds(5));
        let waits = [0.5; 5].map(|middle| backoff.next_wait(middle));
        assert_eq!(waits, [1, 2, 4, 5, 5].map(seconds));
        backoff.reset();
        assert_eq!(backoff.next_wait(0.0), Duration::from_millis(750));
        assert_eq!(backoff.next_wait(1.0), Duration::from_millis(2_500));
        assert_eq!(backoff.next_wait(f64::INFINITY), seconds(5));
    }
}
