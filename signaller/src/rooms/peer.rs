// SPDX-License-Identifier: MIT OR Apache-2.0
//! What participants on WebSockets ask for.

use super::id::{ConnectionId, ParticipantId, RoomName};
use super::offer::{Offer, Origin};
use super::refusal::{Code, Refusal};
use super::room::Link;
use super::{Outgoing, Rooms, node_protocol};
use crate::protocol::Mode;
use crate::protocol::node::Direction as NodeDirection;
use crate::protocol::peer::{ClientMessage, Direction, LeaveReason, ServerMessage, Signal};
use crate::protocol::quality::Wish;

/// The longest candidate line taken, in bytes.
pub(super) const MAX_CANDIDATE: usize = 1024;
/// The longest mid or track name taken, in bytes.
pub(super) const MAX_WORD: usize = 64;

impl Direction {
    pub(super) fn to_node(self) -> NodeDirection {
        match self {
            Direction::Publish => NodeDirection::Publish,
            Direction::Subscribe => NodeDirection::Receive,
        }
    }
}

impl NodeDirection {
    pub(super) fn to_peer(self) -> Direction {
        match self {
            NodeDirection::Publish => Direction::Publish,
            NodeDirection::Receive => Direction::Subscribe,
        }
    }
}

impl Rooms {
    pub(super) fn peer_message(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        id: &ParticipantId,
        message: ClientMessage,
    ) -> Result<(), Refusal> {
        match message {
            ClientMessage::Join(_) => Err(Refusal::new(
                Code::BadMessage,
                "this connection has joined already; open another one for another participant",
            )),
            ClientMessage::Publish {
                request,
                sdp,
                encrypted,
            } => {
                let way = (Direction::Publish, encrypted);
                self.peer_offers(connection, room, id, way, request, sdp)
            }
            ClientMessage::Subscribe { request, sdp } => {
                let way = (Direction::Subscribe, false);
                self.peer_offers(connection, room, id, way, request, sdp)
            }
            ClientMessage::Unpublish { request } => {
                self.peer_ends(room, id, Direction::Publish)?;
                self.tell_peer(connection, ServerMessage::Unpublished { request });
                Ok(())
            }
            ClientMessage::Unsubscribe { request } => {
                self.peer_ends(room, id, Direction::Subscribe)?;
                self.tell_peer(connection, ServerMessage::Unsubscribed { request });
                Ok(())
            }
            ClientMessage::Candidate {
                session,
                candidate,
                mid,
            } => self.peer_trickles(room, id, session, candidate, mid),
            ClientMessage::Assign {
                mid,
                participant,
                track,
                speaker,
                ..
            } => self.peer_assigns(room, id, mid, (participant, track, speaker)),
            ClientMessage::Prefer { mid, wish, .. } => self.peer_prefers(room, id, mid, wish),
            ClientMessage::Mute { track, muted, .. } => self.peer_mutes(room, id, track, muted),
            ClientMessage::Signal { to, payload, .. } => self.peer_signals(room, id, &to, payload),
            ClientMessage::Leave { .. } => {
                self.close(connection, 1000, "left");
                self.remove_participant(room, id, LeaveReason::Left);
                Ok(())
            }
        }
    }

    fn peer_offers(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        id: &ParticipantId,
        (direction, encrypted): (Direction, bool),
        request: Option<u64>,
        sdp: String,
    ) -> Result<(), Refusal> {
        self.needs_mode(room, Mode::Sfu, &direction.to_string())?;
        let session = self
            .rooms
            .get(room)
            .and_then(|r| r.session_of(id, direction.to_node()))
            .cloned();
        let offer = Offer {
            participant: id.clone(),
            direction: direction.to_node(),
            session,
            of: None,
            sdp,
            encrypted,
        };
        self.offer(
            room,
            offer,
            Origin::Peer {
                connection,
                request,
            },
        )
        .map(drop)
    }

    fn peer_ends(
        &mut self,
        room: &RoomName,
        id: &ParticipantId,
        direction: Direction,
    ) -> Result<(), Refusal> {
        let session = self.peer_session(room, id, direction)?;
        self.close_session(room, &session);
        Ok(())
    }

    fn peer_trickles(
        &mut self,
        room: &RoomName,
        id: &ParticipantId,
        direction: Direction,
        candidate: String,
        mid: Option<String>,
    ) -> Result<(), Refusal> {
        let session = self.peer_session(room, id, direction)?;
        check_candidate(&candidate, mid.as_deref())?;
        let message = node_protocol::ServerMessage::Candidate {
            session: session.into(),
            candidate,
            mid,
        };
        self.tell_home(room, message);
        Ok(())
    }

