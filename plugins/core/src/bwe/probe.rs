// SPDX-License-Identifier: MIT OR Apache-2.0
//! Short clusters of packets at a higher rate, to see whether that rate passes.

use super::bits_per_second;
use super::sent::Sent;

/// A cluster is sent in steps so far apart, µs, and this many of them: 24 ms of the rate in 20 ms.
const STEP: u64 = 4_000;
const STEPS: u32 = 6;
/// Where a bucket has to be emptied first it takes longer, but never more than this.
const MOST_STEPS: u32 = 200;
/// And then there is more time between clusters, µs.
const BUCKET_INTERVAL: u64 = 12_000_000;
/// Reports about a cluster are awaited so long, µs.
const PATIENCE: u64 = 1_000_000;
/// Time between clusters, and after one that showed nothing new, µs.
const INTERVAL: u64 = 5_000_000;
const LONG_INTERVAL: u64 = 8_000_000;
/// A cluster aims at this multiple of the estimate; the first one at more.
const FACTOR: f64 = 2.0;
const FIRST_FACTOR: f64 = 3.0;
/// Less tells nothing: a few packets at this rate harm nobody, bit/s.
const LEAST: u64 = 300_000;
/// A result of at least this share of the aim begs for another cluster at once.
const GO_ON: f64 = 0.7;
/// A cluster that took so much longer to arrive than to be sent has filled the path, µs; a little less than what arrived is its
/// capacity. Less time is lost as well where a processor was busy.
const FILLED: u64 = 10_000;
const OF_FILLED: f64 = 0.92;
/// Share of the packets that must arrive for a result.
const ENOUGH: f64 = 0.5;
/// A result below this multiple of the estimate shows nothing new.
const NEWS: f64 = 1.2;

/// A cluster: what was sent, and what is known to have arrived.
#[derive(Debug)]
struct Cluster {
    id: u8,
    aim: u64,
    estimate: u64,
    begin: u64,
    steps: u32,
    /// Steps it has.
    length: u32,
    sent: Tally,
    first_sent: u64,
    last_sent: u64,
    /// Bytes of the packets sent at the same time as the last one.
    last_bytes: u64,
    settled: u32,
    arrived: Tally,
    first_arrival: i64,
    last_arrival: i64,
    first_bytes: u64,
    /// When the first of those that arrived was sent.
    first_of_arrived: u64,
}

/// What a cluster has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    /// bit/s.
    pub(super) rate: u64,
    /// It was sent faster than the path takes it, so there is no more than that.
    pub(super) filled: bool,
}

#[derive(Debug, Default)]
struct Tally {
    packets: u32,
    bytes: u64,
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.packets += 1;
        self.bytes += bytes;
    }
}

/// Plans clusters and judges them.
#[derive(Debug)]
pub(super) struct Prober {
    next: u64,
    first: bool,
    last_id: u8,
    cluster: Option<Cluster>,
}

impl Prober {
    /// The first cluster is due at `now`.
    pub(super) fn new(now: u64) -> Prober {
        Prober {
            next: now,
            first: true,
            last_id: 0,
            cluster: None,
        }
    }

    /// The cluster a packet sent now belongs to; 0: none.
    #[inline]
    pub(super) fn current(&self) -> u8 {
        self.cluster
            .as_ref()
            .filter(|cluster| cluster.is_sending())
            .map_or(0, |cluster| cluster.id)
    }

    /// Notes a packet of the current cluster.
    #[cold]
    pub(super) fn sent(&mut self, now: u64, bytes: usize) {
        if let Some(cluster) = &mut self.cluster {
            cluster.sent(now, bytes as u64);
        }
    }

    /// Begins a cluster if one is due. `wanted` is what the peer could use, `bucket` what the path takes at once, in bytes.
    pub(super) fn begin_due(&mut self, now: u64, estimate: u64, wanted: u64, bucket: u64) -> bool {
        self.cluster.is_none() && now >= self.next && self.begin(now, estimate, wanted, bucket)
    }

    /// Bytes of padding to be sent now, on top of what was sent anyway; 0: none.
    pub(super) fn poll(&mut self, now: u64) -> usize {
        let Some(cluster) = &mut self.cluster else {
            return 0;
        };
        cluster.step(now)
    }

