// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the application is told: each notice is a signal and an element message with the same fields.

use crate::hub::NodeEvent;
use gst::glib;
use gst::prelude::*;

/// A kind of notice: the name of its signal and its fields.
struct Kind {
    name: &'static str,
    fields: &'static [(&'static str, Type)],
}

#[derive(Clone, Copy)]
enum Type {
    Text,
    Flag,
    Number,
}

impl Type {
    fn gtype(self) -> glib::Type {
        match self {
            Type::Text => String::static_type(),
            Type::Flag => bool::static_type(),
            Type::Number => u64::static_type(),
        }
    }
}

use Type::{Flag, Number, Text};

const KINDS: &[Kind] = &[
    Kind {
        name: "participant-joined",
        fields: &[("room", Text), ("id", Text), ("name", Text)],
    },
    Kind {
        name: "participant-left",
        fields: &[("room", Text), ("id", Text), ("name", Text)],
    },
    Kind {
        name: "track-added",
        fields: &[
            ("room", Text),
            ("participant", Text),
            ("track", Text),
            ("kind", Text),
            ("encoding-name", Text),
        ],
    },
    Kind {
        name: "track-removed",
        fields: &[("room", Text), ("participant", Text), ("track", Text)],
    },
    Kind {
        name: "speaking",
        fields: &[("room", Text), ("participant", Text), ("speaking", Flag)],
    },
    Kind {
        name: "quality-changed",
        fields: &[
            ("room", Text),
            ("participant", Text),
            ("estimate", Number),
            ("bitrate", Number),
            ("paused", Number),
        ],
    },
    Kind {
        name: "session-connected",
        fields: &[("room", Text), ("participant", Text), ("publishes", Flag)],
    },
    Kind {
        name: "session-closed",
        fields: &[
            ("room", Text),
            ("participant", Text),
            ("publishes", Flag),
            ("reason", Text),
        ],
    },
    Kind {
        name: "signaller-connected",
        fields: &[],
    },
    Kind {
        name: "signaller-lost",
        fields: &[("error", Text)],
    },
    Kind {
        name: "refused",
        fields: &[("what", Text), ("message", Text)],
    },
];

/// Something that happened, ready to be told.
pub(super) struct Notice {
    kind: &'static Kind,
    values: Vec<glib::SendValue>,
}

impl Notice {
    /// The signals of all notices.
    pub(super) fn signals() -> impl Iterator<Item = glib::subclass::Signal> {
        KINDS.iter().map(|kind| {
            let types: Vec<glib::Type> =
                kind.fields.iter().map(|(_, field)| field.gtype()).collect();
            glib::subclass::Signal::builder(kind.name)
                .param_types(types)
                .build()
        })
    }

    /// The notice of an event; none for what concerns only pads.
    pub(super) fn of(event: &NodeEvent) -> Option<Notice> {
        use NodeEvent as E;
        let notice = match event {
            E::ParticipantJoined { room, id, name } => Notice::new("participant-joined")
                .text(room)
                .text(id)
                .text(name),
            E::ParticipantLeft { room, id, name } => Notice::new("participant-left")
                .text(room)
                .text(id)
                .text(name),
            E::TrackAdded {
                room,
                participant,
                track,
                kind,
                payload,
            } => Notice::new("track-added")
                .text(room)
                .text(participant)
                .text(track)
                .text(kind.as_str())
                .text(&super::caps::encoding_name(payload.codec)),
            E::TrackRemoved {
                room,
                participant,
                track,
            } => Notice::new("track-removed")
                .text(room)
                .text(participant)
                .text(track),
            E::Speaking {
                room,
                participant,
                speaking,
            } => Notice::new("speaking")
                .text(room)
                .text(participant)
                .flag(*speaking),
            E::Quality {
                room,
                participant,
                estimate,
                slots,
            } => {
                let bitrate = slots.iter().filter_map(|s| s.layer).map(|l| l.bitrate);
                let paused = slots.iter().filter(|s| s.layer.is_none()).count();
                Notice::new("quality-changed")
                    .text(room)
                    .text(participant)
                    .number(estimate.unwrap_or(0))
                    .number(bitrate.sum())
                    .number(paused as u64)
            }
            E::Session {
                room,
                participant,
                publishes,
                connected: true,
                ..
            } => Notice::new("session-connected")
                .text(room)
                .text(participant)
                .flag(*publishes),
            E::Session {
                room,
                participant,
                publishes,
                reason,
                ..
            } => Notice::new("session-closed")
                .text(room)
                .text(participant)
                .flag(*publishes)
                .text(reason),
            E::SignallerConnected => Notice::new("signaller-connected"),
            E::SignallerLost { error } => Notice::new("signaller-lost").text(error),
            E::Refused { what, message } => Notice::new("refused").text(what).text(message),
            _ => return None,
        };
        Some(notice)
    }

