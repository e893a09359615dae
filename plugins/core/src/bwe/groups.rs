// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets sent together are one group, and what counts is how the distance of groups changed on the way
//! (draft-ietf-rmcat-gcc-02 §5.2).

/// Packets sent within this time are a group, µs.
const SPAN: u64 = 5_000;
/// Packets that arrive so close together after a pause of the network are a burst, and so one group, µs.
const BURST: i64 = 5_000;
/// The longest burst, µs.
const MAX_BURST: i64 = 100_000;
/// A receiver's clock that moved by more than this was set, µs.
const CLOCK_JUMP: i64 = 3_000_000;

/// From one group to the next, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delta {
    /// Distance when sent.
    pub(super) sent: f64,
    /// Distance on arrival less distance when sent.
    pub(super) delay: f64,
    /// Arrival of the later group by the receiver's clock.
    pub(super) arrival: f64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: u64,
    last_sent: u64,
    first_arrival: i64,
    last_arrival: i64,
}

/// Collects packets into groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    current: Option<Group>,
    previous: Option<Group>,
}

impl Groups {
    /// Takes a packet in the order of arrival. When it begins a new group, the distance of the two before it.
    #[inline]
    pub(super) fn packet(&mut self, sent: u64, arrival: i64) -> Option<Delta> {
        let fresh = Group {
            first_sent: sent,
            last_sent: sent,
            first_arrival: arrival,
            last_arrival: arrival,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(fresh);
            return None;
        };
        if (arrival - current.last_arrival).abs() > CLOCK_JUMP {
            (self.current, self.previous) = (Some(fresh), None);
            return None;
        }
        if sent < current.first_sent {
            // Reordered: it says nothing about the queue.
            return None;
        }
        if current.takes(sent, arrival) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrival = current.last_arrival.max(arrival);
            return None;
        }
        let (complete, before) = (*current, self.previous);
        (self.previous, self.current) = (Some(complete), Some(fresh));
        complete.since(&before?)
    }
}

impl Group {
    fn takes(&self, sent: u64, arrival: i64) -> bool {
        sent - self.first_sent <= SPAN || self.bursts_with(sent, arrival)
    }

    fn bursts_with(&self, sent: u64, arrival: i64) -> bool {
        let (distance, sent) = (
            arrival - self.last_arrival,
            sent.saturating_sub(self.last_sent),
        );
        distance < sent as i64 && distance <= BURST && arrival - self.first_arrival < MAX_BURST
    }

    fn since(&self, before: &Group) -> Option<Delta> {
        let sent = self.last_sent.checked_sub(before.last_sent)?;
        let arrived = self.last_arrival - before.last_arrival;
        (arrived >= 0).then(|| Delta {
            sent: sent as f64 / 1e3,
            delay: (arrived - sent as i64) as f64 / 1e3,
            arrival: self.last_arrival as f64 / 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deltas(packets: &[(u64, i64)]) -> Vec<(f64, f64)> {
        let mut groups = Groups::default();
        let packets = packets.iter().map(|(s, a)| (s * 1_000, a * 1_000));
        packets
            .filter_map(|(sent, arrival)| groups.packet(sent, arrival))
            .map(|delta| (delta.sent, delta.delay))
            .collect()
    }

    #[test]
    fn packets_sent_within_5_ms_are_one_group() {
        let packets = [(0, 100), (2, 110), (5, 120), (30, 150), (60, 170)];
        assert_eq!(deltas(&packets), [(25.0, 5.0)]);
    }

    #[test]
    fn packets_that_a_pause_squeezed_together_are_one_group() {
        let packets = [
            (0, 50),
            (20, 100),
            (40, 101),
            (60, 102),
            (80, 130),
            (100, 150),
        ];
        assert_eq!(deltas(&packets), [(60.0, -8.0), (20.0, 8.0)]);
    }

    #[test]
    fn reordered_packets_and_a_clock_that_was_set_say_nothing() {
        let packets = [(0, 50), (20, 70), (5, 71), (40, 9_000_000), (60, 9_000_020)];
        assert_eq!(deltas(&packets), []);
    }
}
