// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask fuzz`: every parser of bytes from the network under libFuzzer, on stable Rust.
//!
//! What a target finds interesting is kept in `target/fuzz/corpus`, so that the next run goes on from there. An input that brings
//! a target down is written to `target/fuzz/found` and named; running the target with that file alone shows what happens.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{cargo, output, root, run, target_directory};
use crate::packages;

/// Seconds for each target unless said otherwise.
const SECONDS: &str = "60";
/// What `cargo fuzz` gives to a nightly compiler, as far as a stable one takes it: coverage, but no sanitizer.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Real input to begin with, in the repository.
const SEEDS: &[(&str, &str)] = &[("sdp", "plugins/sfu/src/sdp/tests/fixtures")];

/// Builds all targets and runs those named, or all, one after the other.
pub(crate) fn fuzz(arguments: &[String]) -> Result<(), String> {
    let (seconds, named) = match arguments {
        [flag, seconds, rest @ ..] if flag == "--seconds" => (seconds.as_str(), rest),
        rest => (SECONDS, rest),
    };
    let all = targets()?;
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        return Err(format!(
            "no fuzz target \"{unknown}\"; there are {}",
            all.join(", ")
        ));
    }
    packages::ensure(&[packages::BUILD, packages::RUN, packages::FUZZ], false)?;
    let folder = target_directory()?.join("fuzz");
    let host = host()?;
    build(&folder, &host)?;
    let programs = folder.join(host).join("release");
    for name in if named.is_empty() { &all[..] } else { named } {
        run_target(&folder, &programs, name, seconds)?;
    }
    Ok(())
}

/// The files of `fuzz/targets`, by name.
fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/targets");
    let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// The machine's own target. Named, so that build scripts and macros are built without coverage.
fn host() -> Result<String, String> {
    let version = output(Command::new("rustc").arg("-vV")).ok_or("`rustc -vV` failed")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "`rustc -vV` names no host".to_owned())
}

fn build(folder: &Path, host: &str) -> Result<(), String> {
    let mut command = cargo(&["build", "--release", "--manifest-path", "fuzz/Cargo.toml"]);
    command
        .args(["--target", host])
        .arg("--target-dir")
        .arg(folder);
    run(command
        .env("RUSTFLAGS", COVERAGE)
        .env_remove("CARGO_TARGET_DIR"))
}

fn run_target(folder: &Path, programs: &Path, name: &str, seconds: &str) -> Result<(), String> {
    let (corpus, found) = (folder.join("corpus").join(name), folder.join("found"));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut command = Command::new(programs.join(name));
    command
        .arg(format!("-max_total_time={seconds}"))
        .args([
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-max_len=8192",
            "-print_final_stats=1",
        ])
        .arg(format!("-artifact_prefix={}/{name}-", found.display()))
        .arg(corpus);
    for (_, seeds) in SEEDS.iter().filter(|(target, _)| *target == name) {
        command.arg(root().join(seeds));
    }
    run(&mut command)
}
