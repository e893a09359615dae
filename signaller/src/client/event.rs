// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a client tells its application.

use crate::protocol::peer::{Direction, Joined, LeaveReason, ParticipantInfo};
use crate::protocol::quality::SlotQuality;
use crate::protocol::{ErrorMessage, Missing, Slot, TrackInfo};
use tokio::sync::mpsc;

/// Something happened in the room, or to the connection.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Somebody came.
    Joined(ParticipantInfo),
    /// Somebody left, with all tracks.
    Left {
        /// Who.
        participant: String,
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
        /// Its name.
        track: String,
    },
    /// Somebody muted or unmuted a track.
    TrackMuted {
        /// Whose.
        participant: String,
        /// Its name.
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
    /// What the slots show.
    Slots {
        /// All slots.
        slots: Vec<Slot>,
        /// Tracks without a slot; more slots are being offered.
        missing: Missing,
    },
    /// Which encodings of a simulcast track that is published somebody needs. Others need not be sent.
    Layers {
        /// The track.
        track: String,
        /// For each encoding, in the order of the offer, whether it is needed.
        active: Vec<bool>,
    },
    /// What the video slots get.
    Quality {
        /// Bits per second that the path carries; none while unknown.
        estimate: Option<u64>,
        /// The slots that show something.
        slots: Vec<SlotQuality>,
    },
    /// A direction is up.
    Connected(Direction),
    /// A direction has ended; a new `webrtcbin` is needed to begin it again.
    Closed {
        /// Which.
        direction: Direction,
        /// Why.
        reason: String,
    },
    /// Whether a media node serves the room.
    Media {
        /// It does: publish and receive (again).
        available: bool,
    },
    /// The fingerprint of a peer is verified: from now on media passes.
    Verified(Leg),
    /// A peer is not who its description says, or cannot be verified: no media passes, the session is over.
    Failed {
        /// Which.
        leg: Leg,
        /// Why.
        reason: String,
    },
    /// The server is lost. Media goes on; the connection is being made again.
    Interrupted,
    /// The server is back.
    Reconnected(Box<Joined>),
    /// Over for good: an administrator removed us, or another connection resumed us. Nothing comes after it.
    Ended {
        /// Why, in the server's words.
        reason: String,
    },
    /// The server refused something that was not asked with a reply.
    Error(ErrorMessage),
}

/// Which PeerConnection an event is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leg {
    /// Between us and the media node.
    Direction(Direction),
    /// Between us and another participant of a `p2p` room.
    Peer(String),
}

/// The events of a client, in order. To be read: they wait in memory until they are.
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    pub(super) fn new(receiver: mpsc::UnboundedReceiver<Event>) -> Events {
        Events(receiver)
    }

    /// The next one; none when the client has left.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}
