// SPDX-License-Identifier: MIT OR Apache-2.0
//! One UDP socket of a worker: receives in batches, sends in batches, and knows what to do when the system refuses.

#[cfg(test)]
mod tests;

use super::sys::{Outgoing, ReceiveBatch, SendBatch, set_option};
use gst_rtc_core::arena::Run;
use gst_rtc_core::media::{Path, Proto};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::ops::AddAssign;
use std::os::fd::{AsFd, BorrowedFd};

/// Socket buffers asked for, in bytes: a burst of keyframes to many peers must fit. The system may give less.
const SOCKET_BUFFER: usize = 4 << 20;
/// Bytes kept for a socket whose buffer is full. What exceeds them is dropped: late media is worth nothing.
const LATE_BYTES: usize = 1 << 20;
/// How often one message is tried again after an error that says nothing about it.
const ATTEMPTS: u32 = 3;

/// Counters of one socket, from its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UdpCounters {
    pub(crate) datagrams_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) receive_calls: u64,
    pub(crate) datagrams_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) send_calls: u64,
    /// Dropped because the socket stayed full.
    pub(crate) dropped: u64,
    /// Refused by the system.
    pub(crate) errors: u64,
}

impl AddAssign for UdpCounters {
    fn add_assign(&mut self, other: UdpCounters) {
        self.datagrams_received += other.datagrams_received;
        self.bytes_received += other.bytes_received;
        self.receive_calls += other.receive_calls;
        self.datagrams_sent += other.datagrams_sent;
        self.bytes_sent += other.bytes_sent;
        self.send_calls += other.send_calls;
        self.dropped += other.dropped;
        self.errors += other.errors;
    }
}

/// A bound, non-blocking socket.
#[derive(Debug)]
pub(crate) struct UdpSocket {
    socket: StdUdpSocket,
    local: SocketAddr,
    segmentation: bool,
    late: VecDeque<Late>,
    late_bytes: usize,
    counters: UdpCounters,
}

/// A copy of a message that the socket had no room for.
#[derive(Debug)]
struct Late {
    remote: SocketAddr,
    source: Option<IpAddr>,
    bytes: Box<[u8]>,
    segment_size: usize,
}

/// What follows from an error of the send call.
enum Verdict {
    /// The socket is full: keep it until there is room.
    Keep,
    /// The system does not take several datagrams at once: give it one at a time.
    Cut,
    /// Nothing to do with this message: try it again.
    Again,
    /// This message cannot be sent.
    Skip,
}

impl UdpSocket {
    /// Binds to `address`; port 0 lets the system choose. An IPv6 socket takes no IPv4 traffic.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM.nonblocking(),
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        if address.ip().is_unspecified() {
            ask_for_destination(&socket, address)?;
        }
        enlarge_buffers(&socket);
        // Both are refused by kernels that do not know them (before 5.0 and 4.18), which is all there is to say.
        let _ = set_option(socket.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
        let segmentation = set_option(socket.as_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        let socket = StdUdpSocket::from(socket);
        let local = socket.local_addr()?;
        let counters = UdpCounters::default();
        Ok(UdpSocket {
            socket,
            local,
            segmentation,
            late: VecDeque::new(),
            late_bytes: 0,
            counters,
        })
    }

    /// Sockets of the same hosts and families as `addresses`, each with a port that the system chooses.
    pub(crate) fn bind_like(addresses: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
        let hosts: BTreeSet<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
        let fresh = hosts.into_iter().map(|ip| SocketAddr::new(ip, 0));
        fresh.map(UdpSocket::bind).collect()
    }

    /// The address bound to, with the port that the system chose.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn counters(&self) -> UdpCounters {
        self.counters
    }

    /// The system takes several datagrams in one message (UDP GSO).
    pub(crate) fn segmentation(&self) -> bool {
        self.segmentation
    }

    /// Takes one batch of what has arrived and hands out the datagrams. Returns the number of messages: less than a full batch
    /// means that nothing is left.
    pub(crate) fn receive(
        &mut self,
        batch: &mut ReceiveBatch,
        mut each: impl FnMut(Path, &mut [u8]),
    ) -> io::Result<usize> {
        let count = batch.receive(self.socket.as_fd())?;
        self.counters.receive_calls += u64::from(count > 0);
        for message in batch.messages() {
            let local =
                SocketAddr::new(message.local.unwrap_or(self.local.ip()), self.local.port());
            let path = Path {
                proto: Proto::Udp,
                local,
                remote: message.remote,
            };
            self.counters.bytes_received += message.data.len() as u64;
            for datagram in message.data.chunks_mut(message.segment_size) {
                self.counters.datagrams_received += 1;
                each(path, datagram);
            }
        }
        Ok(count)
    }

