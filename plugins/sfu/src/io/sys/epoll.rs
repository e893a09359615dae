// SPDX-License-Identifier: MIT OR Apache-2.0
//! epoll(7), level-triggered.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Which readiness is of interest. Errors and hang-ups always are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Interest {
    /// Something can be read.
    pub(crate) read: bool,
    /// Something can be written.
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const READ: Interest = Interest {
        read: true,
        write: false,
    };
    pub(crate) const NONE: Interest = Interest {
        read: false,
        write: false,
    };

    fn bits(self) -> u32 {
        let read = if self.read { libc::EPOLLIN } else { 0 };
        let write = if self.write { libc::EPOLLOUT } else { 0 };
        (read | write) as u32
    }
}

/// One ready descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// The token it was added with.
    pub(crate) token: u64,
    /// Readable, or failed: reading tells which.
    pub(crate) read: bool,
    /// Writable.
    pub(crate) write: bool,
}

/// A set of descriptors to wait for. A descriptor leaves the set when it is closed.
pub(crate) struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers; the descriptor returned is new and ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Epoll { fd })
    }

    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    pub(crate) fn modify(
        &self,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    fn control(
        &self,
        op: libc::c_int,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.bits(),
            u64: token,
        };
        // SAFETY: both descriptors are open while borrowed; `event` lives through the call.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), op, fd.as_raw_fd(), &raw mut event) })?;
        Ok(())
    }

    /// Waits until something is ready or the time is over, rounded up to whole milliseconds; `None`: without end.
    /// An interruption by a signal counts as nothing ready.
    pub(crate) fn wait(
        &self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        const MOST: usize = 64;
        let mut ready = [libc::epoll_event { events: 0, u64: 0 }; MOST];
        events.clear();
        // SAFETY: the array has room for MOST events and lives through the call.
        let result = unsafe {
            libc::epoll_wait(
                self.fd.as_raw_fd(),
                ready.as_mut_ptr(),
                MOST as libc::c_int,
                milliseconds(timeout),
            )
        };
        let count = match check(result) {
            Ok(count) => count as usize,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) => return Err(e),
        };
        events.extend(ready[..count].iter().map(|e| Event {
            token: e.u64,
            read: e.events & (libc::EPOLLIN | libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0,
            write: e.events & libc::EPOLLOUT as u32 != 0,
        }));
        Ok(())
    }
}

fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    match timeout {
        None => -1,
        Some(t) => t.as_nanos().div_ceil(1_000_000).min(60_000) as libc::c_int,
    }
}
