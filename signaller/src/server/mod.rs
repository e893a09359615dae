// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server: sockets around [`crate::rooms`].
//!
//! One task owns the rooms (`switchboard`); every connection is a task of its own that talks to it through bounded
//! channels, so nobody who reads slowly or sends much holds up the others.

mod accept;
mod admin;
mod metrics;
mod origin;
mod page;
mod reply;
mod router;
mod switchboard;
mod trickle;
mod whip;
mod ws;

pub use origin::AllowedOrigins;

use crate::protocol::Secret;
use crate::rooms::{HttpReply, HttpRequest, Settings};
use crate::turn::{TurnConfig, TurnError, TurnServer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use switchboard::Switchboard;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// How long open connections have to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Most WebSockets at once.
const SOCKETS: u32 = 20_000;
/// How often to look whether a media node has come.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a server needs to know.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen for HTTP and WebSocket. Default: `127.0.0.1:8080`. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Web origins other than the server's own whose pages may use it. Default: none.
    pub allowed_origins: AllowedOrigins,
    /// Who knows it may remove participants from rooms: the bearer token of administrators, 16 bytes or more. Default: none,
    /// which makes nobody an administrator.
    pub admin_secret: Option<Secret>,
    /// Rooms.
    pub rooms: Settings,
    /// The STUN and TURN server beside it; its credentials go to every participant. Default: none.
    pub turn: Option<TurnConfig>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allowed_origins: AllowedOrigins::default(),
            admin_secret: None,
            rooms: Settings::default(),
            turn: None,
        }
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}. {}", remedy(.error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The administrator's secret can be guessed.
    #[error(
        "the administrator's secret has less than {} bytes; make a longer one, as by: openssl rand -hex 16",
        admin::SHORTEST
    )]
    AdminSecret,
    /// The STUN and TURN server does not start.
    #[error(transparent)]
    Turn(#[from] TurnError),
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "Another program has that port: end it, or choose another address with --listen (port 0 takes a free one)."
        }
        std::io::ErrorKind::PermissionDenied => {
            "Ports below 1024 need privileges: choose a higher port with --listen."
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: choose one of its own, or 0.0.0.0 for all, with --listen."
        }
        _ => "Choose another address with --listen.",
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    switchboard: Switchboard,
    /// One permit for each WebSocket there may be; all are free when all are closed.
    sockets: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    rooms: JoinHandle<()>,
    turn: Option<TurnServer>,
}

impl Server {
    /// Listens and serves, on tasks of the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] when an address cannot be had, or a secret is too short.
    pub async fn start(mut config: ServerConfig) -> Result<Server, StartError> {
        let secret = config.admin_secret.as_ref();
        if secret.is_some_and(|secret| secret.len() < admin::SHORTEST) {
            return Err(StartError::AdminSecret);
        }
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.map_err(|error| StartError::Listen {
            address: config.listen,
            error,
        })?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let (stop, stopped) = watch::channel(false);
        let turn = config.turn.take().map(TurnServer::start).transpose()?;
        let relays = turn.as_ref().map(|turn| turn.handle().clone());
        config.rooms.relay = turn.as_ref().map(|turn| turn.access().clone());
        let (switchboard, rooms) = Switchboard::start(config.rooms.clone(), relays.clone());
        let sockets = Arc::new(Semaphore::new(SOCKETS as usize));
        let service = router::router(router::App::new(
            switchboard.clone(),
            sockets.clone(),
            &config,
            relays,
        ));
        let accepting = tokio::spawn(accept::accept(listener, service, stopped));
        Ok(Server {
            address,
            switchboard,
            sockets,
            stop,
            accepting,
            rooms: tokio::spawn(rooms),
            turn,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where STUN and TURN are, if they are, by UDP and TCP.
    pub fn turn_address(&self) -> Option<SocketAddr> {
        self.turn.as_ref().map(TurnServer::address)
    }

    /// Where they are by TLS, if they are.
    pub fn turn_tls_address(&self) -> Option<SocketAddr> {
        self.turn.as_ref().and_then(TurnServer::tls_address)
    }

    /// Returns when a media node is connected.
    pub async fn wait_for_node(&self) {
        while self.switchboard.ask(HttpRequest::Nodes).await != Ok(HttpReply::Done) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Closes every connection (WebSockets with code 1001) and returns when all is gone, at the latest after about a second.
    pub async fn stop(self) {
        self.switchboard.stop().await;
        let _ = self.stop.send(true);
        let all = async {
            tokio::join!(
                self.accepting,
                self.rooms,
                self.sockets.acquire_many(SOCKETS)
            )
        };
        let _ = tokio::time::timeout(GOODBYE, all).await;
    }
}
