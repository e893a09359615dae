// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running other programs, with the command line shown first.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
        .to_path_buf()
}

/// The `cargo` that runs this program, in the root of the repository.
///
/// `-p`, `--release` and the like are the caller's; `--locked` is added in CI.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Whether this runs on a build server, which must not change the lock file.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// Shows and runs the command; a failure names it.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed: {status}")),
        Err(error) => Err(format!("cannot start `{shown}`: {error}")),
    }
}

/// Like [`run`], and hands on each line of its error output after showing it.
pub(crate) fn run_watched(
    command: &mut Command,
    mut watch: impl FnMut(&str),
) -> Result<(), String> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let failed = |error| format!("cannot run `{shown}`: {error}");
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(failed)?;
    let errors = child.stderr.take().expect("it was asked for");
    for line in BufReader::new(errors).split(b'\n') {
        let line = line.map_err(failed)?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        watch(&line);
    }
    match child.wait().map_err(failed)? {
        status if status.success() => Ok(()),
        status => Err(format!("`{shown}` failed: {status}")),
    }
}

/// Runs the command silently and returns what it wrote, if it succeeded.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let name = PathBuf::from(command.get_program());
    let name = name.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Cargo's target folder, wherever the environment or the configuration put it.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    let metadata = output(&mut cargo(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))
    .ok_or("`cargo metadata` failed: run it to see why")?;
    let (_, rest) = metadata
        .split_once("\"target_directory\":\"")
        .ok_or("`cargo metadata` names no target_directory")?;
    let path = rest.split('"').next().unwrap_or_default();
    Ok(PathBuf::from(path))
}
