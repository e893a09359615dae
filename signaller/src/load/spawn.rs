// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server of our own to measure: this program again, as `gst-rtc dev`, on one CPU.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It cannot be started.
    #[error("cannot start the server: {0}; `taskset` of util-linux is needed")]
    Start(io::Error),
    /// It ended before it was ready.
    #[error("the server ended before it was ready; its output is above")]
    Ended,
}

/// A running server. It ends when this is dropped.
pub(super) struct Server {
    child: Child,
    /// Kept open: a server must not fail because nobody reads.
    _output: BufReader<ChildStdout>,
    /// `http://…` without a slash at the end.
    pub(super) url: String,
}

impl Server {
    /// Starts it on this CPU and waits until it says its address.
    pub(super) fn start(cpu: usize) -> Result<Server, SpawnError> {
        let program = std::env::current_exe().map_err(SpawnError::Start)?;
        let mut child = Command::new("taskset")
            .arg("--cpu-list")
            .arg(cpu.to_string())
            .arg(program)
            .args(["dev", "--listen", "127.0.0.1:0"])
            .env("GST_RTC_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(SpawnError::Start)?;
        let mut output = BufReader::new(child.stdout.take().expect("it was asked for"));
        match read_address(&mut output) {
            Some(url) => Ok(Server {
                child,
                _output: output,
                url,
            }),
            None => {
                end(&mut child);
                Err(SpawnError::Ended)
            }
        }
    }

    /// `taskset` becomes the program it starts, so this is the server's own.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The banner has a line `page  http://ADDRESS:PORT/`.
fn read_address(output: &mut impl BufRead) -> Option<String> {
    output.lines().map_while(Result::ok).find_map(|line| {
        let url = line.trim().strip_prefix("page")?.trim();
        url.starts_with("http://")
            .then(|| url.trim_end_matches('/').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_banner() {
        let banner = "gst-rtc is ready\n\n  page    http://127.0.0.1:8080/\n  room    http://127.0.0.1:8080/r/lobby\n";
        assert_eq!(
            read_address(&mut banner.as_bytes()).as_deref(),
            Some("http://127.0.0.1:8080")
        );
        assert_eq!(read_address(&mut "nothing\n".as_bytes()), None);
    }
}
