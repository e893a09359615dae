// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run found, for people and as JSON.

use super::floor::Floor;
use serde::Serialize;
use std::fmt;

/// What a run found. Times are in milliseconds unless they say otherwise; `None` where there was nothing to measure.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Publishers asked for.
    pub publishers: usize,
    /// Subscribers asked for.
    pub subscribers: usize,
    /// Seconds of measuring.
    pub seconds: f64,
    /// Media as it arrived.
    pub media: Media,
    /// How joining went.
    pub joins: Joins,
    /// What the server used, if its process is known.
    pub server: Option<ServerCost>,
    /// The floor before and after, if it was measured.
    pub floor: Option<[Floor; 2]>,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// Media while measuring, all subscribers together.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// Different packets that subscribers received.
    pub packets: u64,
    /// Packets that never came, repair included.
    pub lost: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Sequence numbers that subscribers asked for again.
    pub requested: u64,
    /// From the publisher's sending to the subscriber's kernel.
    pub delay: Option<Spread>,
}

/// Joining, from the offer on.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Joins {
    /// Subscribers to whom every track played.
    pub playing: usize,
    /// Until ICE and DTLS were done.
    pub connected: Option<Spread>,
    /// Until the first packet.
    pub first_packet: Option<Spread>,
    /// Until the first packet of a keyframe.
    pub first_picture: Option<Spread>,
    /// Until what came was not sent out of a history any more, but as it came in.
    pub caught_up: Option<Spread>,
    /// From the first offer until everybody had a picture.
    pub all_receiving: Option<f64>,
}

/// One seal and one `sendto` on the machine the budgets were set on, in microseconds.
const REFERENCE_FLOOR: f64 = 3.8;

/// What the server used while measuring.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerCost {
    /// CPU time per packet delivered, user and system, in microseconds.
    pub cpu_per_packet: f64,
    /// Of it in user mode, in microseconds.
    pub user_per_packet: f64,
    /// Share of one CPU, 0 to 1.
    pub load: f64,
    /// Resident memory more than before anybody joined, per subscriber, in KiB.
    pub kib_per_subscriber: f64,
    /// Resident memory, in MiB.
    pub mib: f64,
    /// Threads before anybody joined, and now.
    pub threads: [usize; 2],
}

/// Some of many values.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// 99 of 100 are not above it.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// `None` of no values.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            values
                .get((values.len() as f64 * share) as usize)
                .or(values.last())
                .copied()
        };
        Some(Spread {
            p50: at(0.5)?,
            p99: at(0.99)?,
            max: at(1.0)?,
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            self.p50, self.p99, self.max
        )
    }
}

impl Report {
    /// The floor: the mean of before and after.
    fn floor_sendto(&self) -> Option<f64> {
        self.floor
            .map(|[before, after]| (before.sendto + after.sendto) / 2.0)
    }

    /// What the server uses in multiples of the floor.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.server?.cpu_per_packet / self.floor_sendto()?)
    }

    /// How much slower than the machine of the budgets this one sends. A frame to a hundred is that many system calls one after another, and
    /// its last packet is late by all of them.
    fn slower(&self) -> f64 {
        let floor = self.floor_sendto().unwrap_or(REFERENCE_FLOOR);
        (floor / REFERENCE_FLOOR).max(1.0)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let percent =
            100.0 * self.media.lost as f64 / (self.media.packets + self.media.lost).max(1) as f64;
        let mut verdicts = vec![Verdict::new("loss", Some(percent), 0.0, "%")];
        let slower = self.slower();
        if slower > 1.0 {
            let delay = self.media.delay.map(|d| d.p99 / slower);
            verdicts.push(Verdict::new(
                "added delay, p99, by the floor",
                delay,
                2.0,
                "ms",
            ));
        } else {
            let delay = self.media.delay.map(|d| d.p99);
            verdicts.push(Verdict::new("added delay, p99", delay, 2.0, "ms"));
        }
        verdicts.push(Verdict::new(
            "first picture, p50",
            self.joins.first_picture.map(|d| d.p50),
            500.0,
            "ms",
        ));
        verdicts.push(Verdict::new(
            "all receiving after",
            self.joins.all_receiving,
            3000.0,
            "ms",
        ));
        if let Some(server) = self.server {
            verdicts.push(Verdict::new(
                "server CPU per packet / floor",
                self.ratio(),
                1.35,
                "",
            ));
            verdicts.push(Verdict::new(
                "of it user time",
                Some(server.user_per_packet),
                1.5,
                "µs",
            ));
            verdicts.push(Verdict::new(
                "memory per subscriber",
                Some(server.kib_per_subscriber),
                64.0,
                "KiB",
            ));
            let grown = server.threads[1].saturating_sub(server.threads[0]);
            verdicts.push(Verdict::new(
                "threads more than before",
                Some(grown as f64),
                0.0,
                "",
            ));
        }
        verdicts
    }
}

