// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kinds of NAT, in the words of RFC 4787, and as `nft` makes them.

use std::fmt;

/// What is between a host and the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Open,
    /// One mapping for all destinations, everybody's packets come in.
    FullCone,
    /// The same, with another port outside than inside.
    FullConeOtherPort,
    /// One mapping for all destinations, known addresses' packets come in.
    Address,
    /// One mapping for all destinations, known addresses' and ports' packets come in.
    Port,
    /// The same, with another port outside than inside.
    PortOtherPort,
    /// A mapping for each destination, with a random port.
    Symmetric,
    /// A mapping for each address.
    AddressSymmetric,
    /// A home's NAT behind a carrier's.
    Carrier,
    /// No UDP comes through.
    UdpBlocked,
    /// Nothing but TCP to port 443 comes through.
    OnlyTcp443,
}

impl Kind {
    /// All of them, the friendly ones first.
    pub const ALL: [Kind; 11] = [
        Kind::Open,
        Kind::FullCone,
        Kind::FullConeOtherPort,
        Kind::Address,
        Kind::Port,
        Kind::PortOtherPort,
        Kind::Carrier,
        Kind::AddressSymmetric,
        Kind::Symmetric,
        Kind::UdpBlocked,
        Kind::OnlyTcp443,
    ];

    /// A short name for tables and command lines.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Open => "open",
            Kind::FullCone => "fullcone",
            Kind::FullConeOtherPort => "fullcone-np",
            Kind::Address => "addr",
            Kind::Port => "port",
            Kind::PortOtherPort => "port-np",
            Kind::Symmetric => "symmetric",
            Kind::AddressSymmetric => "addr-sym",
            Kind::Carrier => "cgn",
            Kind::UdpBlocked => "udp-blocked",
            Kind::OnlyTcp443 => "tcp-443",
        }
    }

    /// The rules of its NAT, with that public address.
    pub(super) fn rules(self, public: &str) -> String {
        match self {
            Kind::Open => String::from("table ip lab { }"),
            Kind::FullCone => cone(public, "", "meta l4proto udp"),
            Kind::FullConeOtherPort => cone(public, OTHER_PORTS, "meta l4proto udp"),
            Kind::Address => cone(public, "", "udp dport . ip saddr @known"),
            Kind::Port | Kind::Carrier => table(&source_nat(public, ""), ""),
            Kind::PortOtherPort => table(&source_nat(public, OTHER_PORTS), ""),
            Kind::Symmetric => table(
                &format!(
                    "oifname \"wan\" meta l4proto {{ tcp, udp }} snat to {public}:1024-65535 fully-random\n\
                     oifname \"wan\" snat to {public}"
                ),
                "",
            ),
            Kind::AddressSymmetric => table(
                &format!(
                    "oifname \"wan\" ip daddr & 0.0.0.1 == 0.0.0.0 meta l4proto udp snat to {public}:20000-20999\n\
                     oifname \"wan\" ip daddr & 0.0.0.1 == 0.0.0.1 meta l4proto udp snat to {public}:30000-30999\n\
                     oifname \"wan\" snat to {public}"
                ),
                "",
            ),
            Kind::UdpBlocked => table(&source_nat(public, ""), "meta l4proto udp drop"),
            Kind::OnlyTcp443 => table(
                &source_nat(public, ""),
                "ct state established,related accept\n tcp dport 443 accept\n drop",
            ),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Outside the range that hosts take their ports from: never the same as inside.
const OTHER_PORTS: &str = ":20000-29999";

/// Linux's own way: one port outside for each inside, as long as no other needs it.
fn source_nat(public: &str, ports: &str) -> String {
    format!(
        "oifname \"wan\" meta l4proto udp snat to {public}{ports}\n oifname \"wan\" snat to {public}"
    )
}

fn table(source_nat: &str, forward: &str) -> String {
    format!(
        "table ip lab {{\n\
         chain post {{ type nat hook postrouting priority srcnat; policy accept;\n {source_nat}\n }}\n\
         chain through {{ type filter hook forward priority 0; policy accept;\n {forward}\n }}\n\
         {GUARD}\n}}"
    )
}

/// One that learns who is inside, and lets others reach it without being asked.
fn cone(public: &str, ports: &str, enters: &str) -> String {
    let post = source_nat(public, ports);
    format!(
        "table ip lab {{\n\
         map inside {{ type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 300s; size 65535; }}\n\
         set known {{ type inet_service . ipv4_addr; flags dynamic,timeout; timeout 300s; size 65535; }}\n\
         chain learn {{ type filter hook postrouting priority srcnat + 10; policy accept;\n\
           oifname \"wan\" meta l4proto udp ct direction original update @inside {{ ct reply proto-dst : ct original ip saddr . ct original proto-src }}\n\
           oifname \"wan\" meta l4proto udp ct direction original update @known {{ ct reply proto-dst . ip daddr }}\n\
         }}\n\
         chain post {{ type nat hook postrouting priority srcnat; policy accept;\n {post}\n }}\n\
         chain pre {{ type nat hook prerouting priority dstnat; policy accept;\n\
           iifname \"wan\" {enters} dnat ip to udp dport map @inside\n\
         }}\n\
         {GUARD}\n}}"
    )
}

/// Packets nobody asked for are dropped before the kernel notes them: otherwise they take their
/// port, the inside host gets another, and hole punching fails by accident.
const GUARD: &str = "chain guard { type filter hook input priority 0; policy accept;\n iifname \"wan\" ct state new,invalid drop\n }";