    fn new(name: &str) -> Notice {
        let kind = KINDS
            .iter()
            .find(|kind| kind.name == name)
            .expect("every notice has a kind");
        Notice {
            kind,
            values: Vec::new(),
        }
    }

    fn text(mut self, text: &str) -> Notice {
        // What comes from the network may hold NULs, which no GString does.
        self.values.push(text.replace('\0', "").to_send_value());
        self
    }

    fn flag(mut self, flag: bool) -> Notice {
        self.values.push(flag.to_send_value());
        self
    }

    fn number(mut self, number: u64) -> Notice {
        self.values.push(number.to_send_value());
        self
    }

    /// Posts the message, then emits the signal.
    pub(super) fn tell(self, element: &super::RtcSfu) {
        let structure = self.structure();
        gst::info!(super::CAT, obj = element, "{structure}");
        let message = gst::message::Element::builder(structure)
            .src(element)
            .build();
        // Without a bus nobody wants to know.
        let _ = element.post_message(message);
        let values: Vec<glib::Value> = self.values.into_iter().map(glib::Value::from).collect();
        element.emit_by_name_with_values(self.kind.name, &values);
    }

    fn structure(&self) -> gst::Structure {
        let mut structure = gst::Structure::new_empty(format!("rtcsfu-{}", self.kind.name));
        for ((field, _), value) in self.kind.fields.iter().zip(&self.values) {
            structure.set_value(*field, value.clone());
        }
        structure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_has_as_many_values_as_its_signal_has_arguments() {
        gst::init().expect("GStreamer starts");
        let text = || String::from("a\0b");
        let events = [
            NodeEvent::ParticipantJoined {
                room: text(),
                id: text(),
                name: text(),
            },
            NodeEvent::ParticipantLeft {
                room: text(),
                id: text(),
                name: text(),
            },
            NodeEvent::TrackRemoved {
                room: text(),
                participant: text(),
                track: text(),
            },
            NodeEvent::Speaking {
                room: text(),
                participant: text(),
                speaking: true,
            },
            NodeEvent::Quality {
                room: text(),
                participant: text(),
                estimate: Some(1),
                slots: Vec::new(),
            },
            NodeEvent::SignallerConnected,
            NodeEvent::SignallerLost { error: text() },
            NodeEvent::Refused {
                what: text(),
                message: text(),
            },
            session(true),
            session(false),
        ];
        for event in &events {
            let notice = Notice::of(event).expect("told");
            assert_eq!(
                notice.values.len(),
                notice.kind.fields.len(),
                "{}",
                notice.kind.name
            );
            assert_eq!(notice.structure().n_fields(), notice.values.len());
        }
    }

    fn session(connected: bool) -> NodeEvent {
        let (room, participant, reason) = ("r".into(), "p".into(), "why".into());
        NodeEvent::Session {
            room,
            participant,
            publishes: true,
            connected,
            reason,
        }
    }
}
