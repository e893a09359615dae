// SPDX-License-Identifier: MIT OR Apache-2.0
//! The node as a whole: rooms, participants, tracks and sessions; workers below, signalling beside, pads above.
//!
//! One thread owns all state and takes everything that happens from one queue, so nothing is locked. Media does not pass through
//! it: workers forward among themselves, packets of pads go straight to a worker, and tapped packets straight to the owner.

mod bridge;
mod config;
mod data;
mod demand;
mod dial;
mod error;
mod event;
mod guest;
mod input;
mod local;
mod name;
mod network;
mod offers;
mod outlets;
mod quality;
mod resume;
mod sessions;
mod signalling;
mod start;
mod state;
mod stats;
mod taps;
mod tracks;

pub use config::{HubConfig, Limits};
pub use data::OwnMessage;
pub use error::{RequestError, StartError};
pub use event::{HubObserver, LocalTrack, LocalTrackId, NodeEvent, TapId, TapRequest};
pub use stats::{NodeStats, SessionOwner, TrackOwner, WorkerStats};

use crate::io::{Command, Mailbox};
use input::Input;
use rand::RngExt;
use state::TrackIds;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use taps::Tap;
use tokio::sync::mpsc::UnboundedSender;

/// The room of pads that name none, on a node without signaller.
const LOCAL_ROOM: &str = "local";
/// How long [`Hub::stats`] waits.
const STATS_WAIT: Duration = Duration::from_millis(200);

/// A running node. Stops when dropped.
pub struct Hub {
    workers: Arc<[Arc<Mailbox>]>,
    input: UnboundedSender<Input>,
    track_ids: TrackIds,
    next_tap: AtomicU32,
    room: Option<String>,
    /// With a signaller and a room, that room is the only one.
    only: bool,
    /// The hub's thread first, then the workers'.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Hub {
    /// Binds the sockets, starts the workers and looks for the signaller. GStreamer must have been initialised: its SDP library is used.
    ///
    /// # Errors
    /// Wrong values, taken ports, exhausted limits. A signaller that cannot be reached is none of these: it is looked for until
    /// it is found, see [`NodeEvent::SignallerLost`].
    pub fn start(config: HubConfig, observer: Arc<dyn HubObserver>) -> Result<Hub, StartError> {
        start::start(config, observer)
    }

    /// Stops everything: all threads have ended and all sockets are closed when it returns. No event comes afterwards.
    /// Must not be called from within [`HubObserver::event`].
    pub fn stop(&self) {
        // Taken out, so that nothing is locked while waiting.
        let mut threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
                .into_iter();
        let _ = self.input.send(Input::Stop);
        // The hub ends first: its last orders close the sessions, so that peers hear of it.
        let ended = threads.next().map(JoinHandle::join);
        self.workers
            .iter()
            .for_each(|worker| worker.send(Command::Stop));
        for result in ended.into_iter().chain(threads.map(JoinHandle::join)) {
            match result {
                // A fault of ours shall not stay hidden, but a second panic while one is under way would abort.
                Err(panic) if !std::thread::panicking() => std::panic::resume_unwind(panic),
                _ => {}
            }
        }
    }

    /// Makes a source of this process a track of a room. What goes wrong later (a name already taken in the room) comes as
    /// [`NodeEvent::Refused`].
    ///
    /// # Errors
    /// No room, or names that cannot be used.
    pub fn publish(&self, track: LocalTrack) -> Result<LocalTrackId, RequestError> {
        let room = self.room(track.room.as_deref())?;
        name::check("participant", &track.participant)?;
        name::check("track", &track.track)?;
        track
            .audience
            .as_deref()
            .map_or(Ok(()), |name| name::check("audience", name))?;
        let worker = self.worker_of(&room, &track.participant);
        let id = LocalTrackId {
            track: self.track_ids.next(),
            worker,
            encoding: 0,
        };
        self.tell(Input::Publish { id, room, track })?;
        Ok(id)
    }

