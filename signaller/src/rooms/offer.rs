// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offers on their way to the home node, its answers on their way back, and the sessions they make.

use super::http::HttpReply;
use super::id::{ConnectionId, HttpId, NodeId, ParticipantId, RoomName, SessionId};
use super::refusal::{Code, Refusal};
use super::room::{Link, Session};
use super::{ANSWER, MAX_SDP, Outgoing, Rooms, Timer, node_protocol, peer_protocol};
use crate::protocol::SessionState;
use crate::protocol::node::{Direction, ParticipantKind};
use crate::protocol::peer::LeaveReason;

/// Who waits for the answer.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A participant on a WebSocket.
    Peer {
        connection: ConnectionId,
        request: Option<u64>,
    },
    /// A WHIP or WHEP client.
    Http(HttpId),
    /// A guest node.
    Guest { node: NodeId, request: u64 },
}

/// An offer to the home node that is not answered yet.
#[derive(Debug)]
pub(super) struct Request {
    origin: Origin,
    pub(super) node: NodeId,
    room: RoomName,
    session: SessionId,
    participant: ParticipantId,
    direction: Direction,
}

/// What is offered.
pub(super) struct Offer {
    pub(super) participant: ParticipantId,
    pub(super) direction: Direction,
    /// An existing session, or the name for a new one; none: a new one is named here.
    pub(super) session: Option<SessionId>,
    pub(super) of: Option<String>,
    pub(super) sdp: String,
    /// The tracks it adds are encrypted end to end.
    pub(super) encrypted: bool,
}

impl Rooms {
    /// Hands an offer to the home node. The answer goes to `origin`.
    pub(super) fn offer(
        &mut self,
        name: &RoomName,
        offer: Offer,
        origin: Origin,
    ) -> Result<SessionId, Refusal> {
        check_sdp(&offer.sdp)?;
        let node = self.home_of(name)?;
        let id = offer.session.unwrap_or_else(|| self.ids.session());
        let number = self.next_request;
        let room = self.rooms.get_mut(name).ok_or_else(|| no_node(name))?;
        let session = room.sessions.entry(id.clone()).or_insert_with(|| Session {
            participant: offer.participant.clone(),
            direction: offer.direction,
            of: offer.of,
            pending: None,
            established: false,
            ufrag: None,
        });
        if session.pending.is_some() {
            return Err(Refusal::new(
                Code::Busy,
                "the previous offer of this session is not answered yet; wait for its answer",
            ));
        }
        session.pending = Some(number);
        session.ufrag = ufrag_of(&offer.sdp).map(str::to_owned);
        let of = session.of.clone();
        self.next_request += 1;
        self.sessions.insert(id.clone(), name.clone());
        let request = Request {
            origin,
            node: node.clone(),
            room: name.clone(),
            session: id.clone(),
            participant: offer.participant.clone(),
            direction: offer.direction,
        };
        self.requests.insert(number, request);
        self.set_timer(ANSWER, Timer::Answer(number));
        let message = node_protocol::ServerMessage::Offer {
            request: number,
            room: name.into(),
            participant: offer.participant.into(),
            direction: offer.direction,
            session: id.clone().into(),
            sdp: offer.sdp,
            of,
            encrypted: offer.encrypted,
        };
        self.tell_node(&node, message);
        Ok(id)
    }

    /// The connected home node of a room.
    pub(super) fn home_of(&self, name: &RoomName) -> Result<NodeId, Refusal> {
        let home = self.rooms.get(name).and_then(|r| r.home.as_ref());
        let connected = home.filter(|n| self.nodes.get(*n).is_some_and(|n| n.connection.is_some()));
        connected.cloned().ok_or_else(|| no_node(name))
    }

    pub(super) fn tell_home(&mut self, name: &RoomName, message: node_protocol::ServerMessage) {
        if let Some(home) = self.rooms.get(name).and_then(|r| r.home.clone()) {
            self.tell_node(&home, message);
        }
    }

    pub(super) fn answer_is_late(&mut self, number: u64) {
        let Some(request) = self.requests.get(&number) else {
            return;
        };
        let (room, session) = (request.room.clone(), request.session.clone());
        let text = "the media node did not answer the offer within 10 s; try again, and look at the node's log";
        self.complete(number, Err(Refusal::new(Code::NodeTimeout, text)));
        if !self.sessions.contains_key(&session) {
            self.tell_home(
                &room,
                node_protocol::ServerMessage::CloseSession {
                    session: session.into(),
                },
            );
        }
    }

    /// An offer has its answer, or its refusal. A session that never had an answer is gone with a refusal.
    pub(super) fn complete(&mut self, number: u64, result: Result<String, Refusal>) {
        let Some(request) = self.requests.remove(&number) else {
            return;
        };
        let room = self.rooms.get_mut(&request.room);
        if let Some(room) = room
            && let Some(session) = room.sessions.get_mut(&request.session)
        {
            session.pending = None;
            session.established |= result.is_ok();
            if !session.established {
                room.sessions.remove(&request.session);
                self.sessions.remove(&request.session);
            }
        }
        self.deliver(request, result);
    }

