// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a hub is started with.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Everything a node needs to know before it opens a socket. Nothing of it can change while the hub runs.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// Addresses on which media is received and from which it is sent, UDP and TCP. Worker *k* listens on port + *k*; with port 0
    /// each worker gets a free port, the same on all addresses.
    pub listen: Vec<SocketAddr>,
    /// The address by which peers reach this node when it stands behind a 1:1 NAT: it replaces the host addresses of its family
    /// in the candidates, ports stay. Default: none.
    pub public_address: Option<IpAddr>,
    /// Number of worker threads, 1 to 64. 0: one per core.
    pub workers: usize,
    /// The room of tracks and taps which name none. With a signaller: the only room this node serves; `None` means every room
    /// the signaller assigns.
    pub room: Option<String>,
    /// WebSocket address of the signaller, for example `ws://127.0.0.1:8080`. `None`: no signalling, pads to pads only.
    pub signaller_uri: Option<String>,
    /// Secret shown to the signaller.
    pub token: Option<String>,
    /// Upper bounds.
    pub limits: Limits,
}

impl Default for HubConfig {
    fn default() -> Self {
        HubConfig {
            listen: vec![
                SocketAddr::from(([0, 0, 0, 0], 0)),
                SocketAddr::from(([0u16; 8], 0)),
            ],
            public_address: None,
            workers: 0,
            room: None,
            signaller_uri: None,
            token: None,
            limits: Limits::default(),
        }
    }
}

/// Upper bounds, so that no peer can make a node grow without end. What exceeds them is refused with a message.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rooms at one time. Default 1,000.
    pub rooms: usize,
    /// Participants of one room. Default 2,000.
    pub participants: usize,
    /// Tracks of one participant. Default 16.
    pub tracks: usize,
    /// Sessions of one participant: one to publish, and as many to receive as there are WHEP players. Default 64.
    pub sessions: usize,
    /// TCP connections of one worker. Default 1,000.
    pub tcp_connections: usize,
    /// How long a new TCP connection may take to send its first STUN request. Default 10 s.
    pub tcp_first_packet: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            rooms: 1_000,
            participants: 2_000,
            tracks: 16,
            sessions: 64,
            tcp_connections: 1_000,
            tcp_first_packet: Duration::from_secs(10),
        }
    }
}
