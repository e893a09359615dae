// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue that stays full has no trend. Sending less for a moment shows whose it is: ours drains, that of another flow does
//! not.

/// A packet that waits longer waits in a standing queue, µs.
const STANDING: i64 = 80_000;
/// What waits less than this may have waited for a processor or a radio just as well, µs.
const LEAST: i64 = 10_000;
/// The queue must stand so long before it is tried, µs.
const PATIENCE: u64 = 500_000;
/// How long a trial takes beyond the round trip, µs.
const TRIAL: u64 = 500_000;
/// A queue that shrinks to this share during a trial is ours.
const SHRUNK: f64 = 0.75;
/// How long another flow's queue is left alone, µs.
const TRUCE: u64 = 15_000_000;
/// The least delay is taken over one to two of these, µs.
const MEMORY: u64 = 15_000_000;

/// What to do about the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// Nothing.
    Go,
    /// Begin to send less than arrives.
    Drain,
    /// Stay there.
    Hold,
    /// The queue is another flow's: go on as before.
    Restore,
}

#[derive(Debug)]
enum State {
    Watching { since: Option<u64> },
    Trial { end: u64, before: i64 },
    Truce { end: u64 },
}

/// Watches the queueing delay.
#[derive(Debug)]
pub(super) struct Queue {
    state: State,
    /// Least delay in this stretch of [`MEMORY`] and the one before, µs.
    least: [Option<i64>; 2],
    stretch: u64,
    delay: i64,
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            state: State::Watching { since: None },
            least: [None; 2],
            stretch: 0,
            delay: 0,
        }
    }
}

impl Queue {
    /// Longer than it should be.
    pub(super) fn is_standing(&self) -> bool {
        self.delay > STANDING
    }

    /// There is one: even the packet of the report that waited least has waited. A burst leaves none behind.
    pub(super) fn is_there(&self) -> bool {
        self.delay > LEAST
    }

    /// How late even the luckiest packet of the newest report was, µs.
    pub(super) fn delay(&self) -> u64 {
        self.delay.max(0) as u64
    }

    /// Says what to do about it, given the round trip in µs.
    pub(super) fn order(&mut self, now: u64, round_trip: u64) -> Order {
        match self.state {
            State::Watching { since } => self.watch(now, since, round_trip),
            State::Trial { end, .. } if now < end => Order::Hold,
            State::Trial { before, .. } => self.judge(now, before),
            State::Truce { end } => {
                if now >= end {
                    self.state = State::Watching { since: None };
                }
                Order::Go
            }
        }
    }

    /// Takes the least one-way delay in a report, by clocks that need not agree, in µs.
    pub(super) fn measure(&mut self, now: u64, delay: i64) {
        if now >= self.stretch + MEMORY {
            self.stretch = now;
            self.least = [None, self.least[0]];
        }
        self.least[0] = Some(self.least[0].map_or(delay, |least| least.min(delay)));
        let base = self.least.into_iter().flatten().min().unwrap_or(delay);
        self.delay = delay - base;
    }

    fn watch(&mut self, now: u64, since: Option<u64>, round_trip: u64) -> Order {
        let since = since.filter(|_| self.is_standing());
        let begun = match since {
            Some(begun) if now >= begun + PATIENCE => {
                // What is in the queue now has to leave it before anything can be seen.
                self.state = State::Trial {
                    end: now + round_trip + self.delay() + TRIAL,
                    before: self.delay,
                };
                return Order::Drain;
            }
            begun => begun.or(self.is_standing().then_some(now)),
        };
        self.state = State::Watching { since: begun };
        Order::Go
    }

    fn judge(&mut self, now: u64, before: i64) -> Order {
        let ours = (self.delay as f64) < before as f64 * SHRUNK;
        if !ours {
            self.state = State::Truce { end: now + TRUCE };
            return Order::Restore;
        }
        if self.is_standing() {
            self.state = State::Trial {
                end: now + TRIAL,
                before: self.delay,
            };
            return Order::Hold;
        }
        self.state = State::Watching { since: None };
        Order::Go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports every 100 ms; `delay` says the delay in ms at that time in ms, given whether a trial is on.
    fn orders(millis: u64, delay: impl Fn(u64, bool) -> i64) -> Vec<Order> {
        let mut queue = Queue::default();
        let mut trial = false;
        (0..millis / 100)
            .map(|n| {
                let delay = delay(n * 100, trial) * 1_000;
                queue.measure(n * 100_000, delay);
                let order = queue.order(n * 100_000, 50_000);
                trial = matches!(order, Order::Drain | Order::Hold);
                order
            })
            .collect()
    }

    #[test]
    fn a_queue_that_drains_when_less_is_sent_is_ours() {
        let orders = orders(5_000, |at, trial| match (at, trial) {
            (0..1_000, _) | (_, true) => 20,
            _ => 200,
        });
        assert!(orders.contains(&Order::Drain));
        assert!(!orders.contains(&Order::Restore));
    }

    #[test]
    fn a_queue_that_does_not_drain_is_left_alone() {
        let orders = orders(10_000, |at, _| if at < 1_000 { 20 } else { 200 });
        let count = |order| orders.iter().filter(|o| **o == order).count();
        assert_eq!((count(Order::Drain), count(Order::Restore)), (1, 1));
    }

    #[test]
    fn a_short_queue_is_nothing() {
        let orders = orders(5_000, |at, _| (at % 500 / 10) as i64);
        assert!(orders.iter().all(|order| *order == Order::Go));
    }
}
