// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a worker can be told, and the box it is told through.

use super::sys::Wake;
use super::udp::UdpSocket;
use crate::hub::{TapId, WorkerStats};
use gst_rtc_core::bwe::Preference;
use gst_rtc_core::data::{DataMessage, DataSpec};
use gst_rtc_core::engine::{Assign, Assignment, SessionSpec, TrackSpec};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::{Candidate, ReceiveSpec, SlotSpec};
use gst_rtc_core::packet::MediaPacket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

/// Media packets that may wait for a worker. At a publisher's 200 packets/s this is half a second of forty publishers.
const MAX_MEDIA: usize = 4_096;

/// An order to a worker. Those about rooms, participants and tracks go to all workers of a node, those about a session to its own.
#[derive(Debug)]
pub(crate) enum Command {
    AddRoom(RoomId),
    RemoveRoom(RoomId),
    AddParticipant(RoomId, ParticipantId),
    RemoveParticipant(ParticipantId),
    AddTrack(TrackSpec),
    RemoveTrack(TrackId),
    OpenSession(Box<SessionSpec>),
    UpdateSession {
        session: SessionId,
        receive: Vec<(TrackId, ReceiveSpec)>,
        slots: Vec<SlotSpec>,
    },
    SetData(SessionId, DataSpec),
    CloseSession(SessionId),
    AddCandidate(SessionId, Candidate),
    SetAssign(SessionId, Assign),
    Assign {
        session: SessionId,
        mid: String,
        assignment: Assignment,
    },
    Prefer {
        session: SessionId,
        mid: String,
        preference: Preference,
    },
    /// Send these encodings of the track of an m-line, by number.
    SendEncodings {
        session: SessionId,
        mid: String,
        active: Vec<bool>,
    },
    /// Serve these sockets too.
    AddSockets(Vec<UdpSocket>),
    /// Close those bound to these addresses.
    RemoveSockets(Vec<SocketAddr>),
    /// Hand the packets of a track to a pad.
    Tap(TrackId, TapId),
    Untap(TrackId, TapId),
    RequestKeyframe(TrackId),
    /// The same for one encoding.
    RequestKeyframeOf(TrackId, u8),
    /// A worker has subscribers for a track of this one, or has none any more.
    Interest {
        track: TrackId,
        worker: u8,
        wanted: bool,
    },
    /// Somebody whose audio comes in at another worker began or ceased to speak.
    Speaking(ParticipantId, bool),
    /// A packet that came in at another worker.
    Relayed(Arc<MediaPacket>),
    /// A packet from a pad.
    LocalRtp {
        /// The track, and which of its encodings.
        stream: (TrackId, u8),
        packet: Box<[u8]>,
        capture: Instant,
    },
    /// A message for data channels, of another worker or of the owner.
    Data(Arc<DataMessage>),
    Stats(Sender<(u8, WorkerStats)>),
    Stop,
}

/// Where commands to one worker go. Sending never blocks.
pub(crate) struct Mailbox {
    sender: Sender<Command>,
    wake: Wake,
    /// Media packets and data messages on their way.
    media: AtomicUsize,
    dropped: AtomicU64,
}

impl Mailbox {
    /// # Errors
    /// When the system has no descriptor left.
    pub(crate) fn new() -> io::Result<(Arc<Mailbox>, Receiver<Command>)> {
        let (sender, receiver) = channel();
        let (media, dropped) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok((
            Arc::new(Mailbox {
                sender,
                wake: Wake::new()?,
                media,
                dropped,
            }),
            receiver,
        ))
    }

    /// Gives an order. A worker that has ended ignores it.
    pub(crate) fn send(&self, command: Command) {
        if self.sender.send(command).is_ok() {
            self.wake.raise();
        }
    }

    /// Gives a packet or message, unless too many wait already: then it is dropped and counted.
    pub(crate) fn send_media(&self, command: impl FnOnce() -> Command) {
        if self.media.fetch_add(1, Ordering::Relaxed) >= MAX_MEDIA {
            self.media.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.send(command());
    }

    /// Packets dropped because the worker could not keep up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn wake(&self) -> &Wake {
        &self.wake
    }

    /// The worker has taken a packet out.
    pub(super) fn media_taken(&self) {
        self.media.fetch_sub(1, Ordering::Relaxed);
    }
}
