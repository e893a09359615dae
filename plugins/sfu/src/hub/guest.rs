// SPDX-License-Identifier: MIT OR Apache-2.0
//! In a room whose home is another node: our participants are published there, and what taps ask for is fetched from there, over
//! connections that we dial like any client.

use super::NodeEvent;
use super::state::{Heard, Line, Origin, Pending, Session, Side, State};
use crate::io::Command;
use crate::node::{self, Direction, Missing, Role, Slot, ToSignaller};
use crate::sdp;
use gst_rtc_core::codec::Codec;
use gst_rtc_core::engine::{Assign, Assignment, SessionSpec};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::{MediaKind, SessionDescription};
use gst_rtc_core::negotiate::{
    Accepted, LocalTransport, OfferedTrack, accept_answer, offer_publish, offer_receive,
    offered_payloads,
};
use gst_rtc_core::session::IceRole;
use rand::RngExt;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long after a connection to the home node failed the next is tried.
const RETRY: Duration = Duration::from_secs(2);

/// Our side of a connection that we dial.
pub(super) struct Dial {
    /// What we offered last.
    offer: SessionDescription,
    /// Publishing: the track of each m-line.
    tracks: Vec<TrackId>,
    /// Publishing: how many of them were there when we offered.
    active: Vec<TrackId>,
    /// Receiving: the track that the home node shows on each m-line, by mid.
    shown: HashMap<String, String>,
    /// The offer is not answered yet.
    waiting: bool,
    /// The engine has the session.
    open: bool,
}

impl State {
    /// Brings the connections to the home node of a room in line with pads and taps. Elsewhere it does nothing.
    pub(super) fn dial_room(&mut self, id: RoomId) {
        let Some(room) = self
            .rooms
            .get(&id)
            .filter(|room| room.role == Some(Role::Guest))
        else {
            return;
        };
        if !self.link.ready || room.retry.is_some() {
            return;
        }
        for participant in room.participants.clone() {
            match self.participants.get(&participant) {
                Some(p) if p.own => self.dial_publication(id, participant),
                Some(p) if p.is_visible() => self.dial_reception(id, participant),
                _ => {}
            }
        }
    }

    /// Tries again after a while.
    pub(super) fn dial_later(&mut self, room: RoomId) {
        if let Some(room) = self
            .rooms
            .get_mut(&room)
            .filter(|room| room.role == Some(Role::Guest))
        {
            room.retry = Some(Instant::now() + RETRY);
        }
    }

