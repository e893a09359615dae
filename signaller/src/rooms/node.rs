// SPDX-License-Identifier: MIT OR Apache-2.0
//! What media nodes say.

use super::guest::GuestOffer;
use super::id::{ConnectionId, NodeId, ParticipantId, RoomName, SessionId, check_name};
use super::member::Newcomer;
use super::peer::{check_candidate, check_word};
use super::refusal::{Code, Refusal};
use super::room::Link;
use super::{Rooms, peer_protocol};
use crate::protocol::node::{Direction, NodeMessage, ParticipantKind, ResumeRoom, ServerMessage};
use crate::protocol::peer::LeaveReason;
use crate::protocol::quality::SlotQuality;
use crate::protocol::{Missing, Mode, SessionState, Slot};
use std::time::Instant;

/// Most tracks of one participant.
pub(super) const MAX_TRACKS: usize = 64;

/// A registered media node.
#[derive(Debug)]
pub(super) struct Node {
    /// None while its connection is lost and it may come back.
    pub(super) connection: Option<ConnectionId>,
    /// When it lost its connection.
    pub(super) lost: Option<Instant>,
    /// It registered for this room alone.
    pub(super) only: Option<RoomName>,
    /// It was told `roomOpened` as a guest of `only`.
    pub(super) is_guest: bool,
    /// It was a guest before a restart: it waits for the home node, until then.
    pub(super) held: Option<Instant>,
    /// What it brought back as a guest, until its room has a home.
    pub(super) returning: Option<ResumeRoom>,
}

impl Rooms {
    pub(super) fn node_message(
        &mut self,
        node: &NodeId,
        message: NodeMessage,
    ) -> Result<(), Refusal> {
        match message {
            NodeMessage::Node(_) => Err(Refusal::new(
                Code::BadMessage,
                "this connection has registered already",
            )),
            NodeMessage::Join {
                request,
                room,
                name,
            } => self.node_joins(node, request, &room, name),
            NodeMessage::Leave { room, id } => self.node_leaves(node, &room, &id),
            NodeMessage::Answer { request, sdp } => self.node_answers(node, request, Ok(sdp)),
            NodeMessage::Refused {
                request,
                code,
                message,
            } => {
                let message = message.chars().take(1000).collect::<String>();
                self.node_answers(
                    node,
                    request,
                    Err(Refusal::new(Code::from_node(&code), message)),
                )
            }
            NodeMessage::Offer {
                request,
                room,
                participant,
                direction,
                session,
                sdp,
                of,
                encrypted,
            } => {
                let offer = GuestOffer {
                    request,
                    participant,
                    direction,
                    session,
                    sdp,
                    of,
                    encrypted,
                };
                self.guest_offers(node, &room, offer)
            }
            NodeMessage::Candidate {
                session,
                candidate,
                mid,
            } => self.node_trickles(node, &session, candidate, mid),
            NodeMessage::CloseSession { session } => self.node_closes(node, &session),
            NodeMessage::SessionState {
                session,
                state,
                reason,
            } => self.node_session_state(node, &session, state, reason),
            NodeMessage::Slots {
                session,
                slots,
                missing,
            } => self.node_slots(node, &session, slots, missing),
            NodeMessage::Quality {
                session,
                estimate,
                slots,
            } => self.node_quality(node, &session, estimate, slots),
            NodeMessage::Layers {
                session,
                track,
                mid,
                active,
            } => self.node_layers(node, &session, track, mid, active),
            NodeMessage::TrackAdded {
                room,
                participant,
                track,
            } => {
                let Some((room, id)) = self.member_at_home(node, &room, &participant)? else {
                    return Ok(());
                };
                check_word("track", &track.track)?;
                check_word("codec", &track.codec)?;
                let have = self
                    .rooms
                    .get(&room)
                    .and_then(|r| r.participant(&id))
                    .map_or(0, |p| p.tracks.len());
                if have >= MAX_TRACKS {
                    return Err(Refusal::new(
                        Code::Full,
                        format!("a participant has at most {MAX_TRACKS} tracks"),
                    ));
                }
                self.add_track(&room, &id, track);
                Ok(())
            }
            NodeMessage::TrackRemoved {
                room,
                participant,
                track,
            } => {
                if let Some((room, id)) = self.member_at_home(node, &room, &participant)? {
                    self.remove_track(&room, &id, &track);
                }
                Ok(())
            }
            NodeMessage::Speaking {
                room,
                participant,
                speaking,
            } => {
                if let Some((room, id)) = self.member_at_home(node, &room, &participant)? {
                    self.speaking(&room, &id, speaking);
                }
                Ok(())
            }
        }
    }

