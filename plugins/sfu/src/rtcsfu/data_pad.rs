// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pad on which messages of data channels leave the room.

use super::message_queue::{Heard, MessageQueue, Next};
use super::properties::text_of_pad as text;
use super::{CAT, RtcSfuDataPad};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

/// How long a task may take to come back from downstream before downstream is flushed.
const PATIENCE: Duration = Duration::from_millis(300);
/// The meta of a buffer: a structure with `room`, `participant` and `label`.
const META: &str = "GstRtcSfuMessageMeta";

/// Which messages a pad wants.
#[derive(Clone, Debug, Default)]
struct Wanted {
    room: Option<String>,
    participant: Option<String>,
    label: String,
}

impl Wanted {
    fn includes(&self, heard: &Heard) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|w| w == name);
        is(&self.room, &heard.room)
            && is(&self.participant, &heard.participant)
            && self.label == heard.label
    }
}

/// What downstream has been told.
#[derive(Debug, Default)]
struct Told {
    begun: bool,
    text: Option<bool>,
}

/// See [`RtcSfuDataPad`].
#[derive(Default)]
pub struct DataPad {
    wanted: Mutex<Wanted>,
    queue: Arc<MessageQueue>,
}

impl DataPad {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn activate(&self) -> Result<(), gst::LoggableError> {
        self.queue.activate();
        let (queue, mut told) = (self.queue.clone(), Told::default());
        // The task belongs to the pad: were the pad to belong to the task, both would stay for ever.
        let pad = self.obj().downgrade();
        self.obj()
            .start_task(move || match (queue.next(), pad.upgrade()) {
                (Next::Message(heard), Some(pad)) => pad.push_message(&mut told, &heard),
                (Next::End, Some(pad)) => {
                    pad.begin(&mut told);
                    pad.push_event(gst::event::Eos::new());
                }
                (Next::Stop, Some(pad)) => {
                    // Fails only for a pad that has no task.
                    let _ = pad.pause_task();
                }
                (_, None) => {}
            })
            .map_err(|_| gst::loggable_error!(CAT, "the task of the pad does not start"))
    }

    /// Ends the task. Where downstream does not let go of a buffer it is flushed, or this would wait for ever.
    fn deactivate(&self) -> Result<(), gst::LoggableError> {
        let back = self.queue.stop(Instant::now() + PATIENCE);
        let stuck = if back { None } else { self.obj().peer() };
        if let Some(peer) = &stuck {
            peer.send_event(gst::event::FlushStart::new());
        }
        let stopped = self.obj().stop_task();
        if let Some(peer) = &stuck {
            peer.send_event(gst::event::FlushStop::new(false));
        }
        stopped.map_err(|_| gst::loggable_error!(CAT, "the task of the pad does not stop"))
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Latency(query) => {
                query.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                true
            }
            gst::QueryViewMut::Caps(query) => {
                let caps = self.obj().pad_template_caps();
                let caps = match query.filter() {
                    Some(filter) => {
                        filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First)
                    }
                    None => caps,
                };
                query.set_result(&caps);
                true
            }
            // Nothing else has an answer here, and nothing behind the element has one.
            _ => false,
        }
    }
}

