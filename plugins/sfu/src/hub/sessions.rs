// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peer connections: offers of peers become sessions, and what happens to sessions is passed on.

use super::NodeEvent;
use super::guest::origin_of;
use super::network::credentials;
use super::state::{Heard, Line, Pending, Session, Side, State, Track};
use crate::io::{Command, WorkerEvent};
use crate::node::{Direction, Missing, Role, SessionPhase, Slot, ToSignaller};
use crate::sdp;
use gst_rtc_core::engine::{Assign, Assignment, SessionSpec, SlotState};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::{ReceiveSpec, SessionDescription};
use gst_rtc_core::negotiate::{self, Answer, LocalTransport, answer_publish, answer_receive};
use gst_rtc_core::session::IceRole;
use rand::RngExt;

/// An offer that came through the signaller.
pub(super) struct Offer {
    pub(super) request: u64,
    pub(super) room: String,
    pub(super) participant: String,
    pub(super) direction: Direction,
    pub(super) session: String,
    pub(super) sdp: String,
    pub(super) of: Option<String>,
}

/// Why an offer is not answered: a code of the protocol, and a text for people.
#[derive(Debug)]
pub(super) struct Refusal {
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
        }
    }
}

impl State {
    pub(super) fn handle_offer(&mut self, offer: Offer) {
        let request = offer.request;
        let reply = match self.answer(offer) {
            Ok(sdp) => ToSignaller::Answer { request, sdp },
            Err(Refusal { code, message }) => ToSignaller::Refused {
                request,
                code: code.to_owned(),
                message,
            },
        };
        self.out.say(reply);
    }

    fn answer(&mut self, offer: Offer) -> Result<String, Refusal> {
        let (room, participant) = self.place(&offer)?;
        let description =
            sdp::parse(&offer.sdp).map_err(|e| Refusal::new("badSdp", e.to_string()))?;
        match self.session_ids.get(&offer.session).copied() {
            Some(session) => self.renegotiate(session, participant, &offer, &description),
            None => self.open(room, participant, offer, &description),
        }
    }

    fn place(&self, offer: &Offer) -> Result<(RoomId, ParticipantId), Refusal> {
        let room = self
            .room_ids
            .get(&offer.room)
            .copied()
            .filter(|room| self.role(*room) == Some(Role::Home));
        let room = room.ok_or_else(|| {
            Refusal::new(
                "unknownRoom",
                format!("this node is not the home of room {:?}", offer.room),
            )
        })?;
        let participant = self.by_wire(room, &offer.participant).ok_or_else(|| {
            let text = format!(
                "room {:?} has no participant {:?} here; join again",
                offer.room, offer.participant
            );
            Refusal::new("unknownParticipant", text)
        })?;
        Ok((room, participant))
    }

    fn open(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        offer: Offer,
        description: &SessionDescription,
    ) -> Result<String, Refusal> {
        let have = self
            .sessions
            .values()
            .filter(|s| s.participant == participant)
            .count();
        if have >= self.settings.limits.sessions {
            return Err(Refusal::new(
                "full",
                format!("this participant already has {have} sessions; close one first"),
            ));
        }
        let worker = self.participants.get(&participant).map_or(0, |p| p.worker);
        let local = self.local_transport(worker, true);
        let answer = self.negotiate(offer.direction, description, &local, None)?;
        if offer.direction == Direction::Publish {
            self.end_former_publication(participant);
        }
        let lines = self.lines(participant, &[], &answer.receive);
        let id = self.new_session_id();
        let spec = SessionSpec {
            id,
            participant,
            ice: IceRole::Lite,
            local_ufrag: local.ufrag.clone(),
            local_pwd: local.pwd.clone(),
            local_candidates: self.settings.network.own(worker),
            remote: description.transport.clone(),
            dtls_client: answer.dtls_client,
            receive: received(&lines),
            slots: answer.slots.clone(),
            assign: self.assignment(room, offer.of.as_deref()),
        };
        let origin = (rand::rng().random::<u64>() >> 1, 1);
        let text = sdp::write(&answer.description, origin.0, origin.1);
        self.session_ids.insert(offer.session.clone(), id);
        let session = Session {
            name: offer.session,
            participant,
            room,
            worker,
            direction: offer.direction,
            of: offer.of,
            local,
            remote_ufrag: description.transport.ufrag.clone(),
            origin,
            side: Side::Answered(Box::new(answer)),
            lines,
            connected: false,
            slots: Vec::new(),
            missing: Missing::default(),
        };
        self.sessions.insert(id, session);
        self.out.order(worker, Command::OpenSession(Box::new(spec)));
        Ok(text)
    }

