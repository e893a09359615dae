// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pipelines described in files, run by `gst-rtc run`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::build::{program, root, scratch};
use crate::port::is_listening;
use crate::{DEADLINE, Process, Result, Server, check};

/// A running description.
pub struct Described(Process);

impl Described {
    /// Runs `pipelines/NAME` at a server, with more parameters.
    pub fn start(name: &str, server: &Server, set: &[(&str, &str)]) -> Result<Described> {
        let mut command = gst_rtc("run");
        command.arg(root().join("pipelines").join(name));
        if name.ends_with(".gst") {
            command.arg(format!("--signaller=ws://{}", server.address()));
        } else {
            command.arg(format!("--set=signaller=ws://{}", server.address()));
        }
        for (key, value) in set {
            command.arg(format!("--set={key}={value}"));
        }
        Described::with(&mut command)
    }

    /// Runs a command of the caller's.
    pub fn with(command: &mut Command) -> Result<Described> {
        Process::start(command).map(Described)
    }

    /// Waits for a line with this text.
    pub async fn says(&self, text: &str) -> Result<String> {
        self.0
            .line(text, |line| line.contains(text).then(|| line.to_owned()))
            .await
    }

    /// Ctrl-C: files are finished, then it ends.
    pub async fn stop(mut self) -> Result {
        self.0.interrupt();
        let status = self.0.exit().await?;
        if !status.success() {
            return Err(self.0.failure(format!("ended with {status}")));
        }
        // GLib says so of what must never happen, and goes on.
        if self.output().contains("-CRITICAL **") {
            return Err(self.0.failure("ended well, but there were criticals"));
        }
        Ok(())
    }

    /// Waits for it to end by itself.
    pub async fn exit(&mut self) -> Result<ExitStatus> {
        self.0.exit().await
    }

    /// Everything it wrote.
    pub fn output(&self) -> String {
        self.0.output()
    }
}

/// The program with a verb, and a registry of its own.
pub fn gst_rtc(verb: &str) -> Command {
    let mut command = Command::new(program());
    command
        .arg(verb)
        .env("GST_REGISTRY", scratch().join("server.registry"));
    command
}

/// An empty folder of that name for what a test writes.
pub fn folder(name: &str) -> Result<PathBuf> {
    let path = scratch().join(name);
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => std::fs::create_dir_all(&path)?,
    }
    Ok(path)
}

/// Waits until a file has that many bytes.
pub async fn grows(path: &Path, bytes: u64) -> Result {
    let until = tokio::time::Instant::now() + DEADLINE;
    while std::fs::metadata(path).map_or(0, |file| file.len()) < bytes {
        check!(
            tokio::time::Instant::now() < until,
            "{} has not grown to {bytes} bytes within {DEADLINE:?}",
            path.display()
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Waits until somebody listens on that TCP port, without calling: some take one call only.
pub async fn listens(port: u16) -> Result {
    let until = tokio::time::Instant::now() + DEADLINE;
    while !is_listening(port) {
        check!(
            tokio::time::Instant::now() < until,
            "nobody listens on port {port} within {DEADLINE:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}