    /// Sends runs in their order.
    pub(crate) fn send<'a>(&mut self, batch: &mut SendBatch, runs: impl Iterator<Item = Run<'a>>) {
        let mut messages = Messages::default();
        for run in runs {
            let source = self
                .local
                .ip()
                .is_unspecified()
                .then(|| run.path.local.ip());
            let whole = Outgoing {
                remote: run.path.remote,
                source,
                bytes: run.bytes,
                segment_size: run.segment_size,
            };
            if self.segmentation || !whole.is_segmented() {
                messages.push(whole, |full| self.send_all(batch, full));
                continue;
            }
            for datagram in cut(whole) {
                messages.push(datagram, |full| self.send_all(batch, full));
            }
        }
        self.send_all(batch, messages.as_slice());
    }

    /// True while something waits for room: then [`UdpSocket::send_late`] is to be called when the socket is writable.
    pub(crate) fn is_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// Sends what had to wait, as far as there is room.
    pub(crate) fn send_late(&mut self, batch: &mut SendBatch) {
        while let Some(late) = self.late.pop_front() {
            self.late_bytes -= late.bytes.len();
            let before = self.late.len();
            let message = late.outgoing();
            self.send_now(batch, &[message]);
            if self.late.len() > before {
                // Full again: what came back is the newest entry, but it is the oldest datagram.
                self.late.rotate_right(self.late.len() - before);
                return;
            }
        }
    }

    fn send_all(&mut self, batch: &mut SendBatch, messages: &[Outgoing<'_>]) {
        if self.late.is_empty() {
            self.send_now(batch, messages);
        } else {
            messages.iter().for_each(|m| self.keep(m));
        }
    }

    fn send_now(&mut self, batch: &mut SendBatch, mut messages: &[Outgoing<'_>]) {
        let mut attempts = 0;
        while let Some(first) = messages.first() {
            let error = match batch.send(self.socket.as_fd(), messages) {
                Ok(sent) => {
                    let (done, rest) = messages.split_at(sent.clamp(1, messages.len()));
                    self.count_sent(done);
                    messages = rest;
                    attempts = 0;
                    continue;
                }
                Err(error) => error,
            };
            attempts += 1;
            match self.judge(&error, first, attempts) {
                Verdict::Again => continue,
                Verdict::Keep => return messages.iter().for_each(|m| self.keep(m)),
                Verdict::Cut => self.send_cut(batch, *first),
                Verdict::Skip => self.counters.errors += first.count() as u64,
            }
            messages = &messages[1..];
            attempts = 0;
        }
    }

    fn judge(&mut self, error: &io::Error, message: &Outgoing<'_>, attempts: u32) -> Verdict {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Verdict::Keep,
            // An ICMP answer to an earlier datagram, reported here; or a signal.
            Some(libc::ECONNREFUSED | libc::EINTR) if attempts < ATTEMPTS => Verdict::Again,
            // The device cannot checksum or cut: no use to try again.
            Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP) if message.is_segmented() => {
                self.segmentation = false;
                Verdict::Cut
            }
            // Larger than this path's MTU: single datagrams can be fragmented, runs cannot.
            Some(libc::EMSGSIZE) if message.is_segmented() => Verdict::Cut,
            _ => Verdict::Skip,
        }
    }

    fn send_cut(&mut self, batch: &mut SendBatch, message: Outgoing<'_>) {
        let mut messages = Messages::default();
        for datagram in cut(message) {
            messages.push(datagram, |full| self.send_all(batch, full));
        }
        self.send_all(batch, messages.as_slice());
    }

    fn keep(&mut self, message: &Outgoing<'_>) {
        if self.late_bytes + message.bytes.len() > LATE_BYTES {
            self.counters.dropped += message.count() as u64;
            return;
        }
        self.late_bytes += message.bytes.len();
        self.late.push_back(Late {
            remote: message.remote,
            source: message.source,
            bytes: message.bytes.into(),
            segment_size: message.segment_size,
        });
    }

    fn count_sent(&mut self, messages: &[Outgoing<'_>]) {
        self.counters.send_calls += 1;
        for message in messages {
            self.counters.datagrams_sent += message.count() as u64;
            self.counters.bytes_sent += message.bytes.len() as u64;
        }
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Late {
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            remote: self.remote,
            source: self.source,
            bytes: &self.bytes,
            segment_size: self.segment_size,
        }
    }
}

/// Messages on their way into one call, without an allocation.
struct Messages<'a> {
    list: [Outgoing<'a>; SendBatch::SIZE],
    count: usize,
}

impl<'a> Messages<'a> {
    fn push(&mut self, message: Outgoing<'a>, mut flush: impl FnMut(&[Outgoing<'a>])) {
        if self.count == self.list.len() {
            flush(&self.list);
            self.count = 0;
        }
        self.list[self.count] = message;
        self.count += 1;
    }

    fn as_slice(&self) -> &[Outgoing<'a>] {
        &self.list[..self.count]
    }
}

impl Default for Messages<'_> {
    fn default() -> Self {
        let none = Outgoing {
            remote: ([0; 4], 0).into(),
            source: None,
            bytes: &[],
            segment_size: 0,
        };
        Messages {
            list: [none; SendBatch::SIZE],
            count: 0,
        }
    }
}

/// The datagrams of a run, each as a message of its own.
fn cut(run: Outgoing<'_>) -> impl Iterator<Item = Outgoing<'_>> {
    run.bytes
        .chunks(run.segment_size)
        .map(move |bytes| Outgoing {
            bytes,
            segment_size: bytes.len(),
            ..run
        })
}

/// Bound to no address in particular, the socket must tell to which one a datagram came: it is answered from there, or ICE would see
/// an answer from a stranger (RFC 8445 §7.2.5.2.1).
fn ask_for_destination(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        SocketAddr::V6(_) => set_option(
            socket.as_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_RECVPKTINFO,
            1,
        ),
    }
}

/// The forced size needs a privilege; without it the system's limits (`net.core.rmem_max`, `wmem_max`) apply.
fn enlarge_buffers(socket: &Socket) {
    let size = SOCKET_BUFFER as libc::c_int;
    if set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, size).is_err() {
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    }
    if set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, size).is_err() {
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    }
}