    fn renegotiate(
        &mut self,
        id: SessionId,
        participant: ParticipantId,
        offer: &Offer,
        description: &SessionDescription,
    ) -> Result<String, Refusal> {
        let unknown = || {
            Refusal::new(
                "unknownSession",
                "the session is of another participant or direction; make a new one",
            )
        };
        let session = self
            .sessions
            .get(&id)
            .filter(|s| s.participant == participant && s.direction == offer.direction);
        let session = session.ok_or_else(unknown)?;
        let Side::Answered(previous) = &session.side else {
            return Err(unknown());
        };
        if session.remote_ufrag != description.transport.ufrag {
            return Err(Refusal::new(
                "badSdp",
                "the offer restarts ICE, which is not supported; close the session and make a new one",
            ));
        }
        let answer =
            self.negotiate(offer.direction, description, &session.local, Some(previous))?;
        let former = session.lines.clone();
        let lines = self.lines(participant, &former, &answer.receive);
        let session = self.sessions.get_mut(&id).ok_or_else(unknown)?;
        session.origin.1 += 1;
        let text = sdp::write(&answer.description, session.origin.0, session.origin.1);
        let (worker, connected) = (session.worker, session.connected);
        let (receive, slots) = (received(&lines), answer.slots.clone());
        session.side = Side::Answered(Box::new(answer));
        session.lines = lines.clone();
        let is_kept = |line: &Line| lines.iter().any(|other| other.track == line.track);
        for gone in former.iter().filter(|line| !is_kept(line)) {
            self.remove_track(gone.track, Heard::Say);
        }
        if connected {
            self.add_line_tracks(id);
        }
        self.out.order(
            worker,
            Command::UpdateSession {
                session: id,
                receive,
                slots,
            },
        );
        Ok(text)
    }

    fn negotiate(
        &self,
        direction: Direction,
        offer: &SessionDescription,
        local: &LocalTransport,
        previous: Option<&Answer>,
    ) -> Result<Answer, Refusal> {
        let tracks = self.settings.limits.tracks;
        let answer = match direction {
            Direction::Publish => {
                let limits = negotiate::Limits {
                    audio: tracks,
                    video: tracks,
                    ..negotiate::Limits::default()
                };
                answer_publish(offer, local, &limits, previous)
            }
            Direction::Receive => {
                let limits = negotiate::Limits::default();
                answer_receive(offer, local, &limits, previous, &mut || {
                    rand::rng().random()
                })
            }
        };
        answer.map_err(|e| Refusal::new("badSdp", e.to_string()))
    }

    pub(super) fn local_transport(&self, worker: u8, ice_lite: bool) -> LocalTransport {
        let network = &self.settings.network;
        let mut fresh = credentials();
        while self.sessions.values().any(|s| s.local.ufrag == fresh.0) {
            fresh = credentials();
        }
        LocalTransport {
            ufrag: fresh.0,
            pwd: fresh.1,
            fingerprint: self.settings.fingerprint.clone(),
            candidates: if ice_lite {
                network.announced(worker)
            } else {
                network.dialling(worker)
            },
            ice_lite,
        }
    }

    fn assignment(&self, room: RoomId, of: Option<&str>) -> Assign {
        match of {
            None => Assign::Auto,
            // Who is not there yet is assigned when they come.
            Some(name) => self
                .by_name(room, name)
                .map_or(Assign::Manual, Assign::Only),
        }
    }

    /// A participant publishes once; who offers anew has lost the session before.
    fn end_former_publication(&mut self, participant: ParticipantId) {
        let publishes =
            |s: &Session| s.participant == participant && s.direction == Direction::Publish;
        for id in self
            .sessions
            .iter()
            .filter(|(_, s)| publishes(s))
            .map(|(id, _)| *id)
            .collect::<Vec<_>>()
        {
            self.end_session(id, "replaced by a new session", Heard::Say);
        }
    }

