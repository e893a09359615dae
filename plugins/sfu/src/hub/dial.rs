// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection that we dial, from its offer to its end.

use super::NodeEvent;
use super::network;
use super::sessions::received;
use super::state::{Elsewhere, Heard, Line, Pending, Session, Side, State};
use crate::io::{Command, UdpSocket};
use crate::node::{Direction, Missing, Slot, ToSignaller};
use crate::sdp;
use gst_rtc_core::data::{DataSpec, NODE_LABEL};
use gst_rtc_core::engine::{Assign, Assignment, SessionSpec};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::{MediaKind, SessionDescription};
use gst_rtc_core::negotiate::{Accepted, LocalTransport, accept_answer, offer_receive};
use gst_rtc_core::session::IceRole;
use rand::RngExt;
use std::collections::HashMap;
use std::net::SocketAddr;

/// Our side of a connection that we dial.
pub(super) struct Dial {
    /// The sockets that it alone uses.
    pub(super) bound: Vec<SocketAddr>,
    /// What we offered last.
    pub(super) offer: SessionDescription,
    /// Publishing: the track of each m-line.
    pub(super) tracks: Vec<TrackId>,
    /// Publishing: how many of them were there when we offered.
    pub(super) active: Vec<TrackId>,
    /// Receiving: the track that the home node shows on each m-line, by mid.
    pub(super) shown: HashMap<String, String>,
    /// The offer is not answered yet.
    pub(super) waiting: bool,
    /// The engine has the session.
    pub(super) open: bool,
}

impl State {
    /// A session of ours, still to be offered. `None` when the system has no socket for it: it is tried again later.
    ///
    /// It has sockets of its own. Two sessions between the same pair of addresses could not be told apart.
    pub(super) fn new_dial(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        worker: u8,
        direction: Direction,
    ) -> Option<SessionId> {
        let sockets = match UdpSocket::bind_like(self.settings.network.bound(worker)) {
            Ok(sockets) => sockets,
            Err(error) => {
                self.out.tell(NodeEvent::Refused {
                    what: "connection to the home node of the room".into(),
                    message: format!("no socket for it: {error}; check ulimit -n"),
                });
                self.dial_later(room);
                return None;
            }
        };
        let bound: Vec<SocketAddr> = sockets.iter().map(UdpSocket::local).collect();
        self.out.order(worker, Command::AddSockets(sockets));
        let id = self.new_session_id();
        let local = self.local_transport(self.settings.network.dialling(&bound), false);
        let name = network::session_name();
        let of = match direction {
            Direction::Receive => self.participants.get(&participant).map(|p| p.name.clone()),
            Direction::Publish => None,
        };
        let dial = Dial {
            bound,
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
            wishes: HashMap::new(),
            chosen: HashMap::new(),
            missing: Missing::default(),
        };
        self.sessions.insert(id, session);
        Some(id)
    }

    pub(super) fn dial_mut(&mut self, id: SessionId) -> Option<&mut Dial> {
        match &mut self.sessions.get_mut(&id)?.side {
            Side::Dialled(dial) => Some(dial),
            Side::Answered(_) => None,
        }
    }

    /// Offers what a session shall be. `encrypted`: the tracks it adds are.
    pub(super) fn offer(
        &mut self,
        id: SessionId,
        encrypted: bool,
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
            encrypted,
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
            session.lines.push(Line {
                track,
                name,
                spec,
                encrypted: false,
            });
        }
        let (receive, worker) = (received(&session.lines), session.worker);
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
                local_candidates: network::own(&dial.bound, &accepted.remote.candidates),
                remote: accepted.remote,
                dtls_client: accepted.dtls_client,
                receive,
                slots: accepted.slots,
                assign: Assign::Manual,
                data: accepted.data.map(|spec| DataSpec {
                    opens: Some(NODE_LABEL.into()),
                    ..spec
                }),
                sender: "".into(),
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
    pub(super) fn dialler(&mut self, room: RoomId) -> ParticipantId {
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

    /// The home node tells which encodings of the track on an m-line somebody there needs.
    pub(super) fn heard_layers(&mut self, session: &str, mid: String, active: Vec<bool>) {
        let id = self.session_ids.get(session).copied();
        let dialled = |session: &&Session| matches!(session.side, Side::Dialled(_));
        if let Some(id) = id
            && let Some(session) = self.sessions.get(&id).filter(dialled)
        {
            let order = Command::SendEncodings {
                session: id,
                mid,
                active,
            };
            self.out.order(session.worker, order);
        }
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
        let owner = self.participants.get(&session.participant);
        let elsewhere = owner.map_or(&[][..], |p| p.elsewhere.as_slice());
        let mut gone = Vec::new();
        for line in &mut session.lines {
            let name = dial.shown.get(&line.spec.mid).cloned().unwrap_or_default();
            if line.name != name {
                if !line.name.is_empty() {
                    gone.push(std::mem::replace(&mut line.track, track_ids.next()));
                }
                let named = |t: &&Elsewhere| t.name == name;
                line.encrypted = elsewhere.iter().find(named).is_some_and(|t| t.encrypted);
                line.name = name;
            }
        }
        let (worker, receive) = (session.worker, received(&session.lines));
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
    pub(super) fn hang_up(&mut self, id: SessionId) {
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
}

impl Dial {
    pub(super) fn has(&self, audio: usize, video: usize) -> bool {
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
