// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process that writes lines, and dies with the value that stands for it.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::{DEADLINE, Failure, Result};

/// A running program and everything it starts, as one process group.
pub struct Process {
    name: String,
    child: Child,
    output: Output,
    watch: Watch,
    stdin: Option<ChildStdin>,
    /// Lines that [`next_line`](Process::next_line) is through with.
    read: usize,
}

/// What a process wrote on both its channels, in the order of arrival.
#[derive(Clone)]
struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    /// How many lines there are, to wait for more.
    count: watch::Receiver<usize>,
}

impl Process {
    /// Starts it, with both output channels read.
    pub fn start(command: &mut Command) -> Result<Process> {
        Process::spawn(command.stdin(Stdio::null()))
    }

    /// Starts it ready to be [talked to](Self::say).
    pub fn start_talking(command: &mut Command) -> Result<Process> {
        Process::spawn(command.stdin(Stdio::piped()))
    }

    fn spawn(command: &mut Command) -> Result<Process> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::new(format!("cannot start {name}: {error}")))?;
        let watch = Watch::over(child.id());
        let (counter, count) = watch::channel(0);
        let output = Output {
            lines: Arc::default(),
            count,
        };
        let counter = Arc::new(counter);
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        output.read(stdout, counter.clone());
        output.read(stderr, counter);
        Ok(Process {
            name,
            stdin: child.stdin.take(),
            child,
            output,
            watch,
            read: 0,
        })
    }

    /// The id of the process, which is also that of its group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything written so far.
    pub fn output(&self) -> String {
        self.output
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    /// Waits until `pick` finds what it looks for in a line written already or from now on.
    ///
    /// # Errors
    /// The process ended, or [`DEADLINE`] passed; with all output.
    pub async fn line<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> Result<T> {
        match timeout(DEADLINE, self.output.find(pick)).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(self.failure(format!("ended without {what}"))),
            Err(_) => Err(self.failure(format!("no {what} within {DEADLINE:?}"))),
        }
    }

    /// Waits for the next line that is `wanted`; those before it are not looked at again.
    ///
    /// # Errors
    /// The process ended, or [`DEADLINE`] passed; with all output.
    pub async fn next_line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let pick = |line: &str| wanted(line).then(|| line.to_owned());
        let found = timeout(DEADLINE, self.output.find_after(self.read, pick)).await;
        match found {
            Ok(Some((at, line))) => {
                self.read = at + 1;
                Ok(line)
            }
            Ok(None) => Err(self.failure(format!("ended without {what}"))),
            Err(_) => Err(self.failure(format!("no {what} within {DEADLINE:?}"))),
        }
    }

    /// Whether a line that is `wanted` is there, or comes within that time.
    ///
    /// # Errors
    /// The process ended without it; with all output.
    pub async fn has_line(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> Result<bool> {
        let pick = |line: &str| wanted(line).then_some(());
        match timeout(within, self.output.find(pick)).await {
            Ok(Some(())) => Ok(true),
            Ok(None) => Err(self.failure("ended")),
            Err(_) => Ok(false),
        }
    }

    /// Writes a line, all at once, to a process that was [started talking](Self::start_talking).
    pub fn say(&mut self, line: &str) -> Result {
        let Some(stdin) = &mut self.stdin else {
            return Err(Failure::new(format!("{} does not listen", self.name)));
        };
        Ok(stdin.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Waits for the process to end by itself.
    pub async fn exit(&mut self) -> Result<ExitStatus> {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            // std has no way to wait for a child with a deadline.
            sleep(Duration::from_millis(20)).await;
        }
        Err(self.failure(format!("has not ended within {DEADLINE:?}")))
    }

    /// Sends the signal that Ctrl-C sends, to the process alone.
    pub fn interrupt(&self) {
        signal(self.child.id(), false, libc::SIGINT);
    }

    /// Sends the signal that `kill` sends, to the process alone.
    pub fn terminate(&self) {
        signal(self.child.id(), false, libc::SIGTERM);
    }

    /// Kills the process alone, which can do nothing about it.
    pub fn kill(&self) {
        signal(self.child.id(), false, libc::SIGKILL);
    }

    /// A failure of this process with all it wrote.
    pub fn failure(&self, words: impl fmt::Display) -> Failure {
        Failure::new(format!("{} {words}", self.name)).with(format_args!(
            "---- output of {}:\n{}\n----",
            self.name,
            self.output()
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.watch.end();
        signal(self.child.id(), true, libc::SIGKILL);
        if let Err(error) = self.child.wait() {
            eprintln!("cannot wait for {}: {error}", self.name);
        }
    }
}

/// Ends a process group when this test's own process is gone, however that happened: no value is dropped by SIGKILL.
///
/// A shell waits for the end of a pipe of which only this process has the other end. Unlike `PR_SET_PDEATHSIG` it does not take
/// the end of a thread for that of the process, and reaches what the program has started.
struct Watch(Option<Child>);

impl Watch {
    fn over(group: u32) -> Watch {
        const WAIT: &str = "read -r line; [ \"$line\" = done ] || kill -s KILL -- \"-$1\"";
        let shell = Command::new("sh")
            .args(["-c", WAIT, "watch", &group.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        // Without it only an untidy end of the test leaves something behind.
        Watch(shell.ok())
    }

    /// The group is about to be ended by its owner.
    fn end(&mut self) {
        if let Some(mut shell) = self.0.take() {
            if let Some(mut pipe) = shell.stdin.take() {
                // It fails when the shell is gone, which is what is wanted.
                let _ = pipe.write_all(b"done\n");
            }
            let _ = shell.wait();
        }
    }
}

impl Output {
    fn read(&self, from: impl Read + Send + 'static, counter: Arc<watch::Sender<usize>>) {
        let lines = self.lines.clone();
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut bytes = Vec::new();
            while from
                .read_until(b'\n', &mut bytes)
                .is_ok_and(|read| read > 0)
            {
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                bytes.clear();
                lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
                counter.send_modify(|count| *count += 1);
            }
        });
    }

    /// The first find; `None` once both channels are closed.
    async fn find<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.find_after(0, pick).await.map(|(_, found)| found)
    }

    /// The first find among the lines from that one on, and its number.
    async fn find_after<T>(
        &self,
        start: usize,
        pick: impl Fn(&str) -> Option<T>,
    ) -> Option<(usize, T)> {
        let mut count = self.count.clone();
        let mut seen = start;
        loop {
            let open = count.has_changed().is_ok();
            count.borrow_and_update();
            {
                let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                let new = lines.iter().enumerate().skip(seen);
                let found = new.filter_map(|(at, line)| Some((at, pick(line)?))).next();
                if found.is_some() {
                    return found;
                }
                seen = lines.len();
            }
            if !open {
                return None;
            }
            // An error means closed: what was written last is read in one more round.
            let _ = count.changed().await;
        }
    }
}

/// Sends a signal to a process we started, or to its group.
fn signal(id: u32, group: bool, signal: libc::c_int) {
    let id = libc::pid_t::try_from(id).expect("a process id fits");
    // SAFETY: kill takes two integers and touches no memory of ours. The child has not been
    // waited for, so the id is still its own.
    unsafe {
        libc::kill(if group { -id } else { id }, signal);
    }
}