    fn node_joins(
        &mut self,
        node: &NodeId,
        request: u64,
        room: &str,
        name: String,
    ) -> Result<(), Refusal> {
        let room = RoomName::parse(room)?;
        check_name(&name)?;
        self.needs_mode(&room, Mode::Sfu, "a participant made from pads")?;
        let only = self.nodes.get(node).and_then(|n| n.only.as_ref());
        if only.is_some_and(|only| *only != room) {
            return Err(not_yours(&room));
        }
        self.ensure_room(&room, Some(Mode::Sfu))?;
        if !self.serves(node, &room) {
            self.close_if_empty(&room);
            return Err(not_yours(&room));
        }
        let newcomer = Newcomer {
            name,
            kind: ParticipantKind::Local,
            link: Link::Node(node.clone()),
            mode: None,
        };
        let id = self.enter(&room, newcomer)?;
        let resume = self
            .rooms
            .get(&room)
            .and_then(|r| r.participant(&id))
            .map(|p| p.resume.clone());
        self.tell_node(
            node,
            ServerMessage::Joined {
                request,
                id: id.into(),
                resume: resume.unwrap_or_default(),
            },
        );
        Ok(())
    }

    fn serves(&self, node: &NodeId, room: &RoomName) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|r| r.home.as_ref() == Some(node) || r.nodes.contains(node))
    }

    fn node_leaves(&mut self, node: &NodeId, room: &str, id: &str) -> Result<(), Refusal> {
        let room = RoomName::parse(room)?;
        let found = self
            .rooms
            .get(&room)
            .and_then(|r| r.participants.iter().find(|p| p.id.as_str() == id));
        match found {
            Some(p) if p.is_of(node) && p.kind == ParticipantKind::Local => {
                let id = p.id.clone();
                self.remove_participant(&room, &id, LeaveReason::Left);
                Ok(())
            }
            Some(_) => Err(Refusal::new(
                Code::NotAllowed,
                "that participant is not made from this node's pads",
            )),
            None => Ok(()),
        }
    }

    /// Answers that nobody waits for any more are no fault of the node.
    fn node_answers(
        &mut self,
        node: &NodeId,
        number: u64,
        result: Result<String, Refusal>,
    ) -> Result<(), Refusal> {
        match self.requests.get(&number) {
            Some(request) if request.node == *node => self.complete(number, result),
            Some(_) => {
                return Err(Refusal::new(
                    Code::NotAllowed,
                    "that offer went to another node",
                ));
            }
            None => {}
        }
        Ok(())
    }

    fn node_trickles(
        &mut self,
        node: &NodeId,
        session: &str,
        candidate: String,
        mid: Option<String>,
    ) -> Result<(), Refusal> {
        let Some((room, id, side)) = self.side_of(node, session)? else {
            return Ok(());
        };
        check_candidate(&candidate, mid.as_deref())?;
        let message = ServerMessage::Candidate {
            session: id.clone().into(),
            candidate: candidate.clone(),
            mid: mid.clone(),
        };
        if side == Side::Owner {
            self.tell_home(&room, message);
            return Ok(());
        }
        match self.owner_of(&room, &id) {
            Some((Link::Node(owner), _)) => self.tell_node(&owner, message),
            Some((Link::Socket(to), direction)) => {
                let session = direction.to_peer();
                self.tell_peer(
                    to,
                    peer_protocol::ServerMessage::Candidate {
                        session,
                        candidate,
                        mid,
                    },
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn node_closes(&mut self, node: &NodeId, session: &str) -> Result<(), Refusal> {
        match self.side_of(node, session)? {
            Some((room, id, Side::Owner)) => self.close_session(&room, &id),
            Some((room, id, Side::Home)) => {
                self.session_closed_by_node(&room, &id, "closed by the media node")
            }
            None => {}
        }
        Ok(())
    }

    fn node_session_state(
        &mut self,
        node: &NodeId,
        session: &str,
        state: SessionState,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let Some((room, id)) = self.session_at_home(node, session)? else {
            return Ok(());
        };
        let reason = reason.map(|r| r.chars().take(300).collect::<String>());
        match state {
            SessionState::Closed => {
                let reason = reason.unwrap_or_else(|| "closed by the media node".to_owned());
                self.session_closed_by_node(&room, &id, &reason);
            }
            SessionState::Connected => {
                if let Some((link, direction)) = self.owner_of(&room, &id) {
                    self.tell_connected(link, direction, id, reason);
                }
            }
        }
        Ok(())
    }

    fn tell_connected(
        &mut self,
        link: Link,
        direction: Direction,
        id: SessionId,
        reason: Option<String>,
    ) {
        let state = SessionState::Connected;
        match link {
            Link::Socket(to) => {
                let session = direction.to_peer();
                self.tell_peer(
                    to,
                    peer_protocol::ServerMessage::SessionState {
                        session,
                        state,
                        reason,
                    },
                );
            }
            Link::Node(owner) => self.tell_node(
                &owner,
                ServerMessage::SessionState {
                    session: id.into(),
                    state,
                    reason,
                },
            ),
            Link::Session | Link::Away(_) => {}
        }
    }

    /// What is received where is of no use to guests: they take what their pads ask for.
    fn node_quality(
        &mut self,
        node: &NodeId,
        session: &str,
        estimate: Option<u64>,
        slots: Vec<SlotQuality>,
    ) -> Result<(), Refusal> {
        let Some((room, id)) = self.session_at_home(node, session)? else {
            return Ok(());
        };
        if let Some((Link::Socket(to), _)) = self.owner_of(&room, &id) {
            self.tell_peer(
                to,
                peer_protocol::ServerMessage::Quality { estimate, slots },
            );
        }
        Ok(())
    }

    /// Programs that publish by HTTP cannot be told.
    fn node_layers(
        &mut self,
        node: &NodeId,
        session: &str,
        track: String,
        mid: Option<String>,
        active: Vec<bool>,
    ) -> Result<(), Refusal> {
        let Some((room, id)) = self.session_at_home(node, session)? else {
            return Ok(());
        };
        match (self.owner_of(&room, &id), mid) {
            (Some((Link::Socket(to), Direction::Publish)), _) => {
                self.tell_peer(to, peer_protocol::ServerMessage::Layers { track, active });
            }
            (Some((Link::Node(guest), Direction::Publish)), Some(mid)) => {
                let session = id.into();
                let message = ServerMessage::Layers {
                    session,
                    mid,
                    active,
                };
                self.tell_node(&guest, message);
            }
            _ => {}
        }
        Ok(())
    }

    fn node_slots(
        &mut self,
        node: &NodeId,
        session: &str,
        slots: Vec<Slot>,
        missing: Missing,
    ) -> Result<(), Refusal> {
        let Some((room, id)) = self.session_at_home(node, session)? else {
            return Ok(());
        };
        match self.owner_of(&room, &id) {
            Some((Link::Socket(to), _)) => {
                self.tell_peer(to, peer_protocol::ServerMessage::Slots { slots, missing })
            }
            Some((Link::Node(owner), _)) => self.tell_node(
                &owner,
                ServerMessage::Slots {
                    session: id.into(),
                    slots,
                    missing,
                },
            ),
            _ => {}
        }
        Ok(())
    }

    fn speaking(&mut self, name: &RoomName, id: &ParticipantId, speaking: bool) {
        let visible = self
            .rooms
            .get(name)
            .and_then(|r| r.participant(id))
            .is_some_and(super::room::Participant::is_visible);
        if !visible {
            return;
        }
        let participant = String::from(id.clone());
        let message = peer_protocol::ServerMessage::Speaking {
            participant: participant.clone(),
            speaking,
        };
        self.tell_others(name, None, &message);
        self.tell_guests(
            name,
            id,
            &ServerMessage::Speaking {
                room: name.into(),
                participant,
                speaking,
            },
        );
    }

    /// A participant of a room whose home the node is. None: it, or the room, is gone already.
    fn member_at_home(
        &self,
        node: &NodeId,
        room: &str,
        id: &str,
    ) -> Result<Option<(RoomName, ParticipantId)>, Refusal> {
        let name = RoomName::parse(room)?;
        match self.rooms.get(&name) {
            Some(room) if room.home.as_ref() == Some(node) => {
                let found = room.participants.iter().find(|p| p.id.as_str() == id);
                Ok(found.map(|p| (name, p.id.clone())))
            }
            Some(_) => Err(not_yours(&name)),
            None => Ok(None),
        }
    }

    /// A session of a room whose home the node is. None: it is gone already.
    fn session_at_home(
        &self,
        node: &NodeId,
        session: &str,
    ) -> Result<Option<(RoomName, SessionId)>, Refusal> {
        match self.side_of(node, session)? {
            Some((room, id, Side::Home)) => Ok(Some((room, id))),
            Some((room, _, Side::Owner)) => Err(not_yours(&room)),
            None => Ok(None),
        }
    }

    /// What a node has to do with a session. None: the session is gone already.
    fn side_of(
        &self,
        node: &NodeId,
        session: &str,
    ) -> Result<Option<(RoomName, SessionId, Side)>, Refusal> {
        let Some(id) = SessionId::parse(session) else {
            return Ok(None);
        };
        let Some(name) = self.sessions.get(&id) else {
            return Ok(None);
        };
        let Some(room) = self.rooms.get(name) else {
            return Ok(None);
        };
        let owner = room
            .sessions
            .get(&id)
            .and_then(|s| room.participant(&s.participant));
        if room.home.as_ref() == Some(node) {
            Ok(Some((name.clone(), id, Side::Home)))
        } else if owner.is_some_and(|p| p.is_of(node)) {
            Ok(Some((name.clone(), id, Side::Owner)))
        } else {
            Err(Refusal::new(
                Code::NotAllowed,
                "that session belongs to another node",
            ))
        }
    }

    fn owner_of(&self, name: &RoomName, id: &SessionId) -> Option<(Link, Direction)> {
        let room = self.rooms.get(name)?;
        let session = room.sessions.get(id)?;
        let participant = room.participant(&session.participant)?;
        Some((participant.link.clone(), session.direction))
    }
}

/// Which end of a session a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// It answered the offer.
    Home,
    /// It made the offer.
    Owner,
}

pub(super) fn not_yours(room: &RoomName) -> Refusal {
    Refusal::new(
        Code::NotAllowed,
        format!("this node does not serve room \"{room}\" in that role; wait for roomOpened"),
    )
}
