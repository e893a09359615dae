// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes over data channels (RFC 8831), apart from how.

use crate::id::{ParticipantId, RoomId};
use std::sync::Arc;

/// Bytes of the longest message taken and sent, told to peers as `a=max-message-size` (RFC 8841 §6).
pub const MAX_MESSAGE: usize = 256 * 1024;
/// Bytes of the longest label and the longest protocol name of a channel.
pub const MAX_LABEL: usize = 128;
/// A channel opened with this protocol name is told of every message whose it is: the message begins with the id of the
/// sending participant and a line feed. That line is empty when the server itself speaks.
pub const FROM_PROTOCOL: &str = "gst-rtc.from";

/// The label of a channel between two nodes of a room. What comes on it is for the owner of the engine, not for participants.
pub const NODE_LABEL: &str = "gst-rtc.node";

/// The m-line on which data channels were negotiated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataSpec {
    /// Its mid.
    pub mid: String,
    /// The peer's SCTP port (`a=sctp-port`, RFC 8841 §5); only used where we open the association.
    pub port: u16,
    /// Bytes of the longest message the peer takes; [`MAX_MESSAGE`] bounds it.
    pub max_message: usize,
    /// The label of a channel that we open, in order and reliable. `None`: channels are for the peer to open.
    pub opens: Option<Arc<str>>,
}

/// A message from one participant to the others of its room that have a channel of its label open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataMessage {
    /// The room.
    pub room: RoomId,
    /// Whose channel it came by; `None`: this process.
    pub from: Option<ParticipantId>,
    /// By what name receivers know the sender.
    pub sender: Arc<str>,
    /// Set: nobody else receives it.
    pub to: Option<ParticipantId>,
    /// The label of the channel, which is also that of those it goes to.
    pub label: Arc<str>,
    /// Text (UTF-8) or bytes.
    pub text: bool,
    /// The message, at most [`MAX_MESSAGE`] bytes.
    pub payload: Arc<[u8]>,
}
