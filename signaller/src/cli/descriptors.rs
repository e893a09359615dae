// SPDX-License-Identifier: MIT OR Apache-2.0
//! File descriptors: each connection needs one, and the usual limit of 1024 is soon used up.

/// Raises the soft limit of open files to the hard one. Nothing happens if that is not allowed.
pub(super) fn raise_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls get a valid, exclusively borrowed rlimit and keep no reference to it.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max
        {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
