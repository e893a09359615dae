// SPDX-License-Identifier: MIT OR Apache-2.0
//! One worker: its sessions and its view of the rooms.
//!
//! The caller feeds it datagrams, commands and time, and after each batch drains it:
//!
//! 1. [`Engine::handle_datagram`] for every datagram that is there, then [`Engine::flush`] until it says [`Flush::Done`],
//!    sending and clearing the [`SendArena`] each time;
//! 2. [`Engine::poll_event`] until `None`;
//! 3. [`Engine::poll_timeout`]: the time at which [`Engine::handle_timeout`] wants to be called.
//!
//! A node with several workers makes rooms, participants and tracks known to all of them, and opens each session at one.

mod bandwidth;
mod control;
mod data;
mod forward;
mod incoming;
mod layers;
mod moment;
mod pacing;
mod replay;
mod speaking;
mod spec;
mod stats;
mod timers;

pub use bandwidth::SlotQuality;
pub use control::OpenError;
pub use forward::Flush;
pub use incoming::MAX_DATAGRAM;
pub use spec::{
    Assign, Assignment, ClockPair, CloseReason, EngineConfig, EngineEvent, Limits, SessionSpec,
    SlotState, TrackSpec,
};
pub use stats::{EngineStats, SessionMediaStats, SlotStats, StreamStats};

pub(crate) use bandwidth::Division;
pub(crate) use moment::Moment;

use crate::arena::SendArena;
use crate::id::{SessionId, TrackId};
use crate::media::Path;
use crate::peer::Peer;
use crate::router::Router;
use forward::Cursor;
use rand::SeedableRng;
use rand::rngs::StdRng;
use slab::Slab;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;
use timers::Timers;

/// A worker's state. See the module for how it is driven.
pub struct Engine {
    config: EngineConfig,
    epoch: Instant,
    random: StdRng,
    router: Router,
    peers: Slab<Peer>,
    by_session: HashMap<SessionId, usize>,
    by_ufrag: HashMap<String, usize>,
    by_path: HashMap<Path, usize>,
    local: HashMap<(TrackId, u8), incoming::LocalStream>,
    timers: Timers,
    events: VecDeque<EngineEvent>,
    arena: SendArena,
    /// Tracks with packets to forward.
    dirty: Vec<TrackId>,
    cursor: Cursor,
    replays: replay::Replays,
    /// Tracks of which a keyframe is awaited.
    keyframe_tracks: BTreeSet<TrackId>,
    /// When the next of them may be asked.
    keyframes_at: Option<Instant>,
    next_epoch: u32,
    stats: EngineStats,
}

impl Engine {
    /// An empty engine whose clock starts `now`.
    pub fn new(now: Instant, config: EngineConfig) -> Engine {
        Engine {
            epoch: now,
            random: StdRng::seed_from_u64(config.seed),
            router: Router::default(),
            peers: Slab::new(),
            by_session: HashMap::new(),
            by_ufrag: HashMap::new(),
            by_path: HashMap::new(),
            local: HashMap::new(),
            timers: Timers::default(),
            events: VecDeque::new(),
            arena: SendArena::default(),
            dirty: Vec::new(),
            cursor: Cursor::default(),
            replays: replay::Replays::default(),
            keyframe_tracks: BTreeSet::new(),
            keyframes_at: None,
            // Epochs are compared across workers, so each counts in a range of its own.
            next_epoch: u32::from(config.worker) << 26,
            stats: EngineStats::default(),
            config,
        }
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<EngineEvent> {
        self.events.pop_front()
    }

    /// When [`Engine::handle_timeout`] is to be called next; `None` when nothing is pending.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.timers.next()
    }

    /// What is to be sent. Send every run, then clear it.
    pub fn arena(&mut self) -> &mut SendArena {
        &mut self.arena
    }

    /// Counters of the whole engine.
    pub fn stats(&self) -> &EngineStats {
        &self.stats
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, due)) = self.timers.pop(now) {
            match due {
                timers::Due::Peer(peer) => self.wake_peer(now, peer, at),
                timers::Due::Keyframes => self.request_due_keyframes(now, at),
                timers::Due::Replays => {}
                timers::Due::Floor(room) => self.pass_floor(now, room),
            }
        }
    }

    /// Does what a peer has to do at a time for which it was scheduled. If it has been scheduled for another since, nothing is to
    /// be done: to schedule it anew here as well would keep one entry more in the queue for ever.
    fn wake_peer(&mut self, now: Instant, key: usize, at: Instant) {
        let moment = self.moment(now);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer
            .scheduled
            .take_if(|scheduled| *scheduled == at)
            .is_none()
        {
            return;
        }
        self.stats.wakes += 1;
        if peer.session.poll_timeout().is_some_and(|at| at <= now) {
            peer.session.handle_timeout(now);
        }
        peer.refresh();
        if peer.connected {
            let feedback = peer.feedback(now);
            peer.send_rtcp(feedback, &mut self.arena);
            if peer.report_due(now, &mut self.random) {
                for report in peer.reports(&moment) {
                    peer.send_rtcp(report, &mut self.arena);
                }
            }
        }
        if self.peers[key].connected {
            self.mind_bandwidth(now, key);
            self.release(now, key, 0);
        }
        self.drain_session(now, key);
        self.schedule(key);
    }

    /// Puts a peer into the timer queue if its next time is earlier than the one it stands there for.
    fn schedule(&mut self, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Some(at) = peer.timeout() else { return };
        if peer.scheduled.is_none_or(|scheduled| at < scheduled) {
            peer.scheduled = Some(at);
            self.timers.push(at, timers::Due::Peer(key));
        }
    }

    fn moment(&self, now: Instant) -> Moment {
        Moment::new(now, self.epoch, self.config.ntp)
    }
}
