// SPDX-License-Identifier: MIT OR Apache-2.0
//! WHIP, WHEP and questions: participants that are one HTTP exchange.

use super::id::{HttpId, RoomName, SessionId};
use super::member::Newcomer;
use super::offer::{Offer, Origin};
use super::peer::check_candidate;
use super::placement::viewer_name;
use super::refusal::{Code, Refusal};
use super::room::{Link, Session};
use super::{Counts, Outgoing, Rooms, node_protocol};
use crate::protocol::node::{Direction, ParticipantKind};
use crate::protocol::peer::LeaveReason;
use crate::protocol::{IceServer, Mode, RoomList};

/// The two kinds of session resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// `/whip/…`: publishes (RFC 9725).
    Whip,
    /// `/whep/…`: watches (draft-ietf-wish-whep).
    Whep,
}

impl Resource {
    /// The first segment of its path.
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::Whip => "whip",
            Resource::Whep => "whep",
        }
    }

    fn direction(self) -> Direction {
        match self {
            Resource::Whip => Direction::Publish,
            Resource::Whep => Direction::Receive,
        }
    }

    fn kind(self) -> ParticipantKind {
        match self {
            Resource::Whip => ParticipantKind::Whip,
            Resource::Whep => ParticipantKind::Viewer,
        }
    }
}

/// What an HTTP client asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HttpRequest {
    /// `POST /whip/{room}` or `/whep/{room}`: make a session.
    Create {
        /// Which of the two.
        resource: Resource,
        /// The room.
        room: RoomName,
        /// WHIP: the publisher's name. WHEP: whom to watch.
        name: Option<String>,
        /// The offer.
        sdp: String,
        /// WHIP: what is published is encrypted end to end.
        encrypted: bool,
    },
    /// `PATCH` on a session: more candidates.
    Trickle {
        /// WHIP or WHEP.
        resource: Resource,
        /// The room of the path.
        room: RoomName,
        /// The session of the path.
        session: String,
        /// `If-Match`, if there is one.
        if_match: Option<String>,
        /// `a=ice-ufrag` of the fragment, if there is one.
        ufrag: Option<String>,
        /// Candidate lines without `a=`, with their mids; an empty line ends.
        candidates: Vec<(String, Option<String>)>,
    },
    /// `DELETE` on a session.
    Delete {
        /// WHIP or WHEP.
        resource: Resource,
        /// The room of the path.
        room: RoomName,
        /// The session of the path.
        session: String,
    },
    /// `DELETE /api/v1/rooms/{room}/participants/{name}`, of an administrator.
    Remove {
        /// The room.
        room: RoomName,
        /// The participant's name.
        participant: String,
    },
    /// `GET /api/v1/rooms`.
    List,
    /// `GET /readyz`: whether newcomers can be served.
    Ready,
    /// Whether a media node is connected.
    Nodes,
    /// `GET /metrics`: how much there is of everything.
    Counts,
}

/// What an HTTP client gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HttpReply {
    /// 201 with the answer.
    Created {
        /// The last segment of the `Location`.
        session: SessionId,
        /// The answer.
        sdp: String,
        /// For the `Link` headers.
        ice_servers: Vec<IceServer>,
    },
    /// Done; nothing to say.
    Done,
    /// The rooms.
    Rooms(RoomList),
    /// How much there is.
    Counts(Counts),
}

/// The entity tag of a session's ICE session (RFC 9725 §4.3.1), with its quotes. It stays the same over a restart.
pub(crate) fn etag(session: &str) -> String {
    format!("\"{}\"", session.get(..8).unwrap_or(session))
}

