// SPDX-License-Identifier: MIT OR Apache-2.0
//! A relay on a TURN server, held as long as it is wanted (RFC 8656, the client's side).
//!
//! The protocol is `turn-client-proto`'s: authentication, permissions, channels and the refreshing
//! of all of them. Here are the socket, the thread, TLS, and what a call needs beyond the
//! protocol: an allocation that is lost is noticed and replaced, with all its permissions.
//! What is relayed is UDP; TCP allocations (RFC 6062) and DTLS to the server are left out.

mod allocation;
mod framing;
mod handle;
mod link;
mod liveness;
mod peers;
mod runner;
mod shared;
mod stream;

pub use handle::TurnRelay;
pub use stream::Tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as Clock};

use mio::{Poll, Waker};
use thiserror::Error;

use crate::inbox::Inbox;
use crate::uri::{TurnUri, UriError};
use runner::Runner;
use shared::Shared;

/// Life-time of the allocation that is asked for, in seconds.
const LIFETIME: u32 = 1800;

/// How a [`Relay`] is to be.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// The server, and who we are to it.
    pub server: TurnUri,
    /// Local address; unspecified means all of its family.
    pub address: IpAddr,
    /// Local port; 0 means any that is free. Each allocation after the first takes any.
    pub port: u16,
    /// Size of the kernel's receive buffer in bytes; 0 leaves the system's. UDP only.
    pub buffer_size: usize,
    /// How long to try for the first allocation.
    pub timeout: Duration,
    /// After how long a silence the server is asked whether the allocation is still there. UDP only.
    pub keepalive: Duration,
    /// Whether to bind a channel for each peer, which saves 32 bytes a packet.
    pub channels: bool,
    /// File with certificates to trust besides the system's.
    pub tls_ca_file: Option<std::path::PathBuf>,
    /// Whether to check the server's certificate.
    pub tls_verify: bool,
    /// Addresses, or addresses with ports, whose packets are to pass.
    pub permissions: Vec<Permission>,
}

/// Whose packets are to pass: all of an address, whose port gets a channel if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The address.
    pub ip: IpAddr,
    /// The port, where it is known.
    pub port: Option<u16>,
}

/// What the owner of a [`Relay`] is told, on its thread.
#[derive(Debug)]
pub enum RelayEvent {
    /// There is an allocation, the first or another than before.
    Allocated(SocketAddr),
    /// It was lost, another is being asked for.
    Lost(SocketAddr),
    /// The server lets no packets of this address pass.
    Refused(IpAddr),
    /// There is none and will be none; the thread has ended.
    Failed(RelayError),
}

/// Why there is no relay.
#[derive(Clone, Debug, Error)]
pub enum RelayError {
    /// The URI is none.
    #[error("{0}")]
    Uri(#[from] UriError),
    /// The name of the server has no address.
    #[error("cannot find {server}: {reason}; check the name, or write its address")]
    Name {
        /// The server as it was given.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// No connection to the server.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The server as it was given.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// The server is silent.
    #[error(
        "{0} does not answer; check the address, and whether the network lets this transport through (?transport=tcp, turns://)"
    )]
    Silent(String),
    /// The server knows no such user, or another password.
    #[error(
        "{server} refuses user \"{user}\" ({code} {reason}); check user name and password, and that a : in the user name is written %3A"
    )]
    Credentials {
        /// The server as it was given.
        server: String,
        /// The name of the user.
        user: String,
        /// Error code of RFC 8489 §14.8.
        code: u16,
        /// The server's words.
        reason: String,
    },
    /// The server has no relay for us.
    #[error("{server} gives no relay: {code} {reason}")]
    Server {
        /// The server as it was given.
        server: String,
        /// Error code of RFC 8656 §18.1 or RFC 8489 §14.8.
        code: u16,
        /// The server's words.
        reason: String,
    },
    /// This system does not do it.
    #[error("cannot open a socket: {0}")]
    System(String),
}

impl RelayError {
    /// Whether trying again is of no use.
    fn is_final(&self) -> bool {
        match self {
            RelayError::Credentials { .. } | RelayError::Uri(_) | RelayError::System(_) => true,
            // 403 Forbidden, 420 Unknown Attribute, 442 Unsupported Transport Protocol
            RelayError::Server { code, .. } => matches!(code, 403 | 420 | 440 | 442),
            _ => false,
        }
    }
}

/// Whether a datagram went to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It did.
    Now,
    /// It will, once its permission is there.
    Soon,
    /// It did not: there is no allocation, no permission, or no room.
    No,
}

/// A relay that is held, by a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts to ask for one, on a thread that fills `inbox` and calls `tell`.
    ///
    /// # Errors
    /// The system has no more descriptors or threads.
    pub fn open(
        settings: RelaySettings,
        inbox: Arc<Inbox>,
        tell: impl FnMut(RelayEvent) + Send + 'static,
    ) -> io::Result<Relay> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), runner::WAKE)?;
        let shared = Arc::new(Shared::new(waker, settings.channels, Clock::now()));
        shared.want(&settings.permissions);
        let mut runner = Runner::new(settings, poll, shared.clone(), inbox, Box::new(tell));
        let thread = thread::Builder::new()
            .name("turn-relay".into())
            .spawn(move || runner.run())?;
        Ok(Relay {
            shared,
            thread: Some(thread),
        })
    }

    /// The address that peers send to, once there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.shared.address()
    }

    /// Lets packets of these pass as well.
    pub fn permit(&self, permissions: &[Permission]) {
        self.shared.want(permissions);
        self.shared.wake();
    }

    /// Sends a datagram to a peer, whose packets may pass from then on.
    pub fn send(&self, to: SocketAddr, data: &[u8]) -> Sent {
        self.shared.send(to, data)
    }

    /// Waits for an allocation; false if there will be none, or `interrupted` is set.
    pub fn wait(&self, interrupted: &AtomicBool) -> bool {
        self.shared.wait(interrupted)
    }

    /// Lets those who [`wait`](Self::wait) look at what interrupts them.
    pub fn notify(&self) {
        self.shared.notify();
    }

    /// What was sent so far.
    pub fn counts(&self) -> SendCounts {
        self.shared.counts()
    }
}

/// What a [`Relay`] sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCounts {
    /// Datagrams that went to the server.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Datagrams that did not.
    pub dropped: u64,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.wake();
        // Whoever lets go of it on its own thread cannot wait for that thread.
        let thread = self.thread.take();
        if let Some(thread) = thread.filter(|t| t.thread().id() != thread::current().id()) {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}
