// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pad on which a track leaves the room.

use super::properties::track_of_pad;
use super::tap::{Counters, Group, Item, Outcome, Pump, PumpSettings, TapQueue};
use super::taps::Taps;
use super::{CAT, RtcSfuSrcPad};
use crate::hub::{Hub, RequestError, TapId, TapRequest};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_rtc_core::media::MediaKind;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long a task may take to come back from downstream before downstream is flushed.
const PATIENCE: Duration = Duration::from_millis(300);

/// Which track a pad wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) room: Option<String>,
    pub(super) participant: String,
    pub(super) track: Option<String>,
}

impl Wanted {
    /// Reads the part of a pad name after `video_` or `audio_`: a participant, or `participant.track`.
    pub(super) fn parse(name: &str) -> Wanted {
        let (participant, track) = match name.rsplit_once('.') {
            Some((participant, track)) if !participant.is_empty() && !track.is_empty() => {
                (participant, Some(track))
            }
            _ => (name, None),
        };
        Wanted {
            room: None,
            participant: participant.to_owned(),
            track: track.map(str::to_owned),
        }
    }
}

/// What the task and the element share.
#[derive(Debug)]
struct Flow {
    kind: MediaKind,
    queue: Arc<TapQueue>,
    settings: Arc<Mutex<PumpSettings>>,
    counters: Arc<Counters>,
}

/// See [`RtcSfuSrcPad`].
#[derive(Default)]
pub struct SrcPad {
    flow: OnceLock<Flow>,
    wanted: Mutex<Wanted>,
    /// What is known of the caps before the first packet.
    offered: Mutex<Option<gst::Caps>>,
    tap: Mutex<Option<(Arc<Hub>, TapId)>>,
}

impl SrcPad {
    fn flow(&self) -> &Flow {
        self.flow
            .get()
            .expect("set before anybody else knows the pad")
    }

    fn activate(&self) -> Result<(), gst::LoggableError> {
        let flow = self.flow();
        flow.queue.activate();
        let mut pump = Pump::new(
            flow.kind,
            flow.queue.clone(),
            flow.settings.clone(),
            flow.counters.clone(),
        );
        // The task belongs to the pad: were the pad to belong to the task, both would stay for ever.
        let pad = self.obj().downgrade();
        self.obj()
            .start_task(move || {
                let Some(pad) = pad.upgrade() else { return };
                if let Outcome::Done = pump.run(&pad) {
                    // Fails only for a pad that has no task.
                    let _ = pad.pause_task();
                }
            })
            .map_err(|_| gst::loggable_error!(CAT, "the task of the pad does not start"))
    }

