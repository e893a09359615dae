// SPDX-License-Identifier: MIT OR Apache-2.0
//! The child object `signaller`.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::{LazyLock, Mutex, PoisonError};

#[derive(Debug, Default, Clone)]
struct Settings {
    uri: Option<String>,
    token: Option<String>,
}

/// See [`super::RtcSfuSignaller`].
#[derive(Debug, Default)]
pub struct Signaller {
    settings: Mutex<Settings>,
}

impl Signaller {
    /// Address and secret, when set and not empty.
    pub(super) fn uri_and_token(&self) -> (Option<String>, Option<String>) {
        let Settings { uri, token } = self
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        (
            uri.filter(|uri| !uri.is_empty()),
            token.filter(|token| !token.is_empty()),
        )
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Signaller {
    const NAME: &'static str = "GstRtcSfuSignaller";
    type Type = super::RtcSfuSignaller;
}

impl ObjectImpl for Signaller {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecString::builder("uri")
                    .nick("URI")
                    .blurb(
                        "WebSocket address of the signaller, for example ws://127.0.0.1:8080. Unset: no signaller, the \
                         element only connects its own pads",
                    )
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("token")
                    .nick("Token")
                    .blurb("Secret by which the signaller lets this node in. Unset: none is shown")
                    .mutable_ready()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let text = value.get().expect("GObject checked the type");
        match pspec.name() {
            "uri" => settings.uri = text,
            "token" => settings.token = text,
            name => unreachable!("no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        match pspec.name() {
            "uri" => settings.uri.to_value(),
            "token" => settings.token.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}
