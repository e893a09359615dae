// SPDX-License-Identifier: MIT OR Apache-2.0
//! `recvmmsg(2)` with UDP GRO: many datagrams of many peers in one call.

use super::address::Name;
use super::{Control, check};
use libc::c_int;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Messages taken by one call.
const BATCH: usize = 64;
/// What one message can hold: with GRO the kernel joins datagrams of one peer up to 65,535 bytes. The pages of a buffer are taken from
/// the system only when a message touches them. The odd addend keeps buffers out of the same sets of the CPU's caches.
const STRIDE: usize = 65_536 + 576;

/// Buffers for one call, kept from call to call.
pub(crate) struct ReceiveBatch {
    buffers: Vec<u8>,
    names: Vec<Name>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    received: usize,
}

/// One or more datagrams of one peer.
pub(crate) struct Incoming<'a> {
    /// The peer.
    pub(crate) remote: SocketAddr,
    /// The address it sent to, when the socket asks for it (`IP_PKTINFO`).
    pub(crate) local: Option<IpAddr>,
    /// The datagrams side by side.
    pub(crate) data: &'a mut [u8],
    /// The size of each but the last.
    pub(crate) segment_size: usize,
}

// SAFETY: the pointers in the headers and vectors are written anew before each call and used by that call only; between calls they
// mean nothing. All memory is owned.
unsafe impl Send for ReceiveBatch {}

impl ReceiveBatch {
    /// Messages that one call takes.
    pub(crate) const SIZE: usize = BATCH;

    pub(crate) fn new() -> ReceiveBatch {
        // SAFETY: these are plain C structs; all zero is a value of each, with null pointers that `arm` replaces before use.
        let (vector, header): (libc::iovec, libc::mmsghdr) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        ReceiveBatch {
            buffers: vec![0; BATCH * STRIDE],
            names: vec![Name::empty(); BATCH],
            controls: vec![Control::EMPTY; BATCH],
            vectors: vec![vector; BATCH],
            headers: vec![header; BATCH],
            received: 0,
        }
    }

    /// Takes what has arrived, without waiting. Returns the number of messages, 0 when there is none.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.received = 0;
        self.arm();
        // SAFETY: `arm` has just pointed every header at its own live name, vector, buffer and control memory of the lengths given,
        // and nothing else touches that memory during the call.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        match check(result) {
            Ok(count) => self.received = count as usize,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(e) => return Err(e),
        }
        Ok(self.received)
    }

    fn arm(&mut self) {
        let parts = self
            .buffers
            .chunks_exact_mut(STRIDE)
            .zip(&mut self.names)
            .zip(&mut self.controls);
        for (((buffer, name), control), (vector, header)) in
            parts.zip(self.vectors.iter_mut().zip(&mut self.headers))
        {
            vector.iov_base = buffer.as_mut_ptr().cast();
            vector.iov_len = buffer.len();
            let h = &mut header.msg_hdr;
            h.msg_name = (&raw mut *name).cast();
            h.msg_namelen = Name::SIZE;
            h.msg_iov = vector;
            h.msg_iovlen = 1;
            h.msg_control = control.0.as_mut_ptr().cast();
            h.msg_controllen = Control::SIZE as _;
        }
    }

    /// What the last call took.
    pub(crate) fn messages(&mut self) -> impl Iterator<Item = Incoming<'_>> {
        let parts = self.headers[..self.received]
            .iter()
            .zip(&self.names)
            .zip(&self.controls);
        parts.zip(self.buffers.chunks_exact_mut(STRIDE)).filter_map(
            |(((header, name), control), buffer)| {
                let len = header.msg_len as usize;
                let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
                let mut incoming = Incoming {
                    remote: name.read()?,
                    local: None,
                    data: buffer.get_mut(..len)?,
                    segment_size: len,
                };
                read_control(control, header.msg_hdr.msg_controllen, &mut incoming);
                (len > 0 && !cut && incoming.segment_size > 0).then_some(incoming)
            },
        )
    }
}

/// Walks the control messages (cmsg(3)) that the kernel wrote, by offsets, so that no pointer can leave the buffer.
fn read_control(control: &Control, len: usize, incoming: &mut Incoming<'_>) {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let mut rest = &control.0[..len.min(Control::SIZE)];
    while rest.len() >= HEADER {
        // SAFETY: `rest` holds at least a whole cmsghdr, whose bytes are plain integers; unaligned reads are asked for.
        let header: libc::cmsghdr =
            unsafe { rest.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        let end = header.cmsg_len;
        let Some(data) = rest.get(HEADER..end) else {
            return;
        };
        match (header.cmsg_level, header.cmsg_type) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                if let Some(size) = data.first_chunk::<{ size_of::<c_int>() }>() {
                    incoming.segment_size =
                        usize::try_from(c_int::from_ne_bytes(*size)).unwrap_or(0);
                }
            }
            // struct in_pktinfo: interface, local address, destination address of the header
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                if let Some(ip) = data.get(8..).and_then(<[u8]>::first_chunk::<4>) {
                    incoming.local = Some(Ipv4Addr::from(*ip).into());
                }
            }
            // struct in6_pktinfo: destination address, interface
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                if let Some(ip) = data.first_chunk::<16>() {
                    incoming.local = Some(Ipv6Addr::from(*ip).into());
                }
            }
            _ => {}
        }
        rest = rest
            .get(end.next_multiple_of(size_of::<usize>())..)
            .unwrap_or_default();
    }
}
