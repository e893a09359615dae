// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pipelines run by `gst-launch-1.0`, as a user would.

use std::process::{Command, ExitStatus};

use crate::build::{plugin_path, scratch};
use crate::{Process, Result};

/// A running `gst-launch-1.0` that has the plugin under test.
pub struct GstLaunch(Process);

impl GstLaunch {
    /// Starts a pipeline, given as one would type it. Words are split at white space, so that
    /// values cannot have any.
    ///
    /// It runs with `-e`, which ends files properly on [`stop`](Self::stop), and with `-m`, which
    /// shows the messages that an element posts.
    pub fn start(pipeline: &str) -> Result<GstLaunch> {
        GstLaunch::with(&mut line(pipeline))
    }

    /// Starts a pipeline that reads what is said to its [`process`](Self::process).
    pub fn start_talking(pipeline: &str) -> Result<GstLaunch> {
        Process::start_talking(at_home(&mut line(pipeline))).map(GstLaunch)
    }

    /// Runs a `gst-launch-1.0` command with options and variables of the caller's own.
    pub fn with(command: &mut Command) -> Result<GstLaunch> {
        Process::start(at_home(command)).map(GstLaunch)
    }

    /// Waits for a message or any other line with this text.
    pub async fn says(&self, text: &str) -> Result<String> {
        self.0
            .line(text, |line| line.contains(text).then(|| line.to_owned()))
            .await
    }

    /// Ctrl-C: an end-of-stream through the pipeline, then the end.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.0.interrupt();
        self.0.exit().await
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.0
    }
}

fn line(pipeline: &str) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-e", "-m"]).args(pipeline.split_whitespace());
    command
}

/// With the plugins under test.
fn at_home(command: &mut Command) -> &mut Command {
    command
        .env("GST_PLUGIN_PATH", plugin_path())
        .env("GST_REGISTRY", scratch().join("launch.registry"))
}
