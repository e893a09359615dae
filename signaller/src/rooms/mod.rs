// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rooms: who is where, and who is told what. No sockets, no clock, no randomness of its own.
//!
//! [`Rooms::handle`] takes what came in and returns what goes out; [`Rooms::poll_timeout`] says when
//! [`Rooms::handle_timeout`] wants to be called. Nothing from outside is an error of the call: it is answered by a
//! message. The rules are those of `PROTOCOL.md`.

mod connection;
mod guest;
mod http;
mod id;
mod join;
mod member;
mod node;
mod offer;
mod peer;
mod placement;
mod refusal;
mod register;
mod removal;
mod resume;
mod room;

pub(crate) use http::etag;
pub use http::{HttpReply, HttpRequest, Resource};
pub use id::{
    ConnectionId, HttpId, IdSource, NodeId, ParticipantId, RoomName, SessionId, check_name,
};
pub use refusal::{Code, Refusal};

use crate::protocol::{IceServer, Mode, Secret, node as node_protocol, peer as peer_protocol};
use crate::turn::Access;
use connection::Connection;
use node::Node;
use offer::Request;
use room::Room;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The largest SDP taken, in bytes.
pub const MAX_SDP: usize = 256 * 1024;
/// How long a connection may stay without its first message.
pub const FIRST_MESSAGE: Duration = Duration::from_secs(15);
/// How long after a start somebody may still come back from before it.
const RETURN: Duration = Duration::from_secs(15);
/// How long a join or a guest node that resumes waits for the home node to tell of it.
const WAIT_FOR_NODE: Duration = Duration::from_secs(5);
/// How long a node whose connection broke is kept.
const NODE_GRACE: Duration = Duration::from_secs(5);
/// How long a node may take to answer an offer.
const ANSWER: Duration = Duration::from_secs(10);

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mode of a new room whose first participant does not say. Default: [`Mode::Sfu`].
    pub default_mode: Mode,
    /// Handed to every participant. Default: none, which is enough on one machine or LAN.
    pub ice_servers: Vec<IceServer>,
    /// Makes credentials of the server's own STUN and TURN for each participant, besides `ice_servers`. Default: none.
    pub relay: Option<Access>,
    /// Most rooms at once. Default: 10 000.
    pub max_rooms: usize,
    /// Most participants in one room, hidden ones counted. Default: 5 000.
    pub max_participants: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            default_mode: Mode::Sfu,
            ice_servers: Vec::new(),
            relay: None,
            max_rooms: 10_000,
            max_participants: 5_000,
        }
    }
}

/// Something that came in.
#[derive(Debug)]
pub enum Input {
    /// A WebSocket was opened on `/ws/{room}`, or on `/ws`.
    Opened {
        /// Its number; never used again after [`Input::Closed`].
        connection: ConnectionId,
        /// The room of the path.
        room: Option<RoomName>,
    },
    /// A text message came.
    Message {
        /// On which connection.
        connection: ConnectionId,
        /// The JSON.
        text: String,
    },
    /// The connection is gone. Not needed, but allowed, after [`Outgoing::Close`].
    Closed {
        /// Which.
        connection: ConnectionId,
        /// True when the other side said so with a close frame.
        clean: bool,
    },
    /// An HTTP request that concerns rooms.
    Http {
        /// For the reply.
        id: HttpId,
        /// What is asked.
        request: HttpRequest,
    },
}

/// Something to be done.
#[derive(Clone, PartialEq, Debug)]
pub enum Outgoing {
    /// Send to a participant (or to a connection that is nobody yet).
    Peer {
        /// Where.
        to: ConnectionId,
        /// What.
        message: peer_protocol::ServerMessage,
    },
    /// Send to a node.
    Node {
        /// Where.
        to: ConnectionId,
        /// What.
        message: node_protocol::ServerMessage,
    },
    /// Close a connection, after what was sent before.
    Close {
        /// Which.
        to: ConnectionId,
        /// RFC 6455 §7.4.
        code: u16,
        /// For people.
        reason: &'static str,
    },
    /// Reply to an HTTP request.
    Http {
        /// Which.
        to: HttpId,
        /// The reply.
        reply: Result<HttpReply, Refusal>,
    },
    /// A participant is gone, whom [`Settings::relay`] may have made credentials for: revoke them.
    Gone {
        /// Who.
        participant: ParticipantId,
    },
}

