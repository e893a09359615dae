// SPDX-License-Identifier: MIT OR Apache-2.0
//! The node as a whole: rooms, participants, tracks and sessions; workers below, signalling beside, pads above.

mod config;
mod error;
mod event;
mod stats;

pub use config::{HubConfig, Limits};
pub use error::{RequestError, StartError};
pub use event::{HubObserver, LocalTrack, LocalTrackId, NodeEvent, TapId, TapRequest};
pub use stats::{NodeStats, WorkerStats};
use std::sync::Arc;
use std::time::Instant;

/// A running node. Stops when dropped.
pub struct Hub {
    observer: Arc<dyn HubObserver>,
}

impl Hub {
    /// Binds the sockets, starts the workers and looks for the signaller.
    ///
    /// # Errors
    /// Wrong values, taken ports, exhausted limits. A signaller that cannot be reached is none of these: it is looked for until
    /// it is found, see [`NodeEvent::SignallerLost`].
    pub fn start(_config: HubConfig, observer: Arc<dyn HubObserver>) -> Result<Hub, StartError> {
        Ok(Hub { observer })
    }

    /// Stops everything: all threads have ended and all sockets are closed when it returns. No event comes afterwards.
    /// Must not be called from within [`HubObserver::event`].
    pub fn stop(&self) {
        let _ = &self.observer;
    }

    /// Makes a source of this process a track of a room. What goes wrong later (a name already taken in the room) comes as
    /// [`NodeEvent::Refused`].
    ///
    /// # Errors
    /// No room, or names that cannot be used.
    pub fn publish(&self, _track: LocalTrack) -> Result<LocalTrackId, RequestError> {
        Err(RequestError::Stopped)
    }

    /// Gives one RTP packet to the worker of the track. Never blocks; a worker that cannot keep up makes it drop and count.
    /// `capture`: when the source captured what the packet carries.
    pub fn push(&self, _track: LocalTrackId, _packet: &[u8], _capture: Instant) {}

    /// Removes a track from its room, and its participant with the last one.
    pub fn unpublish(&self, _track: LocalTrackId) {}

    /// Asks for a track that exists, or may come.
    ///
    /// # Errors
    /// No room, or names that cannot be used.
    pub fn tap(&self, _request: TapRequest) -> Result<TapId, RequestError> {
        Err(RequestError::Stopped)
    }

    /// Takes the wish back.
    pub fn untap(&self, _tap: TapId) {}

    /// Asks the publisher of a tapped track for a keyframe; requests are coalesced.
    pub fn request_keyframe(&self, _tap: TapId) {}

    /// A snapshot. Waits for the workers' answers, at most 200 ms; not to be called from within [`HubObserver::event`].
    pub fn stats(&self) -> NodeStats {
        NodeStats::default()
    }
}