    fn deliver(&mut self, request: Request, result: Result<String, Refusal>) {
        match request.origin.clone() {
            Origin::Peer {
                connection,
                request: number,
            } => {
                let message = match (result, request.direction) {
                    (Ok(sdp), Direction::Publish) => peer_protocol::ServerMessage::Published {
                        request: number,
                        sdp,
                    },
                    (Ok(sdp), Direction::Receive) => peer_protocol::ServerMessage::Subscribed {
                        request: number,
                        sdp,
                    },
                    (Err(refusal), _) => {
                        peer_protocol::ServerMessage::Error(refusal.to_message(number))
                    }
                };
                self.tell_peer(connection, message);
            }
            Origin::Guest {
                node,
                request: number,
            } => {
                let message = match result {
                    Ok(sdp) => node_protocol::ServerMessage::Answer {
                        request: number,
                        sdp,
                    },
                    Err(refusal) => {
                        node_protocol::ServerMessage::Error(refusal.to_message(Some(number)))
                    }
                };
                self.tell_node(&node, message);
            }
            Origin::Http(to) => self.deliver_http(to, request, result),
        }
    }

    fn deliver_http(&mut self, to: HttpId, request: Request, result: Result<String, Refusal>) {
        let reply = match result {
            Ok(sdp) => {
                self.reveal(&request.room, &request.participant);
                Ok(HttpReply::Created {
                    ice_servers: self.ice_servers(&request.participant),
                    session: request.session,
                    sdp,
                })
            }
            Err(refusal) => {
                self.remove_participant(&request.room, &request.participant, LeaveReason::Left);
                Err(refusal)
            }
        };
        self.outgoing.push(Outgoing::Http { to, reply });
    }

    /// Ends a session from the client's side: the home node is told.
    pub(super) fn close_session(&mut self, name: &RoomName, id: &SessionId) {
        self.tell_home(
            name,
            node_protocol::ServerMessage::CloseSession {
                session: id.clone().into(),
            },
        );
        self.end_session(name, id, None);
    }

    /// Forgets a session and its tracks. With a reason, its owner is told; the home node is not.
    pub(super) fn end_session(&mut self, name: &RoomName, id: &SessionId, reason: Option<&str>) {
        self.sessions.remove(id);
        let Some(session) = self.rooms.get_mut(name).and_then(|r| r.sessions.remove(id)) else {
            return;
        };
        if let Some(number) = session.pending {
            let text = "the session ended before the offer was answered; make a new one";
            self.complete(number, Err(Refusal::new(Code::NodeLost, text)));
        }
        if session.direction == Direction::Publish {
            self.remove_all_tracks(name, &session.participant);
        }
        if let Some(reason) = reason {
            self.tell_session_state(
                name,
                id,
                &session,
                SessionState::Closed,
                Some(reason.to_owned()),
            );
        }
    }

    /// The node says that a session is over. A participant who came by HTTP goes with it.
    pub(super) fn session_closed_by_node(&mut self, name: &RoomName, id: &SessionId, reason: &str) {
        let Some(participant) = self
            .rooms
            .get(name)
            .and_then(|r| r.sessions.get(id))
            .map(|s| s.participant.clone())
        else {
            return;
        };
        self.end_session(name, id, Some(reason));
        let by_http = |p: &super::room::Participant| {
            p.link == Link::Session
                && matches!(p.kind, ParticipantKind::Whip | ParticipantKind::Viewer)
        };
        if self
            .rooms
            .get(name)
            .and_then(|r| r.participant(&participant))
            .is_some_and(by_http)
        {
            self.remove_participant(name, &participant, LeaveReason::ConnectionLost);
        }
    }

    /// Tells whoever owns a session how it is.
    pub(super) fn tell_session_state(
        &mut self,
        name: &RoomName,
        id: &SessionId,
        session: &Session,
        state: SessionState,
        reason: Option<String>,
    ) {
        match self.link_of(name, &session.participant) {
            Some(Link::Socket(to)) => {
                let session = session.direction.to_peer();
                self.tell_peer(
                    to,
                    peer_protocol::ServerMessage::SessionState {
                        session,
                        state,
                        reason,
                    },
                );
            }
            Some(Link::Node(node)) => {
                let session = id.clone().into();
                self.tell_node(
                    &node,
                    node_protocol::ServerMessage::SessionState {
                        session,
                        state,
                        reason,
                    },
                );
            }
            Some(Link::Session | Link::Away(_)) | None => {}
        }
    }

    pub(super) fn link_of(&self, name: &RoomName, participant: &ParticipantId) -> Option<Link> {
        let found = self
            .rooms
            .get(name)
            .and_then(|r| r.participant(participant));
        found.map(|p| p.link.clone())
    }
}

/// Why there is nobody to answer.
pub(super) fn no_node(name: &RoomName) -> Refusal {
    let text = format!(
        "no media node serves room \"{name}\". Start one (gst-rtc dev, or a pipeline with rtcsfu and signaller::uri set to this server) and try again."
    );
    Refusal::new(Code::NoNode, text)
}

/// A look from outside: the node parses it.
pub(super) fn check_sdp(sdp: &str) -> Result<(), Refusal> {
    if sdp.len() > MAX_SDP {
        return Err(too_large());
    }
    if !sdp.starts_with("v=0") || sdp.contains('\0') {
        return Err(Refusal::new(
            Code::BadSdp,
            "the offer is no SDP: it must begin with v=0 and have no NUL; send pc.localDescription.sdp",
        ));
    }
    Ok(())
}

pub(super) fn too_large() -> Refusal {
    let text = format!(
        "the SDP has more than {} KiB; offer fewer m-lines or codecs",
        MAX_SDP / 1024
    );
    Refusal::new(Code::TooLarge, text)
}

/// The first `a=ice-ufrag` of an SDP or fragment.
pub(super) fn ufrag_of(sdp: &str) -> Option<&str> {
    sdp.lines()
        .find_map(|line| line.strip_prefix("a=ice-ufrag:"))
        .map(str::trim)
}
