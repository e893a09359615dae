// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waking a worker that waits in epoll: an eventfd, written at most once until the worker has seen it.

use super::check;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by the worker and everybody who sends it commands.
pub(crate) struct Wake {
    fd: OwnedFd,
    raised: AtomicBool,
}

impl Wake {
    pub(crate) fn new() -> io::Result<Wake> {
        let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
        // SAFETY: no pointers; the descriptor returned is new and ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::eventfd(0, flags))?) };
        Ok(Wake {
            fd,
            raised: AtomicBool::new(false),
        })
    }

    /// Makes the descriptor readable. Call it after what the worker shall see is there.
    pub(crate) fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            let one = 1u64;
            // SAFETY: eight bytes of a live integer. It can fail only when the counter is full, and then it is readable anyway.
            unsafe { libc::write(self.fd.as_raw_fd(), (&raw const one).cast(), 8) };
        }
    }

    /// Makes the descriptor wait for the next [`Wake::raise`]. Call it before looking for what there is to see.
    pub(crate) fn lower(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes into a live integer. Failure means that it was not raised.
        unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
        self.raised.store(false, Ordering::Release);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