    /// When [`State::handle_timeout`] is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.rooms.values().filter_map(|room| room.retry).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let due = |room: &&mut super::state::Room| room.retry.is_some_and(|at| at <= now);
        self.rooms
            .values_mut()
            .filter(due)
            .for_each(|room| room.retry = None);
        let rooms = self
            .rooms
            .iter()
            .filter(|(_, room)| room.retry.is_none())
            .map(|(id, _)| *id);
        rooms
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|room| self.dial_room(room));
    }

    fn dialled(
        &self,
        participant: ParticipantId,
        direction: Direction,
    ) -> Option<(SessionId, &Dial)> {
        let mut sessions = self
            .sessions
            .iter()
            .filter(|(_, s)| s.participant == participant && s.direction == direction);
        sessions.find_map(|(id, session)| match &session.side {
            Side::Dialled(dial) => Some((*id, &**dial)),
            Side::Answered(_) => None,
        })
    }

    fn dial_publication(&mut self, room: RoomId, participant: ParticipantId) {
        let Some(owner) = self
            .participants
            .get(&participant)
            .filter(|p| p.wire.is_some())
        else {
            return;
        };
        // What is meant for one would be seen by all at the home node, which knows of no audience.
        let shared = |id: &TrackId| {
            self.tracks
                .get(id)
                .is_some_and(|track| track.audience.is_none())
        };
        let active: Vec<TrackId> = owner.tracks.iter().copied().filter(shared).collect();
        let worker = owner.worker;
        let known = self
            .dialled(participant, Direction::Publish)
            .map(|(id, dial)| (id, dial.waiting, &dial.active, &dial.tracks));
        let (session, mut tracks) = match known {
            Some((_, true, ..)) => return,
            Some((_, _, offered, _)) if *offered == active => return,
            Some((id, ..)) if active.is_empty() => return self.hang_up(id),
            Some((id, _, _, tracks)) => (Some(id), tracks.clone()),
            None if active.is_empty() => return,
            None => (None, Vec::new()),
        };
        let new = active
            .iter()
            .filter(|id| !tracks.contains(id))
            .copied()
            .collect::<Vec<_>>();
        tracks.extend(new);
        let id =
            session.unwrap_or_else(|| self.new_dial(room, participant, worker, Direction::Publish));
        let offered: Vec<OfferedTrack> = tracks
            .iter()
            .map(|track| self.offered(*track, participant))
            .collect();
        self.offer(id, |local, previous| {
            offer_publish(&offered, local, previous, &mut || rand::rng().random())
        });
        if let Some(dial) = self.dial_mut(id) {
            (dial.tracks, dial.active) = (tracks, active);
        }
    }

    /// A track as it is offered; one that is gone keeps its place.
    fn offered(&self, id: TrackId, participant: ParticipantId) -> OfferedTrack {
        let stream = self
            .participants
            .get(&participant)
            .map(|p| p.name.replace(' ', "_"))
            .unwrap_or_default();
        match self.tracks.get(&id) {
            Some(track) => OfferedTrack {
                kind: track.kind,
                payloads: track.payloads.clone(),
                stream,
                active: true,
            },
            None => OfferedTrack {
                kind: MediaKind::Video,
                payloads: Vec::new(),
                stream,
                active: false,
            },
        }
    }

    fn dial_reception(&mut self, room: RoomId, participant: ParticipantId) {
        let (audio, video) = self.wanted(room, participant);
        let session = match self.dialled(participant, Direction::Receive) {
            Some((_, dial)) if dial.waiting => return,
            Some((id, _)) if audio + video == 0 => return self.hang_up(id),
            Some((_, dial)) if dial.has(audio, video) => return,
            Some((id, _)) => id,
            None if audio + video == 0 => return,
            None => self.new_dial(room, participant, self.least_busy(), Direction::Receive),
        };
        self.offer(session, |local, previous| {
            offer_receive(audio, video, local, previous)
        });
    }

    /// How many audio and video tracks of a participant taps ask for: all of a kind when one of it is asked for, since only the home
    /// node's slots tell which is which.
    fn wanted(&self, room: RoomId, participant: ParticipantId) -> (usize, usize) {
        let Some(them) = self.participants.get(&participant) else {
            return (0, 0);
        };
        let name = self.room_name(room);
        let count = |kind| {
            let asked = self
                .taps
                .values()
                .any(|tap| tap.room == name && tap.asks(&them.name, kind));
            if asked {
                them.elsewhere.iter().filter(|(_, k)| *k == kind).count()
            } else {
                0
            }
        };
        (count(MediaKind::Audio), count(MediaKind::Video))
    }

    fn new_dial(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        worker: u8,
        direction: Direction,
    ) -> SessionId {
        let id = self.new_session_id();
        let local = self.local_transport(worker, false);
        let name = super::network::session_name();
        let of = match direction {
            Direction::Receive => self.participants.get(&participant).map(|p| p.name.clone()),
            Direction::Publish => None,
        };
        let dial = Dial {
            offer: offer_receive(0, 0, &local, None),
            tracks: Vec::new(),
            active: Vec::new(),
            shown: HashMap::new(),
            waiting: false,
            open: false,
        };
        self.session_ids.insert(name.clone(), id);
        let session = Session {
            name,
            participant,
            room,
            worker,
            direction,
            of,
            local,
            remote_ufrag: String::new(),
            origin: (rand::rng().random::<u64>() >> 1, 0),
            side: Side::Dialled(Box::new(dial)),
            lines: Vec::new(),
            connected: false,
            slots: Vec::new(),
            missing: Missing::default(),
        };
        self.sessions.insert(id, session);
        id
    }

    fn dial_mut(&mut self, id: SessionId) -> Option<&mut Dial> {
        match &mut self.sessions.get_mut(&id)?.side {
            Side::Dialled(dial) => Some(dial),
            Side::Answered(_) => None,
        }
    }

    fn offer(
        &mut self,
        id: SessionId,
        make: impl FnOnce(&LocalTransport, Option<&SessionDescription>) -> SessionDescription,
    ) {
        let request = self.request(Pending::Dial(id));
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Side::Dialled(dial) = &mut session.side else {
            return;
        };
        let description = make(&session.local, dial.open.then_some(&dial.offer));
        session.origin.1 += 1;
        let sdp = sdp::write(&description, session.origin.0, session.origin.1);
        (dial.offer, dial.waiting) = (description, true);
        let (room, direction, name, of) = (
            session.room,
            session.direction,
            session.name.clone(),
            session.of.clone(),
        );
        let participant = match direction {
            Direction::Publish => self
                .participants
                .get(&session.participant)
                .and_then(|p| p.wire.clone()),
            Direction::Receive => None,
        };
        let room = self.room_name(room);
        self.out.say(ToSignaller::Offer {
            request,
            room,
            participant,
            direction,
            session: name,
            sdp,
            of,
        });
    }

    /// The home node answered.
    pub(super) fn dial_answered(&mut self, id: SessionId, text: &str) {
        let Some(dial) = self.dial_mut(id) else {
            return;
        };
        dial.waiting = false;
        let answer = sdp::parse(text).map_err(|e| e.to_string());
        let accepted = answer
            .and_then(|answer| accept_answer(&dial.offer, &answer).map_err(|e| e.to_string()));
        let room = self.sessions.get(&id).map(|session| session.room);
        match accepted {
            Ok(accepted) => self.connect_dialled(id, accepted),
            Err(message) => {
                self.hang_up(id);
                self.out.tell(NodeEvent::Refused {
                    what: "answer of the home node".into(),
                    message,
                });
                room.into_iter().for_each(|room| self.dial_later(room));
            }
        }
        // Pads and taps may have changed meanwhile.
        room.into_iter().for_each(|room| self.dial_room(room));
    }

    fn connect_dialled(&mut self, id: SessionId, accepted: Accepted) {
        let Some(room) = self.sessions.get(&id).map(|session| session.room) else {
            return;
        };
        let participant = self.dialler(room);
        let track_ids = self.track_ids.clone();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Side::Dialled(dial) = &mut session.side else {
            return;
        };
        let former = std::mem::take(&mut session.lines);
        for spec in accepted.receive {
            let known = former.iter().find(|line| line.spec.mid == spec.mid);
            let (track, name) = known.map_or_else(
                || (track_ids.next(), String::new()),
                |l| (l.track, l.name.clone()),
            );
            session.lines.push(Line { track, name, spec });
        }
        let (receive, worker) = (super::sessions::received(&session.lines), session.worker);
        let mut assignments = Vec::new();
        for slot in &accepted.slots {
            let place = dial
                .offer
                .media
                .iter()
                .position(|media| media.mid == slot.mid);
            let track = place
                .and_then(|place| dial.tracks.get(place))
                .map_or(Assignment::Nothing, |t| Assignment::Track(*t));
            assignments.push(Command::Assign {
                session: id,
                mid: slot.mid.clone(),
                assignment: track,
            });
        }
        let order = if std::mem::replace(&mut dial.open, true) {
            Command::UpdateSession {
                session: id,
                receive,
                slots: accepted.slots,
            }
        } else {
            Command::OpenSession(Box::new(SessionSpec {
                id,
                participant,
                ice: IceRole::Full,
                local_ufrag: session.local.ufrag.clone(),
                local_pwd: session.local.pwd.clone(),
                local_candidates: self.settings.network.own(worker),
                remote: accepted.remote,
                dtls_client: accepted.dtls_client,
                receive,
                slots: accepted.slots,
                assign: Assign::Manual,
            }))
        };
        self.out.order(worker, order);
        assignments
            .into_iter()
            .for_each(|command| self.out.order(worker, command));
        self.show_received(id);
    }

    /// The participant to whom dialled sessions belong in the engines. It is none of those whose tracks they carry, since nobody is
    /// sent what is their own.
    fn dialler(&mut self, room: RoomId) -> ParticipantId {
        if let Some(dialler) = self.rooms.get(&room).and_then(|room| room.dialler) {
            return dialler;
        }
        let dialler = self.new_participant_id(room);
        if let Some(room) = self.rooms.get_mut(&room) {
            room.dialler = Some(dialler);
        }
        dialler
    }

    /// The home node tells which track each m-line carries.
    pub(super) fn heard_slots(&mut self, session: &str, slots: Vec<Slot>) {
        let Some(&id) = self.session_ids.get(session) else {
            return;
        };
        let Some(dial) = self.dial_mut(id) else {
            return;
        };
        dial.shown = slots
            .into_iter()
            .filter_map(|slot| Some((slot.mid, slot.track?)))
            .collect();
        self.show_received(id);
    }

    /// Makes tracks of what a connected session receives, under the names that the home node gave them.
    pub(super) fn show_received(&mut self, id: SessionId) {
        let track_ids = self.track_ids.clone();
        let Some(session) = self
            .sessions
            .get_mut(&id)
            .filter(|session| session.connected)
        else {
            return;
        };
        let Side::Dialled(dial) = &session.side else {
            return;
        };
        let mut gone = Vec::new();
        for line in &mut session.lines {
            let name = dial.shown.get(&line.spec.mid).cloned().unwrap_or_default();
            if line.name != name {
                if !line.name.is_empty() {
                    gone.push(std::mem::replace(&mut line.track, track_ids.next()));
                }
                line.name = name;
            }
        }
        let (worker, receive) = (session.worker, super::sessions::received(&session.lines));
        if !gone.is_empty() {
            self.out.order(
                worker,
                Command::UpdateSession {
                    session: id,
                    receive,
                    slots: Vec::new(),
                },
            );
        }
        gone.into_iter()
            .for_each(|track| self.remove_track(track, Heard::Implied));
        self.add_line_tracks(id);
    }

    /// Ends a session of ours, here and at the home node.
    fn hang_up(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get(&id).map(|session| session.name.clone()) {
            self.end_session(id, "no longer needed", Heard::Implied);
            self.out.say(ToSignaller::CloseSession { session });
        }
    }

    /// The home node, or the signaller, said no.
    pub(super) fn dial_refused(&mut self, id: SessionId) {
        let Some(room) = self.sessions.get(&id).map(|session| session.room) else {
            return;
        };
        self.end_session(id, "refused", Heard::Implied);
        self.dial_later(room);
    }

    /// The signaller is lost: answers will not come. Connections that stand go on.
    pub(super) fn forget_dials(&mut self) {
        let mut unborn = Vec::new();
        for (id, session) in &mut self.sessions {
            if let Side::Dialled(dial) = &mut session.side {
                if !dial.open {
                    unborn.push(*id);
                } else if std::mem::take(&mut dial.waiting) {
                    // Not what was offered: it is offered again.
                    dial.active.clear();
                }
            }
        }
        unborn
            .into_iter()
            .for_each(|id| self.end_session(id, "the signaller was lost", Heard::Implied));
    }

    /// Somebody publishes at the home node.
    pub(super) fn heard_track(&mut self, room: &str, participant: &str, track: &node::Track) {
        let Some(&room_id) = self.room_ids.get(room) else {
            return;
        };
        let (Some(id), Some(kind)) = (self.by_wire(room_id, participant), kind_of(track)) else {
            return;
        };
        let Some(them) = self.participants.get_mut(&id).filter(|p| !p.own) else {
            return;
        };
        if them.elsewhere.iter().any(|(name, _)| *name == track.track) {
            return;
        }
        them.elsewhere.push((track.track.clone(), kind));
        let codec = Codec::from_name(&track.codec);
        if let Some(payload) = offered_payloads(kind)
            .into_iter()
            .find(|p| Some(p.codec) == codec)
        {
            let (room, participant, track) =
                (room.to_owned(), them.name.clone(), track.track.clone());
            self.out.tell(NodeEvent::TrackAdded {
                room,
                participant,
                track,
                kind,
                payload,
            });
        }
        self.dial_room(room_id);
    }

    pub(super) fn heard_no_track(&mut self, room: &str, participant: &str, track: &str) {
        let Some(&room_id) = self.room_ids.get(room) else {
            return;
        };
        let Some(id) = self.by_wire(room_id, participant) else {
            return;
        };
        let Some(them) = self.participants.get_mut(&id).filter(|p| !p.own) else {
            return;
        };
        them.elsewhere.retain(|(name, _)| name != track);
        let (room, participant, track) = (room.to_owned(), them.name.clone(), track.to_owned());
        self.out.tell(NodeEvent::TrackRemoved {
            room,
            participant,
            track,
        });
        self.dial_room(room_id);
    }

    pub(super) fn heard_speaking(&self, room: &str, participant: &str, speaking: bool) {
        let id = self
            .room_ids
            .get(room)
            .and_then(|room| self.by_wire(*room, participant));
        if let Some(them) = id.and_then(|id| self.participants.get(&id)) {
            self.out.tell(NodeEvent::Speaking {
                room: room.to_owned(),
                participant: them.name.clone(),
                speaking,
            });
        }
    }
}

impl Dial {
    fn has(&self, audio: usize, video: usize) -> bool {
        let count = |kind| {
            self.offer
                .media
                .iter()
                .filter(|media| media.kind == Some(kind))
                .count()
        };
        self.open && count(MediaKind::Audio) >= audio && count(MediaKind::Video) >= video
    }
}

/// `None` for kinds of which a newer signaller may know.
fn kind_of(track: &node::Track) -> Option<MediaKind> {
    [MediaKind::Audio, MediaKind::Video]
        .into_iter()
        .find(|kind| kind.as_str() == track.kind)
}

/// Where the tracks of a session come from.
pub(super) fn origin_of(side: &Side) -> Origin {
    match side {
        Side::Answered(_) => Origin::Peer,
        Side::Dialled(_) => Origin::Home,
    }
}
