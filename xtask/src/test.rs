// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask test`: everything that must hold before a commit.

use std::process::Command;
use std::time::Instant;

use crate::command::{cargo, in_ci, run, run_watched};
use crate::{checks, docs, packages, plugins};

/// Runs the checks, then the tests.
pub(crate) fn test(fast: bool, no_install: bool) -> Result<(), String> {
    let started = Instant::now();
    if fast {
        packages::ensure(&[packages::BUILD, packages::RUN], no_install)?;
        fast_tests()?;
    } else {
        packages::ensure(
            &[packages::BUILD, packages::RUN, packages::TEST],
            no_install,
        )?;
        checks::all()?;
        all_tests()?;
        docs::docs(true)?;
        if in_ci() || checks::has_cargo_deny() {
            checks::deny()?;
        } else {
            eprintln!("dependencies not checked: `cargo xtask deny` installs cargo-deny and does");
        }
    }
    eprintln!("all passed in {} s", started.elapsed().as_secs());
    Ok(())
}

/// What runs without browsers: the core in virtual time, the server and the element by themselves.
fn fast_tests() -> Result<(), String> {
    const PACKAGES: [&str; 7] = [
        "test",
        "--package",
        "gst-rtc-core",
        "--package",
        "gst-rtc-signaller",
        "--package",
        "xtask",
    ];
    run(cargo(&PACKAGES).args(plugins::package_arguments()))
}

/// Every test of every package; a failing file does not hide the next one.
///
/// The files in `tests/` work with browsers and in real time. One of them that fails among all the others is run once more
/// by itself, and that is said: a fault fails again, a machine that was too busy for a moment does not. What runs in virtual
/// time has one try.
fn all_tests() -> Result<(), String> {
    let mut failed = Vec::new();
    let first = run_watched(&mut test_command(&["--no-fail-fast"]), |line| {
        failed.extend(failed_target(line).map(str::to_owned));
    });
    failed.sort();
    failed.dedup();
    if first.is_ok() || failed.is_empty() {
        return first;
    }
    let again: Option<Vec<&str>> = failed.iter().map(|target| system_test(target)).collect();
    let Some(again) = again else { return first };
    for file in &again {
        run(&mut test_command(&["--test", file]))?;
    }
    eprintln!(
        "unsteady: {} failed among the others and passed alone; look into it",
        again.join(", ")
    );
    Ok(())
}

fn test_command(arguments: &[&str]) -> Command {
    let mut command = cargo(&["test", "--workspace"]);
    if in_ci() {
        command.arg("--locked");
    }
    command.args(arguments);
    command
}

/// What Cargo says to pass for running the tests of a failed target again.
fn failed_target(line: &str) -> Option<&str> {
    let (_, target) = line.split_once("to rerun pass `")?;
    target.split_once('`').map(|(target, _)| target)
}

/// The name of a file in `tests/`, if the target is one.
fn system_test(target: &str) -> Option<&str> {
    target.strip_prefix("-p gst-rtc --test ")
}

#[cfg(test)]
mod tests {
    use super::{failed_target, system_test};

    #[test]
    fn cargo_names_what_failed() {
        let line =
            "\u{1b}[1m\u{1b}[91merror\u{1b}[0m: test failed, to rerun pass `-p gst-rtc --test mcu`";
        let target = failed_target(line).expect("a target");
        assert_eq!(system_test(target), Some("mcu"));
        let other = failed_target("error: test failed, to rerun pass `-p gst-rtc-core --lib`");
        assert_eq!(other.and_then(system_test), None);
        assert_eq!(failed_target("     Running tests/mcu/main.rs"), None);
    }
}
