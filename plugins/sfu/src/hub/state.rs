// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a node knows: rooms, participants, tracks, sessions. One thread owns it, so there is nothing to lock.

use super::bridge::Bridge;
use super::demand::Demand;
use super::dial::Dial;
use super::network::Network;
use super::outlets::Outlets;
use super::taps::Tap;
use super::{Limits, LocalTrackId, NodeEvent, TapId};
use crate::io::Command;
use crate::node::{Chosen, Direction, Missing, ParticipantKind, Role, Wish};
use gst_rtc_core::engine::SlotState;
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::{Fingerprint, MediaKind, PayloadParams, ReceiveSpec};
use gst_rtc_core::negotiate::{Answer, LocalTransport};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Hands out ids of tracks, to the hub's thread and to whoever publishes.
#[derive(Clone, Debug, Default)]
pub(super) struct TrackIds(Arc<AtomicU32>);

impl TrackIds {
    pub(super) fn next(&self) -> TrackId {
        TrackId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// What does not change while a node runs.
pub(super) struct Settings {
    pub(super) token: Option<String>,
    pub(super) limits: Limits,
    pub(super) network: Network,
    pub(super) fingerprint: Fingerprint,
}

/// The whole.
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) out: Outlets,
    pub(super) track_ids: TrackIds,
    pub(super) rooms: HashMap<RoomId, Room>,
    pub(super) room_ids: HashMap<String, RoomId>,
    pub(super) participants: HashMap<ParticipantId, Participant>,
    /// By the signaller's ids.
    pub(super) participant_ids: HashMap<String, ParticipantId>,
    pub(super) tracks: BTreeMap<TrackId, Track>,
    pub(super) sessions: HashMap<SessionId, Session>,
    /// By the signaller's names.
    pub(super) session_ids: HashMap<String, SessionId>,
    pub(super) taps: BTreeMap<TapId, Tap>,
    pub(super) link: Link,
    /// When to look at what is needed of simulcast tracks.
    pub(super) review: Option<Instant>,
    next_room: u32,
    next_participant: u32,
    next_session: u32,
}

/// The connection to the signaller.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Our id there, once we have one. Proof of who we are when we come back.
    pub(super) node: Option<String>,
    /// Registered: rooms may be spoken of.
    pub(super) ready: bool,
    /// The owner knows that it is lost.
    pub(super) told_lost: bool,
    pub(super) next_request: u64,
    pub(super) pending: HashMap<u64, Pending>,
}

/// A request of ours that is not answered yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pending {
    Join(ParticipantId),
    Dial(SessionId),
}

#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) name: String,
    /// What the signaller made us in it; `None`: it knows of no room here.
    pub(super) role: Option<Role>,
    /// Since the last connection the signaller has spoken of it.
    pub(super) confirmed: bool,
    /// Guests: our hidden participant at the signaller, and its place in the engines.
    pub(super) receiver: Option<String>,
    pub(super) dialler: Option<ParticipantId>,
    /// Guests: the data channel to the home node.
    pub(super) bridge: Bridge,
    /// Guests: when to dial again after a failure.
    pub(super) retry: Option<Instant>,
    pub(super) participants: Vec<ParticipantId>,
}

#[derive(Debug)]
pub(super) struct Participant {
    pub(super) room: RoomId,
    pub(super) name: String,
    pub(super) kind: ParticipantKind,
    /// The signaller's id; `None` before it knows of it.
    pub(super) wire: Option<String>,
    /// The signaller's secret, kept for it.
    pub(super) resume: Option<String>,
    /// Made from pads of this node.
    pub(super) own: bool,
    pub(super) worker: u8,
    pub(super) tracks: Vec<TrackId>,
    /// Guests: what the home node says it publishes.
    pub(super) elsewhere: Vec<Elsewhere>,
    /// Home: made by a guest node, whose hidden participant this is.
    pub(super) guest: Option<String>,
}

/// A track at the home node of a room in which we are a guest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Elsewhere {
    pub(super) name: String,
    pub(super) kind: MediaKind,
    /// Its payloads are encrypted end to end.
    pub(super) encrypted: bool,
}