/// A value beside its budget. Never more than information: machines differ.
struct Verdict {
    name: &'static str,
    value: Option<f64>,
    budget: f64,
    unit: &'static str,
}

impl Verdict {
    fn new(name: &'static str, value: Option<f64>, budget: f64, unit: &'static str) -> Verdict {
        Verdict {
            name,
            value,
            budget,
            unit,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict {
            name,
            value,
            budget,
            unit,
        } = self;
        match value {
            None => write!(f, "  {name:<32} not measured"),
            Some(value) => {
                let word = if value <= budget { "within" } else { "OVER" };
                write!(
                    f,
                    "  {name:<32} {value:>9.2} {unit:<4} {word} the budget of {budget} {unit}"
                )
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Media {
            packets,
            lost,
            duplicates,
            requested,
            delay,
        } = &self.media;
        writeln!(
            f,
            "{} × {} for {:.1} s",
            self.publishers, self.subscribers, self.seconds
        )?;
        writeln!(
            f,
            "  packets      {packets} delivered, {lost} lost, {duplicates} twice, {requested} asked for again"
        )?;
        line(f, "delay", *delay)?;
        line(f, "connected", self.joins.connected)?;
        line(f, "first packet", self.joins.first_packet)?;
        line(f, "first picture", self.joins.first_picture)?;
        line(f, "caught up", self.joins.caught_up)?;
        let all = self
            .joins
            .all_receiving
            .map_or("never".to_owned(), |ms| format!("after {ms:.0} ms"));
        writeln!(
            f,
            "  all playing  {all} ({} of {})",
            self.joins.playing, self.subscribers
        )?;
        if let Some(server) = &self.server {
            write!(f, "{server}")?;
        }
        if let Some([before, after]) = &self.floor {
            writeln!(f, "  floor before {before}\n  floor after  {after}")?;
        }
        if let Some(ratio) = self.ratio() {
            writeln!(f, "  ratio        {ratio:.2} × the floor")?;
        }
        writeln!(f, "budgets")?;
        self.verdicts()
            .iter()
            .try_for_each(|verdict| writeln!(f, "{verdict}"))?;
        self.failures
            .iter()
            .take(10)
            .try_for_each(|failure| writeln!(f, "failed: {failure}"))
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, spread: Option<Spread>) -> fmt::Result {
    match spread {
        Some(spread) => writeln!(f, "  {name:<12} {spread}"),
        None => writeln!(f, "  {name:<12} nothing came"),
    }
}

impl fmt::Display for ServerCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  server       {:.2} µs CPU per packet, {:.2} µs of it user time; {:.0} % of a CPU",
            self.cpu_per_packet,
            self.user_per_packet,
            100.0 * self.load
        )?;
        let [before, now] = self.threads;
        writeln!(
            f,
            "  memory       {:.1} MiB, {:.1} KiB per subscriber; threads {before} before, {now} now",
            self.mib, self.kib_per_subscriber
        )
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} µs seal + sendto ({:.2} µs user), {:.2} µs with GSO of 5, {:.2} µs seal alone",
            self.sendto, self.sendto_user, self.gso, self.seal
        )?;
        if self.received < 0.99 {
            write!(
                f,
                "; only {:.0} % received, so this is too low",
                100.0 * self.received
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_values() {
        assert!(Spread::of(Vec::new()).is_none());
        let spread = Spread::of((0..200).rev().map(f64::from).collect()).expect("values");
        assert_eq!((spread.p50, spread.p99, spread.max), (100.0, 198.0, 199.0));
    }

    #[test]
    fn values_over_their_budget_are_told() {
        let within = Verdict::new("delay", Some(1.0), 2.0, "ms").to_string();
        let over = Verdict::new("delay", Some(3.0), 2.0, "ms").to_string();
        assert!(
            within.contains("within") && over.contains("OVER"),
            "{within} {over}"
        );
    }
}
