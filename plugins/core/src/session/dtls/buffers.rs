// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gives OpenSSL's record buffers back between records: 33 KiB of each session, used only when a record comes or goes.
//! `SSL_MODE_RELEASE_BUFFERS` would do it for TLS; for DTLS OpenSSL ignores it.

use foreign_types::ForeignTypeRef;
use openssl::ssl::SslRef;
use std::ffi::c_int;

unsafe extern "C" {
    fn SSL_alloc_buffers(ssl: *mut openssl_sys::SSL) -> c_int;
    fn SSL_free_buffers(ssl: *mut openssl_sys::SSL) -> c_int;
}

/// Makes sure that there are buffers. False when out of memory; then no record may be read or written.
pub(super) fn alloc(ssl: &SslRef) -> bool {
    // SAFETY: the pointer is that of a live SSL, which is not shared: its only owner is the stream our caller borrows.
    unsafe { SSL_alloc_buffers(ssl.as_ptr()) == 1 }
}

/// Frees the buffers, unless a record in them is not finished. No record may be read or written before the next [`alloc`].
pub(super) fn free(ssl: &SslRef) {
    // SAFETY: as above. OpenSSL itself refuses while a buffer is in use.
    unsafe {
        SSL_free_buffers(ssl.as_ptr());
    }
}