impl Rooms {
    pub(super) fn http(&mut self, to: HttpId, request: HttpRequest) {
        let reply = match request {
            HttpRequest::Create {
                resource,
                room,
                name,
                sdp,
                encrypted,
            } => match self.create(to, resource, &room, name, (sdp, encrypted)) {
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            HttpRequest::Trickle {
                resource,
                room,
                session,
                if_match,
                ufrag,
                candidates,
            } => self.http_session(resource, &room, &session).and_then(|id| {
                self.trickle(
                    &room,
                    &id,
                    if_match.as_deref(),
                    ufrag.as_deref(),
                    candidates,
                )
            }),
            HttpRequest::Delete {
                resource,
                room,
                session,
            } => self
                .http_session(resource, &room, &session)
                .map(|id| self.delete(&room, &id)),
            HttpRequest::Remove { room, participant } => self.remove_by_name(&room, &participant),
            HttpRequest::List => Ok(HttpReply::Rooms(RoomList {
                rooms: self.rooms.values().map(super::Room::info).collect(),
            })),
            HttpRequest::Counts => Ok(HttpReply::Counts(self.counts())),
            HttpRequest::Ready if self.settings.default_mode == Mode::P2p => Ok(HttpReply::Done),
            HttpRequest::Ready | HttpRequest::Nodes => self.has_node(),
        };
        self.outgoing.push(Outgoing::Http { to, reply });
    }

    fn create(
        &mut self,
        to: HttpId,
        resource: Resource,
        room: &RoomName,
        name: Option<String>,
        (sdp, encrypted): (String, bool),
    ) -> Result<(), Refusal> {
        super::offer::check_sdp(&sdp)?;
        self.needs_mode(room, Mode::Sfu, resource.as_str())?;
        let (name, of) = match resource {
            Resource::Whip => (
                name.unwrap_or_else(|| format!("whip-{}", &self.ids.secret()[..6])),
                None,
            ),
            Resource::Whep => {
                self.check_watched(room, name.as_deref())?;
                (viewer_name(&self.ids.participant()), name)
            }
        };
        self.ensure_room(room, Some(Mode::Sfu))?;
        let entered = self.home_of(room).and_then(|_| {
            let newcomer = Newcomer {
                name,
                kind: resource.kind(),
                link: Link::Session,
                mode: None,
            };
            self.enter(room, newcomer)
        });
        let participant = match entered {
            Ok(id) => id,
            Err(refusal) => {
                self.close_if_empty(room);
                return Err(refusal);
            }
        };
        let offer = Offer {
            participant: participant.clone(),
            direction: resource.direction(),
            session: None,
            of,
            sdp,
            encrypted,
        };
        let offered = self.offer(room, offer, Origin::Http(to));
        if offered.is_err() {
            self.remove_participant(room, &participant, LeaveReason::Left);
        }
        offered.map(drop)
    }

    fn check_watched(&self, name: &RoomName, participant: Option<&str>) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get(name).filter(|r| {
            r.participants
                .iter()
                .any(super::room::Participant::is_visible)
        }) else {
            let text =
                format!("nobody is in room \"{name}\"; try again when somebody publishes there");
            return Err(Refusal::new(Code::UnknownRoom, text));
        };
        match participant {
            Some(watched)
                if !room
                    .by_name(watched)
                    .is_some_and(super::room::Participant::is_visible) =>
            {
                let text = format!(
                    "room \"{name}\" has no participant of that name; see /api/v1/rooms, or leave participant= out for everybody"
                );
                Err(Refusal::new(Code::UnknownParticipant, text))
            }
            _ => Ok(()),
        }
    }

    /// A session made by this resource in this room. Whatever is wrong, the answer is the same.
    fn http_session(
        &self,
        resource: Resource,
        name: &RoomName,
        session: &str,
    ) -> Result<SessionId, Refusal> {
        let unknown = || {
            Refusal::new(
                Code::UnknownSession,
                "there is no such session (any more); make a new one by POST",
            )
        };
        let id = SessionId::parse(session).ok_or_else(unknown)?;
        let room = self.rooms.get(name).ok_or_else(unknown)?;
        let found = room
            .sessions
            .get(&id)
            .filter(|s| s.established && s.direction == resource.direction());
        let owner = found.and_then(|s| room.participant(&s.participant));
        owner
            .filter(|p| p.link == Link::Session && p.kind == resource.kind())
            .map(|_| id)
            .ok_or_else(unknown)
    }

    fn trickle(
        &mut self,
        room: &RoomName,
        id: &SessionId,
        if_match: Option<&str>,
        ufrag: Option<&str>,
        candidates: Vec<(String, Option<String>)>,
    ) -> Result<HttpReply, Refusal> {
        if if_match.is_some_and(|tag| tag != "*" && tag != etag(id.as_str())) {
            return Err(Refusal::new(
                Code::Mismatch,
                "If-Match names another ICE session; use the ETag of the 201 response",
            ));
        }
        let session = self.rooms.get(room).and_then(|r| r.sessions.get(id));
        if session.is_some_and(|s| is_restart(s, ufrag)) {
            let text = "an ICE restart is not supported; DELETE this session and make a new one";
            return Err(Refusal::new(Code::Unsupported, text));
        }
        for (candidate, mid) in &candidates {
            check_candidate(candidate, mid.as_deref())?;
        }
        for (candidate, mid) in candidates {
            let session = id.clone().into();
            self.tell_home(
                room,
                node_protocol::ServerMessage::Candidate {
                    session,
                    candidate,
                    mid,
                },
            );
        }
        Ok(HttpReply::Done)
    }

    fn delete(&mut self, room: &RoomName, id: &SessionId) -> HttpReply {
        let owner = self
            .rooms
            .get(room)
            .and_then(|r| r.sessions.get(id))
            .map(|s| s.participant.clone());
        if let Some(owner) = owner {
            self.remove_participant(room, &owner, LeaveReason::Left);
        }
        HttpReply::Done
    }

    fn has_node(&self) -> Result<HttpReply, Refusal> {
        if self.nodes.values().any(|n| n.connection.is_some()) {
            return Ok(HttpReply::Done);
        }
        Err(Refusal::new(
            Code::NoNode,
            "no media node is connected; start a pipeline with rtcsfu and signaller::uri set to this server",
        ))
    }
}

fn is_restart(session: &Session, ufrag: Option<&str>) -> bool {
    matches!((&session.ufrag, ufrag), (Some(ours), Some(theirs)) if ours != theirs)
}
