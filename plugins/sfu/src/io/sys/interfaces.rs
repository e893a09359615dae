// SPDX-License-Identifier: MIT OR Apache-2.0
//! The addresses of this host.

use super::address;
use std::io;
use std::net::IpAddr;

/// The addresses of all interfaces that are up, in the system's order, each once. Link-local IPv6 addresses are left out: a peer
/// could not use them without knowing its own name of the interface.
pub(crate) fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let mut list = std::ptr::null_mut();
    // SAFETY: the call fills `list`, which is freed below.
    super::check(unsafe { libc::getifaddrs(&raw mut list) })?;
    let mut addresses = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: a non-null entry of the list is valid until freeifaddrs, and its address, when there is one, is of the family
        // that it says.
        let found = unsafe {
            let e = &*entry;
            entry = e.ifa_next;
            if e.ifa_flags & libc::IFF_UP as libc::c_uint == 0 {
                None
            } else {
                read(e.ifa_addr)
            }
        };
        addresses.extend(found.filter(|ip| !is_link_local(ip) && !addresses.contains(ip)));
    }
    // SAFETY: `list` came from getifaddrs and nothing refers to it any more.
    unsafe { libc::freeifaddrs(list) };
    Ok(addresses)
}

/// # Safety
/// `name` is null or points to an address of the family it says.
unsafe fn read(name: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as promised by the caller.
    unsafe {
        match libc::c_int::from(name.as_ref()?.sa_family) {
            libc::AF_INET => Some(address::v4(&*name.cast()).ip()),
            libc::AF_INET6 => Some(address::v6(&*name.cast()).ip()),
            _ => None,
        }
    }
}

fn is_link_local(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_loopback_address_is_among_the_interfaces() {
        let addresses = super::interface_addresses().expect("interfaces");
        assert!(addresses.iter().any(|ip| ip.is_loopback()), "{addresses:?}");
    }
}
