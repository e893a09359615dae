// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small internet of network namespaces: two hosts behind chosen NATs, and a server.
//!
//! Nothing is made in the main namespace, and no namespace has a way out. It needs root, `ip`,
//! `nft` and `conntrack`.
//!
//! ```text
//!  host a ── nat a ──┐             ┌── nat b ── host b
//!  10.77.1.2   .11   ├── 203.0.113.0/24 ──┤   .21   10.77.2.2
//!                    └── server .2 .3 ────┘
//! ```

mod cell;
mod kind;
mod peer;
mod theory;

pub use cell::{Cell, Method, Outcome};
pub use kind::Kind;
pub use peer::{Peer, agent};
pub use theory::connects;

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Failure, Result};

/// The server's first address; its second is the next one.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// The server's second address.
pub const SERVER_2: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 3);

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Behind the first NAT.
    A,
    /// Behind the second NAT.
    B,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::A => "a",
            Side::B => "b",
        }
    }

    fn number(self) -> u8 {
        match self {
            Side::A => 1,
            Side::B => 2,
        }
    }

    /// The last byte of its NAT's public address. Odd, as the server's is even: a NAT that
    /// looks at the destination's address tells them apart by that.
    fn public(self) -> u8 {
        10 * self.number() + 1
    }
}

/// A lab that stands; it goes with this value.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    spaces: Vec<String>,
    kinds: [Kind; 2],
}

impl Lab {
    /// Whether this process may make network namespaces.
    pub fn is_possible() -> bool {
        let name = format!("{}probe", prefix());
        let made = quietly(Command::new("ip").args(["netns", "add", &name]));
        if made {
            quietly(Command::new("ip").args(["netns", "del", &name]));
        }
        made
    }

    /// Builds it.
    pub fn up(a: Kind, b: Kind) -> Result<Lab> {
        let mut lab = Lab {
            prefix: prefix(),
            spaces: Vec::new(),
            kinds: [a, b],
        };
        lab.internet()?;
        lab.host(Side::A)?;
        lab.host(Side::B)?;
        lab.open_routes()?;
        Ok(lab)
    }

    /// The kind of NAT that a host is behind.
    pub fn kind(&self, side: Side) -> Kind {
        self.kinds[usize::from(side.number() - 1)]
    }

    /// The start of a command line that runs what follows on a host.
    pub fn on_host(&self, side: Side) -> Vec<String> {
        self.inside(side.name())
    }

    /// The start of a command line that runs what follows on the server.
    pub fn on_server(&self) -> Vec<String> {
        self.inside("srv")
    }

    /// The server's two addresses.
    pub fn server_addresses() -> [IpAddr; 2] {
        [SERVER.into(), SERVER_2.into()]
    }

    /// The NAT forgets all mappings and goes on with another public address.
    pub fn rebind(&self, side: Side) -> Result {
        let nat = format!("n{}", side.name());
        let public = side.public() + 2;
        self.run(&nat, &format!("ip addr add 203.0.113.{public}/24 dev wan"))?;
        self.rules(&nat, &self.kind(side).rules(&format!("203.0.113.{public}")))?;
        self.run(&nat, "conntrack -F")
    }

    /// How long the NAT remembers a mapping that is not used.
    pub fn set_timeout(&self, side: Side, seconds: u32) -> Result {
        let nat = format!("n{}", side.name());
        for name in ["udp_timeout", "udp_timeout_stream"] {
            self.run(
                &nat,
                &format!("sysctl -qw net.netfilter.nf_conntrack_{name}={seconds}"),
            )?;
        }
        Ok(())
    }

    /// The bridge that everything public is at, and the server.
    fn internet(&mut self) -> Result {
        self.space("inet")?;
        self.run("inet", "ip link add br0 type bridge")?;
        self.run("inet", "ip link set br0 up")?;
        self.space("srv")?;
        self.cable("srv", "eth0", "inet", "psrv")?;
        self.run("inet", "ip link set psrv master br0")?;
        for address in [SERVER, SERVER_2] {
            self.run("srv", &format!("ip addr add {address}/24 dev eth0"))?;
        }
        Ok(())
    }

