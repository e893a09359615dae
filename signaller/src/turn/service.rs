// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts the server's thread, and talks to it.

use super::access::Access;
use super::config::TurnConfig;
use super::error::TurnError;
use super::sockets::{Sockets, default_route, families, own_addresses, relay_addresses};
use super::token::Source;
use super::worker::{Command, Worker};
use gst_rtc_core::turn::{Config, Credentials, PeerFilter, Stats};
use mio::{Poll, Waker};
use rand::{Rng, rng};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Bytes of a secret that the server makes for itself.
const SECRET: usize = 32;

/// A STUN and TURN server that runs. It ends when dropped.
#[derive(Debug)]
pub struct TurnServer {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    access: Access,
    handle: TurnHandle,
    thread: Option<JoinHandle<()>>,
}

/// A line to the server's thread.
#[derive(Clone, Debug)]
pub struct TurnHandle {
    commands: mpsc::Sender<Command>,
    waker: Arc<Waker>,
    lifetime: Duration,
}

impl TurnServer {
    /// Listens and serves, on a thread of its own.
    ///
    /// # Errors
    /// [`TurnError`], when an address cannot be had or the configuration contradicts itself.
    pub fn start(config: TurnConfig) -> Result<TurnServer, TurnError> {
        let sockets = Sockets::open(&config)?;
        let address = sockets.address;
        let relays = relay_addresses(&config);
        let secret = config.secret.clone().unwrap_or_else(random_secret);
        if secret.is_empty() {
            let text = "the shared secret is empty; set one that nobody can guess";
            return Err(TurnError::Config(text.to_owned()));
        }
        let core = Config {
            credentials: Credentials {
                secret: Some(secret.as_bytes().to_vec()),
                users: passwords(&config),
            },
            peers: PeerFilter {
                allow: config.allow.clone(),
                deny: config.deny.clone(),
                own: own_addresses(&relays)?,
            },
            families: families(&relays),
            limits: config.limits,
            old_channels: config.old_channels,
            discovery: sockets.discovery,
        };
        let tls_address = sockets.tls_address;
        let host = told_host(&config, address);
        let access = Access {
            urls: urls(&host, address.port(), tls_address.map(|tls| tls.port())),
            secret,
            lifetime: config.credential_lifetime,
        };
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Source::Waker.token())?);
        let (commands, inbox) = mpsc::channel();
        let mut seed = [0; 32];
        rng().fill_bytes(&mut seed);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix = unix.unwrap_or_default();
        let server = gst_rtc_core::turn::Server::new(Instant::now(), unix, core, seed);
        let worker = Worker::new(poll, inbox, server, sockets, relays, config.relay_ports)?;
        let thread = std::thread::Builder::new()
            .name("turn".to_owned())
            .spawn(move || worker.run())?;
        Ok(TurnServer {
            address,
            tls_address,
            handle: TurnHandle {
                commands,
                waker,
                lifetime: access.lifetime,
            },
            access,
            thread: Some(thread),
        })
    }

    /// Where it listens, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens by TLS and DTLS, if it does.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Makes credentials.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// A line to it, to keep.
    pub fn handle(&self) -> &TurnHandle {
        &self.handle
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        self.handle.tell(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl TurnHandle {
    /// Ends the relays of a user whom [`Access::for_user`] made credentials for, and those are good no more.
    pub fn revoke(&self, user: &str) {
        self.tell(Command::Revoke {
            user: user.to_owned(),
            duration: self.lifetime,
        });
    }

    /// What has been counted; `None` when the server has ended.
    pub async fn stats(&self) -> Option<Stats> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::Stats(reply));
        answer.await.ok()
    }

    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
        let _: io::Result<()> = self.waker.wake();
    }
}

fn random_secret() -> crate::protocol::Secret {
    let mut bytes = [0; SECRET];
    rng().fill_bytes(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.into()
}

fn passwords(config: &TurnConfig) -> std::collections::HashMap<String, String> {
    let users = config.users.iter();
    users
        .map(|(name, password)| (name.clone(), password.to_string()))
        .collect()
}

/// What clients are told.
fn told_host(config: &TurnConfig, listens: SocketAddr) -> String {
    if let Some(host) = &config.public_address {
        return match host.parse::<IpAddr>() {
            Ok(ip) => bracketed(ip),
            Err(_) => host.clone(),
        };
    }
    let ip = match listens.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => default_route(false).unwrap_or(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => default_route(true).unwrap_or(Ipv6Addr::LOCALHOST.into()),
    };
    bracketed(ip)
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// DTLS is not among them, though it is served: of `turns:…?transport=udp`, Chromium makes TLS by TCP once more, Firefox and
/// libnice make nothing.
fn urls(host: &str, port: u16, tls: Option<u16>) -> Vec<String> {
    let plain = ["udp", "tcp"].map(|by| format!("turn:{host}:{port}?transport={by}"));
    let tls = tls.map(|port| format!("turns:{host}:{port}?transport=tcp"));
    plain.into_iter().chain(tls).collect()
}
