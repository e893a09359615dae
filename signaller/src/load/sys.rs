// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Linux offers and the standard library does not: receive times, segmentation, scheduling. All `unsafe` of the load tester.

use socket2::SockAddr;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// A datagram that was received.
pub(super) struct Received {
    pub(super) len: usize,
    pub(super) remote: SocketAddr,
    /// When the kernel received it, since the beginning of 1970.
    pub(super) at: Option<Duration>,
}

/// Room for the control message with the receive time.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Asks for [`Received::at`].
pub(super) fn ask_for_receive_times(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// From now on the kernel cuts what is sent into datagrams of `size` bytes (UDP GSO).
pub(super) fn cut_into(socket: BorrowedFd<'_>, size: u16) -> io::Result<()> {
    set_option(
        socket,
        libc::SOL_UDP,
        libc::UDP_SEGMENT,
        libc::c_int::from(size),
    )
}

fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the value lives through the call, and its size is the one given.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size,
        )
    })
    .map(drop)
}

/// Takes one datagram without waiting.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; 64]);
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: a plain C struct, of which all zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    // SAFETY: name, vector, buffer and control memory live through the call and have the lengths given; `try_init` passes storage of
    // `length` bytes, and the kernel says how many of them it wrote.
    let (len, name) = unsafe {
        SockAddr::try_init(|storage, length| {
            header.msg_name = storage.cast();
            header.msg_namelen = *length;
            let len = libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT);
            *length = header.msg_namelen;
            if len < 0 {
                Err(io::Error::last_os_error())
            } else {
                Ok(len as usize)
            }
        })?
    };
    let remote = name
        .as_socket()
        .ok_or_else(|| io::Error::other("a datagram without a sender"))?;
    let at = receive_time(&control, header.msg_controllen as usize);
    Ok(Received { len, remote, at })
}

/// The only control message asked for is a `struct timespec` (cmsg(3), socket(7)).
fn receive_time(control: &Control, len: usize) -> Option<Duration> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let bytes = control
        .0
        .get(HEADER..HEADER + size_of::<libc::timespec>())?;
    if len < HEADER + bytes.len() {
        return None;
    }
    // SAFETY: `bytes` has the size of a timespec, whose fields are plain integers; an unaligned read is asked for.
    let time = unsafe { bytes.as_ptr().cast::<libc::timespec>().read_unaligned() };
    Some(Duration::new(
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    ))
}

/// Lets a thread run on these CPUs only. Thread 0 is the calling one.
pub(super) fn pin(thread: i32, cpus: &[usize]) -> io::Result<()> {
    // SAFETY: a plain bit set, of which all zero is the empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus.iter().filter(|cpu| **cpu < libc::CPU_SETSIZE as usize) {
        // SAFETY: the index is within the set.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: the set lives through the call, and its size is the one given.
    check(unsafe { libc::sched_setaffinity(thread, size_of_val(&set), &raw const set) }).map(drop)
}

/// From now on the calling thread runs only where nobody else wants to (`SCHED_IDLE`).
pub(super) fn run_when_idle() -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter lives through the call; thread 0 is the calling one.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameter) }).map(drop)
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn datagrams_come_with_their_sender_and_receive_time() {
        let (from, to) = (
            UdpSocket::bind("127.0.0.1:0").expect("a socket"),
            UdpSocket::bind("127.0.0.1:0").expect("a socket"),
        );
        ask_for_receive_times(to.as_fd()).expect("the kernel knows the option");
        from.send_to(b"hello", to.local_addr().expect("bound"))
            .expect("sent");
        let mut buffer = [0; 100];
        let received = receive(to.as_fd(), &mut buffer).expect("received");
        assert_eq!(
            (&buffer[..received.len], received.remote),
            (&b"hello"[..], from.local_addr().expect("bound"))
        );
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let age = now
            .checked_sub(received.at.expect("a time"))
            .expect("in the past");
        assert!(age < Duration::from_secs(5), "{age:?}");
    }
}