    /// When to poll next, in µs; `None`: when something was reported or is wanted.
    pub(super) fn timeout(&self) -> Option<u64> {
        match &self.cluster {
            Some(cluster) if cluster.is_sending() => {
                Some(cluster.begin + u64::from(cluster.steps) * STEP)
            }
            Some(cluster) => Some(cluster.last_sent + PATIENCE),
            None => None,
        }
    }

    /// When the next cluster may begin, µs.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The path has just been over-used: not now.
    pub(super) fn postpone(&mut self, now: u64) {
        if self.cluster.is_none() {
            self.next = self.next.max(now + INTERVAL / 2);
        }
    }

    /// A packet of a cluster arrived.
    pub(super) fn received(&mut self, sent: &Sent, arrival: i64) {
        if let Some(cluster) = self.cluster_of(sent) {
            cluster.settled += u32::from(!sent.was_lost);
            cluster.arrived(sent, arrival);
        }
    }

    /// A packet of a cluster did not arrive.
    pub(super) fn lost(&mut self, sent: &Sent) {
        if let Some(cluster) = self.cluster_of(sent) {
            cluster.settled += 1;
        }
    }

    /// What a complete cluster has shown.
    pub(super) fn result(&mut self, now: u64) -> Option<Shown> {
        let cluster = self.cluster.take_if(|cluster| cluster.is_complete(now))?;
        let result = cluster.rate();
        let of = |share: f64, rate: u64| (rate as f64 * share) as u64;
        if cluster.length > STEPS {
            // A rate with what was in the bucket is none of the path.
            let result = result.filter(|shown| !shown.filled);
            let passed = result.is_some_and(|shown| shown.rate >= of(GO_ON, cluster.aim));
            self.next = if passed { now } else { now + BUCKET_INTERVAL };
            return result;
        }
        self.next = match result.map(|shown| shown.rate) {
            Some(rate) if rate >= of(GO_ON, cluster.aim) => now,
            Some(rate) if rate >= of(NEWS, cluster.estimate) => now + INTERVAL,
            Some(_) => now + LONG_INTERVAL,
            None => now + INTERVAL / 2,
        };
        result
    }

    fn cluster_of(&mut self, sent: &Sent) -> Option<&mut Cluster> {
        self.cluster
            .as_mut()
            .filter(|cluster| sent.cluster == cluster.id)
    }

    fn begin(&mut self, now: u64, estimate: u64, wanted: u64, bucket: u64) -> bool {
        let factor = if self.first { FIRST_FACTOR } else { FACTOR };
        let aim = ((estimate as f64 * factor) as u64).max(LEAST).min(wanted);
        if aim as f64 <= estimate as f64 * 1.05 {
            return false;
        }
        let emptied = bucket * 8_000_000 / (aim - estimate);
        let length = STEPS + (emptied / STEP) as u32;
        self.first = false;
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let length = length.min(MOST_STEPS);
        self.cluster = Some(Cluster::new(self.last_id, aim, estimate, now, length));
        true
    }
}

impl Cluster {
    fn new(id: u8, aim: u64, estimate: u64, now: u64, length: u32) -> Cluster {
        Cluster {
            id,
            aim,
            estimate,
            begin: now,
            steps: 0,
            length,
            sent: Tally::default(),
            first_sent: now,
            last_sent: now,
            last_bytes: 0,
            settled: 0,
            arrived: Tally::default(),
            first_arrival: 0,
            last_arrival: 0,
            first_bytes: 0,
            first_of_arrived: 0,
        }
    }

    fn is_sending(&self) -> bool {
        self.steps < self.length
    }

    fn step(&mut self, now: u64) -> usize {
        let elapsed = now.saturating_sub(self.begin);
        if !self.is_sending() || elapsed < u64::from(self.steps) * STEP {
            return 0;
        }
        // A caller that is late does not make up for it all at once: that would be another rate.
        self.steps += 1;
        let due = self.aim * STEP * u64::from(self.steps) / 8_000_000;
        due.saturating_sub(self.sent.bytes) as usize
    }

    fn sent(&mut self, now: u64, bytes: u64) {
        if self.sent.packets == 0 {
            self.first_sent = now;
        }
        if now != self.last_sent {
            (self.last_sent, self.last_bytes) = (now, 0);
        }
        self.last_bytes += bytes;
        self.sent.add(bytes);
    }

