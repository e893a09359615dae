// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server and hosts that reach it, each over a link whose width can be changed.
//!
//! ```text
//!  server 203.0.113.2 ── bridge ──┬── link ── 203.0.113.11  first host
//!                                 ├── link ── 203.0.113.12  second host
//! ```
//!
//! Nothing is made in the main namespace, and there is no way out. It needs root, `ip` and `tc`.

use std::net::Ipv4Addr;

use crate::spaces::{Space, Spaces};
use crate::{Failure, Result};

/// The address of the server.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// What passes at once, in seconds of the link's time. A real link lets nothing pass at once, and whoever measures its width by
/// a few packets would be misled.
const BURST_S: f64 = 0.004;

/// The least that can pass at once, in bytes: one packet of the largest size.
const LEAST_BURST: f64 = 1_600.0;

/// What finds no room in a queue of that length is lost.
const QUEUE_MS: u32 = 200;

/// A lab that stands; it goes with this value.
#[derive(Debug)]
pub struct Access {
    spaces: Spaces,
    hosts: Vec<String>,
}

impl Access {
    /// Builds it, with hosts of these names on links of any width.
    ///
    /// # Errors
    /// There can be no network namespaces here.
    pub fn up(hosts: &[&str]) -> Result<Access> {
        if !Spaces::are_possible() {
            return Err(Failure::new(
                "no network namespaces can be made: run the tests as root, in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN",
            ));
        }
        let mut lab = Access {
            spaces: Spaces::new("access"),
            hosts: Vec::new(),
        };
        lab.spaces.add("bridge")?;
        lab.spaces.run("bridge", "ip link add br0 type bridge")?;
        lab.spaces.run("bridge", "ip link set br0 up")?;
        lab.attach("server", SERVER)?;
        for (n, host) in (11..).zip(hosts) {
            lab.attach(host, Ipv4Addr::new(203, 0, 113, n))?;
            lab.hosts.push((*host).to_owned());
        }
        Ok(lab)
    }

    fn attach(&mut self, name: &str, address: Ipv4Addr) -> Result {
        self.spaces.add(name)?;
        let port = port(name);
        self.spaces.cable(name, "eth0", "bridge", &port)?;
        let to_bridge = format!("ip link set {port} master br0");
        self.spaces.run("bridge", &to_bridge)?;
        let own = format!("ip addr add {address}/24 dev eth0");
        self.spaces.run(name, &own)?;
        // It leads nowhere; but browsers look for the address that they would reach the internet by.
        self.spaces.run(name, "ip route add default dev eth0")
    }

    /// Where the server is.
    pub fn server(&self) -> Space {
        self.spaces.space("server")
    }

    /// Where a host is.
    pub fn host(&self, name: &str) -> Space {
        self.spaces.space(name)
    }

    /// Lets so many bit/s through to a host from now on; what it sends is not held up.
    ///
    /// # Errors
    /// There is no such host, or this kernel has no token buckets.
    pub fn set_rate(&self, host: &str, rate: u64) -> Result {
        if !self.hosts.iter().any(|known| known == host) {
            return Err(Failure::new(format!("no host {host} in this lab")));
        }
        let burst = (rate as f64 / 8.0 * BURST_S).max(LEAST_BURST) as u64;
        let port = port(host);
        self.spaces.run(
            "bridge",
            &format!("tc qdisc replace dev {port} root tbf rate {rate}bit burst {burst} latency {QUEUE_MS}ms"),
        )
    }
}

/// The name of the bridge's end of a cable.
fn port(host: &str) -> String {
    format!("p-{host}")
}
