// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the signaller says, and what it is told when it is found again.

use super::NodeEvent;
use super::bridge::Bridge;
use super::offers::Offer;
use super::sessions::Choice;
use super::state::{Heard, Link, Participant, Pending, Room, Side, State};
use crate::io::Command;
use crate::node::{self, Connection, FromSignaller, Resume, Role, SessionPhase, ToSignaller};
use gst_rtc_core::id::{ParticipantId, RoomId};

/// Version of the protocol spoken.
const VERSION: u32 = 1;

impl State {
    pub(super) fn handle_connection(&mut self, connection: Connection) {
        match connection {
            Connection::Up(sender) => {
                self.out.signaller = Some(sender);
                self.register();
            }
            Connection::Message(message) => self.handle_message(message),
            Connection::Down(error) => self.link_lost(error),
        }
    }

    fn register(&mut self) {
        self.rooms
            .values_mut()
            .for_each(|room| room.confirmed = false);
        let resume = self.link.node.clone().map(|node| Resume {
            node,
            rooms: self.room_states(),
        });
        let token = self.settings.token.clone();
        self.out.say(ToSignaller::Node {
            version: VERSION,
            token,
            resume,
        });
    }

    /// Media goes on; only what was asked is lost.
    fn link_lost(&mut self, error: String) {
        self.out.signaller = None;
        if !self.link.told_lost {
            self.out.tell(NodeEvent::SignallerLost { error });
        }
        self.link = Link {
            node: self.link.node.take(),
            next_request: self.link.next_request,
            told_lost: true,
            ..Link::default()
        };
        self.forget_dials();
    }

    fn handle_message(&mut self, message: FromSignaller) {
        match message {
            FromSignaller::NodeReady { node } => self.ready(node),
            FromSignaller::Resumed => self.resumed(),
            FromSignaller::RoomOpened {
                room,
                role,
                participant,
                sessions,
            } => {
                self.room_opened(&room, role, participant, &sessions);
            }
            FromSignaller::RoomClosed { room } => self.room_closed(&room),
            FromSignaller::ParticipantJoined { room, participant } => {
                self.participant_joined(&room, participant)
            }
            FromSignaller::ParticipantLeft { room, id } => self.participant_left(&room, &id),
            FromSignaller::Mute {
                room,
                participant,
                track,
                muted,
            } => self.mute(&room, &participant, &track, muted),
            FromSignaller::Joined {
                request,
                id,
                resume,
            } => {
                if let Some(Pending::Join(participant)) =
                    request.and_then(|request| self.link.pending.remove(&request))
                {
                    self.joined(participant, id, resume);
                }
            }
            FromSignaller::Offer {
                request,
                room,
                participant,
                direction,
                session,
                sdp,
                of,
                encrypted,
            } => {
                self.handle_offer(Offer {
                    request,
                    room,
                    participant,
                    direction,
                    session,
                    sdp,
                    of,
                    encrypted,
                });
            }
            FromSignaller::Answer { request, sdp } => {
                if let Some(Pending::Dial(session)) = self.link.pending.remove(&request) {
                    self.dial_answered(session, &sdp);
                }
            }
            FromSignaller::Candidate { session, candidate } => {
                self.handle_candidate(&session, &candidate)
            }
            FromSignaller::Assign {
                session,
                mid,
                participant,
                track,
                speaker,
            } => {
                let choice = Choice {
                    participant,
                    track,
                    speaker,
                };
                self.handle_assign(&session, mid, choice);
            }
            FromSignaller::Prefer { session, mid, wish } => self.handle_prefer(&session, mid, wish),
            FromSignaller::CloseSession { session }
            | FromSignaller::SessionState {
                session,
                state: SessionPhase::Closed,
                ..
            } => {
                self.handle_close_session(&session);
            }
            FromSignaller::TrackAdded {
                room,
                participant,
                track,
            } => self.heard_track(&room, &participant, &track),
            FromSignaller::TrackRemoved {
                room,
                participant,
                track,
            } => self.heard_no_track(&room, &participant, &track),
            FromSignaller::Slots { session, slots } => self.heard_slots(&session, slots),
            FromSignaller::Layers {
                session,
                mid,
                active,
            } => self.heard_layers(&session, mid, active),
            FromSignaller::Speaking {
                room,
                participant,
                speaking,
            } => self.heard_speaking(&room, &participant, speaking),
            FromSignaller::Error {
                request,
                code,
                message,
            } => self.refused(request, &code, message),
            FromSignaller::SessionState { .. } | FromSignaller::Unknown => {}
        }
    }

    fn ready(&mut self, node: String) {
        let resuming = self.link.node.replace(node).is_some();
        (self.link.ready, self.link.told_lost) = (true, false);
        self.out.tell(NodeEvent::SignallerConnected);
        self.repeat_layers();
        if !resuming {
            self.join_everywhere();
        }
    }

    /// Rooms of which the signaller did not speak are ours no longer.
    fn resumed(&mut self) {
        let lost = self
            .rooms
            .values()
            .filter(|room| room.role.is_some() && !room.confirmed);
        for room in lost.map(|room| room.name.clone()).collect::<Vec<_>>() {
            self.room_closed(&room);
        }
        self.join_everywhere();
    }