    fn arrived(&mut self, packet: &Sent, arrival: i64) {
        let bytes = u64::from(packet.bytes);
        if self.arrived.packets == 0 || arrival < self.first_arrival {
            (self.first_arrival, self.first_bytes) = (arrival, bytes);
            self.first_of_arrived = packet.at;
        }
        let took = packet.at.saturating_sub(self.first_of_arrived);
        if arrival - self.first_arrival > (took + FILLED) as i64 {
            // More would only make the queue longer.
            self.steps = self.length;
        }
        if self.arrived.packets == 0 || arrival > self.last_arrival {
            self.last_arrival = arrival;
        }
        self.arrived.add(bytes);
    }

    fn is_complete(&self, now: u64) -> bool {
        !self.is_sending()
            && (self.settled >= self.sent.packets || now >= self.last_sent + PATIENCE)
    }

    fn rate(&self) -> Option<Shown> {
        let took = self.last_sent.saturating_sub(self.first_sent);
        let enough = f64::from(self.arrived.packets) >= f64::from(self.sent.packets) * ENOUGH;
        if took == 0 || self.arrived.packets < 3 || !enough {
            return None;
        }
        let sent = bits_per_second(self.sent.bytes - self.last_bytes, took);
        let arriving = (self.last_arrival - self.first_arrival).max(1) as u64;
        let arrived = bits_per_second(self.arrived.bytes - self.first_bytes, arriving);
        let filled = arriving > took + FILLED;
        let rate = if filled {
            (arrived as f64 * OF_FILLED) as u64
        } else {
            arrived.min(sent)
        };
        Some(Shown { rate, filled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends one cluster over a path of `capacity` bit/s and says what it showed.
    fn probe(prober: &mut Prober, start: u64, estimate: u64, capacity: u64) -> Option<u64> {
        let mut packets = Vec::new();
        let mut now = start;
        loop {
            prober.begin_due(now, estimate, u64::MAX, 0);
            let mut bytes = prober.poll(now);
            while bytes > 0 {
                let packet = bytes.clamp(50, 250);
                let cluster = prober.current_or_last();
                prober.sent(now, packet);
                packets.push(Sent {
                    at: now,
                    bytes: packet as u16,
                    cluster,
                    was_lost: false,
                });
                bytes = bytes.saturating_sub(packet);
            }
            if prober.current() == 0 {
                break;
            }
            now += 1_000;
        }
        let mut free = 0;
        for sent in &packets {
            free = free.max(sent.at) + u64::from(sent.bytes) * 8_000_000 / capacity;
            prober.received(sent, free as i64 + 20_000);
        }
        prober.result(now + 50_000).map(|shown| shown.rate)
    }

    impl Prober {
        fn current_or_last(&self) -> u8 {
            self.last_id
        }
    }

    #[test]
    fn shows_the_rate_it_aims_at_where_that_passes() {
        let mut prober = Prober::new(0);
        let rate = probe(&mut prober, 0, 300_000, 100_000_000).expect("complete");
        assert!((800_000..950_000).contains(&rate), "{rate}");
        assert_eq!(prober.next(), prober.next().min(100_000), "goes on at once");
    }

    #[test]
    fn shows_the_capacity_where_it_does_not_pass() {
        for capacity in [300_000, 1_000_000, 5_000_000] {
            let mut prober = Prober::new(0);
            let rate = probe(&mut prober, 0, capacity * 9 / 10, capacity).expect("complete");
            let share = rate as f64 / capacity as f64;
            assert!((0.85..1.0).contains(&share), "{rate} of {capacity}");
            assert!(prober.next() > 4_000_000);
        }
    }

    #[test]
    fn nothing_is_sent_where_nothing_more_is_wanted() {
        let mut prober = Prober::new(0);
        assert!(!prober.begin_due(0, 1_000_000, 900_000, 0));
        assert_eq!(prober.poll(0), 0);
        assert_eq!(prober.timeout(), None);
    }

    #[test]
    fn a_cluster_that_got_lost_shows_nothing_and_is_given_up() {
        let mut prober = Prober::new(0);
        for step in 0..6 {
            prober.begin_due(step * STEP, 1_000_000, u64::MAX, 0);
            let bytes = prober.poll(step * STEP);
            prober.sent(step * STEP, bytes);
        }
        assert_eq!(prober.result(500_000), None);
        assert!(prober.cluster.is_some());
        assert_eq!(prober.result(2_000_000), None);
        assert!(prober.cluster.is_none());
    }
}
