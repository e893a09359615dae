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

mod calls;
mod cell;
mod kind;
mod pages;
mod peer;
mod theory;

pub use calls::{call, caller, webrtcbin_connects};
pub use cell::{Cell, Method, Outcome};
pub use kind::Kind;
pub use pages::Pages;
pub use peer::{Peer, agent};
pub use theory::connects;

use std::net::{IpAddr, Ipv4Addr};

use crate::Result;
use crate::spaces::{Space, Spaces};

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
    spaces: Spaces,
    kinds: [Kind; 2],
}

impl Lab {
    /// Whether this process may make network namespaces.
    pub fn is_possible() -> bool {
        Spaces::are_possible()
    }

    /// Whether there can be one. On a build server there must be.
    pub fn is_here() -> Result<bool> {
        if Lab::is_possible() {
            return Ok(true);
        }
        crate::check!(
            std::env::var_os("CI").is_none(),
            "no network namespaces can be made: run the tests as root, in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN"
        );
        eprintln!("NOT TESTED: network namespaces need root");
        Ok(false)
    }

    /// Builds it.
    pub fn up(a: Kind, b: Kind) -> Result<Lab> {
        let mut lab = Lab {
            spaces: Spaces::new("natlab"),
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
        self.spaces.inside(side.name())
    }

    /// A host, for what wants to be told where to run.
    pub fn host_space(&self, side: Side) -> Space {
        self.spaces.space(side.name())
    }

    /// The server, the same way.
    pub fn server_space(&self) -> Space {
        self.spaces.space("srv")
    }

    /// The start of a command line that runs what follows on the server.
    pub fn on_server(&self) -> Vec<String> {
        self.spaces.inside("srv")
    }

    /// The server's two addresses.
    pub fn server_addresses() -> [IpAddr; 2] {
        [SERVER.into(), SERVER_2.into()]
    }

    /// The NAT forgets all mappings and goes on with another public address.
    pub fn rebind(&self, side: Side) -> Result {
        let nat = format!("n{}", side.name());
        let public = side.public() + 2;
        self.spaces
            .run(&nat, &format!("ip addr add 203.0.113.{public}/24 dev wan"))?;
        self.rules(&nat, &self.kind(side).rules(&format!("203.0.113.{public}")))?;
        self.spaces.run(&nat, "conntrack -F")
    }

    /// How long the NAT remembers a mapping that is not used.
    pub fn set_timeout(&self, side: Side, seconds: u32) -> Result {
        let nat = format!("n{}", side.name());
        for name in ["udp_timeout", "udp_timeout_stream"] {
            self.spaces.run(
                &nat,
                &format!("sysctl -qw net.netfilter.nf_conntrack_{name}={seconds}"),
            )?;
        }
        Ok(())
    }

    /// The bridge that everything public is at, and the server.
    fn internet(&mut self) -> Result {
        self.spaces.add("inet")?;
        self.spaces.run("inet", "ip link add br0 type bridge")?;
        self.spaces.run("inet", "ip link set br0 up")?;
        self.spaces.add("srv")?;
        self.spaces.cable("srv", "eth0", "inet", "psrv")?;
        self.spaces.run("inet", "ip link set psrv master br0")?;
        for address in [SERVER, SERVER_2] {
            self.spaces
                .run("srv", &format!("ip addr add {address}/24 dev eth0"))?;
        }
        Ok(())
    }

    fn host(&mut self, side: Side) -> Result {
        let (name, number, kind) = (side.name(), side.number(), self.kind(side));
        let nat = format!("n{name}");
        self.spaces.add(name)?;
        self.spaces.add(&nat)?;
        let port = format!("p{name}");
        self.spaces.cable(&nat, "wan", "inet", &port)?;
        self.spaces
            .run("inet", &format!("ip link set {port} master br0"))?;
        self.spaces.run(
            &nat,
            &format!("ip addr add 203.0.113.{}/24 dev wan", side.public()),
        )?;
        self.spaces.run(&nat, "sysctl -qw net.ipv4.ip_forward=1")?;
        self.spaces
            .run(&nat, "sysctl -qw net.netfilter.nf_conntrack_udp_timeout=30")?;
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
        self.spaces.cable(name, "eth0", &gateway, "lan")?;
        self.spaces
            .run(name, &format!("ip addr add {ours}/{length} dev eth0"))?;
        self.spaces
            .run(&gateway, &format!("ip addr add {theirs}/{length} dev lan"))?;
        self.spaces
            .run(name, &format!("ip route add default via {theirs}"))?;
        self.rules(&nat, &kind.rules(&format!("203.0.113.{}", side.public())))
    }

    /// A home's NAT between the host and the carrier's; its name.
    fn carrier(&mut self, side: Side) -> Result<String> {
        let (name, number) = (side.name(), side.number());
        let (home, nat) = (format!("c{name}"), format!("n{name}"));
        self.spaces.add(&home)?;
        self.spaces.cable(&home, "wan", &nat, "lan")?;
        self.spaces
            .run(&home, &format!("ip addr add 100.64.{number}.2/24 dev wan"))?;
        self.spaces
            .run(&nat, &format!("ip addr add 100.64.{number}.1/24 dev lan"))?;
        self.spaces.run(
            &home,
            &format!("ip route add default via 100.64.{number}.1"),
        )?;
        self.spaces.run(&home, "sysctl -qw net.ipv4.ip_forward=1")?;
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
            self.spaces.run("srv", &route)?;
            self.spaces.run(other, &route)?;
        }
        Ok(())
    }

    /// Replaces the rules of a NAT, in one step: no packet passes without any.
    fn rules(&self, space: &str, rules: &str) -> Result {
        let rules = format!("table ip lab {{ }}\ndelete table ip lab\n{rules}\n");
        self.spaces.feed(space, "nft -f -", &rules)
    }
}
