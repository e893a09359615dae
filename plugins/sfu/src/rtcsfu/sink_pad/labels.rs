// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose and which track a pad feeds.

use gst::glib;
use gst::prelude::*;

/// What the application says of the track.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Labels {
    pub(super) room: Option<String>,
    pub(super) participant: Option<String>,
    pub(super) track: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) encrypted: bool,
}

impl Labels {
    /// Takes the value of a property.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        const CHECKED: &str = "GObject checked the type";
        let text = || {
            let text = value.get::<Option<String>>().expect(CHECKED);
            text.filter(|text| !text.is_empty())
        };
        match name {
            "room" => self.room = text(),
            "participant" => self.participant = text(),
            "track" => self.track = text(),
            "audience" => self.audience = text(),
            "encrypted" => self.encrypted = value.get().expect(CHECKED),
            name => unreachable!("no property {name}"),
        }
    }

    /// The value of a property.
    pub(super) fn value(&self, name: &str) -> glib::Value {
        match name {
            "room" => self.room.to_value(),
            "participant" => self.participant.to_value(),
            "track" => self.track.to_value(),
            "audience" => self.audience.to_value(),
            "encrypted" => self.encrypted.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}
