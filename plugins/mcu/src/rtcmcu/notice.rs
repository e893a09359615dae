// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the application is told: each notice is a signal and an element message with the same fields.

use super::CAT;
use gst::glib;
use gst::prelude::*;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub(super) enum Notice<'a> {
    /// Somebody's first stream came.
    ParticipantAdded(&'a str),
    /// Somebody's last stream went.
    ParticipantRemoved(&'a str),
    /// Somebody else speaks.
    SpeakerChanged(&'a str),
    /// Another layout is in force.
    LayoutChanged(&'a str),
    /// A layout that cannot be, and why.
    LayoutRefused(&'a str, &'a str),
    /// Somebody's stream cannot be decoded: who, on which pad, why.
    InputFailed(&'a str, &'a str, &'a str),
    /// It can be again: who, on which pad.
    InputRecovered(&'a str, &'a str),
}

/// The names of all signals and of their arguments, which are strings.
const SIGNALS: &[(&str, &[&str])] = &[
    ("participant-added", &["participant"]),
    ("participant-removed", &["participant"]),
    ("speaker-changed", &["participant"]),
    ("layout-changed", &["layout"]),
    ("layout-refused", &["layout", "reason"]),
    ("input-failed", &["participant", "pad", "reason"]),
    ("input-recovered", &["participant", "pad"]),
];

impl Notice<'_> {
    /// The signals of all notices.
    pub(super) fn signals() -> impl Iterator<Item = glib::subclass::Signal> {
        SIGNALS.iter().map(|(name, fields)| {
            let types = vec![String::static_type(); fields.len()];
            glib::subclass::Signal::builder(name)
                .param_types(types)
                .build()
        })
    }

    /// Posts the message, then emits the signal.
    pub(super) fn tell(self, element: &super::RtcMcu) {
        let (name, values) = self.parts();
        let fields = SIGNALS.iter().find(|(signal, _)| *signal == name);
        let (_, fields) = fields.expect("every notice has a signal");
        let mut structure = gst::Structure::new_empty(format!("rtcmcu-{name}"));
        // What comes from the network may hold NULs, which no GString does.
        let values: Vec<String> = values.iter().map(|text| text.replace('\0', "")).collect();
        for (field, value) in fields.iter().zip(&values) {
            structure.set(*field, value);
        }
        gst::info!(CAT, obj = element, "{structure}");
        let message = gst::message::Element::builder(structure)
            .src(element)
            .build();
        // Without a bus nobody wants to know.
        let _ = element.post_message(message);
        let values: Vec<glib::Value> = values.iter().map(|text| text.to_value()).collect();
        element.emit_by_name_with_values(name, &values);
    }

    fn parts(&self) -> (&'static str, Vec<&str>) {
        match *self {
            Notice::ParticipantAdded(name) => ("participant-added", vec![name]),
            Notice::ParticipantRemoved(name) => ("participant-removed", vec![name]),
            Notice::SpeakerChanged(name) => ("speaker-changed", vec![name]),
            Notice::LayoutChanged(layout) => ("layout-changed", vec![layout]),
            Notice::LayoutRefused(layout, reason) => ("layout-refused", vec![layout, reason]),
            Notice::InputFailed(name, pad, reason) => ("input-failed", vec![name, pad, reason]),
            Notice::InputRecovered(name, pad) => ("input-recovered", vec![name, pad]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_has_as_many_values_as_its_signal_has_arguments() {
        let notices = [
            Notice::ParticipantAdded("a"),
            Notice::ParticipantRemoved("a"),
            Notice::SpeakerChanged("a"),
            Notice::LayoutChanged("grid"),
            Notice::LayoutRefused("gird", "why"),
            Notice::InputFailed("a", "sink_0", "why"),
            Notice::InputRecovered("a", "sink_0"),
        ];
        for notice in notices {
            let (name, values) = notice.parts();
            let signal = SIGNALS.iter().find(|(signal, _)| *signal == name);
            assert_eq!(
                signal.map(|(_, fields)| fields.len()),
                Some(values.len()),
                "{name}"
            );
        }
        assert_eq!(SIGNALS.len(), notices.len());
    }
}
