// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest nodes: they offer to the home node like participants do.

use super::Rooms;
use super::id::{NodeId, ParticipantId, RoomName, SessionId};
use super::node::not_yours;
use super::offer::{Offer, Origin};
use super::refusal::{Code, Refusal};
use super::room::Room;
use crate::protocol::node::{Direction, ParticipantKind};

/// Most sessions of one guest node in its room.
const MAX_GUEST_SESSIONS: usize = 1024;

/// A guest's offer as it came.
pub(super) struct GuestOffer {
    pub(super) request: u64,
    pub(super) participant: Option<String>,
    pub(super) direction: Direction,
    pub(super) session: String,
    pub(super) sdp: String,
    pub(super) of: Option<String>,
    pub(super) encrypted: bool,
}

impl Rooms {
    pub(super) fn guest_offers(
        &mut self,
        node: &NodeId,
        room: &str,
        offer: GuestOffer,
    ) -> Result<(), Refusal> {
        let name = RoomName::parse(room)?;
        let room = self
            .rooms
            .get(&name)
            .filter(|r| r.guests().any(|n| n == node))
            .ok_or_else(|| not_yours(&name))?;
        let participant = guest_participant(room, node, &offer)?;
        if let Some(of) = &offer.of
            && room.by_name(of).is_none()
        {
            let text = format!(
                "room \"{name}\" has no participant named \"{of}\"; wait for its participantJoined"
            );
            return Err(Refusal::new(Code::UnknownParticipant, text));
        }
        let session = SessionId::parse(&offer.session).filter(|s| s.as_str().len() >= 16);
        let session = session.ok_or_else(|| {
            Refusal::new(
                Code::BadMessage,
                "session must have 16 to 64 characters of A-Z a-z 0-9 _ -",
            )
        })?;
        match room.sessions.get(&session) {
            Some(known)
                if known.participant != participant || known.direction != offer.direction =>
            {
                return Err(session_taken());
            }
            Some(_) => {}
            None if self.sessions.contains_key(&session) => return Err(session_taken()),
            None if room.sessions_of(&participant).len() >= MAX_GUEST_SESSIONS => {
                return Err(Refusal::new(
                    Code::Full,
                    format!("a guest node has at most {MAX_GUEST_SESSIONS} sessions; close some"),
                ));
            }
            None => self.replace_publication(&name, &participant, offer.direction),
        }
        let origin = Origin::Guest {
            node: node.clone(),
            request: offer.request,
        };
        let offer = Offer {
            participant,
            direction: offer.direction,
            session: Some(session),
            of: offer.of,
            sdp: offer.sdp,
            encrypted: offer.encrypted && offer.direction == Direction::Publish,
        };
        self.offer(&name, offer, origin).map(drop)
    }

    /// A local participant publishes once: a new session takes the place of the old one.
    fn replace_publication(
        &mut self,
        name: &RoomName,
        participant: &ParticipantId,
        direction: Direction,
    ) {
        if direction != Direction::Publish {
            return;
        }
        let old = self
            .rooms
            .get(name)
            .and_then(|r| r.session_of(participant, Direction::Publish))
            .cloned();
        if let Some(old) = old {
            self.close_session(name, &old);
        }
    }
}

/// A guest publishes as one of its local participants and receives as its hidden one.
fn guest_participant(
    room: &Room,
    node: &NodeId,
    offer: &GuestOffer,
) -> Result<ParticipantId, Refusal> {
    let named = room
        .participants
        .iter()
        .find(|p| Some(p.id.as_str()) == offer.participant.as_deref() && p.is_of(node));
    let found = match offer.direction {
        Direction::Publish => named.filter(|p| p.kind == ParticipantKind::Local),
        Direction::Receive => named.or_else(|| room.viewer_of(node)),
    };
    found.map(|p| p.id.clone()).ok_or_else(|| {
        let text =
            "publish needs the id of a local participant of this node; make one with join first";
        Refusal::new(Code::UnknownParticipant, text)
    })
}

fn session_taken() -> Refusal {
    Refusal::new(
        Code::NotAllowed,
        "that session id belongs to somebody else; draw a new one",
    )
}
