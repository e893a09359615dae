// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an engine is told, and what it tells.

use super::SlotQuality;
use crate::data::{DataMessage, DataSpec};
use crate::id::{ParticipantId, SessionId, TrackId};
use crate::media::{
    Candidate, MediaKind, PayloadParams, ReceiveSpec, SlotSpec, TransportDescription,
};
use crate::packet::MediaPacket;
use crate::session::{Certificate, IceRole};
use std::sync::Arc;
use std::time::Instant;

/// Fixed at creation.
#[derive(Clone)]
pub struct EngineConfig {
    /// Seed of everything random that is not a key.
    pub seed: u64,
    /// Our DTLS certificate, shared by all sessions of a node.
    pub certificate: Arc<Certificate>,
    /// Which worker this is, 0 to 63.
    pub worker: u8,
    /// NTP time (RFC 5905, 32.32 fixed point) at the instant the engine was made; sender reports count from it.
    pub ntp: u64,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds against peers that ask for too much.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions on this worker. Default 10,000.
    pub sessions: usize,
    /// Different RTP streams (SSRCs) one session may send. Default 64; further ones are dropped and counted.
    pub streams_per_session: usize,
    /// Addresses one session may be reached from at a time. Default 16.
    pub paths_per_session: usize,
    /// Bytes per second that one session may send on its data channels, 256 more counted for each message. Default 1 MiB.
    /// While it sends more, SCTP's flow control holds it up.
    pub data_rate: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sessions: 10_000,
            streams_per_session: 64,
            paths_per_session: 16,
            data_rate: 1024 * 1024,
        }
    }
}

/// A track, made known to every worker.
#[derive(Clone, Debug)]
pub struct TrackSpec {
    /// Its id.
    pub id: TrackId,
    /// Whose it is.
    pub participant: ParticipantId,
    /// Its name within the participant, for example `video`.
    pub name: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// The formats it may come in.
    pub payloads: Vec<PayloadParams>,
    /// Set: only this participant may receive it.
    pub audience: Option<ParticipantId>,
    /// The worker it comes in at: its session's, or the one a pad feeds.
    pub home: u8,
    /// Its payloads are encrypted end to end: they are neither read nor changed. What there is to know of them is taken from header
    /// extensions; without dependency descriptors a switch takes effect at once, and a keyframe is asked for.
    pub encrypted: bool,
}

/// Which tracks the slots of a session show when nobody says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Assign {
    /// Everything in the room but the session's own participant's. Where not everything fits, those are heard who speak or
    /// spoke last, and those are seen who had the floor last.
    #[default]
    Auto,
    /// What this participant publishes.
    Only(ParticipantId),
    /// Nothing; every slot is told by [`Engine::assign`](super::Engine::assign).
    Manual,
}

/// What one slot shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Assignment {
    /// Whatever the session's [`Assign`] gives it.
    #[default]
    Auto,
    /// This track.
    Track(TrackId),
    /// A video track of whoever speaks, or spoke last, in the room. Not the session's own participant's.
    Speaker,
    /// Nothing.
    Nothing,
}

/// A session to open.
#[derive(Clone, Debug)]
pub struct SessionSpec {
    /// Its id.
    pub id: SessionId,
    /// Whose it is. The participant must have been added.
    pub participant: ParticipantId,
    /// Lite when the peer dialled us, full when we dial.
    pub ice: IceRole,
    /// Our ICE user name fragment, unique within the node.
    pub local_ufrag: String,
    /// Our ICE password.
    pub local_pwd: String,
    /// Our candidates.
    pub local_candidates: Vec<Candidate>,
    /// The peer's transport.
    pub remote: TransportDescription,
    /// True when we send the DTLS ClientHello.
    pub dtls_client: bool,
    /// The m-lines we receive, and the track each becomes.
    pub receive: Vec<(TrackId, ReceiveSpec)>,
    /// The m-lines we send.
    pub slots: Vec<SlotSpec>,
    /// What the slots show.
    pub assign: Assign,
    /// Data channels, where they were negotiated.
    pub data: Option<DataSpec>,
    /// By what name others know whose the messages on its data channels are. Must have no line feed.
    pub sender: Arc<str>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum EngineEvent {
    /// ICE and DTLS are done and the certificate is the announced one: media flows.
    SessionConnected {
        /// The session.
        session: SessionId,
        /// The tracks it publishes.
        tracks: Vec<TrackId>,
    },
    /// The session has ended and all of it is freed.
    SessionClosed {
        /// The session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// A packet wanted outside this engine.
    Media {
        /// The packet.
        packet: Arc<MediaPacket>,
        /// Workers that asked for its track, one bit each.
        workers: u64,
        /// True when a pad taps the track.
        tap: bool,
    },
    /// Subscribers here need (or no longer need) a track that comes in at another worker.
    Interest {
        /// The track.
        track: TrackId,
        /// Needed or not.
        wanted: bool,
    },
    /// A keyframe is needed from a track that comes in at another worker or through a pad.
    KeyframeNeeded {
        /// The track.
        track: TrackId,
        /// Which of its encodings.
        encoding: u8,
    },
    /// What the slots of a session show has changed.
    Slots {
        /// The session.
        session: SessionId,
        /// All of its slots.
        slots: Vec<SlotState>,
        /// Audio tracks that found no slot.
        missing_audio: u16,
        /// Video tracks that found no slot.
        missing_video: u16,
    },
    /// A participant began or ceased to speak.
    Speaking {
        /// Who.
        participant: ParticipantId,
        /// Began or ceased.
        speaking: bool,
    },
    /// What a session gets has changed. At most one per second and session.
    Quality {
        /// The session.
        session: SessionId,
        /// What its path carries, in bit/s; `None` while that is not known.
        estimate: Option<u64>,
        /// Its video slots that show something.
        slots: Vec<SlotQuality>,
    },
    /// A message came by a data channel here, and was sent to those who are here. Other workers have to be given it by
    /// [`Engine::send_data`](super::Engine::send_data).
    Data(Arc<DataMessage>),
    /// A message came from another node, on a channel of [`NODE_LABEL`](crate::data::NODE_LABEL). It was sent to nobody.
    NodeMessage(Arc<DataMessage>),
    /// A channel to another node is open on a session.
    NodeChannel(SessionId),
}

/// One slot of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotState {
    /// The slot's mid.
    pub mid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// The track it shows.
    pub track: Option<TrackId>,
}

/// Why a session ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CloseReason {
    /// [`Engine::close_session`](super::Engine::close_session), or its participant or room was removed.
    #[error("closed by this side")]
    Local,
    /// The peer closed its side.
    #[error("closed by the peer")]
    Peer,
    /// It failed; the text says how.
    #[error("{0}")]
    Failed(String),
}

/// A pair of clock readings: on our clock, and on the RTP clock of a stream.
#[derive(Clone, Copy, Debug)]
pub struct ClockPair {
    /// Our clock.
    pub instant: Instant,
    /// RTP timestamp.
    pub rtp: u32,
}

impl ClockPair {
    /// The RTP timestamp at an instant, for a clock of `rate` Hz.
    pub fn at(&self, instant: Instant, rate: u32) -> u32 {
        let ticks =
            |d: std::time::Duration| (d.as_nanos() * u128::from(rate) / 1_000_000_000) as u32;
        match instant.checked_duration_since(self.instant) {
            Some(later) => self.rtp.wrapping_add(ticks(later)),
            None => self.rtp.wrapping_sub(ticks(self.instant - instant)),
        }
    }
}
