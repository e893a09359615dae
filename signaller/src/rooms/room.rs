// SPDX-License-Identifier: MIT OR Apache-2.0
//! One room: who is in it, and through which nodes its media goes.

use super::id::{ConnectionId, NodeId, ParticipantId, RoomName, SessionId};
use super::refusal::{Code, Refusal};
use crate::protocol::node::{Direction, ParticipantKind};
use crate::protocol::peer::ParticipantInfo;
use crate::protocol::{Mode, RoomInfo, RoomParticipant, Secret, TrackInfo};
use std::collections::BTreeMap;
use std::time::Instant;

/// A named set of participants.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: RoomName,
    pub(super) mode: Mode,
    /// In the order of joining.
    pub(super) participants: Vec<Participant>,
    /// The node that answers offers.
    pub(super) home: Option<NodeId>,
    /// Nodes registered for this room alone, the oldest first; one of them may be the home.
    pub(super) nodes: Vec<NodeId>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
}

/// Somebody in a room.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) id: ParticipantId,
    pub(super) name: String,
    pub(super) kind: ParticipantKind,
    pub(super) resume: Secret,
    pub(super) link: Link,
    /// False until the node accepted a WHIP publisher: the others are told only then.
    pub(super) announced: bool,
    pub(super) tracks: Vec<TrackInfo>,
}

/// What keeps a participant in its room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// Its WebSocket.
    Socket(ConnectionId),
    /// Its media session, made by WHIP or WHEP.
    Session,
    /// The node of whose pads it was made.
    Node(NodeId),
    /// Nothing but hope: it was there before a restart and may return until then.
    Away(Instant),
}

/// One PeerConnection between a participant and the home node.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) participant: ParticipantId,
    pub(super) direction: Direction,
    pub(super) of: Option<String>,
    /// The offer that waits for its answer.
    pub(super) pending: Option<u64>,
    /// An offer was answered: refusing a later one does not end the session.
    pub(super) established: bool,
    /// `a=ice-ufrag` of the client, if known; another one in a trickle fragment is an ICE restart.
    pub(super) ufrag: Option<String>,
}

impl Room {
    pub(super) fn new(name: RoomName, mode: Mode) -> Room {
        Room {
            name,
            mode,
            participants: Vec::new(),
            home: None,
            nodes: Vec::new(),
            sessions: BTreeMap::new(),
        }
    }

    pub(super) fn participant(&self, id: &ParticipantId) -> Option<&Participant> {
        self.participants.iter().find(|p| p.id == *id)
    }

    pub(super) fn participant_mut(&mut self, id: &ParticipantId) -> Option<&mut Participant> {
        self.participants.iter_mut().find(|p| p.id == *id)
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&Participant> {
        self.participants.iter().find(|p| p.name == name)
    }

    /// The participant of an id from a message, hidden ones left out.
    pub(super) fn visible(&self, id: &str) -> Result<&Participant, Refusal> {
        let found = self
            .participants
            .iter()
            .find(|p| p.id.as_str() == id && p.is_visible());
        found.ok_or_else(|| {
            let text = format!("room \"{}\" has no participant with that id; take one from joined or participantJoined", self.name);
            Refusal::new(Code::UnknownParticipant, text)
        })
    }

    /// Everybody a newcomer sees.
    pub(super) fn others(&self, but: &ParticipantId) -> Vec<ParticipantInfo> {
        let others = self
            .participants
            .iter()
            .filter(|p| p.is_visible() && p.id != *but);
        others.map(Participant::info).collect()
    }

    /// The only session of a participant in that direction (guest viewers may have several; the first is found).
    pub(super) fn session_of(
        &self,
        participant: &ParticipantId,
        direction: Direction,
    ) -> Option<&SessionId> {
        let mut all = self.sessions.iter();
        all.find(|(_, s)| s.participant == *participant && s.direction == direction)
            .map(|(id, _)| id)
    }

    pub(super) fn sessions_of(&self, participant: &ParticipantId) -> Vec<SessionId> {
        let all = self
            .sessions
            .iter()
            .filter(|(_, s)| s.participant == *participant);
        all.map(|(id, _)| id.clone()).collect()
    }

    /// Nodes other than the home node.
    pub(super) fn guests(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.iter().filter(|n| Some(*n) != self.home.as_ref())
    }

    /// Participants that are pads of this node, or its hidden receiver.
    pub(super) fn owned_by(&self, node: &NodeId) -> Vec<ParticipantId> {
        let own = self.participants.iter().filter(|p| p.is_of(node));
        own.map(|p| p.id.clone()).collect()
    }

    /// The hidden receiver of a guest node.
    pub(super) fn viewer_of(&self, node: &NodeId) -> Option<&Participant> {
        self.participants
            .iter()
            .find(|p| p.kind == ParticipantKind::Viewer && p.is_of(node))
    }

    /// The hidden receiver of the guest node that made a participant, which may be that receiver itself.
    pub(super) fn guest_of(&self, participant: &Participant) -> Option<&Participant> {
        match &participant.link {
            Link::Node(node) if self.home.as_ref() != Some(node) => self.viewer_of(node),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.participants.is_empty() && self.nodes.is_empty()
    }

    pub(super) fn info(&self) -> RoomInfo {
        let home_elsewhere = self
            .home
            .as_ref()
            .is_some_and(|home| !self.nodes.contains(home));
        RoomInfo {
            room: (&self.name).into(),
            mode: self.mode,
            nodes: self.nodes.len() + usize::from(home_elsewhere),
            participants: self
                .participants
                .iter()
                .filter(|p| p.is_visible())
                .map(Participant::listed)
                .collect(),
        }
    }
}

impl Participant {
    /// Whether the others know of it.
    pub(super) fn is_visible(&self) -> bool {
        self.announced && self.kind != ParticipantKind::Viewer
    }

    pub(super) fn is_of(&self, node: &NodeId) -> bool {
        self.link == Link::Node(node.clone())
    }

    pub(super) fn info(&self) -> ParticipantInfo {
        ParticipantInfo {
            id: self.id.clone().into(),
            name: self.name.clone(),
            tracks: self.tracks.clone(),
        }
    }

    fn listed(&self) -> RoomParticipant {
        RoomParticipant {
            id: self.id.clone().into(),
            name: self.name.clone(),
            kind: self.kind,
            tracks: self.tracks.clone(),
        }
    }

    /// The track of that name.
    pub(super) fn track(&self, name: &str) -> Result<&TrackInfo, Refusal> {
        self.tracks.iter().find(|t| t.track == name).ok_or_else(|| {
            let have: Vec<_> = self.tracks.iter().map(|t| t.track.as_str()).collect();
            let text = format!(
                "participant \"{}\" has no such track (it has: {}); take a name from trackAdded",
                self.name,
                have.join(", ")
            );
            Refusal::new(Code::UnknownTrack, text)
        })
    }
}
