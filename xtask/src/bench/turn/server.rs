// SPDX-License-Identifier: MIT OR Apache-2.0
//! The servers that are compared, and what they use.

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A user that both know.
pub(super) const USER: &str = "user";
pub(super) const PASSWORD: &str = "password";

/// How long one may take to start.
const START: Duration = Duration::from_secs(30);
/// How long is waited for an answer to a Binding request.
const ANSWER: Duration = Duration::from_millis(100);

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `gst-rtc serve`.
    Own,
    /// Debian's `turnserver`.
    Coturn,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Own => "gst-rtc",
            Kind::Coturn => "coturn",
        })
    }
}

/// A server that runs on the loopback interface, and relays there.
pub(super) struct Server {
    child: Child,
    port: u16,
    /// Where coturn writes.
    folder: PathBuf,
}

impl Server {
    pub(super) fn start(kind: Kind, program: &Path) -> Result<Server, String> {
        let failed = |error: io::Error| format!("cannot start {kind}: {error}");
        let port = free_port().map_err(failed)?;
        let folder = std::env::temp_dir().join(format!("gst-rtc-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut command = match kind {
            Kind::Own => own(program, port),
            Kind::Coturn => coturn(port, &folder),
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let server = Server {
            child,
            port,
            folder,
        };
        match server.answers() {
            true => Ok(server),
            false => Err(format!("{kind} does not answer at 127.0.0.1:{port}")),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// On a CPU since its start, of all its threads.
    pub(super) fn cpu_time(&self) -> Result<Duration, String> {
        let tasks = self.proc("task");
        let tasks = fs::read_dir(&tasks).map_err(|e| format!("{}: {e}", tasks.display()))?;
        let nanos = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Ok(Duration::from_nanos(nanos.sum()))
    }

    /// Its own memory in use, in bytes.
    pub(super) fn memory(&self) -> Result<usize, String> {
        let path = self.proc("status");
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
        let kib = kib.ok_or_else(|| format!("{} has no RssAnon", path.display()))?;
        Ok(kib * 1024)
    }

    /// How many files and sockets it has open.
    pub(super) fn sockets(&self) -> Result<usize, String> {
        let path = self.proc("fd");
        let open = fs::read_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(open.count())
    }

    fn proc(&self, what: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{what}", self.child.id()))
    }

    /// Whether it answers a Binding request, now or soon.
    fn answers(&self) -> bool {
        let until = Instant::now() + START;
        while Instant::now() < until {
            match self.asked() {
                Ok(()) => return true,
                Err(_) => sleep(ANSWER),
            }
        }
        false
    }

    fn asked(&self) -> io::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(ANSWER))?;
        socket.connect((Ipv4Addr::LOCALHOST, self.port))?;
        let mut request = [0; 20];
        request[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        socket.send(&request)?;
        socket.recv(&mut [0; 200]).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// As it comes, but for what keeps one machine from being a whole crowd.
fn own(program: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--turn-old-channels"])
        .arg(format!("--turn-listen=127.0.0.1:{port}"))
        .arg(format!("--turn-user={USER}:{PASSWORD}"))
        .args(["--turn-allow", "127.0.0.0/8"])
        .args(["--turn-user-relays", "10000", "--turn-errors", "1000000"]);
    command
}

fn coturn(port: u16, folder: &Path) -> Command {
    let mut command = Command::new("turnserver");
    command
        .args(["-n", "--lt-cred-mech", "--realm=bench", "--no-cli"])
        .args(["--no-tls", "--no-dtls", "--log-file=/dev/null"])
        .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"])
        .arg("--allow-loopback-peers")
        .arg(format!("--listening-port={port}"))
        .arg(format!("--user={USER}:{PASSWORD}"))
        .arg(format!("--userdb={}", folder.join("users.db").display()))
        .arg(format!("--pidfile={}", folder.join("pid").display()));
    command
}

/// Free for UDP and TCP.
fn free_port() -> io::Result<u16> {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = tcp.local_addr()?.port();
        match UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}