#[derive(Debug)]
pub(super) struct Track {
    pub(super) participant: ParticipantId,
    pub(super) name: String,
    pub(super) kind: MediaKind,
    pub(super) payloads: Vec<PayloadParams>,
    /// Name of the only one who may receive it.
    pub(super) audience: Option<String>,
    /// Its payloads are encrypted end to end.
    pub(super) encrypted: bool,
    pub(super) demand: Demand,
    pub(super) home: u8,
    pub(super) muted: bool,
    /// Pads: what its encodings are called, by number; empty while it has one without a name.
    pub(super) rids: Vec<String>,
    pub(super) origin: Origin,
    /// The engines have it. Not so while its audience is away.
    pub(super) live: bool,
}

/// Where a track comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// A pad of this node.
    Pad,
    /// A participant's session.
    Peer,
    /// The home node of a room in which we are a guest. Others heard of the track from the signaller already.
    Home,
}

/// A peer connection.
pub(super) struct Session {
    /// The signaller's name for it.
    pub(super) name: String,
    pub(super) participant: ParticipantId,
    pub(super) room: RoomId,
    pub(super) worker: u8,
    pub(super) direction: Direction,
    pub(super) of: Option<String>,
    pub(super) local: LocalTransport,
    pub(super) remote_ufrag: String,
    /// The origin line of our descriptions: number and version.
    pub(super) origin: (u64, u64),
    pub(super) side: Side,
    pub(super) lines: Vec<Line>,
    pub(super) connected: bool,
    pub(super) slots: Vec<SlotState>,
    /// What the peer wants of slots, by mid.
    pub(super) wishes: HashMap<String, Wish>,
    /// Slots for which the peer chose what they show, by mid.
    pub(super) chosen: HashMap<String, Chosen>,
    pub(super) missing: Missing,
}

impl Session {
    /// Whether a mid is that of a slot: others would only fill the memory.
    pub(super) fn has_slot(&self, mid: &str) -> bool {
        match &self.side {
            Side::Answered(answer) => answer.slots.iter().any(|slot| slot.mid == mid),
            Side::Dialled(_) => false,
        }
    }
}

/// Who offered.
pub(super) enum Side {
    /// The peer did; what we answered last.
    Answered(Box<Answer>),
    /// We did.
    Dialled(Box<Dial>),
}

/// An m-line on which we receive.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) track: TrackId,
    /// The track's name; guests learn it from the home node, until then it is empty.
    pub(super) name: String,
    pub(super) spec: ReceiveSpec,
    /// What comes is encrypted end to end.
    pub(super) encrypted: bool,
}

impl State {
    pub(super) fn new(settings: Settings, out: Outlets, track_ids: TrackIds) -> State {
        State {
            settings,
            out,
            track_ids,
            rooms: HashMap::new(),
            room_ids: HashMap::new(),
            participants: HashMap::new(),
            participant_ids: HashMap::new(),
            tracks: BTreeMap::new(),
            sessions: HashMap::new(),
            session_ids: HashMap::new(),
            taps: BTreeMap::new(),
            link: Link::default(),
            review: None,
            next_room: 0,
            next_participant: 0,
            next_session: 0,
        }
    }

    /// The room of a name, made when there is none. `None` when there are too many.
    pub(super) fn ensure_room(&mut self, name: &str) -> Option<RoomId> {
        if let Some(&id) = self.room_ids.get(name) {
            return Some(id);
        }
        if self.rooms.len() >= self.settings.limits.rooms {
            return None;
        }
        let id = RoomId(self.next_room);
        self.next_room += 1;
        self.rooms.insert(
            id,
            Room {
                name: name.to_owned(),
                ..Room::default()
            },
        );
        self.room_ids.insert(name.to_owned(), id);
        self.out.order_all(0, || Command::AddRoom(id));
        Some(id)
    }

    /// Forgets a room that nobody is in and nobody assigned.
    pub(super) fn drop_room_if_unused(&mut self, id: RoomId) {
        let unused = |room: &Room| room.participants.is_empty() && room.role.is_none();
        if self.rooms.get(&id).is_some_and(unused)
            && let Some(room) = self.rooms.remove(&id)
        {
            self.room_ids.remove(&room.name);
            self.out.order_all(0, || Command::RemoveRoom(id));
        }
    }

    /// A new participant of the engines only: nobody hears of it.
    pub(super) fn new_participant_id(&mut self, room: RoomId) -> ParticipantId {
        let id = ParticipantId(self.next_participant);
        self.next_participant += 1;
        self.out.order_all(0, || Command::AddParticipant(room, id));
        id
    }

