// SPDX-License-Identifier: MIT OR Apache-2.0
//! What media nodes and the server say to each other on `/ws` and `/ws/{room}`.

use super::quality::{SlotQuality, Wish};
use super::{ErrorMessage, Missing, Secret, SessionState, Slot, TrackInfo};
use serde::{Deserialize, Serialize};

/// What a node is in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It answers the offers.
    Home,
    /// It dials the home node.
    Guest,
}

/// How a participant came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParticipantKind {
    /// Over a WebSocket.
    Peer,
    /// By WHIP.
    Whip,
    /// Made from the pads of a node.
    Local,
    /// Hidden and without tracks: WHEP, or the receiving side of a guest node.
    Viewer,
}

/// Which way media flows in a session, seen from the participant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the node.
    Publish,
    /// From the node.
    Receive,
}

/// The first message of a node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Register {
    /// [`super::VERSION`].
    pub version: u32,
    /// Reserved for access tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// For logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it carries already, when the connection or the server was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// The state a node brings back.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Resume {
    /// The id it had.
    #[serde(default)]
    pub node: Secret,
    /// The rooms it serves.
    #[serde(default)]
    pub rooms: Vec<ResumeRoom>,
}

/// One room of a [`Resume`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ResumeRoom {
    /// Its name.
    pub room: String,
    /// What the node is in it.
    pub role: Role,
    /// Home: everybody. Guest: its own.
    #[serde(default)]
    pub participants: Vec<ResumeParticipant>,
    /// Sessions that live.
    #[serde(default)]
    pub sessions: Vec<ResumeSession>,
}

/// One participant of a [`ResumeRoom`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ResumeParticipant {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it came in.
    pub kind: ParticipantKind,
    /// True when it is a local participant (or the hidden one) of this very node.
    #[serde(default)]
    pub own: bool,
    /// The secret the node was given with it.
    #[serde(default)]
    pub resume: Secret,
    /// What it publishes.
    #[serde(default)]
    pub tracks: Vec<TrackInfo>,
}

/// One session of a [`ResumeRoom`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ResumeSession {
    /// Its id.
    pub session: String,
    /// Whose it is.
    pub participant: String,
    /// Which way media flows.
    pub direction: Direction,
    /// Only this participant's tracks, by name.
    #[serde(default)]
    pub of: Option<String>,
}

/// From a node to the server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum NodeMessage {
    /// Register. Must be the first message.
    Node(Register),
    /// Make a local participant.
    Join {
        /// Echoed in the reply.
        request: u64,
        /// In this room.
        room: String,
        /// Its name.
        name: String,
    },
    /// Remove a local participant.
    Leave {
        /// From this room.
        room: String,
        /// Its id.
        id: String,
    },
    /// The answer to an offer.
    Answer {
        /// The offer's number.
        request: u64,
        /// The answer.
        sdp: String,
    },
    /// No to an offer.
    Refused {
        /// The offer's number.
        request: u64,
        /// A code of `PROTOCOL.md`.
        code: String,
        /// What, where, what to do next.
        message: String,
    },
    /// Guest: an offer for the home node.
    Offer {
        /// Echoed in the answer.
        request: u64,
        /// In this room.
        room: String,
        /// A local participant, or none for the guest's own hidden one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        participant: Option<String>,
        /// Which way media flows.
        direction: Direction,
        /// The guest's name for the session.
        session: String,
        /// The offer.
        sdp: String,
        /// Only this participant's tracks, by name.
        #[serde(default)]
        of: Option<String>,
        /// The tracks that this offer adds are encrypted end to end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        encrypted: bool,
    },
    /// A trickled candidate.
    Candidate {
        /// The session.
        session: String,
        /// The candidate line without `a=`; empty: no more.
        candidate: String,
        /// The m-line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mid: Option<String>,
    },
    /// End a session.
    CloseSession {
        /// The session.
        session: String,
    },
    /// Which encodings of a published simulcast track somebody needs.
    Layers {
        /// The session that publishes it.
        session: String,
        /// Its name.
        track: String,
        /// Its m-line. A guest that published it is told by that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mid: Option<String>,
        /// For each encoding, in the order of the offer, whether it is needed.
        active: Vec<bool>,
    },
    /// A session came up or ended.
    SessionState {
        /// The session.
        session: String,
        /// How it is now.
        state: SessionState,
        /// Why it closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What the slots of a receive session show now.
    Slots {
        /// The session.
        session: String,
        /// All its slots.
        slots: Vec<Slot>,
        /// Tracks without a slot.
        #[serde(default)]
        missing: Missing,
    },
    /// What the slots of a receive session get now.
    Quality {
        /// The session.
        session: String,
        /// Bits per second that the path carries; none while unknown.
        estimate: Option<u64>,
        /// The video slots that show something.
        slots: Vec<SlotQuality>,
    },
    /// A participant publishes a track, or a track changed.
    TrackAdded {
        /// In this room.
        room: String,
        /// Whose.
        participant: String,
        /// The track.
        track: TrackInfo,
    },
    /// A participant stopped publishing a track.
    TrackRemoved {
        /// In this room.
        room: String,
        /// Whose.
        participant: String,
        /// The track's name.
        track: String,
    },
    /// A participant started or stopped to speak.
    Speaking {
        /// In this room.
        room: String,
        /// Who.
        participant: String,
        /// Speaking or not.
        speaking: bool,
    },
}

