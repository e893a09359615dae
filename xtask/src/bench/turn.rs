// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench turn`: what relaying costs, beside coturn in the same run.
//!
//! Each packet goes from a client through its relay to the relay of another client and on to that: it is relayed twice.

mod server;

use std::fmt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use server::{Kind, PASSWORD, Server, USER};

/// How often each server has its turn; the median counts.
const ROUNDS: usize = 3;
/// Clients of coturn's at once: one alone sends too slowly.
const LOADS: usize = 2;
/// Of each of those.
const SESSIONS: usize = 20;
/// Of each session, one every millisecond.
const MESSAGES: usize = 5000;
/// Bytes of payload.
const MESSAGE: usize = 1000;
/// How often a message is relayed.
const HOPS: usize = 2;
/// Relays in the measurement of memory, in so many clients.
const RELAYS: usize = 2000;
const RELAY_LOADS: usize = 10;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// CPU time per relayed packet, as a share of coturn's.
const BUDGET_RATIO: f64 = 0.7;
/// Memory per relay.
const BUDGET_KIB: f64 = 8.0;

/// Compares the servers, and fails when ours takes more than it may.
pub(super) fn bench(program: &Path) -> Result<(), String> {
    println!(
        "{LOADS} x {SESSIONS} sessions, {MESSAGE}-byte messages in channels, each relayed twice"
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (kind, runs) in [(Kind::Coturn, &mut theirs), (Kind::Own, &mut ours)] {
            let run = relaying(kind, program)?;
            println!("{kind:8} {run}");
            runs.push(run);
        }
    }
    let ratio = median(&ours) / median(&theirs);
    println!("ratio {ratio:.2}, budget {BUDGET_RATIO}");
    let theirs_kib = memory(Kind::Coturn, program)?;
    let ours_kib = memory(Kind::Own, program)?;
    println!(
        "memory per relay: {:8} {theirs_kib:.1} KiB, {} {ours_kib:.1} KiB, budget {BUDGET_KIB} KiB",
        Kind::Coturn,
        Kind::Own
    );
    let lost: usize = ours.iter().map(Run::lost).sum();
    if ratio > BUDGET_RATIO || ours_kib > BUDGET_KIB || lost > 0 {
        return Err("TURN is over budget, or lost packets".to_owned());
    }
    Ok(())
}

/// What one server did under load.
struct Run {
    sent: usize,
    received: usize,
    cpu: Duration,
    seconds: f64,
}

impl Run {
    fn lost(&self) -> usize {
        self.sent - self.received
    }

    /// In microseconds.
    fn per_relayed(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.received * HOPS).max(1) as f64
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:5.2} us CPU per relayed packet, {} of {} lost, {:.0} relayed per second",
            self.per_relayed(),
            self.lost(),
            self.sent,
            (self.received * HOPS) as f64 / self.seconds
        )
    }
}

fn median(runs: &[Run]) -> f64 {
    let mut costs: Vec<f64> = runs.iter().map(Run::per_relayed).collect();
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

fn relaying(kind: Kind, program: &Path) -> Result<Run, String> {
    let server = Server::start(kind, program)?;
    let messages = MESSAGES.to_string();
    let loads: Vec<Child> = (0..LOADS)
        .map(|_| load(&server, SESSIONS, &["-y", "-z", "1", "-n", &messages]))
        .collect::<Result<_, _>>()?;
    let mut counts = Vec::new();
    for load in loads {
        let output = load.wait_with_output();
        let output = output.map_err(|error| format!("turnutils_uclient: {error}"))?;
        counts.push(Counts::read(&String::from_utf8_lossy(&output.stdout))?);
    }
    Ok(Run {
        sent: counts.iter().map(|count| count.sent).sum(),
        received: counts.iter().map(|count| count.received).sum(),
        cpu: server.cpu_time()?,
        seconds: counts.iter().map(|count| count.seconds).fold(1.0, f64::max),
    })
}

/// What a client says at its end.
struct Counts {
    sent: usize,
    received: usize,
    seconds: f64,
}

impl Counts {
    fn read(output: &str) -> Result<Counts, String> {
        let last = |name: &str| {
            let (_, rest) = output.rsplit_once(name)?;
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<usize>().ok()
        };
        let counts = last("tot_send_msgs=").zip(last("tot_recv_msgs="));
        let (sent, received) =
            counts.ok_or_else(|| format!("turnutils_uclient has failed:\n{output}"))?;
        let seconds = last("Total transmit time is ").unwrap_or(1);
        Ok(Counts {
            sent,
            received,
            seconds: seconds.max(1) as f64,
        })
    }
}

/// KiB per relay, user space only: the kernel's part is the same for all servers.
fn memory(kind: Kind, program: &Path) -> Result<f64, String> {
    let server = Server::start(kind, program)?;
    let (bytes, sockets) = (server.memory()?, server.sockets()?);
    // These hang on after their messages, and hold their relays.
    let each = RELAYS / RELAY_LOADS;
    let holding = ["-h", "-n", "1", "-e", "127.0.0.1", "-r", "9"];
    let mut loads: Vec<Child> = (0..RELAY_LOADS)
        .map(|_| load(&server, each, &holding))
        .collect::<Result<_, _>>()?;
    let until = Instant::now() + PATIENCE;
    while server.sockets()? < sockets + RELAYS && Instant::now() < until {
        sleep(Duration::from_millis(200));
    }
    let result = server.memory().and_then(|now| {
        let relays = server.sockets()? - sockets;
        match relays >= RELAYS {
            true => Ok(now.saturating_sub(bytes) as f64 / relays as f64 / 1024.0),
            false => Err(format!("{kind} made only {relays} of {RELAYS} relays")),
        }
    });
    for load in &mut loads {
        let _ = load.kill().and_then(|()| load.wait());
    }
    result
}

/// A client with so many sessions.
fn load(server: &Server, sessions: usize, mode: &[&str]) -> Result<Child, String> {
    Command::new("turnutils_uclient")
        .args(["-c", "-u", USER, "-w", PASSWORD])
        .args(["-l", &MESSAGE.to_string(), "-m", &sessions.to_string()])
        .args(["-p", &server.port().to_string()])
        .args(mode)
        .arg("127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start turnutils_uclient: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_is_read() {
        let output = "1: : start_mclient: msz=40, tot_send_msgs=12, tot_recv_msgs=9, tot_send_bytes ~ 12\n\
            6: : start_mclient: tot_send_msgs=400, tot_recv_msgs=399\n\
            6: : Total transmit time is 6\n";
        let counts = Counts::read(output).expect("counts");
        assert_eq!((counts.sent, counts.received), (400, 399));
        assert!((counts.seconds - 6.0).abs() < f64::EPSILON);
        assert!(Counts::read("error 403").is_err());
    }
}
