// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of `examples/`, in whatever language they are.

use std::path::PathBuf;
use std::process::Command;

use crate::build::{example, plugin_path, root, scratch};
use crate::described::folder;
use crate::{Failure, Process, Result, check};

/// What runs `examples/FILE`: Rust was built with the tests, C is compiled as its first comment says. It finds the plugins
/// under test.
pub fn example_command(file: &str) -> Result<Command> {
    let source = root().join("examples").join(file);
    let mut command = match file.rsplit_once('.') {
        Some((name, "rs")) => Command::new(example(name)),
        Some((name, "c")) => Command::new(compiled(name, &source)?),
        Some((_, "py")) => {
            let mut python = Command::new("/usr/bin/python3");
            python.arg(source);
            python
        }
        _ => return Err(Failure::new(format!("nobody knows how to run {file}"))),
    };
    command
        .env("GST_PLUGIN_PATH", plugin_path())
        .env("GST_REGISTRY", scratch().join("launch.registry"))
        // Python's notes would stand in the repository.
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

fn compiled(name: &str, source: &std::path::Path) -> Result<PathBuf> {
    let program = folder(&format!("example-c-{name}"))?.join(name);
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "gstreamer-1.0"])
        .output()?;
    let flags = String::from_utf8(flags.stdout)?;
    let compiled = Command::new("cc")
        .args(["-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(source)
        .args(flags.split_whitespace())
        .status()?;
    check!(compiled.success(), "cc does not like {name}.c");
    Ok(program)
}

/// Waits for a line with this text.
pub async fn says(process: &Process, text: &str) -> Result<String> {
    process
        .line(text, |line| line.contains(text).then(|| line.to_owned()))
        .await
}

/// Ctrl-C, and a good end.
pub async fn stop(mut process: Process) -> Result {
    process.interrupt();
    let status = process.exit().await?;
    if status.success() {
        return Ok(());
    }
    Err(process.failure(format!("ended with {status}")))
}
