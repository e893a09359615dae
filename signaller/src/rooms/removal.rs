// SPDX-License-Identifier: MIT OR Apache-2.0
//! Participants who are removed by whoever runs the server.

use super::http::HttpReply;
use super::id::RoomName;
use super::refusal::{Code, Refusal};
use super::room::Link;
use super::{Rooms, check_name};
use crate::protocol::Secret;
use crate::protocol::peer::{Join, LeaveReason};

/// The close code that says so.
const REMOVED: u16 = 4003;
/// How many of the removed are remembered: their programs may try to come back by themselves.
const REMEMBERED: usize = 1024;

impl Rooms {
    /// Takes somebody out of its room: sessions, relays and the right to resume end.
    pub(super) fn remove_by_name(
        &mut self,
        name: &RoomName,
        participant: &str,
    ) -> Result<HttpReply, Refusal> {
        check_name(participant)?;
        let found = self.rooms.get(name).and_then(|r| r.by_name(participant));
        let found = found.ok_or_else(|| {
            let text = format!(
                "room \"{name}\" has no participant of that name (any more); see /api/v1/rooms"
            );
            Refusal::new(Code::UnknownParticipant, text)
        })?;
        let (id, link, resume) = (found.id.clone(), found.link.clone(), found.resume.clone());
        match link {
            Link::Node(_) => return Err(is_a_pad()),
            Link::Socket(connection) => self.close(connection, REMOVED, "removed from the room"),
            Link::Session | Link::Away(_) => {}
        }
        self.remember_removed(resume);
        self.remove_participant(name, &id, LeaveReason::Removed);
        Ok(HttpReply::Done)
    }

    fn remember_removed(&mut self, resume: Secret) {
        if self.removed.len() == REMEMBERED {
            self.removed.pop_front();
        }
        self.removed.push_back(resume);
    }

    /// Refuses whoever goes on as somebody who was removed.
    pub(super) fn check_not_removed(&self, join: &Join) -> Result<(), Refusal> {
        match &join.resume {
            Some(resume) if self.removed.contains(resume) => Err(Refusal::new(
                Code::NotAllowed,
                "you were removed from the room; do not join again by yourself",
            )),
            _ => Ok(()),
        }
    }
}

fn is_a_pad() -> Refusal {
    Refusal::new(
        Code::Unsupported,
        "this participant is a pad of a media node; release the pad, or end its pipeline",
    )
}
