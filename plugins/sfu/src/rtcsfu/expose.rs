// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sometimes pads: a src pad for every track of the other participants.

use super::imp::RtcSfu;
use super::settings::Expose;
use super::src_pad::Wanted;
use super::{CAT, RtcSfuSrcPad, caps};
use crate::hub::NodeEvent;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_rtc_core::media::{MediaKind, PayloadParams};

impl RtcSfu {
    /// Adds and removes pads as tracks come and go.
    pub(super) fn expose(&self, event: &NodeEvent) {
        match event {
            NodeEvent::TrackAdded {
                room,
                participant,
                track,
                kind,
                payload,
            } => {
                let wanted = Wanted {
                    room: Some(room.clone()),
                    participant: participant.clone(),
                    track: Some(track.clone()),
                };
                if self.settings().expose == Expose::All && !self.is_local(participant, track) {
                    self.add_exposed(wanted, *kind, payload);
                }
            }
            NodeEvent::TrackRemoved {
                room,
                participant,
                track,
            } => {
                let wanted = Wanted {
                    room: Some(room.clone()),
                    participant: participant.clone(),
                    track: Some(track.clone()),
                };
                for pad in self.exposed().iter().filter(|pad| pad.wanted() == wanted) {
                    self.remove_src_pad(pad);
                }
            }
            _ => {}
        }
    }

    fn add_exposed(&self, wanted: Wanted, kind: MediaKind, payload: &PayloadParams) {
        let element = self.obj();
        let Some(template) = element.pad_template("track_%s") else {
            return;
        };
        let track = wanted.track.as_deref().unwrap_or_default();
        let name = format!("track_{}.{track}", wanted.participant);
        // Only with several rooms can a name be taken.
        let name = match (element.static_pad(&name), &wanted.room) {
            (Some(_), Some(room)) => format!("track_{room}.{}.{track}", wanted.participant),
            _ => name,
        };
        let pad = RtcSfuSrcPad::new(&template, &name, kind, wanted);
        pad.set_offered(caps::of_payload(payload));
        if !self.add_src_pad(&pad) {
            gst::warning!(CAT, imp = self, "{name} could not be added");
        }
    }

    /// Removes all of them.
    pub(super) fn remove_exposed(&self) {
        for pad in self.exposed() {
            self.remove_src_pad(&pad);
        }
    }

    fn exposed(&self) -> Vec<RtcSfuSrcPad> {
        let mut pads = self.src_pads();
        pads.retain(|pad| {
            pad.pad_template()
                .is_some_and(|template| template.presence() == gst::PadPresence::Sometimes)
        });
        pads
    }
}
