// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network namespaces, the cables between them, and what runs inside.
//!
//! Nothing is made in the main namespace, and no namespace has a way out. It needs root and `ip`.

use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::{Failure, Result};

/// Namespaces of one test, which know each other by short names; they go with this value, or with this process.
#[derive(Debug)]
pub struct Spaces {
    prefix: String,
    /// Started with the first of them.
    sweeper: Option<Sweeper>,
}

impl Spaces {
    /// None yet. `lab` begins their names, for whoever lists them.
    pub fn new(lab: &str) -> Spaces {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        Spaces {
            prefix: format!("{lab}-{}-{number}-", std::process::id()),
            sweeper: None,
        }
    }

    /// Whether this process may make any.
    pub fn are_possible() -> bool {
        Spaces::new("probe").add("0").is_ok()
    }

    /// Makes one, with a loopback interface and without IPv6.
    pub fn add(&mut self, name: &str) -> Result {
        let full = self.full(name);
        let sweeper = match &mut self.sweeper {
            Some(sweeper) => sweeper,
            none => none.insert(Sweeper::start()?),
        };
        sweeper.note(&full)?;
        run(Command::new("ip").args(["netns", "add", &full]), "")?;
        self.run(name, "ip link set lo up")?;
        self.run(name, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
    }

    /// Connects two of them: interface `a_end` of `a` with `b_end` of `b`.
    pub fn cable(&self, a: &str, a_end: &str, b: &str, b_end: &str) -> Result {
        run(
            Command::new("ip")
                .args(["link", "add", "name", a_end, "netns", &self.full(a)])
                .args(["type", "veth", "peer", "name", b_end])
                .args(["netns", &self.full(b)]),
            "",
        )?;
        self.run(a, &format!("ip link set {a_end} up"))?;
        self.run(b, &format!("ip link set {b_end} up"))
    }

    /// Runs a command, given as one line without quotes, to its end.
    pub fn run(&self, name: &str, line: &str) -> Result {
        self.feed(name, line, "")
    }

    /// Runs a command that reads `input`.
    pub fn feed(&self, name: &str, line: &str, input: &str) -> Result {
        let command = self.space(name);
        let mut words = line.split_whitespace();
        let program = words.next().unwrap_or_default();
        run(&mut command.wrap(Command::new(program).args(words)), input)
    }

    /// The start of a command line that runs what follows in one of them.
    pub fn inside(&self, name: &str) -> Vec<String> {
        self.space(name).inside()
    }

    /// One of them, for others.
    pub fn space(&self, name: &str) -> Space {
        Space(self.full(name))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A shell that removes namespaces when the pipe it reads their names from ends: that is when this value is dropped, or
/// when this process is gone, however that happened. No value is dropped by SIGKILL.
///
/// What still runs inside is ended by its own [`Process`](crate::Process); the last of it takes the namespace's interfaces along.
#[derive(Debug)]
struct Sweeper(Child);

impl Sweeper {
    fn start() -> Result<Sweeper> {
        const SWEEP: &str = "all=; while read -r name; do all=\"$all $name\"; done
            for name in $all; do ip netns del \"$name\"; done";
        let shell = Command::new("sh")
            .args(["-c", SWEEP])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is not for it.
            .process_group(0)
            .spawn();
        shell
            .map(Sweeper)
            .map_err(|error| Failure::new(format!("cannot start sh: {error}")))
    }

    /// Before it is made, so that there is no moment at which it would be left.
    fn note(&mut self, name: &str) -> Result {
        let pipe = self.0.stdin.as_mut().expect("it is piped");
        Ok(pipe.write_all(format!("{name}\n").as_bytes())?)
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        // Ends the pipe first.
        if let Err(error) = self.0.wait() {
            eprintln!("cannot wait for what removes namespaces: {error}");
        }
    }
}

/// The name of a namespace.
#[derive(Clone, Debug)]
pub struct Space(String);

impl Space {
    /// The start of a command line that runs what follows inside.
    pub fn inside(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.0].map(str::to_owned).to_vec()
    }

    /// The same command, inside.
    pub fn wrap(&self, command: &Command) -> Command {
        let words = self.inside();
        let mut wrapped = Command::new(&words[0]);
        wrapped
            .args(&words[1..])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped
    }

    /// Connects from inside. The connection is good outside too: a socket stays in the namespace in which it was made.
    ///
    /// # Errors
    /// Nobody listens there, or the namespace may not be entered.
    pub fn connect(&self, address: SocketAddr) -> Result<TcpStream> {
        let path = format!("/run/netns/{}", self.0);
        // Another thread, since it stays inside.
        let inside = thread::spawn(move || -> Result<TcpStream> {
            let space = File::open(path)?;
            // SAFETY: setns takes two integers, the first an open file, and touches no memory of ours.
            let entered = unsafe { libc::setns(space.as_raw_fd(), libc::CLONE_NEWNET) };
            if entered != 0 {
                return Err(std::io::Error::last_os_error().into());
            }
            Ok(TcpStream::connect(address)?)
        });
        let connected = inside.join().expect("connecting does not panic");
        connected.map_err(|error| error.with(format_args!("at {address} in {}", self.0)))
    }
}

fn run(command: &mut Command, input: &str) -> Result {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::new(format!("{shown}: {error}")))?;
    if let Some(mut stdin) = child.stdin.take()
        && !input.is_empty()
    {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::new(format!("{shown}: {words}")))
}
