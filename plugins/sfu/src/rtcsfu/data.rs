// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data channels, for the application: the signals `data-received` and `send-data`.

use super::message_queue::Heard;
use super::{CAT, RtcSfu};
use crate::hub::{NodeEvent, OwnMessage};
use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

/// What can be asked for in the options of `send-data`.
const OPTIONS: [&str; 3] = ["room", "from", "to"];

/// `data-received (room: str, participant: str, label: str, data: GBytes, text: bool)`
pub(super) fn received() -> Signal {
    Signal::builder("data-received")
        .param_types([
            String::static_type(),
            String::static_type(),
            String::static_type(),
            glib::Bytes::static_type(),
            bool::static_type(),
        ])
        .build()
}

/// `send-data (label: str, data: GBytes, text: bool, options: GstStructure or null) -> bool`
pub(super) fn send() -> Signal {
    Signal::builder("send-data")
        .param_types([
            String::static_type(),
            glib::Bytes::static_type(),
            bool::static_type(),
            gst::Structure::static_type(),
        ])
        .return_type::<bool>()
        .action()
        .class_handler(|values| {
            let element = values[0]
                .get::<RtcSfu>()
                .expect("the signal is the element's");
            let sent = message(values).and_then(|message| element.imp().send_data(message));
            if let Err(error) = &sent {
                gst::warning!(CAT, obj = element, "send-data: {error}");
            }
            Some(sent.is_ok().to_value())
        })
        .build()
}

/// Gives a message to the pads that want it, and emits `data-received`.
pub(super) fn tell(element: &RtcSfu, event: &NodeEvent) {
    let NodeEvent::Data {
        room,
        participant,
        label,
        text,
        payload,
    } = event
    else {
        return;
    };
    let heard = Heard {
        room: room.clone(),
        participant: participant.clone(),
        label: label.clone(),
        text: *text,
        payload: payload.clone(),
        running_time: element.current_running_time(),
    };
    let pads = element.imp().data_pads();
    pads.iter().for_each(|pad| pad.offer(&heard));
    let bytes = glib::Bytes::from(&payload[..]);
    // Strings from the network may hold NULs, which those of GLib cannot.
    let label = label.replace('\0', "");
    element.emit_by_name::<()>("data-received", &[room, participant, &label, &bytes, text]);
}

/// What the arguments of `send-data` ask for.
fn message(values: &[glib::Value]) -> Result<OwnMessage, String> {
    const CHECKED: &str = "GObject checked the type";
    let label = values[1].get::<Option<String>>().expect(CHECKED);
    let data = values[2].get::<Option<glib::Bytes>>().expect(CHECKED);
    let given = values[4].get::<Option<gst::Structure>>().expect(CHECKED);
    let [room, from, to] = options(given.as_deref())?;
    Ok(OwnMessage {
        room,
        from,
        to,
        label: label.ok_or("a label is needed")?,
        text: values[3].get().expect(CHECKED),
        payload: data.as_deref().unwrap_or_default().into(),
    })
}

fn options(structure: Option<&gst::StructureRef>) -> Result<[Option<String>; 3], String> {
    let mut values = [const { None }; 3];
    for (name, value) in structure.into_iter().flat_map(|options| options.iter()) {
        let place = OPTIONS.iter().position(|known| *known == name.as_str());
        let place = place.ok_or_else(|| format!("no option {name}; there are {OPTIONS:?}"))?;
        let text = value.get::<Option<String>>();
        values[place] = text.map_err(|_| format!("option {name} is not a string"))?;
    }
    Ok(values)
}

impl super::imp::RtcSfu {
    /// Sends a message to data channels.
    pub(super) fn send_data(&self, message: OwnMessage) -> Result<(), String> {
        let hub = self.hub().ok_or("the element has not been started")?;
        hub.send_data(message).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_not_known_are_named() {
        gst::init().expect("GStreamer starts");
        let given = gst::Structure::builder("options")
            .field("to", "alice")
            .build();
        assert_eq!(
            options(Some(&given)),
            Ok([None, None, Some("alice".into())])
        );
        assert_eq!(options(None), Ok([None, None, None]));
        for wrong in [
            gst::Structure::builder("options")
                .field("too", "alice")
                .build(),
            gst::Structure::builder("options").field("to", 7).build(),
        ] {
            let error = options(Some(&wrong)).expect_err("it is wrong");
            assert!(error.contains("option to"), "{error}");
        }
    }
}
