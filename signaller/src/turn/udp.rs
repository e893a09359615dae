// SPDX-License-Identifier: MIT OR Apache-2.0
//! UDP sockets, for clients and for relays.

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

/// What the kernel may hold for a socket of clients, in bytes: their bursts come together there.
const CLIENT_BUFFER: usize = 4 << 20;

/// A socket that does many datagrams in one call.
pub(super) struct Udp {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
    state: UdpSocketState,
}

impl Udp {
    /// For clients.
    pub(super) fn listen(address: SocketAddr) -> io::Result<Udp> {
        let udp = Udp::open(address)?;
        let sock = SockRef::from(&udp.socket);
        // As much as is allowed.
        let _ = sock.set_recv_buffer_size(CLIENT_BUFFER);
        let _ = sock.set_send_buffer_size(CLIENT_BUFFER);
        Ok(udp)
    }

    /// For a relay, or clients.
    pub(super) fn open(address: SocketAddr) -> io::Result<Udp> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let socket = UdpSocket::from_std(socket.into());
        let udp = Udp {
            local: socket.local_addr()?,
            socket,
            state,
        };
        udp.set_dont_fragment(false)?;
        udp.without_timestamps()?;
        Ok(udp)
    }

    /// Sets or clears the DF bit of what is sent from now on.
    pub(super) fn set_dont_fragment(&self, on: bool) -> io::Result<()> {
        if self.local.is_ipv6() {
            let discover = if on {
                libc::IPV6_PMTUDISC_PROBE
            } else {
                libc::IPV6_PMTUDISC_DONT
            };
            set_option(
                &self.socket,
                libc::IPPROTO_IPV6,
                libc::IPV6_MTU_DISCOVER,
                discover,
            )?;
            let on = libc::c_int::from(on);
            return set_option(&self.socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, on);
        }
        let discover = if on {
            libc::IP_PMTUDISC_PROBE
        } else {
            libc::IP_PMTUDISC_DONT
        };
        set_option(
            &self.socket,
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            discover,
        )
    }

    /// Nobody looks at them, and they cost.
    fn without_timestamps(&self) -> io::Result<()> {
        set_option(&self.socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 0)
    }

    pub(super) fn receive(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> io::Result<usize> {
        self.socket.try_io(|| {
            self.state
                .recv(UdpSockRef::from(&self.socket), buffers, metas)
        })
    }

    /// Sends `contents` in segments of that size, or whole. From which of the machine's addresses, if it matters.
    pub(super) fn send(
        &self,
        destination: SocketAddr,
        src_ip: Option<IpAddr>,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination,
            ecn: None,
            contents,
            segment_size,
            src_ip,
        };
        self.socket.try_io(|| {
            self.state
                .try_send(UdpSockRef::from(&self.socket), &transmit)
        })
    }

    /// How many segments one call may send.
    pub(super) fn segments(&self) -> usize {
        self.state.max_gso_segments()
    }
}

fn set_option(
    socket: &impl AsRawFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the value lives through the call, with its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
