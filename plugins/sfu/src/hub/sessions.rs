// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peer connections: what happens to them is passed on.

use super::demand::Demand;
use super::guest::origin_of;
use super::state::{Heard, Line, Pending, Session, Side, State, Track};
use super::{NodeEvent, SessionOwner, TrackOwner};
use crate::io::{Command, WorkerEvent};
use crate::node::{Chosen, Direction, Missing, Role, SessionPhase, Slot, ToSignaller};
use crate::sdp;
use gst_rtc_core::engine::{Assignment, SlotState};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::ReceiveSpec;

impl State {
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
        for line in &session.lines {
            if let Some(track) = self.tracks.get_mut(&line.track) {
                track.demand.resize(line.spec.rids.len());
            }
        }
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
                encrypted: line.encrypted,
                demand: Demand::new(line.spec.rids.len()),
                home,
                muted: false,
                rids: Vec::new(),
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
        self.bridge_ended(session.room, id);
        self.out.order(session.worker, Command::CloseSession(id));
        if let Side::Dialled(dial) = &session.side {
            let bound = dial.bound.clone();
            self.out
                .order(session.worker, Command::RemoveSockets(bound));
        }
        for line in &session.lines {
            self.remove_track(line.track, heard);
        }
        if session.connected {
            self.tell_session(&session, false, reason);
        }
        self.demand_changed();
    }

    /// A connection between nodes is nobody's.
    fn tell_session(&self, session: &Session, connected: bool, reason: &str) {
        if !self.participants.contains_key(&session.participant) {
            return;
        }
        let SessionOwner {
            room,
            participant,
            publishes,
        } = self.owner(session);
        let reason = reason.to_owned();
        self.out.tell(NodeEvent::Session {
            room,
            participant,
            publishes,
            connected,
            reason,
        });
    }

    /// Whose a session is, by name.
    pub(super) fn owner(&self, session: &Session) -> SessionOwner {
        let participant = self.participants.get(&session.participant);
        SessionOwner {
            room: self.room_name(session.room),
            participant: participant.map(|p| p.name.clone()).unwrap_or_default(),
            publishes: session.direction == Direction::Publish,
        }
    }

    pub(super) fn track_owner(&self, track: &Track) -> TrackOwner {
        let participant = self.participants.get(&track.participant);
        TrackOwner {
            participant: participant.map(|p| p.name.clone()).unwrap_or_default(),
            name: track.name.clone(),
        }
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
                    self.demand_changed();
                }
            }
            WorkerEvent::Speaking {
                participant,
                speaking,
            } => self.speaks(participant, speaking),
            WorkerEvent::Quality {
                session,
                estimate,
                slots,
            } => self.quality(session, estimate, slots),
            WorkerEvent::Data(message) => self.handle_data(&message),
            WorkerEvent::NodeMessage(message) => self.handle_envelope(&message),
            WorkerEvent::NodeChannel(session) => self.bridge_opened(session),
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
            .map(|slot| self.wire_slot(session, slot))
            .collect();
        self.out.say(ToSignaller::Slots {
            session: session.name.clone(),
            slots,
            missing: session.missing,
        });
    }

    fn wire_slot(&self, session: &Session, slot: &SlotState) -> Slot {
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
            reason: session.chosen.get(&slot.mid).copied(),
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
    pub(super) fn handle_assign(&mut self, name: &str, mid: String, choice: Choice) {
        let Some(&id) = self.session_ids.get(name) else {
            return;
        };
        let Some(room) = self.sessions.get(&id).map(|session| session.room) else {
            return;
        };
        let (assignment, chosen) = match choice {
            Choice { speaker: true, .. } => (Assignment::Speaker, Some(Chosen::Speaker)),
            Choice {
                participant: Some(wire),
                track,
                ..
            } => match self.track_by_wire(room, &wire, track.as_deref()) {
                Some(track) => (Assignment::Track(track), Some(Chosen::Assigned)),
                None => return,
            },
            _ => (Assignment::Auto, None),
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !session.has_slot(&mid) {
            return;
        }
        let slot = session.slots.iter().find(|slot| slot.mid == mid);
        let shown = slot.and_then(|slot| slot.track);
        let before = session.chosen.get(&mid).copied();
        match chosen {
            Some(chosen) => session.chosen.insert(mid.clone(), chosen),
            None => session.chosen.remove(&mid),
        };
        // Where another track comes, its message says why.
        let stays = match assignment {
            Assignment::Track(track) => shown == Some(track),
            _ => true,
        };
        self.out.order(
            session.worker,
            Command::Assign {
                session: id,
                mid,
                assignment,
            },
        );
        if stays && before != chosen {
            self.say_slots(id);
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

/// What a peer wants a slot to show: a track, whoever speaks, or what the node chooses.
pub(super) struct Choice {
    pub(super) participant: Option<String>,
    pub(super) track: Option<String>,
    pub(super) speaker: bool,
}

/// What a session's engine needs to know of its lines.
pub(super) fn received(lines: &[Line]) -> Vec<(TrackId, ReceiveSpec)> {
    lines
        .iter()
        .map(|line| (line.track, line.spec.clone()))
        .collect()
}