    pub(super) fn new_session_id(&mut self) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        id
    }

    /// Puts a participant into its room. `None` when the room is full.
    pub(super) fn add_participant(&mut self, participant: Participant) -> Option<ParticipantId> {
        let room_id = participant.room;
        let room = self.rooms.get(&room_id)?;
        if room.participants.len() >= self.settings.limits.participants {
            return None;
        }
        let id = self.new_participant_id(room_id);
        let name = participant.name.clone();
        if let Some(wire) = &participant.wire {
            self.participant_ids.insert(wire.clone(), id);
        }
        let visible = participant.is_visible();
        self.participants.insert(id, participant);
        self.rooms.get_mut(&room_id)?.participants.push(id);
        if visible {
            let (room, id) = (self.room_name(room_id), self.public_id(id));
            self.out.tell(NodeEvent::ParticipantJoined {
                room,
                id,
                name: name.clone(),
            });
            self.welcome(room_id, &name);
        }
        Some(id)
    }

    /// Takes a participant out, with its sessions and tracks.
    pub(super) fn remove_participant(&mut self, id: ParticipantId, reason: &str) {
        let of_it =
            |(key, session): (&SessionId, &Session)| (session.participant == id).then_some(*key);
        for session in self.sessions.iter().filter_map(of_it).collect::<Vec<_>>() {
            self.end_session(session, reason, Heard::Implied);
        }
        for track in self
            .participants
            .get(&id)
            .map(|p| p.tracks.clone())
            .unwrap_or_default()
        {
            self.remove_track(track, Heard::Implied);
        }
        let public = self.public_id(id);
        let Some(participant) = self.participants.remove(&id) else {
            return;
        };
        if let Some(wire) = &participant.wire {
            self.participant_ids.remove(wire);
        }
        self.out
            .order_all(participant.worker, || Command::RemoveParticipant(id));
        let room = self.room_name(participant.room);
        if let Some(room) = self.rooms.get_mut(&participant.room) {
            room.participants.retain(|other| *other != id);
        }
        if participant.is_visible() {
            let (room_id, name) = (participant.room, participant.name);
            self.out.tell(NodeEvent::ParticipantLeft {
                room,
                id: public,
                name: name.clone(),
            });
            self.miss(room_id, &name);
        }
    }

    pub(super) fn room_name(&self, id: RoomId) -> String {
        self.rooms
            .get(&id)
            .map(|room| room.name.clone())
            .unwrap_or_default()
    }

    pub(super) fn role(&self, id: RoomId) -> Option<Role> {
        self.rooms.get(&id).and_then(|room| room.role)
    }

    /// The id by which others know a participant; made up where there is no signaller.
    pub(super) fn public_id(&self, id: ParticipantId) -> String {
        self.participants
            .get(&id)
            .and_then(|p| p.wire.clone())
            .unwrap_or_else(|| id.to_string())
    }

    /// A visible participant by its name.
    pub(super) fn by_name(&self, room: RoomId, name: &str) -> Option<ParticipantId> {
        let of_name = |id: &&ParticipantId| {
            self.participants
                .get(id)
                .is_some_and(|p| p.is_visible() && p.name == name)
        };
        self.rooms
            .get(&room)?
            .participants
            .iter()
            .find(of_name)
            .copied()
    }

    /// A participant of a room by the signaller's id.
    pub(super) fn by_wire(&self, room: RoomId, wire: &str) -> Option<ParticipantId> {
        let id = *self.participant_ids.get(wire)?;
        self.participants
            .get(&id)
            .filter(|p| p.room == room)
            .map(|_| id)
    }

    /// The worker with the fewest peer connections.
    pub(super) fn least_busy(&self) -> u8 {
        let load = |worker: &u8| {
            let sessions = self
                .sessions
                .values()
                .filter(|s| s.worker == *worker)
                .count();
            let waiting = self
                .participants
                .values()
                .filter(|p| p.worker == *worker)
                .count();
            (sessions, waiting)
        };
        (0..self.out.count()).min_by_key(load).unwrap_or(0)
    }

    pub(super) fn track_of_pad(&self, track: LocalTrackId) -> Option<&Track> {
        self.tracks
            .get(&track.track)
            .filter(|t| t.origin == Origin::Pad)
    }
}

/// Whether the signaller must be told of a removal, or knows it from another message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    Say,
    Implied,
}

impl Participant {
    pub(super) fn is_visible(&self) -> bool {
        self.kind != ParticipantKind::Viewer
    }
}
