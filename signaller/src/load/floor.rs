// SPDX-License-Identifier: MIT OR Apache-2.0
//! The floor: what it costs at least to send a packet of media, one seal and one system call.
//!
//! Every server pays this; what it pays above is its own. On loopback the sender also pays for the receiving side of the kernel, here as
//! in a server.

use super::process::Usage;
use super::sys;
use gst_rtc_core::srtp::{MasterKey, SRTP_OVERHEAD, Sealer, SrtpProfile};
use mio::net::UdpSocket as MioSocket;
use mio::{Events, Interest, Poll, Token};
use serde::Serialize;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Length of the plain packet, and of its header, in bytes.
const PACKET: usize = 1200;
const HEADER: usize = 12;
/// Segments of one call with GSO: a frame of 1.5 Mbit/s.
const SEGMENTS: usize = 5;
/// How long one way of sending is measured, and how often; the median counts.
const ROUND: Duration = Duration::from_millis(300);
const ROUNDS: usize = 5;

/// What a packet costs at least, in microseconds of CPU time.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Floor {
    /// One AES-128-GCM seal.
    pub seal: f64,
    /// One seal and one `sendto`: the floor.
    pub sendto: f64,
    /// The same in user mode only.
    pub sendto_user: f64,
    /// One seal, and a fifth of a `sendto` that the kernel cuts into five (UDP GSO).
    pub gso: f64,
    /// Share of the packets that were received, 0 to 1. A packet that is dropped costs less.
    pub received: f64,
}

/// Measures on `cpu`, towards so many receivers that run on other CPUs.
///
/// # Errors
/// When the system has no sockets or threads left.
pub fn measure(cpu: usize, others: &[usize], receivers: usize) -> io::Result<Floor> {
    let drain = Drain::start(others.to_vec(), receivers)?;
    let addresses = drain.addresses.clone();
    let sender = std::thread::Builder::new()
        .name("load-floor".to_owned())
        .spawn(move || {
            sys::pin(0, &[cpu])?;
            let (mut plain, mut cut) = (Sending::new(1)?, Sending::new(SEGMENTS)?);
            let seal = median(|| plain.seal_only())?;
            let sendto = median(|| plain.send(&addresses))?;
            let gso = median(|| cut.send(&addresses))?;
            io::Result::Ok((seal, sendto, gso, plain.sent + cut.sent))
        })?;
    let (seal, sendto, gso, sent) = sender.join().expect("the thread does not panic")?;
    let received = drain.stop() as f64 / sent.max(1) as f64;
    Ok(Floor {
        seal: seal.0,
        sendto: sendto.0,
        sendto_user: sendto.1,
        gso: gso.0,
        received,
    })
}

/// Microseconds per packet: all, and in user mode.
type Cost = (f64, f64);

fn median(mut round: impl FnMut() -> io::Result<Cost>) -> io::Result<Cost> {
    let mut costs = (0..ROUNDS)
        .map(|_| round())
        .collect::<io::Result<Vec<_>>>()?;
    costs.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The kernel tells user from system time by samples, too few in one round.
    let user = costs.iter().map(|cost| cost.1).sum::<f64>() / ROUNDS as f64;
    Ok((costs[ROUNDS / 2].0, user))
}

/// The sending side.
struct Sending {
    socket: UdpSocket,
    sealer: Sealer,
    /// Packets side by side, each with room for its tag.
    buffer: Vec<u8>,
    index: u64,
    sent: u64,
}

impl Sending {
    fn new(segments: usize) -> io::Result<Sending> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        if segments > 1 {
            sys::cut_into(socket.as_fd(), (PACKET + SRTP_OVERHEAD) as u16)?;
        }
        let profile = SrtpProfile::AeadAes128Gcm;
        let (key, salt) = (vec![1; profile.key_len()], vec![2; profile.salt_len()]);
        let sealer = Sealer::new(
            profile,
            MasterKey {
                key: &key,
                salt: &salt,
            },
        )
        .map_err(io::Error::other)?;
        let mut buffer = vec![0; segments * (PACKET + SRTP_OVERHEAD)];
        buffer
            .chunks_mut(PACKET + SRTP_OVERHEAD)
            .for_each(|packet| packet[0] = 0x80);
        Ok(Sending {
            socket,
            sealer,
            buffer,
            index: 0,
            sent: 0,
        })
    }

    fn seal(&mut self) {
        for packet in self.buffer.chunks_mut(PACKET + SRTP_OVERHEAD) {
            self.index += 1;
            self.sealer.seal_rtp(packet, HEADER, PACKET, self.index);
        }
    }

    fn seal_only(&mut self) -> io::Result<Cost> {
        cost(|| {
            self.seal();
            1
        })
    }

    fn send(&mut self, receivers: &[SocketAddr]) -> io::Result<Cost> {
        let segments = self.buffer.len() / (PACKET + SRTP_OVERHEAD);
        let mut next = receivers.iter().cycle();
        cost(|| {
            self.seal();
            if let Some(receiver) = next.next() {
                // What is dropped shows in the share received.
                let _ = self.socket.send_to(&self.buffer, receiver);
            }
            self.sent += segments as u64;
            segments
        })
    }
}

/// Repeats `work`, which says how many packets it did, for the time of one round.
fn cost(mut work: impl FnMut() -> usize) -> io::Result<Cost> {
    let (began, before) = (Instant::now(), Usage::of_this_thread()?);
    let mut packets = 0;
    while began.elapsed() < ROUND {
        packets += (0..100).map(|_| work()).sum::<usize>();
    }
    let used = Usage::of_this_thread()?.since(before);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / packets as f64;
    Ok((each(used.cpu), each(used.user_time())))
}

/// The receiving side: a thread that takes whatever comes.
struct Drain {
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Drain {
    fn start(cpus: Vec<usize>, receivers: usize) -> io::Result<Drain> {
        let mut poll = Poll::new()?;
        let mut sockets = Vec::new();
        for index in 0..receivers {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
            socket.set_nonblocking(true)?;
            let mut socket = MioSocket::from_std(socket);
            poll.registry()
                .register(&mut socket, Token(index), Interest::READABLE)?;
            sockets.push(socket);
        }
        let addresses = sockets
            .iter()
            .map(MioSocket::local_addr)
            .collect::<io::Result<_>>()?;
        let (stop, received) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopping, counter) = (stop.clone(), received.clone());
        let thread = std::thread::Builder::new()
            .name("load-drain".to_owned())
            .spawn(move || {
                let _ = sys::pin(0, &cpus);
                let mut events = Events::with_capacity(256);
                let mut buffer = [0; 2048];
                while !stopping.load(Ordering::Relaxed) {
                    let _ = poll.poll(&mut events, Some(Duration::from_millis(10)));
                    for event in &events {
                        while sockets[event.token().0].recv(&mut buffer).is_ok() {
                            counter.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })?;
        Ok(Drain {
            addresses,
            stop,
            received,
            thread,
        })
    }

    /// How many packets came.
    fn stop(self) -> u64 {
        // What is still in the buffers counts too.
        std::thread::sleep(Duration::from_millis(100));
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        self.received.load(Ordering::Relaxed)
    }
}
