// SPDX-License-Identifier: MIT OR Apache-2.0
//! `sendmmsg(2)` with UDP GSO: many datagrams to many peers in one call, straight from the memory they were sealed in.

use super::address::Name;
use super::{Control, check};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Messages given to one call.
const BATCH: usize = 64;

/// Datagrams for one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    /// The peer.
    pub(crate) remote: SocketAddr,
    /// The address to send from; `None`: the one the socket is bound to.
    pub(crate) source: Option<IpAddr>,
    /// The datagrams side by side, at least one byte.
    pub(crate) bytes: &'a [u8],
    /// The size of each but the last. Less than `bytes.len()` asks the kernel to cut (UDP GSO).
    pub(crate) segment_size: usize,
}

impl Outgoing<'_> {
    /// More than one datagram.
    pub(crate) fn is_segmented(&self) -> bool {
        self.segment_size < self.bytes.len()
    }

    /// How many datagrams there are.
    pub(crate) fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.segment_size.max(1))
    }
}

/// Message headers for one call, kept from call to call.
pub(crate) struct SendBatch {
    names: Vec<Name>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers in the headers and vectors are written anew before each call and used by that call only; between calls they
// mean nothing. All memory is owned.
unsafe impl Send for SendBatch {}

impl SendBatch {
    /// Messages that one call takes.
    pub(crate) const SIZE: usize = BATCH;

    pub(crate) fn new() -> SendBatch {
        // SAFETY: these are plain C structs; all zero is a value of each, with null pointers that `send` replaces before use.
        let (vector, header): (libc::iovec, libc::mmsghdr) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        SendBatch {
            names: vec![Name::empty(); BATCH],
            controls: vec![Control::EMPTY; BATCH],
            vectors: vec![vector; BATCH],
            headers: vec![header; BATCH],
        }
    }

    /// Sends up to [`SendBatch::SIZE`] messages without waiting. Returns how many went out: at least one.
    ///
    /// # Errors
    /// What the kernel said of the first message; when a later one fails, the next call says why.
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        messages: &[Outgoing<'_>],
    ) -> io::Result<usize> {
        let count = messages.len().min(BATCH);
        for (i, message) in messages[..count].iter().enumerate() {
            self.arm(i, message);
        }
        // SAFETY: `arm` has just pointed the first `count` headers at live name, vector and control memory of ours, and at bytes that
        // `messages` borrows through the call. The kernel only reads from them.
        let result = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count as libc::c_uint,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        Ok(check(result)? as usize)
    }

    fn arm(&mut self, i: usize, message: &Outgoing<'_>) {
        let (name, control, vector) = (
            &mut self.names[i],
            &mut self.controls[i],
            &mut self.vectors[i],
        );
        vector.iov_base = message.bytes.as_ptr().cast_mut().cast();
        vector.iov_len = message.bytes.len();
        let h = &mut self.headers[i].msg_hdr;
        h.msg_namelen = name.set(message.remote);
        h.msg_name = (&raw mut *name).cast();
        h.msg_iov = vector;
        h.msg_iovlen = 1;
        h.msg_controllen = write_control(control, message) as _;
        h.msg_control = if h.msg_controllen == 0 {
            std::ptr::null_mut()
        } else {
            control.0.as_mut_ptr().cast()
        };
    }
}

/// Writes the control messages (cmsg(3)) that `message` needs, returning their length.
fn write_control(control: &mut Control, message: &Outgoing<'_>) -> usize {
    let mut len = 0;
    if message.is_segmented() {
        let size = message.segment_size as u16;
        len = push(
            control,
            len,
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            &size.to_ne_bytes(),
        );
    }
    match message.source {
        // struct in_pktinfo: interface (any), the address to send from, unused
        Some(IpAddr::V4(ip)) => {
            let mut info = [0; 12];
            info[4..8].copy_from_slice(&ip.octets());
            len = push(control, len, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        }
        // struct in6_pktinfo: the address to send from, interface (any)
        Some(IpAddr::V6(ip)) => {
            let mut info = [0; 20];
            info[..16].copy_from_slice(&ip.octets());
            len = push(control, len, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
        }
        None => {}
    }
    len
}

fn push(
    control: &mut Control,
    at: usize,
    level: libc::c_int,
    kind: libc::c_int,
    data: &[u8],
) -> usize {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let end = at + HEADER + data.len();
    // SAFETY: cmsghdr is a plain C struct; all zero is a value of it (some systems have padding in it).
    let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
    header.cmsg_len = (end - at) as _;
    header.cmsg_level = level;
    header.cmsg_type = kind;
    let target: &mut [u8; HEADER] = control.0[at..]
        .first_chunk_mut()
        .expect("two control messages fit");
    // SAFETY: the target is exactly as large as the header and needs no alignment.
    unsafe {
        target
            .as_mut_ptr()
            .cast::<libc::cmsghdr>()
            .write_unaligned(header)
    };
    control.0[at + HEADER..end].copy_from_slice(data);
    at + (HEADER + data.len()).next_multiple_of(size_of::<usize>())
}
