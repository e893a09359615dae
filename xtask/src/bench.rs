// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: what forwarding costs, beside the least it can cost on this machine, and relaying, beside coturn; and what
//! mixing costs, beside the sum of its parts.

mod turn;

use std::path::Path;
use std::process::Command;

use crate::command::{cargo, output, run, target_directory};
use crate::packages;

/// One publisher to many: steady forwarding. With keyframes at this distance the history of the stream is as large before the subscribers
/// come as after, and so not counted as theirs.
const FORWARDING: [&str; 7] = [
    "--subscribers",
    "100",
    "--duration",
    "10s",
    "--keyframe-interval",
    "5s",
    "--spinners",
];
/// Pairs of runs that are compared.
const PAIRS: usize = 3;
/// Many at once: how long joining takes.
const JOINING: [&str; 7] = [
    "--subscribers",
    "300",
    "--join-within",
    "1s",
    "--duration",
    "3s",
    "--spinners",
];

/// Builds the release and runs all benchmarks, or that of TURN alone. Needs a quiet machine with at least two CPUs.
pub(crate) fn bench(no_install: bool, only_turn: bool) -> Result<(), String> {
    // coturn is in both; browsers are only for the page.
    let more = if only_turn {
        packages::BENCH_TURN
    } else {
        packages::TEST
    };
    packages::ensure(&[packages::BUILD, packages::RUN, more], no_install)?;
    run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "gst-rtc-signaller",
        "--package",
        "gst-plugin-rtcsfu",
    ]))?;
    let program = target_directory()?.join("release/gst-rtc");
    if !only_turn {
        forwarding(&program)?;
        mixing()?;
    }
    heading("TURN: CPU time per relayed packet, and memory per relay, beside coturn");
    turn::bench(&program)
}

fn forwarding(program: &Path) -> Result<(), String> {
    heading("core: CPU time per packet and subscriber, no system calls (budget 900 ns)");
    run(&mut cargo(&[
        "bench",
        "--package",
        "gst-rtc-core",
        "--bench",
        "forward",
    ]))?;
    heading("server: 1 publisher, 100 subscribers, and the floor");
    run(Command::new(program)
        .args(["load", "--spawn", "--floor"])
        .args(FORWARDING))?;
    choosing(program)?;
    heading("server: 300 subscribers join within one second");
    run(Command::new(program)
        .args(["load", "--spawn"])
        .args(JOINING))?;
    heading("page: from the click to the first picture, in Chromium");
    let built = program.parent().unwrap_or(program);
    run(cargo(&["run", "--quiet", "--bin", "first-picture"]).env("GST_RTC_TEST_BUILD", built))
}

/// What it costs to estimate and divide the bandwidth towards every subscriber, and to choose by that.
fn choosing(program: &Path) -> Result<(), String> {
    heading("server: CPU time per packet, beside the same without estimation (budget 15 % more)");
    let mut more = Vec::new();
    for _ in 0..PAIRS {
        let with = cpu_per_packet(program, &[])?;
        let without = cpu_per_packet(program, &["--no-estimation"])?;
        println!("  {with:.2} µs, without {without:.2} µs");
        more.push(with / without - 1.0);
    }
    more.sort_by(f64::total_cmp);
    println!("  {:+.1} % (median of {PAIRS})", more[PAIRS / 2] * 100.0);
    Ok(())
}

/// In µs, as the load tester reports it.
fn cpu_per_packet(program: &Path, more: &[&str]) -> Result<f64, String> {
    let mut load = Command::new(program);
    load.args(["load", "--spawn", "--json"])
        .args(FORWARDING)
        .args(more);
    let report = output(&mut load).ok_or("gst-rtc load has failed; run it alone to see why")?;
    let (_, rest) = report
        .split_once("\"cpu_per_packet\":")
        .ok_or_else(|| format!("the report names no CPU time:\n{report}"))?;
    let number = rest.split([',', '}']).next().unwrap_or_default();
    number
        .trim()
        .parse()
        .map_err(|_| format!("no number: {number}"))
}

fn mixing() -> Result<(), String> {
    heading(
        "mixer: nine participants in one picture, beside the sum of decoding, composing and encoding",
    );
    run(&mut cargo(&[
        "bench",
        "--package",
        "gst-plugin-rtcmcu",
        "--bench",
        "mix",
    ]))
}

fn heading(text: &str) {
    println!("\n== {text}");
}