    /// The lines of a session: those known by their mid keep track and name.
    fn lines(
        &self,
        participant: ParticipantId,
        former: &[Line],
        specs: &[ReceiveSpec],
    ) -> Vec<Line> {
        let mut names: Vec<String> = former.iter().map(|line| line.name.clone()).collect();
        let mut lines = Vec::new();
        for spec in specs {
            let known = former
                .iter()
                .find(|line| line.spec.mid == spec.mid && line.spec.kind == spec.kind);
            lines.push(match known {
                Some(line) => Line {
                    spec: spec.clone(),
                    ..line.clone()
                },
                None => {
                    let name = self.free_track_name(participant, spec.kind, &names);
                    names.push(name.clone());
                    Line {
                        track: self.track_ids.next(),
                        name,
                        spec: spec.clone(),
                    }
                }
            });
        }
        lines
    }

    /// Makes tracks of the lines of a connected session that are none yet.
    pub(super) fn add_line_tracks(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let (participant, home, origin) = (
            session.participant,
            session.worker,
            origin_of(&session.side),
        );
        // A line without a name waits for the home node to say what it carries.
        let new = session
            .lines
            .iter()
            .filter(|line| !line.name.is_empty() && !self.tracks.contains_key(&line.track));
        for line in new.cloned().collect::<Vec<_>>() {
            let track = Track {
                participant,
                name: line.name,
                kind: line.spec.kind,
                payloads: line.spec.payloads,
                audience: None,
                home,
                muted: false,
                origin,
                live: false,
            };
            self.add_track(line.track, track);
        }
    }

