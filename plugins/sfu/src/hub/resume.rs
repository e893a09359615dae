// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a signaller that lost its memory is told, so that it goes on as if it had never been away.

use super::state::{Participant, Room, State};
use crate::node::{
    Direction, Participant as Named, ParticipantKind, ParticipantState, Role, RoomState,
    SessionStateOf,
};
use gst_rtc_core::id::RoomId;

impl State {
    /// Everything a signaller must know to go on as if it had never been away.
    pub(super) fn room_states(&self) -> Vec<RoomState> {
        let known = self
            .rooms
            .iter()
            .filter_map(|(id, room)| Some((*id, room, room.role?)));
        known
            .map(|(id, room, role)| self.room_state(id, room, role))
            .collect()
    }

    fn room_state(&self, id: RoomId, room: &Room, role: Role) -> RoomState {
        let told = |p: &&Participant| role == Role::Home || p.own;
        let participants = room
            .participants
            .iter()
            .filter_map(|id| self.participants.get(id))
            .filter(told);
        let mut participants: Vec<_> = participants
            .filter_map(|p| self.participant_state(p))
            .collect();
        if let Some(receiver) = room.receiver.clone() {
            participants.push(hidden(receiver));
        }
        let of_room = self.sessions.values().filter(|session| session.room == id);
        let sessions = of_room.filter_map(|session| {
            let received = role == Role::Guest && session.direction == Direction::Receive;
            let theirs = self
                .participants
                .get(&session.participant)
                .and_then(|p| p.wire.clone());
            Some(SessionStateOf {
                session: session.name.clone(),
                participant: if received {
                    room.receiver.clone()
                } else {
                    theirs
                }?,
                direction: session.direction,
                of: session.of.clone(),
            })
        });
        RoomState {
            room: room.name.clone(),
            role,
            participants,
            sessions: sessions.collect(),
        }
    }

    /// `None` for those of whom the signaller has never heard.
    fn participant_state(&self, participant: &Participant) -> Option<ParticipantState> {
        let tracks = participant
            .tracks
            .iter()
            .filter_map(|id| self.tracks.get(id));
        Some(ParticipantState {
            participant: Named {
                id: participant.wire.clone()?,
                name: participant.name.clone(),
                kind: participant.kind,
                guest: None,
                resume: participant.resume.clone(),
            },
            own: participant.own,
            tracks: tracks
                .filter(|track| track.audience.is_none())
                .map(|track| track.wire())
                .collect(),
        })
    }
}

/// A guest's receiving participant.
fn hidden(id: String) -> ParticipantState {
    let (name, kind) = (String::from("guest"), ParticipantKind::Viewer);
    ParticipantState {
        participant: Named {
            id,
            name,
            kind,
            guest: None,
            resume: None,
        },
        own: true,
        tracks: Vec::new(),
    }
}