    fn host(&mut self, side: Side) -> Result {
        let (name, number, kind) = (side.name(), side.number(), self.kind(side));
        let nat = format!("n{name}");
        self.space(name)?;
        self.space(&nat)?;
        let port = format!("p{name}");
        self.cable(&nat, "wan", "inet", &port)?;
        self.run("inet", &format!("ip link set {port} master br0"))?;
        self.run(
            &nat,
            &format!("ip addr add 203.0.113.{}/24 dev wan", side.public()),
        )?;
        self.run(&nat, "sysctl -qw net.ipv4.ip_forward=1")?;
        self.run(&nat, "sysctl -qw net.netfilter.nf_conntrack_udp_timeout=30")?;
        let inside = |last: u8| match kind {
            Kind::Open => format!("198.51.100.{}", number * 16 + last),
            _ => format!("10.77.{number}.{last}"),
        };
        let (ours, theirs) = (inside(2), inside(1));
        let length = if kind == Kind::Open { 28 } else { 24 };
        let gateway = if kind == Kind::Carrier {
            self.carrier(side)?
        } else {
            nat.clone()
        };
        self.cable(name, "eth0", &gateway, "lan")?;
        self.run(name, &format!("ip addr add {ours}/{length} dev eth0"))?;
        self.run(&gateway, &format!("ip addr add {theirs}/{length} dev lan"))?;
        self.run(name, &format!("ip route add default via {theirs}"))?;
        self.rules(&nat, &kind.rules(&format!("203.0.113.{}", side.public())))
    }

    /// A home's NAT between the host and the carrier's; its name.
    fn carrier(&mut self, side: Side) -> Result<String> {
        let (name, number) = (side.name(), side.number());
        let (home, nat) = (format!("c{name}"), format!("n{name}"));
        self.space(&home)?;
        self.cable(&home, "wan", &nat, "lan")?;
        self.run(&home, &format!("ip addr add 100.64.{number}.2/24 dev wan"))?;
        self.run(&nat, &format!("ip addr add 100.64.{number}.1/24 dev lan"))?;
        self.run(
            &home,
            &format!("ip route add default via 100.64.{number}.1"),
        )?;
        self.run(&home, "sysctl -qw net.ipv4.ip_forward=1")?;
        self.rules(&home, &Kind::Port.rules(&format!("100.64.{number}.2")))?;
        Ok(home)
    }

    /// Hosts without a NAT are reached through what would be it.
    fn open_routes(&self) -> Result {
        for side in [Side::A, Side::B] {
            if self.kind(side) != Kind::Open {
                continue;
            }
            let net = format!("198.51.100.{}/28", side.number() * 16);
            let route = format!("ip route add {net} via 203.0.113.{}", side.public());
            let other = if side == Side::A { "nb" } else { "na" };
            self.run("srv", &route)?;
            self.run(other, &route)?;
        }
        Ok(())
    }

    fn space(&mut self, name: &str) -> Result {
        let full = format!("{}{name}", self.prefix);
        run(Command::new("ip").args(["netns", "add", &full]), None)?;
        self.spaces.push(full);
        self.run(name, "ip link set lo up")?;
        self.run(name, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
    }

    fn cable(&self, a: &str, a_end: &str, b: &str, b_end: &str) -> Result {
        let (a_space, b_space) = (format!("{}{a}", self.prefix), format!("{}{b}", self.prefix));
        run(
            Command::new("ip")
                .args(["link", "add", "name", a_end, "netns", &a_space])
                .args(["type", "veth", "peer", "name", b_end, "netns", &b_space]),
            None,
        )?;
        self.run(a, &format!("ip link set {a_end} up"))?;
        self.run(b, &format!("ip link set {b_end} up"))
    }

    /// Replaces the rules of a NAT, in one step: no packet passes without any.
    fn rules(&self, space: &str, rules: &str) -> Result {
        let rules = format!("table ip lab {{ }}\ndelete table ip lab\n{rules}\n");
        let mut command = self.command(space, "nft -f -");
        run(&mut command, Some(&rules))
    }

    fn run(&self, space: &str, line: &str) -> Result {
        run(&mut self.command(space, line), None)
    }

    fn command(&self, space: &str, line: &str) -> Command {
        let words = self.inside(space);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(line.split_whitespace());
        command
    }

    fn inside(&self, space: &str) -> Vec<String> {
        let space = format!("{}{space}", self.prefix);
        ["ip", "netns", "exec", &space].map(str::to_owned).to_vec()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for space in &self.spaces {
            quietly(Command::new("ip").args(["netns", "del", space]));
        }
    }
}

/// The start of the names of this process's next namespaces.
fn prefix() -> String {
    static LABS: AtomicU32 = AtomicU32::new(0);
    let number = LABS.fetch_add(1, Ordering::Relaxed);
    format!("natlab-{}-{number}-", std::process::id())
}

fn quietly(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command, input: Option<&str>) -> Result {
    use std::io::Write;
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::new(format!("{shown}: {error}")))?;
    let stdin = child.stdin.take();
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::new(format!("{shown}: {words}")))
}
