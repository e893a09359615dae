// SPDX-License-Identifier: MIT OR Apache-2.0
//! What participants and the server say to each other on `/ws/{room}`.

use super::quality::{SlotQuality, Wish};
use super::{ErrorMessage, IceServer, Kind, Missing, Mode, Secret, SessionState, Slot, TrackInfo};
use serde::{Deserialize, Serialize};

/// Which of a participant's two PeerConnections is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The one that sends to the room.
    Publish,
    /// The one that receives from the room.
    Subscribe,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Direction::Publish => "publish",
            Direction::Subscribe => "subscribe",
        })
    }
}

/// The first message: who comes in.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Join {
    /// Echoed in the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// The name others see, unique in the room.
    pub name: String,
    /// The mode of the room, if it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Reserved for access tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// [`Joined::resume`] of the participant to continue after the server was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Secret>,
}

/// From a participant to the server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ClientMessage {
    /// Come in. Must be the first message.
    Join(Join),
    /// Offer to send; the same again renegotiates.
    Publish {
        /// Echoed in the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// The offer.
        sdp: String,
        /// The tracks that this offer adds are encrypted end to end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        encrypted: bool,
    },
    /// Offer to receive; the same again renegotiates.
    Subscribe {
        /// Echoed in the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// The offer.
        sdp: String,
    },
    /// Stop sending.
    Unpublish {
        /// Echoed in the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
    },
    /// Stop receiving.
    Unsubscribe {
        /// Echoed in the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
    },
    /// A trickled ICE candidate; empty: no more.
    Candidate {
        /// The PeerConnection it belongs to.
        session: Direction,
        /// The candidate line without `a=`.
        candidate: String,
        /// The m-line it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mid: Option<String>,
    },
    /// Choose what a slot shows.
    Assign {
        /// Echoed in an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// The slot's mid.
        mid: String,
        /// Whose track; none gives the slot back to the node.
        participant: Option<String>,
        /// Which of its tracks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        track: Option<String>,
        /// Whoever speaks, instead of a participant.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        speaker: bool,
    },
    /// Say what is wanted of a slot.
    Prefer {
        /// Echoed in an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// The slot's mid.
        mid: String,
        /// What is wanted.
        #[serde(flatten)]
        wish: Wish,
    },
    /// Say that a track of one's own is (not) muted.
    Mute {
        /// Echoed in an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// The track's name.
        track: String,
        /// Muted or not.
        muted: bool,
    },
    /// Relay to one other participant of a peer-to-peer room.
    Signal {
        /// Echoed in an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// Id of the other participant.
        to: String,
        /// What to relay.
        #[serde(flatten)]
        payload: Signal,
    },
    /// Go.
    Leave {
        /// Unused: there is no reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
    },
}

/// What peers of a peer-to-peer room exchange.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// An offer or an answer.
    Description(Description),
    /// A trickled candidate; none: no more.
    Candidate(Option<IceCandidate>),
}

/// An `RTCSessionDescriptionInit`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Description {
    /// `offer`, `answer`, `pranswer` or `rollback`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The SDP.
    #[serde(default)]
    pub sdp: String,
}

/// An `RTCIceCandidateInit`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// The candidate line without `a=`; empty: no more.
    pub candidate: String,
    /// The m-line by mid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The m-line by index.
    #[serde(
        default,
        rename = "sdpMLineIndex",
        skip_serializing_if = "Option::is_none"
    )]
    pub sdp_m_line_index: Option<u16>,
}

/// Another participant as one sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ParticipantInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it publishes.
    #[serde(default)]
    pub tracks: Vec<TrackInfo>,
}

/// The reply to [`Join`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// Echo of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// The room.
    pub room: String,
    /// Your id.
    pub id: String,
    /// Your name.
    pub name: String,
    /// How media travels here.
    pub mode: Mode,
    /// What to give in [`Join::resume`] if the server is lost. Secret.
    pub resume: Secret,
    /// True when a participant was continued.
    #[serde(default)]
    pub resumed: bool,
    /// Which sessions of the continued participant still live.
    #[serde(default)]
    pub sessions: Vec<Direction>,
    /// For `RTCPeerConnection`.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
    /// Everybody else.
    #[serde(default)]
    pub participants: Vec<ParticipantInfo>,
}

/// Why a participant left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeaveReason {
    /// It said so, or closed its page.
    Left,
    /// Its connection broke or fell silent, or it did not come back after a restart.
    ConnectionLost,
    /// The node that it was part of went away.
    NodeLost,
    /// Another one took its place.
    Replaced,
    /// An administrator removed it.
    Removed,
}

/// From the server to a participant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ServerMessage {
    /// You are in.
    Joined(Joined),
    /// The answer to a publish offer.
    Published {
        /// Echo of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// The answer.
        sdp: String,
    },
    /// The answer to a subscribe offer.
    Subscribed {
        /// Echo of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// The answer.
        sdp: String,
    },
    /// Sending has stopped.
    Unpublished {
        /// Echo of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
    },
    /// Receiving has stopped.
    Unsubscribed {
        /// Echo of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
    },
    /// A candidate of the node.
    Candidate {
        /// The PeerConnection it belongs to.
        session: Direction,
        /// The candidate line without `a=`; empty: no more.
        candidate: String,
        /// The m-line it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mid: Option<String>,
    },
    /// What the slots show now.
    Slots {
        /// All slots.
        slots: Vec<Slot>,
        /// Tracks without a slot.
        #[serde(default)]
        missing: Missing,
    },
    /// Which encodings of a simulcast track of one's own somebody needs.
    Layers {
        /// Its name.
        track: String,
        /// For each encoding, in the order of the offer, whether it is needed.
        active: Vec<bool>,
    },
    /// What the slots get now.
    Quality {
        /// Bits per second that the path carries; none while unknown.
        estimate: Option<u64>,
        /// The video slots that show something.
        slots: Vec<SlotQuality>,
    },
    /// Somebody came.
    ParticipantJoined {
        /// Who.
        participant: ParticipantInfo,
    },
    /// Somebody went, with all tracks.
    ParticipantLeft {
        /// Who.
        id: String,
        /// Why.
        reason: LeaveReason,
    },
    /// Somebody publishes one more track.
    TrackAdded {
        /// Whose.
        participant: String,
        /// The track.
        track: TrackInfo,
    },
    /// Somebody stopped publishing a track.
    TrackRemoved {
        /// Whose.
        participant: String,
        /// The track's name.
        track: String,
    },
    /// Somebody muted or unmuted a track.
    TrackMuted {
        /// Whose.
        participant: String,
        /// The track's name.
        track: String,
        /// Muted or not.
        muted: bool,
    },
    /// Somebody started or stopped to speak.
    Speaking {
        /// Who.
        participant: String,
        /// Speaking or not.
        speaking: bool,
    },
    /// One of your sessions came up or ended.
    SessionState {
        /// Which.
        session: Direction,
        /// How it is now.
        state: SessionState,
        /// Why it closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Whether a media node serves the room.
    Media {
        /// It does.
        available: bool,
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// From another peer of a peer-to-peer room.
    Signal {
        /// Id of the sender.
        from: String,
        /// What it sent.
        #[serde(flatten)]
        payload: Signal,
    },
    /// Something was refused.
    Error(ErrorMessage),
}

impl Slot {
    /// A slot that shows nothing.
    pub fn empty(mid: impl Into<String>, kind: Kind) -> Slot {
        Slot {
            mid: mid.into(),
            kind,
            participant: None,
            track: None,
            reason: None,
        }
    }
}
