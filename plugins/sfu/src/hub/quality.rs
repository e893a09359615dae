// SPDX-License-Identifier: MIT OR Apache-2.0
//! What participants receive, and what they want to.

use super::NodeEvent;
use super::state::State;
use gst_rtc_core::engine::SlotQuality;
use gst_rtc_core::id::SessionId;

impl State {
    /// What a session receives has changed.
    pub(super) fn quality(&self, id: SessionId, estimate: Option<u64>, slots: Vec<SlotQuality>) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let owner = self.owner(session);
        self.out.tell(NodeEvent::Quality {
            room: owner.room,
            participant: owner.participant,
            estimate,
            slots,
        });
    }
}
