// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages between a node and the signaller, as JSON has them.

use serde::{Deserialize, Serialize};

/// Node → signaller.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum ToSignaller {
    /// The first message of a connection.
    Node {
        version: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
    },
    Answer {
        request: u64,
        sdp: String,
    },
    Refused {
        request: u64,
        code: String,
        message: String,
    },
    TrackAdded {
        room: String,
        participant: String,
        track: Track,
    },
    TrackRemoved {
        room: String,
        participant: String,
        track: String,
    },
    Slots {
        session: String,
        slots: Vec<Slot>,
        missing: Missing,
    },
    Quality {
        session: String,
        estimate: Option<u64>,
        slots: Vec<SlotQuality>,
    },
    /// Which encodings of a track somebody needs.
    Layers {
        session: String,
        track: String,
        mid: String,
        active: Vec<bool>,
    },
    SessionState {
        session: String,
        state: SessionPhase,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Speaking {
        room: String,
        participant: String,
        speaking: bool,
    },
    /// Makes a participant of a source in this process.
    Join {
        request: u64,
        room: String,
        name: String,
    },
    Leave {
        room: String,
        id: String,
    },
    /// Guests: an offer to the home node.
    Offer {
        request: u64,
        room: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        participant: Option<String>,
        direction: Direction,
        session: String,
        sdp: String,
        of: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        encrypted: bool,
    },
    CloseSession {
        session: String,
    },
}

/// Signaller → node. What is not known is ignored: newer signallers may say more.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum FromSignaller {
    /// This node has its id.
    NodeReady {
        node: String,
    },
    /// The burst that answers a resume is over.
    Resumed,
    RoomOpened {
        room: String,
        role: Role,
        /// Guests: the participant to which sessions that receive belong.
        #[serde(default)]
        participant: Option<String>,
        /// Guests that resume: sessions that still live at the home node.
        #[serde(default)]
        sessions: Vec<String>,
    },
    RoomClosed {
        room: String,
    },
    ParticipantJoined {
        room: String,
        #[serde(flatten)]
        participant: Participant,
    },
    ParticipantLeft {
        room: String,
        id: String,
    },
    Mute {
        room: String,
        participant: String,
        track: String,
        muted: bool,
    },
    Joined {
        #[serde(default)]
        request: Option<u64>,
        id: String,
        #[serde(default)]
        resume: Option<String>,
    },
    Offer {
        request: u64,
        room: String,
        participant: String,
        direction: Direction,
        session: String,
        sdp: String,
        #[serde(default)]
        of: Option<String>,
        #[serde(default)]
        encrypted: bool,
    },
    Answer {
        request: u64,
        sdp: String,
    },
    Candidate {
        session: String,
        candidate: String,
    },
    Assign {
        session: String,
        mid: String,
        #[serde(default)]
        participant: Option<String>,
        #[serde(default)]
        track: Option<String>,
        #[serde(default)]
        speaker: bool,
    },
    Prefer {
        session: String,
        mid: String,
        #[serde(flatten)]
        wish: Wish,
    },
    CloseSession {
        session: String,
    },
    TrackAdded {
        room: String,
        participant: String,
        track: Track,
    },
    TrackRemoved {
        room: String,
        participant: String,
        track: String,
    },
    Slots {
        session: String,
        slots: Vec<Slot>,
    },
    /// Guests: which encodings of the track on an m-line somebody needs.
    Layers {
        session: String,
        mid: String,
        active: Vec<bool>,
    },
    SessionState {
        session: String,
        state: SessionPhase,
        #[serde(default)]
        reason: Option<String>,
    },
    Speaking {
        room: String,
        participant: String,
        speaking: bool,
    },
    Error {
        #[serde(default)]
        request: Option<u64>,
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    },
    #[serde(other)]
    Unknown,
}

/// What a node is to a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Role {
    /// It answers the offers.
    Home,
    /// It dials the home node.
    Guest,
}

/// Seen from the participant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Direction {
    Publish,
    Receive,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ParticipantKind {
    #[default]
    Peer,
    Whip,
    Local,
    /// Hidden, without tracks.
    Viewer,
    #[serde(other)]
    Other,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Participant {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) kind: ParticipantKind,
    /// Made by a guest node: that node's hidden participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resume: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) track: String,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) codec: String,
    #[serde(default)]
    pub(crate) muted: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) encrypted: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) mid: String,
    pub(crate) kind: String,
    pub(crate) participant: Option<String>,
    pub(crate) track: Option<String>,
    /// None: the node chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Chosen>,
}

