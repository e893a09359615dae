// SPDX-License-Identifier: MIT OR Apache-2.0
//! Room for what comes in at once.

use super::udp::Udp;
use quinn_udp::{BATCH_SIZE, RecvMeta};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

/// What the kernel may put together into one buffer (GRO).
const BUFFER: usize = 64 * 1024;

/// Buffers for one call, shared by all sockets. The default has none.
#[derive(Default)]
pub(super) struct Batch {
    memory: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    received: usize,
}

/// One datagram.
pub(super) struct Datagram<'a> {
    pub(super) from: SocketAddr,
    /// The address of this machine that it came to.
    pub(super) to: Option<IpAddr>,
    pub(super) data: &'a [u8],
}

impl Batch {
    pub(super) fn new() -> Batch {
        Batch {
            memory: vec![0; BUFFER * BATCH_SIZE],
            metas: [RecvMeta::default(); BATCH_SIZE],
            received: 0,
        }
    }

    /// Receives into at most `buffers` of them. True when the socket may have more.
    pub(super) fn receive(&mut self, udp: &Udp, buffers: usize) -> io::Result<bool> {
        let buffers = buffers.min(BATCH_SIZE);
        let mut slices = self.memory.chunks_exact_mut(BUFFER).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| slices.next().expect("the memory holds as many"));
        self.received = 0;
        self.received = udp.receive(&mut slices[..buffers], &mut self.metas[..buffers])?;
        Ok(self.received == buffers)
    }

    /// What was received.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let whole = self.metas[..self.received]
            .iter()
            .zip(self.memory.chunks_exact(BUFFER));
        whole.flat_map(|(meta, buffer)| {
            let one = |data| Datagram {
                from: plain(meta.addr),
                to: meta.dst_ip,
                data,
            };
            buffer[..meta.len].chunks(meta.stride.max(1)).map(one)
        })
    }
}

/// An address without the scope and flow that two packets of one sender may not share.
fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if !v6.ip().is_unicast_link_local() => {
            SocketAddr::new(IpAddr::V6(*v6.ip()), v6.port())
        }
        other => other,
    }
}
