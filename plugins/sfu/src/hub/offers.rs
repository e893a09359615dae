// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offers of peers: each makes a session, or changes one.

use super::network::{self, credentials};
use super::sessions::received;
use super::state::{Heard, Line, Session, Side, State};
use crate::io::Command;
use crate::node::{Direction, Missing, Role, ToSignaller};
use crate::sdp;
use gst_rtc_core::engine::{Assign, SessionSpec};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId};
use gst_rtc_core::media::{Candidate, ReceiveSpec, SessionDescription};
use gst_rtc_core::negotiate::{self, Answer, LocalTransport, answer_publish, answer_receive};
use gst_rtc_core::session::IceRole;
use rand::RngExt;
use std::collections::HashMap;

/// An offer that came through the signaller.
pub(super) struct Offer {
    pub(super) request: u64,
    pub(super) room: String,
    pub(super) participant: String,
    pub(super) direction: Direction,
    pub(super) session: String,
    pub(super) sdp: String,
    pub(super) of: Option<String>,
    /// What is published is encrypted end to end.
    pub(super) encrypted: bool,
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
        let network = &self.settings.network;
        let candidates = network.announced(network.bound(worker));
        let local = self.local_transport(candidates, true);
        let answer = self.negotiate(offer.direction, description, &local, None)?;
        if offer.direction == Direction::Publish {
            self.end_former_publication(participant);
        }
        let lines = self.lines(participant, &[], &answer.receive, offer.encrypted);
        let id = self.new_session_id();
        let spec = SessionSpec {
            id,
            participant,
            ice: IceRole::Lite,
            local_ufrag: local.ufrag.clone(),
            local_pwd: local.pwd.clone(),
            local_candidates: network::own(
                self.settings.network.bound(worker),
                &description.transport.candidates,
            ),
            remote: description.transport.clone(),
            dtls_client: answer.dtls_client,
            receive: received(&lines),
            slots: answer.slots.clone(),
            assign: self.assignment(room, offer.of.as_deref()),
            data: answer.data.clone(),
            sender: self.public_id(participant).into(),
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
            wishes: HashMap::new(),
            chosen: HashMap::new(),
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
        let lines = self.lines(participant, &former, &answer.receive, offer.encrypted);
        let session = self.sessions.get_mut(&id).ok_or_else(unknown)?;
        session.origin.1 += 1;
        let text = sdp::write(&answer.description, session.origin.0, session.origin.1);
        let (worker, connected) = (session.worker, session.connected);
        let (receive, slots, data) = (received(&lines), answer.slots.clone(), answer.data.clone());
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
        if let Some(data) = data {
            self.out.order(worker, Command::SetData(id, data));
        }
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

    pub(super) fn local_transport(
        &self,
        candidates: Vec<Candidate>,
        ice_lite: bool,
    ) -> LocalTransport {
        let mut fresh = credentials();
        while self.sessions.values().any(|s| s.local.ufrag == fresh.0) {
            fresh = credentials();
        }
        LocalTransport {
            ufrag: fresh.0,
            pwd: fresh.1,
            fingerprint: self.settings.fingerprint.clone(),
            candidates,
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

    /// The lines of a session: those known by their mid keep track and name, and stay encrypted or plain.
    fn lines(
        &self,
        participant: ParticipantId,
        former: &[Line],
        specs: &[ReceiveSpec],
        encrypted: bool,
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
                        encrypted,
                    }
                }
            });
        }
        lines
    }
}