    fn join_everywhere(&mut self) {
        for room in self.rooms.keys().copied().collect::<Vec<_>>() {
            self.join_all(room);
        }
    }

    fn room_opened(&mut self, name: &str, role: Role, receiver: Option<String>, alive: &[String]) {
        let Some(id) = self.ensure_room(name) else {
            let message = "the limit of rooms is reached; raise max-rooms".to_owned();
            return self.out.tell(NodeEvent::Refused {
                what: format!("room {name}"),
                message,
            });
        };
        let former = self.role(id);
        if former.is_some_and(|former| former != role) {
            // Another node answers the offers now, or this one does: no session survives that.
            self.end_sessions(id, |_| true);
        }
        if role == Role::Guest {
            self.end_sessions(id, |session| {
                matches!(session.side, Side::Dialled(_)) && !alive.contains(&session.name)
            });
        }
        if let Some(room) = self.rooms.get_mut(&id) {
            (room.role, room.confirmed, room.receiver) = (Some(role), true, receiver);
        }
        self.join_all(id);
        self.dial_room(id);
    }

    fn end_sessions(&mut self, room: RoomId, which: impl Fn(&super::state::Session) -> bool) {
        let ended = self
            .sessions
            .iter()
            .filter(|(_, s)| s.room == room && which(s))
            .map(|(id, _)| *id);
        for id in ended.collect::<Vec<_>>() {
            self.end_session(id, "the room has another home node", Heard::Implied);
        }
    }

    /// Everything of a room ends here but the pads: they wait for it to open again.
    fn room_closed(&mut self, name: &str) {
        let Some(&id) = self.room_ids.get(name) else {
            return;
        };
        self.end_sessions(id, |_| true);
        let room = self.rooms.get_mut(&id);
        let Some(Room {
            participants,
            dialler,
            role,
            receiver,
            bridge,
            ..
        }) = room
        else {
            return;
        };
        (*role, *receiver, *bridge) = (None, None, Bridge::default());
        let (participants, dialler) = (participants.clone(), dialler.take());
        if let Some(dialler) = dialler {
            self.out
                .order_all(0, || Command::RemoveParticipant(dialler));
        }
        for participant in participants {
            self.expel(participant);
        }
        self.drop_room_if_unused(id);
    }

    fn expel(&mut self, id: ParticipantId) {
        match self.participants.get_mut(&id) {
            Some(own) if own.own => {
                if let Some(wire) = own.wire.take() {
                    self.participant_ids.remove(&wire);
                }
            }
            _ => self.remove_participant(id, "the room was closed"),
        }
    }

    fn participant_joined(&mut self, room: &str, joined: node::Participant) {
        let Some(&room_id) = self.room_ids.get(room) else {
            return;
        };
        if self.by_wire(room_id, &joined.id).is_some() {
            return;
        }
        let name = joined.name.clone();
        let participant = Participant {
            room: room_id,
            name: joined.name,
            kind: joined.kind,
            wire: Some(joined.id),
            resume: joined.resume,
            own: false,
            worker: self.least_busy(),
            tracks: Vec::new(),
            elsewhere: Vec::new(),
            guest: joined.guest,
        };
        if self.add_participant(participant).is_none() {
            let message = format!("room {room} is full; raise max-participants");
            self.out.tell(NodeEvent::Refused {
                what: format!("participant {name}"),
                message,
            });
        }
    }

    fn participant_left(&mut self, room: &str, wire: &str) {
        let Some(&room) = self.room_ids.get(room) else {
            return;
        };
        let Some(id) = self.by_wire(room, wire) else {
            return;
        };
        let name = self
            .participants
            .get(&id)
            .filter(|p| p.own)
            .map(|p| p.name.clone());
        self.expel(id);
        match name {
            Some(name) => {
                let message = "the signaller removed it from the room; remove its pads and request them again".to_owned();
                self.out.tell(NodeEvent::Refused {
                    what: format!("participant {name}"),
                    message,
                });
            }
            // The name may be free now for one of ours.
            None => self.join_all(room),
        }
    }

    fn mute(&mut self, room: &str, participant: &str, name: &str, muted: bool) {
        let Some(id) = self
            .room_ids
            .get(room)
            .and_then(|room| self.by_wire(*room, participant))
        else {
            return;
        };
        let tracks = self
            .participants
            .get(&id)
            .map(|p| p.tracks.clone())
            .unwrap_or_default();
        for track in tracks {
            if let Some(track) = self
                .tracks
                .get_mut(&track)
                .filter(|track| track.name == name)
            {
                track.muted = muted;
            }
        }
    }

    fn refused(&mut self, request: Option<u64>, code: &str, message: String) {
        let pending = request.and_then(|request| self.link.pending.remove(&request));
        let what = match pending {
            Some(Pending::Join(id)) => {
                format!(
                    "join of {}",
                    self.participants
                        .get(&id)
                        .map(|p| p.name.as_str())
                        .unwrap_or_default()
                )
            }
            // Who is not there yet will be: taps wait.
            Some(Pending::Dial(session)) => {
                self.dial_refused(session);
                if code == "unknownParticipant" {
                    return;
                }
                "connection to the home node of the room".to_owned()
            }
            None => "message to the signaller".to_owned(),
        };
        self.out.tell(NodeEvent::Refused { what, message });
    }
}