impl RtcSfuDataPad {
    /// A pad, still to be added to its element, for what is said on channels of a label.
    pub(super) fn new(template: &gst::PadTemplate, name: &str, label: &str) -> RtcSfuDataPad {
        let pad = gst::PadBuilder::<RtcSfuDataPad>::from_template(template)
            .name(name)
            .query_function(|pad, _, query| pad.imp().query(query))
            .event_function(|_, _, event| {
                matches!(
                    event.type_(),
                    gst::EventType::Latency | gst::EventType::Reconfigure | gst::EventType::Qos
                )
            })
            // Activated before it is added, so without a parent.
            .activatemode_function(|pad, _, _mode, active| match active {
                true => pad.imp().activate(),
                false => pad.imp().deactivate(),
            })
            .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(Vec::new()))
            .build();
        pad.imp().wanted().label = label.to_owned();
        pad
    }

    /// Takes a message if it is one that the pad wants.
    pub(super) fn offer(&self, heard: &Heard) {
        let imp = self.imp();
        if !imp.wanted().includes(heard) {
            return;
        }
        let dropped = imp.queue.push(heard.clone());
        if dropped > 0 {
            gst::warning!(
                CAT,
                obj = self,
                "{dropped} messages dropped: downstream does not take them as fast as they come"
            );
        }
    }

    /// The pipeline plays, or pauses.
    pub(super) fn set_playing(&self, playing: bool) {
        self.imp().queue.set_playing(playing);
    }

    /// Ends the stream.
    pub(super) fn end(&self) {
        self.imp().queue.end();
    }

    fn begin(&self, told: &mut Told) {
        if !std::mem::replace(&mut told.begun, true) {
            let id = format!("rtcsfu/{}", self.name());
            self.push_event(gst::event::StreamStart::builder(&id).build());
        }
    }

    fn push_message(&self, told: &mut Told, heard: &Heard) {
        let text = heard.text && str::from_utf8(&heard.payload).is_ok();
        let caps = caps(text);
        if !self.peer_query_accept_caps(&caps) {
            gst::debug!(CAT, obj = self, "downstream takes no {caps}: dropped");
            return;
        }
        let began = told.begun;
        self.begin(told);
        if told.text.replace(text) != Some(text) {
            self.push_event(gst::event::Caps::new(&caps));
        }
        if !began {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.push_event(gst::event::Segment::new(&segment));
        }
        if let Err(error) = self.push(buffer(heard)) {
            gst::debug!(CAT, obj = self, "message not taken: {error}");
        }
    }
}

fn caps(text: bool) -> gst::Caps {
    if text {
        return gst::Caps::builder("text/x-raw")
            .field("format", "utf8")
            .build();
    }
    gst::Caps::new_empty_simple("application/octet-stream")
}

/// What comes out of a data pad: text, or bytes.
pub(super) fn template_caps() -> gst::Caps {
    let mut all = caps(true);
    all.merge(caps(false));
    all
}

/// A message as a buffer, without a copy.
fn buffer(heard: &Heard) -> gst::Buffer {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| gst::meta::CustomMeta::register_simple(META));
    let mut buffer = gst::Buffer::from_slice(heard.payload.clone());
    let fresh = buffer.get_mut().expect("nobody else has it yet");
    fresh.set_pts(heard.running_time);
    if let Ok(mut meta) = gst::meta::CustomMeta::add(fresh, META) {
        let names = meta.mut_structure();
        names.set("room", &heard.room);
        names.set("participant", &heard.participant);
        names.set("label", &heard.label);
    }
    buffer
}

#[glib::object_subclass]
impl ObjectSubclass for DataPad {
    const NAME: &'static str = "GstRtcSfuDataPad";
    type Type = RtcSfuDataPad;
    type ParentType = gst::Pad;
}

impl ObjectImpl for DataPad {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                text("room", "Room", "Name of the room. Unset: any"),
                text(
                    "participant",
                    "Participant",
                    "Name of the only participant whose messages come. Unset: everybody's",
                ),
                text(
                    "label",
                    "Label",
                    "Label of the data channels; set from the pad's name",
                ),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let text = value
            .get::<Option<String>>()
            .expect("GObject checked the type")
            .filter(|text| !text.is_empty());
        let mut wanted = self.wanted();
        match pspec.name() {
            "room" => wanted.room = text,
            "participant" => wanted.participant = text,
            "label" => wanted.label = text.unwrap_or_default(),
            name => unreachable!("no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let wanted = self.wanted();
        match pspec.name() {
            "room" => wanted.room.to_value(),
            "participant" => wanted.participant.to_value(),
            "label" => wanted.label.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

impl GstObjectImpl for DataPad {}
impl PadImpl for DataPad {}
