// SPDX-License-Identifier: MIT OR Apache-2.0
//! What participants receive, and what they want to.

use super::NodeEvent;
use super::state::{Side, State};
use crate::io::Command;
use crate::node::{self, LayerInfo, ToSignaller, Wish};
use gst_rtc_core::bwe::{Preference, Priority};
use gst_rtc_core::engine::SlotQuality;
use gst_rtc_core::id::SessionId;
use gst_rtc_core::layer::{Layer, LayerState};

impl State {
    /// What a session receives has changed.
    pub(super) fn quality(
        &mut self,
        id: SessionId,
        estimate: Option<u64>,
        slots: Vec<SlotQuality>,
    ) {
        self.learn_sizes(id, &slots);
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if matches!(session.side, Side::Answered(_)) {
            self.out.say(ToSignaller::Quality {
                session: session.name.clone(),
                estimate,
                slots: slots
                    .iter()
                    .map(|slot| self.wire_quality(id, slot))
                    .collect(),
            });
        }
        let owner = self.owner(session);
        self.out.tell(NodeEvent::Quality {
            room: owner.room,
            participant: owner.participant,
            estimate,
            slots,
        });
    }

    /// A peer says what it wants of a slot.
    pub(super) fn handle_prefer(&mut self, session: &str, mid: String, wish: Wish) {
        let Some(&id) = self.session_ids.get(session) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.has_slot(&mid) {
            session.wishes.insert(mid.clone(), wish);
        }
        let order = Command::Prefer {
            session: id,
            mid,
            preference: preference(&wish),
        };
        self.out.order(session.worker, order);
        self.demand_changed();
    }

    fn wire_quality(&self, id: SessionId, slot: &SlotQuality) -> node::SlotQuality {
        let track = self.shown(id, &slot.mid);
        let demand = track.and_then(|id| Some(&self.tracks.get(&id)?.demand));
        // What is not sent since nobody needs it can be had by asking for it.
        let paused = |encoding| demand.is_some_and(|demand| demand.is_paused(encoding));
        let offered = |state: &&LayerState| state.active || paused(state.layer.encoding);
        node::SlotQuality {
            mid: slot.mid.clone(),
            layer: slot.layer.as_ref().map(wire_layer),
            available: slot
                .available
                .iter()
                .filter(offered)
                .map(wire_layer)
                .collect(),
            reason: slot.reason.name().to_owned(),
        }
    }
}

fn preference(wish: &Wish) -> Preference {
    Preference {
        width: wish.width,
        height: wish.height,
        priority: match wish.priority {
            node::Priority::Pinned => Priority::Pinned,
            node::Priority::Screen => Priority::Screen,
            node::Priority::Normal => Priority::Normal,
            node::Priority::Low => Priority::Low,
        },
        layer: wish.layer.map(|layer| Layer {
            encoding: layer.encoding,
            spatial: layer.spatial,
            temporal: layer.temporal,
        }),
        paused: wish.paused,
    }
}

fn wire_layer(state: &LayerState) -> LayerInfo {
    let (width, height) = state.resolution.unzip();
    LayerInfo {
        layer: node::Layer {
            encoding: state.layer.encoding,
            spatial: state.layer.spatial,
            temporal: state.layer.temporal,
        },
        width,
        height,
        frame_rate: state.frame_rate.map(|rate| (rate * 10.0).round() / 10.0),
        bitrate: state.bitrate,
    }
}
