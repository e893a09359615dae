// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls of a worker, behind safe functions: epoll, eventfd, `recvmmsg`, `sendmmsg`, `getifaddrs`.

mod address;
mod epoll;
mod interfaces;
mod receive;
mod send;
mod wake;

pub(crate) use epoll::{Epoll, Event, Interest};
pub(crate) use interfaces::interface_addresses;
pub(crate) use receive::ReceiveBatch;
pub(crate) use send::{Outgoing, SendBatch};
pub(crate) use wake::Wake;

use libc::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Turns the -1 of a system call into the error it stands for.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Sets an integer socket option.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed; the value pointer and length describe one live c_int.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// Room for the control messages of one datagram: a packet information and a segment size. Aligned as `cmsghdr` wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; Control::SIZE]);

impl Control {
    /// `CMSG_SPACE(in6_pktinfo)` 40 + `CMSG_SPACE(c_int)` 24.
    const SIZE: usize = 64;
    const EMPTY: Control = Control([0; Control::SIZE]);
}
