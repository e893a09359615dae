// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why something is refused: the error codes of `PROTOCOL.md`.

use crate::protocol::ErrorMessage;

/// The code of an error, in WebSocket messages and HTTP bodies alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Code {
    /// Not JSON, of an unknown type, incomplete, or not allowed now.
    BadMessage,
    /// The room name breaks the limits.
    BadRoom,
    /// The participant name breaks the limits.
    BadName,
    /// Somebody of that name is in the room.
    NameTaken,
    /// No such room.
    UnknownRoom,
    /// No such participant in this room.
    UnknownParticipant,
    /// No such track of that participant.
    UnknownTrack,
    /// No such session.
    UnknownSession,
    /// There is no publish session.
    NotPublished,
    /// There is no subscribe session.
    NotSubscribed,
    /// The previous offer is not answered yet.
    Busy,
    /// The offer is no SDP, or cannot be answered.
    BadSdp,
    /// The SDP is too large.
    TooLarge,
    /// A message of the other mode.
    WrongMode,
    /// No media node serves the room.
    NoNode,
    /// The node did not answer in time.
    NodeTimeout,
    /// The node went away before it answered.
    NodeLost,
    /// A limit is reached.
    Full,
    /// Too many messages.
    RateLimited,
    /// The token, the Origin or the role does not allow it.
    NotAllowed,
    /// `If-Match` names another ICE session (HTTP only).
    Mismatch,
    /// Understood, but not supported (HTTP only).
    Unsupported,
    /// A fault of ours.
    Internal,
    /// A code that only the node knows.
    Other(String),
}

impl Code {
    /// The word in the message.
    pub fn as_str(&self) -> &str {
        match self {
            Code::BadMessage => "badMessage",
            Code::BadRoom => "badRoom",
            Code::BadName => "badName",
            Code::NameTaken => "nameTaken",
            Code::UnknownRoom => "unknownRoom",
            Code::UnknownParticipant => "unknownParticipant",
            Code::UnknownTrack => "unknownTrack",
            Code::UnknownSession => "unknownSession",
            Code::NotPublished => "notPublished",
            Code::NotSubscribed => "notSubscribed",
            Code::Busy => "busy",
            Code::BadSdp => "badSdp",
            Code::TooLarge => "tooLarge",
            Code::WrongMode => "wrongMode",
            Code::NoNode => "noNode",
            Code::NodeTimeout => "nodeTimeout",
            Code::NodeLost => "nodeLost",
            Code::Full => "full",
            Code::RateLimited => "rateLimited",
            Code::NotAllowed => "notAllowed",
            Code::Mismatch => "mismatch",
            Code::Unsupported => "unsupported",
            Code::Internal => "internal",
            Code::Other(word) => word,
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        match self {
            Code::BadMessage | Code::BadRoom | Code::BadName | Code::BadSdp => 400,
            Code::NotAllowed => 403,
            Code::UnknownRoom
            | Code::UnknownParticipant
            | Code::UnknownTrack
            | Code::UnknownSession => 404,
            Code::NameTaken
            | Code::NotPublished
            | Code::NotSubscribed
            | Code::Busy
            | Code::WrongMode => 409,
            Code::Mismatch => 412,
            Code::TooLarge => 413,
            Code::Unsupported => 422,
            Code::RateLimited => 429,
            Code::Internal | Code::Other(_) => 500,
            Code::NoNode | Code::NodeLost | Code::Full => 503,
            Code::NodeTimeout => 504,
        }
    }

    /// The code a node sent.
    pub fn from_node(word: &str) -> Code {
        match word {
            "badSdp" => Code::BadSdp,
            "tooLarge" => Code::TooLarge,
            "full" => Code::Full,
            "busy" => Code::Busy,
            "unknownParticipant" => Code::UnknownParticipant,
            "unknownSession" => Code::UnknownSession,
            "notAllowed" => Code::NotAllowed,
            "internal" => Code::Internal,
            other => Code::Other(
                other
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .take(32)
                    .collect(),
            ),
        }
    }
}

/// A request that was refused: what, where, and what to do next.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A refusal with its text.
    pub fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
        }
    }

    /// Seconds after which another try may succeed.
    pub fn retry_after(&self) -> Option<u32> {
        matches!(self.code, Code::NoNode | Code::NodeLost).then_some(2)
    }

    /// The message that says so.
    pub fn to_message(&self, request: Option<u64>) -> ErrorMessage {
        ErrorMessage {
            request,
            code: self.code.as_str().to_owned(),
            message: self.message.clone(),
            retry_after: self.retry_after(),
        }
    }
}
