// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a hub tells its owner, and the ids and requests its owner speaks in.

use gst_rtc_core::engine::SlotQuality;
use gst_rtc_core::id::TrackId;
#[cfg(doc)]
use gst_rtc_core::layer::MAX_ENCODINGS;
use gst_rtc_core::media::{MediaKind, PayloadParams};
use gst_rtc_core::packet::MediaPacket;
use std::sync::Arc;

/// One encoding of a track published from this process. It carries its worker, so that pushing a packet needs no look-up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LocalTrackId {
    pub(crate) track: TrackId,
    pub(crate) worker: u8,
    pub(crate) encoding: u8,
}

impl LocalTrackId {
    /// The id of another encoding of the same track (RFC 8853), a number below [`MAX_ENCODINGS`].
    pub fn encoding(self, encoding: u8) -> LocalTrackId {
        LocalTrackId { encoding, ..self }
    }
}

/// A wish to receive a track in this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TapId(pub u32);

/// A source in this process that becomes a track of a room.
#[derive(Clone, PartialEq, Debug)]
pub struct LocalTrack {
    /// The room; `None`: the room of the configuration.
    pub room: Option<String>,
    /// Name of the participant it belongs to. Created with its first track, gone with its last.
    pub participant: String,
    /// Name of the track, unique within its participant, for example `video`.
    pub track: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// Codec and payload type of the packets that will be pushed.
    pub payload: PayloadParams,
    /// When set, only the participant of this name receives the track.
    pub audience: Option<String>,
    /// Its payloads are encrypted end to end: they are neither read nor changed.
    pub encrypted: bool,
}

/// Which track is wanted. It need not exist yet, and it may go and come again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TapRequest {
    /// The room; `None`: the room of the configuration.
    pub room: Option<String>,
    /// Name of the participant.
    pub participant: String,
    /// Name of the track; `None`: the first of the kind.
    pub track: Option<String>,
    /// Audio or video.
    pub kind: MediaKind,
}

/// What happened. Names are those of the room; ids of participants are the signaller's, or made up here without one.
#[derive(Clone, Debug)]
pub enum NodeEvent {
    /// Somebody, remote or local, is in the room.
    ParticipantJoined {
        /// Name of the room.
        room: String,
        /// Id of the participant.
        id: String,
        /// Name of the participant.
        name: String,
    },
    /// Somebody left. Their tracks were removed before.
    ParticipantLeft {
        /// Name of the room.
        room: String,
        /// Id of the participant.
        id: String,
        /// Name of the participant.
        name: String,
    },
    /// A track can be received from now on.
    TrackAdded {
        /// Name of the room.
        room: String,
        /// Name of the participant.
        participant: String,
        /// Name of the track.
        track: String,
        /// Audio or video.
        kind: MediaKind,
        /// Its codec, as its publisher sends it. The first one negotiated; a publisher may use another.
        payload: PayloadParams,
    },
    /// A track is gone.
    TrackRemoved {
        /// Name of the room.
        room: String,
        /// Name of the participant.
        participant: String,
        /// Name of the track.
        track: String,
    },
    /// A tap found its track; its media follows. Comes again when the track went and came back.
    TapStarted {
        /// The tap.
        tap: TapId,
        /// Name of the track found.
        track: String,
        /// What it carries: the first payload negotiated. [`MediaPacket::codec`] says what really comes.
        payload: PayloadParams,
        /// An SSRC for the stream, unique in this node.
        ssrc: u32,
        /// Its payloads are encrypted end to end.
        encrypted: bool,
    },
    /// A packet of a tapped track. Called from the worker's thread: whoever blocks here holds up everybody's media.
    TapMedia(TapId, Arc<MediaPacket>),
    /// The track of a tap is gone; packets that were on their way may still follow.
    TapEnded(TapId),
    /// A receiver of that encoding of a local track cannot go on without a keyframe.
    KeyframeNeeded(LocalTrackId),
    /// The signaller was found, again or for the first time.
    SignallerConnected,
    /// The signaller cannot be reached; it is tried again until it can. Said once per loss.
    SignallerLost {
        /// What went wrong.
        error: String,
    },
    /// Something asked for here or by a peer could not be done.
    Refused {
        /// What was asked for, for example `join of alice`.
        what: String,
        /// Why, and what to do next.
        message: String,
    },
    /// Somebody began or ceased to speak.
    Speaking {
        /// Name of the room.
        room: String,
        /// Name of the participant.
        participant: String,
        /// Speaks now.
        speaking: bool,
    },
    /// What a participant receives has changed, or what the path to it carries.
    Quality {
        /// Name of the room.
        room: String,
        /// Name of the participant that receives.
        participant: String,
        /// What the path carries, in bit/s; `None` while that is not known.
        estimate: Option<u64>,
        /// Its video slots that show something.
        slots: Vec<SlotQuality>,
    },
    /// A participant sent a message on a data channel. Others in the room that have a channel of the label open got it too.
    Data {
        /// Name of the room.
        room: String,
        /// Name of the participant.
        participant: String,
        /// Label of the channel.
        label: String,
        /// Text (UTF-8) or bytes.
        text: bool,
        /// The message.
        payload: Arc<[u8]>,
    },
    /// A peer connection came up or ended.
    Session {
        /// Name of the room.
        room: String,
        /// Name of the participant.
        participant: String,
        /// Publishes to us (true) or receives from us (false).
        publishes: bool,
        /// Up (true) or ended (false).
        connected: bool,
        /// Why it ended; empty when it did not.
        reason: String,
    },
}

/// Whoever owns the hub.
pub trait HubObserver: Send + Sync {
    /// Called from the hub's threads, never with a lock held. Must not block, and must not stop the hub from within.
    fn event(&self, event: NodeEvent);
}
