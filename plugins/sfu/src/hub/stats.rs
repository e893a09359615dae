// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters of a node.

use gst_rtc_core::engine::{EngineStats, SessionMediaStats};
use gst_rtc_core::id::{SessionId, TrackId};
use std::collections::HashMap;
use std::net::SocketAddr;

/// A node in numbers, at one moment.
#[derive(Clone, Debug, Default)]
pub struct NodeStats {
    /// The signaller is connected.
    pub signaller_connected: bool,
    /// Rooms.
    pub rooms: usize,
    /// Participants of all rooms.
    pub participants: usize,
    /// Tracks of all participants.
    pub tracks: usize,
    /// Peer connections.
    pub sessions: usize,
    /// Whose they are.
    pub owners: HashMap<SessionId, SessionOwner>,
    /// And whose the tracks are.
    pub track_owners: HashMap<TrackId, TrackOwner>,
    /// Per worker.
    pub workers: Vec<WorkerStats>,
}

/// Whose a peer connection is, and what for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionOwner {
    /// Name of the room.
    pub room: String,
    /// Name of the participant.
    pub participant: String,
    /// Publishes to us (true) or receives from us (false).
    pub publishes: bool,
}

/// Whose a track is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackOwner {
    /// Name of the participant, which is in the room of all who receive it.
    pub participant: String,
    /// Name of the track.
    pub name: String,
}

/// One worker in numbers. Counters count from the start of the hub.
#[derive(Clone, Debug, Default)]
pub struct WorkerStats {
    /// UDP addresses listened on; the TCP ports are the same.
    pub local: Vec<SocketAddr>,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// System calls that received something.
    pub receive_calls: u64,
    /// System calls that sent something.
    pub send_calls: u64,
    /// Datagrams not sent because the socket's buffer stayed full.
    pub send_dropped: u64,
    /// Datagrams not sent because the system refused them (no route, …).
    pub send_errors: u64,
    /// The system takes several datagrams in one call (UDP GSO).
    pub segmentation: bool,
    /// TCP connections open now.
    pub tcp_connections: usize,
    /// Frames not sent because a connection's buffer was full.
    pub tcp_dropped: u64,
    /// Packets from pads and other workers dropped because this one could not keep up.
    pub media_dropped: u64,
    /// What was forwarded.
    pub engine: EngineStats,
    /// Each peer connection.
    pub sessions: Vec<SessionMediaStats>,
}
