// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose and which track a pad feeds.

use crate::rtcsfu::properties::{text_of_pad as text, track_of_pad};
use gst::glib;
use gst::prelude::*;
use std::sync::LazyLock;

/// What the application says of the track.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Labels {
    pub(super) room: Option<String>,
    pub(super) participant: Option<String>,
    pub(super) track: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) rid: Option<String>,
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
            "rid" => self.rid = text(),
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
            "rid" => self.rid.to_value(),
            "encrypted" => self.encrypted.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

/// The properties of the pad.
pub(super) static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    let mut all = track_of_pad(
        "Name of the participant the track belongs to. Unset: the name of the element; nobody where the pad feeds data channels",
        "Name of the track, unique for the participant. Unset: audio or video; audio1, video1 and so on where that is \
         taken and rid unset. Where the pad feeds data channels, their label; unset: from the pad's name",
    );
    all.extend([
        text(
            "audience",
            "Audience",
            "Name of the only participant who receives the track. Unset: everybody else in the room",
        ),
        text(
            "rid",
            "Name of the encoding",
            "Name of this encoding, where pads of the same participant and track feed one track together and each receiver \
             gets the one that suits it. At most 4, of the same codec and payload type. Unset: the only one",
        ),
        glib::ParamSpecBoolean::builder("encrypted")
            .nick("Encrypted")
            .blurb(
                "The payloads are encrypted end to end: they are neither read nor changed, and only who has the key can show \
                 them. So are those whose caps have encrypted=true",
            )
            .mutable_playing()
            .build(),
    ]);
    all
});