    fn peer_assigns(
        &mut self,
        room: &RoomName,
        id: &ParticipantId,
        mid: String,
        (participant, track, speaker): (Option<String>, Option<String>, bool),
    ) -> Result<(), Refusal> {
        let session = self.peer_session(room, id, Direction::Subscribe)?;
        check_word("mid", &mid)?;
        if speaker && participant.is_some() {
            return Err(Refusal::new(
                Code::BadMessage,
                "assign has either a participant or speaker, not both",
            ));
        }
        let track = match (&participant, track) {
            (Some(other), Some(track)) => {
                let room = self.rooms.get(room).ok_or_else(no_room)?;
                room.visible(other)?.track(&track)?;
                Some(track)
            }
            (Some(_), None) => {
                return Err(Refusal::new(
                    Code::BadMessage,
                    "assign with a participant needs the name of a track of it",
                ));
            }
            (None, _) => None,
        };
        let session = session.into();
        self.tell_home(
            room,
            node_protocol::ServerMessage::Assign {
                session,
                mid,
                participant,
                track,
                speaker,
            },
        );
        Ok(())
    }

    fn peer_prefers(
        &mut self,
        room: &RoomName,
        id: &ParticipantId,
        mid: String,
        wish: Wish,
    ) -> Result<(), Refusal> {
        let session = self.peer_session(room, id, Direction::Subscribe)?.into();
        check_word("mid", &mid)?;
        let message = node_protocol::ServerMessage::Prefer { session, mid, wish };
        self.tell_home(room, message);
        Ok(())
    }

    fn peer_mutes(
        &mut self,
        name: &RoomName,
        id: &ParticipantId,
        track: String,
        muted: bool,
    ) -> Result<(), Refusal> {
        check_word("track", &track)?;
        let room = self.rooms.get_mut(name).ok_or_else(no_room)?;
        let mode = room.mode;
        let participant = room.participant_mut(id).ok_or_else(no_room)?;
        if mode == Mode::Sfu {
            participant.track(&track)?;
        }
        for known in participant.tracks.iter_mut().filter(|t| t.track == track) {
            known.muted = muted;
        }
        let participant = String::from(id.clone());
        let message = ServerMessage::TrackMuted {
            participant: participant.clone(),
            track: track.clone(),
            muted,
        };
        self.tell_others(name, Some(id), &message);
        let message = node_protocol::ServerMessage::Mute {
            room: name.into(),
            participant,
            track,
            muted,
        };
        self.tell_home(name, message.clone());
        self.tell_guests(name, id, &message);
        Ok(())
    }

    fn peer_signals(
        &mut self,
        name: &RoomName,
        id: &ParticipantId,
        to: &str,
        payload: Signal,
    ) -> Result<(), Refusal> {
        self.needs_mode(name, Mode::P2p, "signal")?;
        if let Signal::Description(description) = &payload
            && description.sdp.len() > super::MAX_SDP
        {
            return Err(super::offer::too_large());
        }
        let room = self.rooms.get(name).ok_or_else(no_room)?;
        let Link::Socket(to) = room.visible(to)?.link else {
            return Ok(());
        };
        let from = id.clone().into();
        self.outgoing.push(Outgoing::Peer {
            to,
            message: ServerMessage::Signal { from, payload },
        });
        Ok(())
    }

    fn peer_session(
        &self,
        room: &RoomName,
        id: &ParticipantId,
        direction: Direction,
    ) -> Result<super::SessionId, Refusal> {
        let found = self
            .rooms
            .get(room)
            .and_then(|r| r.session_of(id, direction.to_node()));
        found.cloned().ok_or_else(|| match direction {
            Direction::Publish => Refusal::new(
                Code::NotPublished,
                "there is no publish session; send publish first",
            ),
            Direction::Subscribe => Refusal::new(
                Code::NotSubscribed,
                "there is no subscribe session; send subscribe first",
            ),
        })
    }

    /// Refuses what does not fit the room's mode.
    pub(super) fn needs_mode(
        &self,
        name: &RoomName,
        mode: Mode,
        what: &str,
    ) -> Result<(), Refusal> {
        match self.rooms.get(name) {
            Some(room) if room.mode != mode => {
                let text = format!(
                    "{what} needs a room of mode {mode}, but room \"{name}\" is {}; use another room, or what its mode offers",
                    room.mode
                );
                Err(Refusal::new(Code::WrongMode, text))
            }
            _ => Ok(()),
        }
    }
}

/// A participant's connection always has its room; should it not, that is ours to mend.
fn no_room() -> Refusal {
    Refusal::new(
        Code::Internal,
        "the room of this connection is gone; join again",
    )
}

pub(super) fn check_word(what: &str, word: &str) -> Result<(), Refusal> {
    if (1..=MAX_WORD).contains(&word.len()) && !word.contains(char::is_control) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::BadMessage,
        format!("{what} must have 1 to {MAX_WORD} bytes and no control characters"),
    ))
}

pub(super) fn check_candidate(candidate: &str, mid: Option<&str>) -> Result<(), Refusal> {
    if candidate.len() > MAX_CANDIDATE || candidate.contains(char::is_control) {
        return Err(Refusal::new(
            Code::BadMessage,
            format!("a candidate is one line of at most {MAX_CANDIDATE} bytes"),
        ));
    }
    mid.map_or(Ok(()), |mid| check_word("mid", mid))
}