/// Why a slot shows what it shows, where that is the peer's choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Chosen {
    /// It asked for this track.
    Assigned,
    /// It asked for whoever speaks.
    Speaker,
    #[serde(other)]
    Otherwise,
}

/// What a viewer wants of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Wish {
    #[serde(default)]
    pub(crate) width: u16,
    #[serde(default)]
    pub(crate) height: u16,
    #[serde(default)]
    pub(crate) priority: Priority,
    #[serde(default)]
    pub(crate) layer: Option<Layer>,
    #[serde(default)]
    pub(crate) paused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    Pinned,
    Screen,
    Low,
    #[default]
    #[serde(other)]
    Normal,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Layer {
    #[serde(default)]
    pub(crate) encoding: u8,
    #[serde(default)]
    pub(crate) spatial: u8,
    #[serde(default)]
    pub(crate) temporal: u8,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayerInfo {
    #[serde(flatten)]
    pub(crate) layer: Layer,
    pub(crate) width: Option<u16>,
    pub(crate) height: Option<u16>,
    pub(crate) frame_rate: Option<f32>,
    pub(crate) bitrate: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct SlotQuality {
    pub(crate) mid: String,
    pub(crate) layer: Option<LayerInfo>,
    pub(crate) available: Vec<LayerInfo>,
    pub(crate) reason: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Missing {
    pub(crate) audio: u16,
    pub(crate) video: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SessionPhase {
    Connected,
    Closed,
}

/// What a node has, told to a signaller that has lost its memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Resume {
    pub(crate) node: String,
    pub(crate) rooms: Vec<RoomState>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RoomState {
    pub(crate) room: String,
    pub(crate) role: Role,
    pub(crate) participants: Vec<ParticipantState>,
    pub(crate) sessions: Vec<SessionStateOf>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ParticipantState {
    #[serde(flatten)]
    pub(crate) participant: Participant,
    /// A participant of this very node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) own: bool,
    pub(crate) tracks: Vec<Track>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SessionStateOf {
    pub(crate) session: String,
    pub(crate) participant: String,
    pub(crate) direction: Direction,
    pub(crate) of: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str = include_str!("../../../../signaller/PROTOCOL.md");

    /// The messages in the blocks of the written contract marked `name`.
    fn written(name: &str) -> Vec<serde_json::Value> {
        let mut messages = Vec::new();
        for block in CONTRACT.split(&format!("```json {name}\n")).skip(1) {
            let text = block.split("```").next().unwrap_or_default();
            let values = serde_json::Deserializer::from_str(text).into_iter();
            messages.extend(values.map(|value: Result<serde_json::Value, _>| value.expect("JSON")));
        }
        assert!(!messages.is_empty(), "{name}");
        messages
    }

    #[test]
    fn every_message_of_the_contract_to_a_node_is_understood() {
        for message in written("server-to-node") {
            let read: FromSignaller = serde_json::from_value(message.clone())
                .unwrap_or_else(|e| panic!("{message}: {e}"));
            assert!(read != FromSignaller::Unknown, "{message}");
        }
    }

    #[test]
    fn every_message_of_a_node_is_in_the_contract() {
        for message in written("node-to-server")
            .into_iter()
            .filter(|m| m["type"] != "candidate")
        {
            let read: ToSignaller = serde_json::from_value(message.clone())
                .unwrap_or_else(|e| panic!("{message}: {e}"));
            let again = serde_json::to_value(&read).expect("JSON");
            for (field, value) in again.as_object().expect("an object") {
                assert_eq!(Some(value), message.get(field), "{field} of {message}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_ignored() {
        let read = |text| serde_json::from_str::<FromSignaller>(text).expect("a message");
        assert_eq!(read(r#"{"type":"news","x":1}"#), FromSignaller::Unknown);
        let closed = read(r#"{"type":"roomClosed","room":"a","why":"because"}"#);
        assert_eq!(closed, FromSignaller::RoomClosed { room: "a".into() });
    }
}