/// What is to happen at a time. A timer whose cause is gone does nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    /// When to close a connection that has not joined.
    FirstMessage(ConnectionId),
    /// When to stop waiting for the node that knows a returning participant.
    Waiting(ConnectionId),
    /// When to give up somebody who was there before a restart.
    Away(RoomName, ParticipantId),
    /// When to give up a node whose connection broke.
    NodeLost(NodeId),
    /// When to look again for a home node, after returning nodes had their time.
    Placement(RoomName),
    /// When to give up waiting for a node's answer.
    Answer(u64),
}

/// How much there is of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// WebSockets, whoever is at their other end.
    pub connections: usize,
    /// Media nodes, those that may come back included.
    pub nodes: usize,
    /// Open rooms.
    pub rooms: usize,
    /// Participants of all rooms, hidden ones included.
    pub participants: usize,
    /// PeerConnections with home nodes.
    pub sessions: usize,
    /// Offers that wait for their answer.
    pub offers: usize,
}

/// All rooms of a server.
#[derive(Debug)]
pub struct Rooms {
    settings: Settings,
    ids: IdSource,
    started: Instant,
    now: Instant,
    connections: HashMap<ConnectionId, Connection>,
    rooms: BTreeMap<RoomName, Room>,
    nodes: BTreeMap<NodeId, Node>,
    /// In which room each session is.
    sessions: HashMap<SessionId, RoomName>,
    requests: HashMap<u64, Request>,
    /// The resume secrets of those who were removed, the latest last.
    removed: VecDeque<Secret>,
    next_request: u64,
    timers: BTreeSet<(Instant, Timer)>,
    outgoing: Vec<Outgoing>,
}

impl Rooms {
    /// No rooms yet. Those who were there before a restart may return within 15 s of `now`.
    pub fn new(now: Instant, settings: Settings, ids: IdSource) -> Rooms {
        Rooms {
            settings,
            ids,
            started: now,
            now,
            connections: HashMap::new(),
            rooms: BTreeMap::new(),
            nodes: BTreeMap::new(),
            sessions: HashMap::new(),
            requests: HashMap::new(),
            removed: VecDeque::new(),
            next_request: 1,
            timers: BTreeSet::new(),
            outgoing: Vec::new(),
        }
    }

    /// Takes what came in and returns what goes out, in order.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Outgoing> {
        self.now = now;
        match input {
            Input::Opened { connection, room } => self.opened(connection, room),
            Input::Message { connection, text } => self.message(connection, &text),
            Input::Closed { connection, clean } => self.closed(connection, clean),
            Input::Http { id, request } => self.http(id, request),
        }
        std::mem::take(&mut self.outgoing)
    }

    /// When [`Rooms::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what was due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Outgoing> {
        self.now = now;
        while let Some((at, _)) = self.timers.first() {
            if *at > now {
                break;
            }
            if let Some((_, timer)) = self.timers.pop_first() {
                self.fire(timer);
            }
        }
        std::mem::take(&mut self.outgoing)
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.len(),
            nodes: self.nodes.len(),
            rooms: self.rooms.len(),
            participants: self.rooms.values().map(|r| r.participants.len()).sum(),
            sessions: self.sessions.len(),
            offers: self.requests.len(),
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::FirstMessage(connection) => self.first_message_is_late(connection),
            Timer::Waiting(connection) => self.stop_waiting(connection),
            Timer::Away(room, participant) => self.away_for_good(&room, &participant),
            Timer::NodeLost(node) => self.node_is_lost_for_good(&node),
            Timer::Placement(room) => self.place(&room),
            Timer::Answer(request) => self.answer_is_late(request),
        }
    }

    fn set_timer(&mut self, after: Duration, timer: Timer) {
        self.timers.insert((self.now + after, timer));
    }

    /// True while those who were there before a restart may still come.
    fn is_starting(&self) -> bool {
        self.now < self.started + RETURN
    }

    /// What a participant is told to reach others with.
    fn ice_servers(&self, participant: &ParticipantId) -> Vec<IceServer> {
        let mut servers = self.settings.ice_servers.clone();
        let relay = self.settings.relay.as_ref();
        servers.extend(relay.map(|access| access.for_user(participant.as_str())));
        servers
    }

    fn tell_peer(&mut self, to: ConnectionId, message: peer_protocol::ServerMessage) {
        self.outgoing.push(Outgoing::Peer { to, message });
    }

    /// To a node, if it is connected: one that is not learns the state when it resumes.
    fn tell_node(&mut self, node: &NodeId, message: node_protocol::ServerMessage) {
        if let Some(to) = self.nodes.get(node).and_then(|n| n.connection) {
            self.outgoing.push(Outgoing::Node { to, message });
        }
    }

    fn close(&mut self, to: ConnectionId, code: u16, reason: &'static str) {
        self.connections.remove(&to);
        self.outgoing.push(Outgoing::Close { to, code, reason });
    }
}
