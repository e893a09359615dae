// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses of peers: as users write them, and as GLib has them.

use std::net::{IpAddr, SocketAddr};

use gio::prelude::*;
use thiserror::Error;

use crate::relay::Permission;

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PeerError {
    #[error("\"{0}\" is not an address and port like 203.0.113.5:5000 or [2001:db8::5]:5000")]
    Address(String),
    #[error("\"{0}\" is not an address like 203.0.113.5 or 203.0.113.5:5000")]
    Permission(String),
}

/// `address:port`, separated by commas.
pub(crate) fn addresses(text: &str) -> Result<Vec<SocketAddr>, PeerError> {
    words(text)
        .map(|word| word.parse().map_err(|_| PeerError::Address(word.into())))
        .collect()
}

/// `address` or `address:port`, separated by commas.
pub(crate) fn permissions(text: &str) -> Result<Vec<Permission>, PeerError> {
    words(text).map(permission).collect()
}

fn permission(word: &str) -> Result<Permission, PeerError> {
    if let Ok(peer) = word.parse::<SocketAddr>() {
        return Ok(Permission {
            ip: peer.ip(),
            port: Some(peer.port()),
        });
    }
    let bare = word.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse();
    ip.map(|ip| Permission { ip, port: None })
        .map_err(|_| PeerError::Permission(word.into()))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// The address as GLib has it.
pub(crate) fn to_gio(address: SocketAddr) -> gio::InetSocketAddress {
    let ip = match address.ip() {
        IpAddr::V4(ip) => gio::InetAddress::from_bytes(gio::InetAddressBytes::V4(&ip.octets())),
        IpAddr::V6(ip) => gio::InetAddress::from_bytes(gio::InetAddressBytes::V6(&ip.octets())),
    };
    gio::InetSocketAddress::new(&ip, address.port())
}

/// The address that GLib has, if it is one of the internet.
pub(crate) fn from_gio(address: &gio::SocketAddress) -> Option<SocketAddr> {
    let address = address.downcast_ref::<gio::InetSocketAddress>()?;
    let ip: IpAddr = address.address().to_str().parse().ok()?;
    Some(SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_with_and_without_blanks() {
        let two = addresses(" 192.0.2.1:5000,[2001:db8::1]:5002 , ").expect("valid");
        assert_eq!(two.len(), 2);
        assert_eq!(addresses(""), Ok(Vec::new()));
        let three = permissions("192.0.2.1, 192.0.2.2:5000, [2001:db8::1]").expect("valid");
        let ports: Vec<_> = three.iter().map(|p| p.port).collect();
        assert_eq!(ports, [None, Some(5000), None]);
    }

    #[test]
    fn wrong_words_are_named() {
        let error = addresses("192.0.2.1:5000, camera").expect_err("a name");
        assert!(error.to_string().contains("\"camera\""));
        assert!(permissions("192.0.2.300").is_err());
    }

    #[test]
    fn addresses_survive_glib() {
        for text in ["192.0.2.1:5000", "[2001:db8::1]:1"] {
            let address: SocketAddr = text.parse().expect("valid");
            assert_eq!(from_gio(to_gio(address).upcast_ref()), Some(address));
        }
    }
}