    /// Ends a session: its tracks go, its worker forgets it. What the signaller must be told of the session is the caller's to say.
    pub(super) fn end_session(&mut self, id: SessionId, reason: &str, heard: Heard) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.session_ids.remove(&session.name);
        self.link
            .pending
            .retain(|_, pending| *pending != Pending::Dial(id));
        self.out.order(session.worker, Command::CloseSession(id));
        for line in &session.lines {
            self.remove_track(line.track, heard);
        }
        if session.connected {
            self.tell_session(&session, false, reason);
        }
    }

    fn tell_session(&self, session: &Session, connected: bool, reason: &str) {
        let participant = self
            .participants
            .get(&session.participant)
            .map(|p| p.name.clone())
            .unwrap_or_default();
        self.out.tell(NodeEvent::Session {
            room: self.room_name(session.room),
            participant,
            publishes: session.direction == Direction::Publish,
            connected,
            reason: reason.to_owned(),
        });
    }

    pub(super) fn handle_worker(&mut self, event: WorkerEvent) {
        match event {
            WorkerEvent::Connected { session } => self.session_connected(session),
            WorkerEvent::Closed { session, reason } => self.session_closed(session, &reason),
            WorkerEvent::Slots {
                session,
                slots,
                missing_audio,
                missing_video,
            } => {
                let missing = Missing {
                    audio: missing_audio,
                    video: missing_video,
                };
                if let Some(known) = self.sessions.get_mut(&session) {
                    (known.slots, known.missing) = (slots, missing);
                    self.say_slots(session);
                }
            }
            WorkerEvent::Speaking {
                participant,
                speaking,
            } => self.speaks(participant, speaking),
        }
    }

    fn session_connected(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.connected = true;
        let session = &self.sessions[&id];
        self.tell_session(session, true, "");
        if matches!(session.side, Side::Dialled(_)) {
            return self.show_received(id);
        }
        let (session, state) = (session.name.clone(), SessionPhase::Connected);
        self.out.say(ToSignaller::SessionState {
            session,
            state,
            reason: None,
        });
        self.add_line_tracks(id);
    }

    /// A session ended by itself.
    fn session_closed(&mut self, id: SessionId, reason: &str) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let (name, room, dialled) = (
            session.name.clone(),
            session.room,
            matches!(session.side, Side::Dialled(_)),
        );
        self.end_session(id, reason, Heard::Say);
        if dialled {
            self.out.say(ToSignaller::CloseSession { session: name });
            self.dial_later(room);
        } else {
            let reason = Some(reason.to_owned());
            self.out.say(ToSignaller::SessionState {
                session: name,
                state: SessionPhase::Closed,
                reason,
            });
        }
    }

    /// Tells what the slots of a session show. Those of sessions that we dialled are nobody else's business.
    pub(super) fn say_slots(&self, id: SessionId) {
        let Some(session) = self
            .sessions
            .get(&id)
            .filter(|s| matches!(s.side, Side::Answered(_)))
        else {
            return;
        };
        if session.slots.is_empty() {
            return;
        }
        let slots = session
            .slots
            .iter()
            .map(|slot| self.wire_slot(slot))
            .collect();
        self.out.say(ToSignaller::Slots {
            session: session.name.clone(),
            slots,
            missing: session.missing,
        });
    }

    fn wire_slot(&self, slot: &SlotState) -> Slot {
        let shown = slot.track.and_then(|id| {
            let track = self.tracks.get(&id)?;
            Some((
                self.participants.get(&track.participant)?.wire.clone()?,
                track.name.clone(),
            ))
        });
        let (participant, track) = shown.unzip();
        Slot {
            mid: slot.mid.clone(),
            kind: slot.kind.to_string(),
            participant,
            track,
        }
    }

    fn speaks(&self, id: ParticipantId, speaking: bool) {
        let Some(participant) = self.participants.get(&id) else {
            return;
        };
        let room = self.room_name(participant.room);
        if let Some(wire) = participant
            .wire
            .clone()
            .filter(|_| self.role(participant.room) == Some(Role::Home))
        {
            self.out.say(ToSignaller::Speaking {
                room: room.clone(),
                participant: wire,
                speaking,
            });
        }
        self.out.tell(NodeEvent::Speaking {
            room,
            participant: participant.name.clone(),
            speaking,
        });
    }

    /// A candidate that a peer trickled. What is no candidate, or of no use, is ignored: others will do.
    pub(super) fn handle_candidate(&self, session: &str, line: &str) {
        let Some(id) = self.session_ids.get(session) else {
            return;
        };
        if let (Some(session), Ok(Some(candidate))) =
            (self.sessions.get(id), sdp::parse_candidate(line))
        {
            self.out
                .order(session.worker, Command::AddCandidate(*id, candidate));
        }
    }

    /// A peer chooses what one of its slots shows.
    pub(super) fn handle_assign(
        &self,
        session: &str,
        mid: String,
        participant: Option<String>,
        track: Option<String>,
    ) {
        let Some(id) = self.session_ids.get(session) else {
            return;
        };
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let assignment = match participant {
            None => Some(Assignment::Auto),
            Some(wire) => self
                .track_by_wire(session.room, &wire, track.as_deref())
                .map(Assignment::Track),
        };
        if let Some(assignment) = assignment {
            self.out.order(
                session.worker,
                Command::Assign {
                    session: *id,
                    mid,
                    assignment,
                },
            );
        }
    }

    fn track_by_wire(&self, room: RoomId, wire: &str, name: Option<&str>) -> Option<TrackId> {
        let participant = self.participants.get(&self.by_wire(room, wire)?)?;
        let called = |id: &&TrackId| {
            self.tracks
                .get(id)
                .is_some_and(|track| name.is_none_or(|name| name == track.name))
        };
        participant.tracks.iter().find(called).copied()
    }

    /// The signaller closes a session.
    pub(super) fn handle_close_session(&mut self, session: &str) {
        if let Some(&id) = self.session_ids.get(session) {
            let (room, dialled) = self.sessions.get(&id).map_or((None, false), |s| {
                (Some(s.room), matches!(s.side, Side::Dialled(_)))
            });
            self.end_session(id, "closed by the signaller", Heard::Say);
            if let Some(room) = room.filter(|_| dialled) {
                self.dial_later(room);
            }
        }
    }
}

/// What a session's engine needs to know of its lines.
pub(super) fn received(lines: &[Line]) -> Vec<(TrackId, ReceiveSpec)> {
    lines
        .iter()
        .map(|line| (line.track, line.spec.clone()))
        .collect()
}
