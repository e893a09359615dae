// SPDX-License-Identifier: MIT OR Apache-2.0
//! To whom may be relayed.
//!
//! A relay is a way into the network of the server. So peers must have public unicast addresses, written plainly: every
//! special-purpose block of the IANA registries (RFC 6890) is refused, and with it every IPv6 address that is an IPv4
//! address in disguise, whichever that is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Decides which peers are allowed. First what is allowed explicitly, then what is denied, then the rule.
#[derive(Clone, Debug, Default)]
pub struct PeerFilter {
    /// Allowed whatever they are: for labs and intranets. Default: none.
    pub allow: Vec<AddressRange>,
    /// Denied besides those that always are. Default: none.
    pub deny: Vec<AddressRange>,
    /// The server's own addresses, denied. Default: none.
    pub own: Vec<IpAddr>,
}

impl PeerFilter {
    /// Whether data may go to this address, and come from it.
    pub fn allows(&self, peer: SocketAddr) -> bool {
        peer.port() != 0 && self.allows_port(peer.ip(), Some(peer.port()))
    }

    /// Whether there may be a permission for this address. An allowed range with ports has one for those, and the
    /// ports are looked at when data goes there.
    pub fn allows_address(&self, ip: IpAddr) -> bool {
        self.allows_port(ip, None)
    }

    fn allows_port(&self, ip: IpAddr, port: Option<u16>) -> bool {
        let within = |range: &AddressRange| {
            range.contains(ip) && port.is_none_or(|port| range.ports.contains(&port))
        };
        if self.allow.iter().any(within) {
            return true;
        }
        // A denied port denies no other.
        let denied = |range: &AddressRange| {
            range.contains(ip)
                && port.map_or(range.ports == ALL_PORTS, |port| range.ports.contains(&port))
        };
        !self.deny.iter().any(denied) && !self.own.contains(&ip) && is_public(ip)
    }
}

/// Public unicast, and not a disguise.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !SPECIAL_V4
            .iter()
            .any(|(net, bits)| matches_v4(ip, *net, *bits)),
        IpAddr::V6(ip) => {
            matches_v6(ip, GLOBAL_UNICAST, 3)
                && !SPECIAL_V6
                    .iter()
                    .any(|(net, bits)| matches_v6(ip, *net, *bits))
                && !is_isatap(ip)
        }
    }
}

const SPECIAL_V4: [(Ipv4Addr, u32); 17] = [
    // "This network": reaches the host itself on many systems.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by carriers (RFC 6598).
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, and the metadata services of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // The one of Azure, in public clothes.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    // IETF protocol assignments.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    // AS112 and AMT.
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    // Relays of 6to4 (RFC 7526).
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Benchmarks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation.
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Outside of it are `::`, `::1`, IPv4-compatible `::/96` and -mapped `::ffff:0:0/96`, NAT64 `64:ff9b::/96` and
/// `64:ff9b:1::/48`, discard `100::/64`, private `fc00::/7`, link-local `fe80::/10`, site-local, multicast.
const GLOBAL_UNICAST: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);

const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    // IETF protocol assignments: Teredo, ORCHID, benchmarks.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

/// An IPv4 address in an ISATAP interface identifier (RFC 5214 §6.1).
fn is_isatap(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    segments[4] & !0x0200 == 0 && segments[5] == 0x5efe
}

fn matches_v4(ip: Ipv4Addr, net: Ipv4Addr, bits: u32) -> bool {
    (ip.to_bits() ^ net.to_bits())
        .checked_shr(32 - bits)
        .is_none_or(|rest| rest == 0)
}

fn matches_v6(ip: Ipv6Addr, net: Ipv6Addr, bits: u32) -> bool {
    (ip.to_bits() ^ net.to_bits())
        .checked_shr(128 - bits)
        .is_none_or(|rest| rest == 0)
}

const ALL_PORTS: RangeInclusive<u16> = 0..=u16::MAX;

/// A range of addresses, and of ports: `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.1`, `192.0.2.1:5004`,
/// `[2001:db8::1]:5004-5010`, `192.0.2.0/24:5004`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressRange {
    net: IpAddr,
    bits: u32,
    ports: RangeInclusive<u16>,
}

impl AddressRange {
    /// One address, all ports.
    pub fn of(ip: IpAddr) -> AddressRange {
        AddressRange {
            net: ip,
            bits: width(ip),
            ports: ALL_PORTS,
        }
    }

    /// Those whose first bits are those of `net`, all ports. More `bits` than an address has are as many as it has.
    pub fn prefix(net: IpAddr, bits: u32) -> AddressRange {
        AddressRange {
            net,
            bits: bits.min(width(net)),
            ports: ALL_PORTS,
        }
    }

    fn contains(&self, ip: IpAddr) -> bool {
        match (ip, self.net) {
            (IpAddr::V4(ip), IpAddr::V4(net)) => matches_v4(ip, net, self.bits),
            (IpAddr::V6(ip), IpAddr::V6(net)) => matches_v6(ip, net, self.bits),
            _ => false,
        }
    }
}

fn width(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// A text is not an [`AddressRange`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "\"{0}\" is no range of addresses; write 192.0.2.0/24, 2001:db8::/32, 192.0.2.1, 192.0.2.1:5004 or [2001:db8::1]:5004-5010"
)]
pub struct NotARange(String);

impl FromStr for AddressRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<AddressRange, NotARange> {
        parse(text).ok_or_else(|| NotARange(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<AddressRange> {
    let (net, ports) = split_ports(text)?;
    let (ip, bits) = match net.split_once('/') {
        Some((ip, bits)) => (ip.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
        None => (net.parse::<IpAddr>().ok()?, None),
    };
    let bits = bits.unwrap_or(width(ip));
    let ports = ports.map_or(Some(ALL_PORTS), parse_ports)?;
    (bits <= width(ip)).then_some(AddressRange {
        net: ip,
        bits,
        ports,
    })
}

/// The network and the ports, if there are any.
fn split_ports(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (net, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(ports) => Some((net, Some(ports))),
            None => after.is_empty().then_some((net, None)),
        };
    }
    match text.split_once(':') {
        Some((net, ports)) if !ports.contains(':') => Some((net, Some(ports))),
        _ => Some((text, None)),
    }
}

fn parse_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.net {
            IpAddr::V4(net) => write!(f, "{net}/{}", self.bits)?,
            IpAddr::V6(net) => write!(f, "[{net}/{}]", self.bits)?,
        }
        if self.ports != ALL_PORTS {
            write!(f, ":{}-{}", self.ports.start(), self.ports.end())?;
        }
        Ok(())
    }
}