/// From the server to a node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ServerMessage {
    /// Registered.
    NodeReady {
        /// The node's id, and its proof when it resumes. Secret.
        node: Secret,
    },
    /// End of what follows [`Register::resume`].
    Resumed,
    /// The node serves this room now.
    RoomOpened {
        /// Its name.
        room: String,
        /// As what.
        role: Role,
        /// Guest: its own hidden participant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        participant: Option<String>,
        /// Guest that resumes: which of its sessions still live.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sessions: Vec<String>,
    },
    /// Everything of this room ends at this node.
    RoomClosed {
        /// Its name.
        room: String,
    },
    /// Somebody came.
    ParticipantJoined {
        /// Into this room.
        room: String,
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// How it came.
        kind: ParticipantKind,
        /// Made by a guest node: that node's hidden participant; home node only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest: Option<String>,
        /// To be kept and brought back in [`Resume`]; home node only. Secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Secret>,
    },
    /// Somebody went; all its sessions and tracks end.
    ParticipantLeft {
        /// From this room.
        room: String,
        /// Who.
        id: String,
    },
    /// A local participant was made.
    Joined {
        /// The request's number.
        request: u64,
        /// Its id.
        id: String,
        /// To be brought back in [`Resume`]. Secret.
        resume: Secret,
    },
    /// Home: answer this.
    Offer {
        /// To be echoed in the answer.
        request: u64,
        /// In this room.
        room: String,
        /// Whose session it is.
        participant: String,
        /// Which way media flows.
        direction: Direction,
        /// The session; known already: renegotiation.
        session: String,
        /// The offer.
        sdp: String,
        /// Only this participant's tracks, by name; none: all, assigned automatically.
        of: Option<String>,
        /// The tracks that this offer adds are encrypted end to end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        encrypted: bool,
    },
    /// Guest: the home node's answer.
    Answer {
        /// The offer's number.
        request: u64,
        /// The answer.
        sdp: String,
    },
    /// A trickled candidate.
    Candidate {
        /// The session.
        session: String,
        /// The candidate line without `a=`; empty: no more.
        candidate: String,
        /// The m-line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mid: Option<String>,
    },
    /// Home: show this in a slot.
    Assign {
        /// The session.
        session: String,
        /// The slot's mid.
        mid: String,
        /// Whose track, by id; none: automatic again.
        participant: Option<String>,
        /// Which of its tracks.
        track: Option<String>,
        /// Whoever speaks, instead.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        speaker: bool,
    },
    /// Home: what is wanted of a slot.
    Prefer {
        /// The session.
        session: String,
        /// The slot's mid.
        mid: String,
        /// What is wanted.
        #[serde(flatten)]
        wish: Wish,
    },
    /// End a session.
    CloseSession {
        /// The session.
        session: String,
    },
    /// A participant muted or unmuted a track.
    Mute {
        /// In this room.
        room: String,
        /// Who.
        participant: String,
        /// The track's name.
        track: String,
        /// Muted or not.
        muted: bool,
    },
    /// Guest: a participant publishes a track.
    TrackAdded {
        /// In this room.
        room: String,
        /// Whose.
        participant: String,
        /// The track.
        track: TrackInfo,
    },
    /// Guest: a participant stopped publishing a track.
    TrackRemoved {
        /// In this room.
        room: String,
        /// Whose.
        participant: String,
        /// The track's name.
        track: String,
    },
    /// Guest: a participant started or stopped to speak.
    Speaking {
        /// In this room.
        room: String,
        /// Who.
        participant: String,
        /// Speaking or not.
        speaking: bool,
    },
    /// Guest: what its slots show now.
    Slots {
        /// The session.
        session: String,
        /// All its slots.
        slots: Vec<Slot>,
        /// Tracks without a slot.
        #[serde(default)]
        missing: Missing,
    },
    /// Guest: which encodings of what it publishes somebody needs.
    Layers {
        /// The session.
        session: String,
        /// The m-line of the track.
        mid: String,
        /// For each encoding, in the order of the offer, whether it is needed.
        active: Vec<bool>,
    },
    /// Guest: its session came up or ended at the home node.
    SessionState {
        /// The session.
        session: String,
        /// How it is now.
        state: SessionState,
        /// Why it closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Something was refused.
    Error(ErrorMessage),
}
