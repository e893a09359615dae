// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask test`: everything that must hold before a commit.

use std::time::Instant;

use crate::command::{cargo, in_ci, run};
use crate::{checks, docs, packages, plugins};

/// Runs the checks, then the tests.
pub(crate) fn test(fast: bool, no_install: bool) -> Result<(), String> {
    let started = Instant::now();
    if fast {
        packages::ensure(&[packages::RUN], no_install)?;
        fast_tests()?;
    } else {
        packages::ensure(&[packages::RUN, packages::TEST], no_install)?;
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
fn all_tests() -> Result<(), String> {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    if in_ci() {
        command.arg("--locked");
    }
    run(&mut command)
}
