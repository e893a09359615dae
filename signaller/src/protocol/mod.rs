// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages of `PROTOCOL.md` as types.
//!
//! [`peer`] is what participants speak, [`node`] what media nodes speak. The words both use are here.
//! Unknown fields are ignored in every direction; an unknown `type` does not parse.

mod ice_server;
pub mod node;
pub mod peer;
pub mod quality;
mod secret;

pub use ice_server::IceServer;
pub use secret::Secret;

use serde::{Deserialize, Serialize};

/// The protocol version a node states in its first message.
pub const VERSION: u32 = 1;

/// How media travels in a room. Decided when the room is made, by its first participant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Through a media node, which forwards.
    #[default]
    Sfu,
    /// Directly between the peers; the server only relays [`peer::ClientMessage::Signal`].
    P2p,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mode::Sfu => "sfu",
            Mode::P2p => "p2p",
        })
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sfu" => Ok(Mode::Sfu),
            "p2p" => Ok(Mode::P2p),
            other => Err(format!("\"{other}\" is no mode; use sfu or p2p")),
        }
    }
}

/// Audio or video.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// A track as the others in the room see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackInfo {
    /// Its name, unique within its participant: `audio`, `video`, `video1`, …
    pub track: String,
    /// Audio or video.
    pub kind: Kind,
    /// Encoding name as in SDP, for example `VP8`.
    pub codec: String,
    /// Whether its participant says that it is muted.
    #[serde(default)]
    pub muted: bool,
    /// Its payloads are encrypted end to end: only who has the key can show it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
}

/// What a slot (one receiving m-line) shows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The m-line's `a=mid`.
    pub mid: String,
    /// Audio or video.
    pub kind: Kind,
    /// Id of the participant shown; none when the slot is empty.
    pub participant: Option<String>,
    /// Name of the track shown.
    pub track: Option<String>,
    /// Why, where that is the receiver's choice; none: the node chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Chosen>,
}

/// Why a slot shows what it shows, where the receiver has chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chosen {
    /// It asked for this track.
    Assigned,
    /// It asked for whoever speaks, or spoke last.
    Speaker,
}

/// How many tracks found no slot. The receiver offers again with that many more m-lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Missing {
    /// Audio tracks without a slot.
    #[serde(default)]
    pub audio: u16,
    /// Video tracks without a slot.
    #[serde(default)]
    pub video: u16,
}

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// ICE and DTLS are up; media flows.
    Connected,
    /// Over. Another session needs another PeerConnection.
    Closed,
}

/// What `GET /api/v1/rooms` returns.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RoomList {
    /// Every open room, by name.
    pub rooms: Vec<RoomInfo>,
}

/// One room of a [`RoomList`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RoomInfo {
    /// Its name.
    pub room: String,
    /// How media travels.
    pub mode: Mode,
    /// Media nodes in it, home and guests.
    pub nodes: usize,
    /// Everybody but hidden viewers.
    pub participants: Vec<RoomParticipant>,
}

/// One participant of a [`RoomInfo`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RoomParticipant {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it came in.
    pub kind: node::ParticipantKind,
    /// What it publishes.
    pub tracks: Vec<TrackInfo>,
}

/// The `error` message, the same for peers and nodes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// The request it answers, if that had a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// The word of the table in `PROTOCOL.md`; see [`crate::rooms::Code`].
    pub code: String,
    /// What happened, where, and what to do next.
    pub message: String,
    /// Seconds after which another try may succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}
