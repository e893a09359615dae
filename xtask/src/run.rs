// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask run`: from a clone to a running room.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::command::{cargo, run as run_command, target_directory};
use crate::{packages, plugins};

/// Installs, builds, and becomes `gst-rtc dev`.
///
/// This process is replaced by the server, so that Ctrl-C and signals reach the server itself.
pub(crate) fn run(no_install: bool, arguments: &[String]) -> Result<(), String> {
    packages::ensure(&[packages::BUILD, packages::RUN], no_install)?;
    run_command(
        cargo(&["build", "--release", "--package", "gst-rtc-signaller"])
            .args(plugins::package_arguments()),
    )?;
    let program = target_directory()?.join("release/gst-rtc");
    let error = Command::new(&program).arg("dev").args(arguments).exec();
    Err(format!("cannot start {}: {error}", program.display()))
}