    /// Gives one RTP packet to the worker of the track. Never blocks; a worker that cannot keep up makes it drop and count.
    /// `capture`: when the source captured what the packet carries.
    pub fn push(&self, track: LocalTrackId, packet: &[u8], capture: Instant) {
        if let Some(worker) = self.workers.get(usize::from(track.worker)) {
            worker.send_media(|| Command::LocalRtp {
                stream: (track.track, track.encoding),
                packet: packet.into(),
                capture,
            });
        }
    }

    /// Gives the encodings of a track names, by number. Where the home of the room is another node, it is offered each of them once
    /// there are two; as long as there is none or one, it gets one stream.
    pub fn name_encodings(&self, track: LocalTrackId, rids: Vec<String>) {
        let _ = self.tell(Input::NameEncodings(track, rids));
    }

    /// Removes a track with all of its encodings from its room, and its participant with the last one.
    pub fn unpublish(&self, track: LocalTrackId) {
        let _ = self.tell(Input::Unpublish(track));
    }

    /// Asks for a track that exists, or may come.
    ///
    /// # Errors
    /// No room, or names that cannot be used.
    pub fn tap(&self, request: TapRequest) -> Result<TapId, RequestError> {
        let room = self.room(request.room.as_deref())?;
        name::check("participant", &request.participant)?;
        let id = TapId(self.next_tap.fetch_add(1, Ordering::Relaxed));
        let tap = Tap {
            room,
            request,
            ssrc: rand::rng().random(),
            track: None,
        };
        self.tell(Input::Tap(id, Box::new(tap)))?;
        Ok(id)
    }

    /// Takes the wish back.
    pub fn untap(&self, tap: TapId) {
        let _ = self.tell(Input::Untap(tap));
    }

    /// Asks the publisher of a tapped track for a keyframe; requests are coalesced.
    pub fn request_keyframe(&self, tap: TapId) {
        let _ = self.tell(Input::RequestKeyframe(tap));
    }

    /// Sends a message to participants that have a channel of its label open. What goes wrong later (a participant that is not
    /// there) comes as [`NodeEvent::Refused`].
    ///
    /// # Errors
    /// No room, names that cannot be used, or a message that is too long.
    pub fn send_data(&self, message: OwnMessage) -> Result<(), RequestError> {
        let room = self.room(message.room.as_deref())?;
        message.check()?;
        self.tell(Input::Data(room, message))
    }

    /// A snapshot. Waits for the workers' answers, at most 200 ms; not to be called from within [`HubObserver::event`].
    pub fn stats(&self) -> NodeStats {
        let deadline = Instant::now() + STATS_WAIT;
        let (reply, node) = channel();
        let _ = self.tell(Input::Stats(reply));
        let (reply, answers) = channel();
        self.workers
            .iter()
            .for_each(|worker| worker.send(Command::Stats(reply.clone())));
        drop(reply);
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut workers: Vec<_> =
            std::iter::from_fn(|| answers.recv_timeout(left()).ok()).collect();
        workers.sort_by_key(|(index, _)| *index);
        let mut stats = node.recv_timeout(left()).unwrap_or_default();
        stats.workers = workers.into_iter().map(|(_, stats)| stats).collect();
        stats
    }

    fn tell(&self, input: Input) -> Result<(), RequestError> {
        self.input.send(input).map_err(|_| RequestError::Stopped)
    }

    fn room(&self, wanted: Option<&str>) -> Result<String, RequestError> {
        let room = wanted
            .or(self.room.as_deref())
            .ok_or(RequestError::NoRoom)?;
        if !name::is_room(room) {
            return Err(RequestError::Name {
                what: "room",
                name: room.to_owned(),
            });
        }
        match &self.room {
            Some(only) if self.only && only != room => {
                Err(RequestError::OtherRoom(room.to_owned()))
            }
            _ => Ok(room.to_owned()),
        }
    }

    /// All tracks of a participant are at one worker, which keeps them in sync.
    fn worker_of(&self, room: &str, participant: &str) -> u8 {
        let mut hasher = DefaultHasher::new();
        (room, participant).hash(&mut hasher);
        (hasher.finish() % self.workers.len() as u64) as u8
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop();
    }
}
