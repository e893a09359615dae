// SPDX-License-Identifier: MIT OR Apache-2.0
//! Socket addresses as the kernel writes them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Memory for an address of either family. `sockaddr_storage` would do, but is four times as large.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    /// What the kernel may fill.
    pub(super) const SIZE: libc::socklen_t = size_of::<Name>() as libc::socklen_t;

    /// All zero: no family.
    pub(super) fn empty() -> Name {
        // SAFETY: all variants are plain integers; zero is a value of each.
        unsafe { std::mem::zeroed() }
    }

    /// Writes an address, returning the length to pass on.
    pub(super) fn set(&mut self, address: SocketAddr) -> libc::socklen_t {
        match address {
            SocketAddr::V4(a) => {
                self.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: a.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(a.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(a) => {
                self.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: a.port().to_be(),
                    sin6_flowinfo: a.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: a.ip().octets(),
                    },
                    sin6_scope_id: a.scope_id(),
                };
                size_of::<libc::sockaddr_in6>() as libc::socklen_t
            }
        }
    }

    /// Reads what the kernel wrote. `None` for another family.
    pub(super) fn read(&self) -> Option<SocketAddr> {
        // SAFETY: every bit pattern is a value of these plain integer structs, and the memory is initialised.
        unsafe {
            match libc::c_int::from(self.family) {
                libc::AF_INET => Some(v4(&self.v4)),
                libc::AF_INET6 => Some(v6(&self.v6)),
                _ => None,
            }
        }
    }
}

pub(super) fn v4(name: &libc::sockaddr_in) -> SocketAddr {
    let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
    SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into()
}

pub(super) fn v6(name: &libc::sockaddr_in6) -> SocketAddr {
    let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
    // The flow label is of no use for answering.
    SocketAddrV6::new(ip, u16::from_be(name.sin6_port), 0, name.sin6_scope_id).into()
}
