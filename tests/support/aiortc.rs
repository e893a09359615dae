// SPDX-License-Identifier: MIT OR Apache-2.0
//! aiortc, a WebRTC stack in Python that shares no code with browsers or GStreamer.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::build::{root, scratch};
use crate::marks::Marks;
use crate::{DEADLINE, Failure, Process, Result};

const VERSION: &str = "1.16.0";

/// A Python with aiortc, made once in `target/`.
static PYTHON: LazyLock<std::result::Result<PathBuf, String>> = LazyLock::new(|| {
    let venv = scratch().join(format!("aiortc-{VERSION}"));
    let python = venv.join("bin/python");
    let import = ["-c", "import aiortc"];
    if Command::new(&python)
        .args(import)
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return Ok(python);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&venv))?;
    let package = format!("aiortc=={VERSION}");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", &package]))?;
    Ok(python)
});

fn run(command: &mut Command) -> std::result::Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// What the peer has received so far.
#[derive(Debug, Deserialize)]
pub struct Received {
    /// Decoded video frames.
    pub frames: u32,
    /// Of the last picture, in pixels.
    pub width: u32,
    /// Of the last picture, in pixels.
    pub height: u32,
    /// Decoded audio samples, per channel.
    pub samples: u64,
}

/// A running aiortc peer.
pub struct Aiortc(Process);

impl Aiortc {
    /// Publishes a test picture and a tone by WHIP.
    pub async fn publish(url: &str) -> Result<Aiortc> {
        Aiortc::start("publish", url).await
    }

    /// Receives by WHEP.
    pub async fn receive(url: &str) -> Result<Aiortc> {
        Aiortc::start("receive", url).await
    }

    async fn start(verb: &str, url: &str) -> Result<Aiortc> {
        python("aiortc_peer.py", &[verb, url]).await.map(Aiortc)
    }

    /// Waits until the connection is there.
    pub async fn connected(&self) -> Result {
        self.0
            .line("connection", |line| {
                line.contains("connected").then_some(())
            })
            .await
    }

    /// Waits until it has received what `enough` wants.
    ///
    /// # Errors
    /// Not within [`DEADLINE`]; with the peer's output.
    pub async fn received(&self, enough: impl Fn(&Received) -> bool) -> Result<Received> {
        let pick = |line: &str| serde_json::from_str(line).ok().filter(&enough);
        let what = format!("enough media within {DEADLINE:?}");
        self.0.line(&what, pick).await
    }

    /// Ctrl-C: the peer deletes its session and ends.
    pub async fn stop(mut self) -> Result {
        self.0.interrupt();
        let status = self.0.exit().await?;
        if status.success() {
            Ok(())
        } else {
            Err(self.0.failure(format_args!("ended: {status}")))
        }
    }
}

/// A peer that tells by the clock of its sender when the picture flips and when it beeps.
///
/// What relates the two media is in the sender's own reports, read by a stack that shares nothing with ours.
pub struct SenderClock(Process);

impl SenderClock {
    /// Answers the offer of a sender; with the SDP of the answer.
    pub async fn answer(offer: &str) -> Result<(SenderClock, String)> {
        let peer = python("sync_peer.py", &[offer]).await?;
        let answer = peer.line("answer", |line| serde_json::from_str(line).ok());
        let answer = answer.await?;
        Ok((SenderClock(peer), answer))
    }

    /// Ends it; with all that it saw and heard.
    pub async fn marks(self) -> Result<Marks> {
        self.0.interrupt();
        let marks = |line: &str| serde_json::from_str(line).ok();
        self.0.line("marks", marks).await
    }
}

/// Runs one of the scripts in `tests/peers/`.
async fn python(script: &str, arguments: &[&str]) -> Result<Process> {
    let python = tokio::task::spawn_blocking(|| PYTHON.clone())
        .await
        .expect("installing does not panic")
        .map_err(Failure::new)?;
    let script = root().join("tests/peers").join(script);
    Process::start(Command::new(python).arg("-u").arg(script).args(arguments))
}
