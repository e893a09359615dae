// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be set.

use super::tls::TlsFiles;
use crate::protocol::Secret;
use gst_rtc_core::turn::{AddressRange, Limits};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// Where and for whom the server relays.
#[derive(Clone, Debug)]
pub struct TurnConfig {
    /// Where to listen, by UDP and TCP. Port 0 takes a free one, the same for both. Default: `127.0.0.1:3478`.
    pub listen: Vec<SocketAddr>,
    /// Take a free port when that of `listen` is taken. Default: false.
    pub any_port: bool,
    /// Where to listen by TLS and DTLS, when there is a certificate. Port 0 takes a free one, the same for both. Default: nowhere.
    pub tls_listen: Vec<SocketAddr>,
    /// The certificate for both. Default: none, and so neither.
    pub tls: Option<TlsFiles>,
    /// A second address and port, for RFC 5780. Default: none.
    pub alternate: Option<SocketAddr>,
    /// Host name or IP address that clients are told. Default: the address it listens on, or that of the default route.
    pub public_address: Option<String>,
    /// Addresses of this machine that relays are opened on, at most one of each family. Default: those it listens on.
    pub relay_addresses: Vec<IpAddr>,
    /// Ports for relays. Default: 49152 to 65535.
    pub relay_ports: PortRange,
    /// Peers allowed though they are not public.
    pub allow: Vec<AddressRange>,
    /// Peers denied though they are.
    pub deny: Vec<AddressRange>,
    /// Passwords of static users.
    pub users: HashMap<String, Secret>,
    /// What time-limited passwords are made of. Default: random bytes.
    pub secret: Option<Secret>,
    /// How long the credentials of participants are good. Default: 12 hours.
    pub credential_lifetime: Duration,
    /// Take channel numbers up to 0x7FFF, as RFC 5766 had them. Default: false.
    pub old_channels: bool,
    /// How much there may be of everything.
    pub limits: Limits,
}

impl Default for TurnConfig {
    fn default() -> Self {
        TurnConfig {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 3478))],
            any_port: false,
            tls_listen: Vec::new(),
            tls: None,
            alternate: None,
            public_address: None,
            relay_addresses: Vec::new(),
            relay_ports: PortRange::default(),
            allow: Vec::new(),
            deny: Vec::new(),
            users: HashMap::new(),
            secret: None,
            credential_lifetime: Duration::from_secs(12 * 3600),
            old_channels: false,
            limits: Limits::default(),
        }
    }
}

/// Ports from the first to the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortRange {
    /// At least 1.
    pub first: u16,
    /// Not below the first.
    pub last: u16,
}

/// RFC 8656 §7.2.
impl Default for PortRange {
    fn default() -> Self {
        PortRange {
            first: 49_152,
            last: 65_535,
        }
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<PortRange, String> {
        let wrong = || format!("\"{text}\" is no range of ports; write 49152-65535");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
            return Err(wrong());
        };
        if first == 0 || last < first {
            return Err(wrong());
        }
        Ok(PortRange { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_ranges_are_read() {
        assert_eq!("49152-65535".parse(), Ok(PortRange::default()));
        assert_eq!(PortRange::default().to_string(), "49152-65535");
        for text in ["", "1", "0-9", "9-1", "1-65536", "a-b"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }
}