    /// Ends the task. Where downstream does not let go of a buffer it is flushed, or this would wait for ever.
    fn deactivate(&self) -> Result<(), gst::LoggableError> {
        let pad = self.obj();
        let stuck = if self.flow().queue.stop(Instant::now() + PATIENCE) {
            None
        } else {
            pad.peer()
        };
        if let Some(peer) = &stuck {
            gst::debug!(
                CAT,
                obj = pad,
                "flushing {}, it does not return",
                peer.name()
            );
            peer.send_event(gst::event::FlushStart::new());
        }
        let stopped = pad.stop_task();
        if let Some(peer) = &stuck {
            peer.send_event(gst::event::FlushStop::new(false));
        }
        stopped.map_err(|_| gst::loggable_error!(CAT, "the task of the pad does not stop"))
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        let pad = self.obj();
        match query.view_mut() {
            gst::QueryViewMut::Latency(query) => {
                let latency = self
                    .flow()
                    .settings
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .latency;
                query.set(
                    true,
                    gst::ClockTime::from_nseconds(latency.as_nanos() as u64),
                    gst::ClockTime::NONE,
                );
                true
            }
            gst::QueryViewMut::Caps(query) => {
                let offered = self
                    .offered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let caps = pad
                    .current_caps()
                    .or(offered)
                    .unwrap_or_else(|| pad.pad_template_caps());
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

    fn event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::CustomUpstream(_) if gst_video::ForceKeyUnitEvent::is(&event) => {
                self.obj().request_keyframe();
                true
            }
            gst::EventView::Latency(_)
            | gst::EventView::Reconfigure(_)
            | gst::EventView::Qos(_) => true,
            _ => false,
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SrcPad {
    const NAME: &'static str = "GstRtcSfuSrcPad";
    type Type = RtcSfuSrcPad;
    type ParentType = gst::Pad;
}

impl ObjectImpl for SrcPad {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            track_of_pad(
                "Name of the participant whose track is taken out; set from the pad's name",
                "Name of the track. Unset: the first of its kind",
            )
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let text = value
            .get::<Option<String>>()
            .expect("GObject checked the type")
            .filter(|text| !text.is_empty());
        let changed = {
            let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            let before = wanted.clone();
            match pspec.name() {
                "room" => wanted.room = text,
                "participant" => wanted.participant = text.unwrap_or_default(),
                "track" => wanted.track = text,
                name => unreachable!("no property {name}"),
            }
            *wanted != before
        };
        if let Some(element) = self
            .obj()
            .parent_element()
            .and_downcast::<super::RtcSfu>()
            .filter(|_| changed)
        {
            element.imp().retap(&self.obj());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        match pspec.name() {
            "room" => wanted.room.to_value(),
            "participant" => wanted.participant.to_value(),
            "track" => wanted.track.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

impl GstObjectImpl for SrcPad {}
impl PadImpl for SrcPad {}

impl RtcSfuSrcPad {
    /// A pad that still has to be added to its element.
    pub(super) fn new(
        template: &gst::PadTemplate,
        name: &str,
        kind: MediaKind,
        wanted: Wanted,
    ) -> RtcSfuSrcPad {
        let pad = gst::PadBuilder::<RtcSfuSrcPad>::from_template(template)
            .name(name)
            .query_function(|pad, _, query| pad.imp().query(query))
            .event_function(|pad, _, event| pad.imp().event(event))
            // Activated before it is added, so without a parent.
            .activatemode_function(|pad, _, _mode, active| match active {
                true => pad.imp().activate(),
                false => pad.imp().deactivate(),
            })
            .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(Vec::new()))
            .build();
        let imp = pad.imp();
        let settings = PumpSettings {
            latency: Duration::ZERO,
            hold: None,
            eos_on_leave: false,
            stream_id: String::new(),
            group: Arc::new(Group::new()),
        };
        let flow = Flow {
            kind,
            queue: Arc::new(TapQueue::new(kind)),
            settings: Arc::new(Mutex::new(settings)),
            counters: Arc::default(),
        };
        assert!(imp.flow.set(flow).is_ok(), "the pad is new");
        pad.set_wanted(wanted);
        pad.set_offered(
            gst::Caps::builder("application/x-rtp")
                .field("media", kind.as_str())
                .build(),
        );
        pad
    }

    fn set_wanted(&self, wanted: Wanted) {
        *self
            .imp()
            .wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = wanted;
    }

    /// Which track it wants.
    pub(super) fn wanted(&self) -> Wanted {
        self.imp()
            .wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says what its caps will be, as far as that is known.
    pub(super) fn set_offered(&self, caps: gst::Caps) {
        *self
            .imp()
            .offered
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(caps);
    }

    /// Audio or video.
    pub(super) fn kind(&self) -> MediaKind {
        self.imp().flow().kind
    }

    /// The group its stream is in.
    pub(super) fn group(&self) -> Arc<Group> {
        self.imp()
            .flow()
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .group
            .clone()
    }

    /// Changes what the element decides for it.
    pub(super) fn configure(&self, settings: PumpSettings) {
        *self
            .imp()
            .flow()
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Asks the hub for the track.
    pub(super) fn open_tap(&self, hub: &Arc<Hub>, taps: &Taps) -> Result<(), RequestError> {
        self.close_tap(taps);
        let Wanted {
            room,
            participant,
            track,
        } = self.wanted();
        let request = TapRequest {
            room,
            participant,
            track,
            kind: self.kind(),
        };
        let tap = taps.open(&self.imp().flow().queue, || hub.tap(request))?;
        *self
            .imp()
            .tap
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((hub.clone(), tap));
        Ok(())
    }

    /// Takes the wish back.
    pub(super) fn close_tap(&self, taps: &Taps) {
        let tap = self
            .imp()
            .tap
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((hub, tap)) = tap {
            taps.close(tap);
            hub.untap(tap);
        }
    }

    /// The pipeline plays, or pauses.
    pub(super) fn set_playing(&self, playing: bool) {
        self.imp().flow().queue.set_playing(playing);
    }

    /// Sends end-of-stream after what is queued.
    pub(super) fn end(&self) {
        self.imp().flow().queue.push(Item::Eos);
    }

    /// Waits for a moment until what is queued, an end-of-stream perhaps, has gone downstream.
    pub(super) fn settle(&self) {
        if !self.imp().flow().queue.settle(Instant::now() + PATIENCE) {
            gst::debug!(CAT, obj = self, "not everything could be pushed");
        }
    }

    /// Asks the publisher for a keyframe.
    pub(super) fn request_keyframe(&self) {
        let tap = self
            .imp()
            .tap
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((hub, tap)) = tap.filter(|_| self.kind() == MediaKind::Video) {
            hub.request_keyframe(tap);
        }
    }

    /// Its counters.
    pub(super) fn stats(&self) -> gst::Structure {
        let Flow {
            counters, queue, ..
        } = self.imp().flow();
        gst::Structure::builder("application/x-rtcsfu-pad-stats")
            .field("name", self.name())
            .field("packets", counters.packets.load(Relaxed))
            .field("bytes", counters.bytes.load(Relaxed))
            .field("packets-late", counters.late.load(Relaxed))
            .field("gaps", counters.gaps.load(Relaxed))
            .field("packets-dropped", queue.dropped())
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pad_names_say_participant_and_track() {
        let wanted = |participant: &str, track: Option<&str>| Wanted {
            room: None,
            participant: participant.into(),
            track: track.map(str::to_owned),
        };
        assert_eq!(Wanted::parse("alice"), wanted("alice", None));
        assert_eq!(
            Wanted::parse("alice.video1"),
            wanted("alice", Some("video1"))
        );
        assert_eq!(
            Wanted::parse("dr.bob.video"),
            wanted("dr.bob", Some("video"))
        );
        assert_eq!(Wanted::parse("alice."), wanted("alice.", None));
    }
}
