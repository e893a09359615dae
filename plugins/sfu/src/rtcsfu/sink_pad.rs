// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pad on which a local source enters the room.

mod labels;
mod message;

use super::clock::ClockSample;
use super::imp::RtcSfu;
use super::layers::{LayerError, Layers};
use super::{CAT, RtcSfuSinkPad, caps};
use crate::hub::{Hub, LocalTrack, LocalTrackId};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_rtc_core::media::PayloadParams;
use labels::Labels;
use message::Messages;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often a buffer that waits in PAUSED looks whether the pipeline is being stopped.
const STOP_CHECK: Duration = Duration::from_millis(20);

/// A track of the hub, or an encoding of one.
#[derive(Clone)]
struct Published {
    hub: Arc<Hub>,
    id: LocalTrackId,
    /// Set for an encoding.
    layers: Option<Arc<Layers>>,
    participant: String,
    track: String,
}

#[derive(Default)]
struct State {
    flushing: bool,
    playing: bool,
    eos: bool,
    segment: gst::FormattedSegment<gst::ClockTime>,
    payload: Option<PayloadParams>,
    /// The caps say that payloads are encrypted end to end.
    encrypted: bool,
    published: Option<Published>,
    /// The labels have changed since.
    stale: bool,
    /// What the streaming thread waits for.
    clock_id: Option<gst::SingleShotClockId>,
}

/// See [`RtcSfuSinkPad`].
#[derive(Default)]
pub struct SinkPad {
    /// Set for a pad that feeds data channels.
    messages: OnceLock<Messages>,
    labels: Mutex<Labels>,
    state: Mutex<State>,
    changed: Condvar,
}

impl SinkPad {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chain(
        &self,
        element: &RtcSfu,
        buffer: &gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let running_time = self.wait_for_playing(element, buffer)?;
        if let Some(running_time) = running_time {
            self.wait_for_time(element, running_time)?;
        }
        if let Some(messages) = self.messages.get() {
            return self.send(element, messages, buffer);
        }
        let (hub, id) = self.ensure_published(element)?;
        let clock = ClockSample::take(&*element.obj());
        let capture = match (clock, running_time) {
            (Some(clock), Some(running_time)) => clock.instant(running_time),
            _ => Instant::now(),
        };
        let packet = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        hub.push(id, &packet, capture);
        Ok(gst::FlowSuccess::Ok)
    }

    /// Nothing is sent before the pipeline plays. The running time of the buffer, when it has one.
    ///
    /// The thread that waits here holds the stream locks of what is upstream. Where streams go in a circle, from a src pad
    /// through a mixer to a sink pad, a bin stops the elements in any order, and one upstream would wait for its lock before
    /// this element hears of it: so the wait ends when anything the element is in is on its way to READY.
    fn wait_for_playing(
        &self,
        element: &RtcSfu,
        buffer: &gst::BufferRef,
    ) -> Result<Option<gst::ClockTime>, gst::FlowError> {
        let mut state = self.lock();
        loop {
            match &*state {
                State { flushing: true, .. } => return Err(gst::FlowError::Flushing),
                State { eos: true, .. } => return Err(gst::FlowError::Eos),
                State {
                    playing: true,
                    segment,
                    ..
                } => return Ok(segment.to_running_time(buffer.pts())),
                _ => {
                    let waited = self.changed.wait_timeout(state, STOP_CHECK);
                    drop(waited.unwrap_or_else(PoisonError::into_inner));
                    if is_stopping(element.obj().upcast_ref()) {
                        return Err(gst::FlowError::Flushing);
                    }
                    state = self.lock();
                }
            }
        }
    }

    /// A source that is not live runs ahead; its packets are sent when their time has come.
    fn wait_for_time(
        &self,
        element: &RtcSfu,
        running_time: gst::ClockTime,
    ) -> Result<(), gst::FlowError> {
        let element = element.obj();
        let (Some(clock), Some(base_time)) = (element.clock(), element.base_time()) else {
            return Ok(());
        };
        let due = base_time + running_time;
        if clock.time() >= due {
            return Ok(());
        }
        let id = clock.new_single_shot_id(due);
        {
            let mut state = self.lock();
            if state.flushing {
                return Err(gst::FlowError::Flushing);
            }
            // Paused since: nobody would unschedule it.
            if !state.playing {
                return Ok(());
            }
            state.clock_id = Some(id.clone());
        }
        let (result, _) = id.wait();
        let mut state = self.lock();
        state.clock_id = None;
        match result {
            Err(gst::ClockError::Unscheduled) if state.flushing => Err(gst::FlowError::Flushing),
            // Unscheduled by a pause: sent as it is, the time is over by then.
            _ => Ok(()),
        }
    }

    /// The track to push to, published anew when the application has changed its labels.
    fn ensure_published(
        &self,
        element: &RtcSfu,
    ) -> Result<(Arc<Hub>, LocalTrackId), gst::FlowError> {
        let payload = {
            let state = self.lock();
            match &state.published {
                Some(published) if !state.stale => {
                    return Ok((published.hub.clone(), published.id));
                }
                _ => state.payload.clone(),
            }
        };
        self.obj().unpublish();
        match payload {
            Some(payload) => self.publish(element, payload),
            None => {
                gst::element_imp_error!(
                    element,
                    gst::StreamError::Format,
                    (
                        "{}: buffers without caps; link the src pad of an RTP payloader",
                        self.obj().name()
                    )
                );
                Err(gst::FlowError::NotNegotiated)
            }
        }
    }

    fn publish(
        &self,
        element: &RtcSfu,
        payload: PayloadParams,
    ) -> Result<(Arc<Hub>, LocalTrackId), gst::FlowError> {
        let hub = element.hub().ok_or(gst::FlowError::Flushing)?;
        let Labels {
            room,
            participant,
            track,
            audience,
            encrypted,
            rid,
        } = self.obj().labels();
        let encrypted = encrypted || self.lock().encrypted;
        let kind = payload.codec.kind();
        let participant = participant.unwrap_or_else(|| element.obj().name().to_string());
        let track = track.unwrap_or_else(|| match rid {
            Some(_) => kind.to_string(),
            None => element.free_track_name(&participant, kind),
        });
        let request = LocalTrack {
            room,
            participant: participant.clone(),
            track: track.clone(),
            kind,
            payload,
            audience,
            encrypted,
        };
        let layers = rid.is_some().then(|| element.layers().clone());
        let published = match rid {
            Some(rid) => element.layers().publish(&hub, request, rid),
            None => hub.publish(request).map_err(LayerError::from),
        };
        let id = published.map_err(|error| {
            let name = self.obj().name();
            gst::element_imp_error!(
                element,
                gst::ResourceError::Settings,
                ("{name}: {participant}.{track}: {error}")
            );
            gst::FlowError::Error
        })?;
        gst::info!(CAT, imp = self, "published as {participant}.{track}");
        self.lock().published = Some(Published {
            hub: hub.clone(),
            id,
            layers,
            participant,
            track,
        });
        Ok((hub, id))
    }

    fn event(&self, element: &RtcSfu, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Caps(caps) => return self.set_caps(element, caps.caps()),
            gst::EventView::Segment(segment) => {
                // Of other formats there is no running time; then what comes is taken as captured now.
                let time = segment.segment().downcast_ref::<gst::ClockTime>().cloned();
                self.lock().segment = time.unwrap_or_default();
            }
            gst::EventView::StreamStart(_) => self.lock().eos = false,
            gst::EventView::FlushStart(_) => self.set_flushing(true),
            gst::EventView::FlushStop(_) => {
                self.set_flushing(false);
                let mut state = self.lock();
                state.eos = false;
                state.segment = gst::FormattedSegment::new();
            }
            gst::EventView::Eos(_) => {
                self.obj().unpublish();
                self.lock().eos = true;
                element.check_eos();
            }
            // The stream ends here; what else is said of it concerns nobody.
            _ => {}
        }
        true
    }

    fn set_caps(&self, element: &RtcSfu, caps: &gst::CapsRef) -> bool {
        if let Some(messages) = self.messages.get() {
            messages.set_caps(caps);
            return true;
        }
        let payload = match caps::payload(caps) {
            Ok(payload) => payload,
            Err(error) => {
                let name = self.obj().name();
                gst::element_imp_error!(
                    element,
                    gst::StreamError::Format,
                    ("{name}: {error}"),
                    ["caps {caps}"]
                );
                return false;
            }
        };
        let encrypted = caps::is_encrypted(caps);
        let changed = {
            let mut state = self.lock();
            let before = state.payload.replace(payload.clone());
            let was_encrypted = std::mem::replace(&mut state.encrypted, encrypted);
            before.as_ref() != Some(&payload) || was_encrypted != encrypted
        };
        if changed {
            self.obj().unpublish();
        }
        // Before PAUSED there is no room yet; the first buffer publishes it then.
        !changed || element.hub().is_none() || self.publish(element, payload).is_ok()
    }

    fn set_flushing(&self, flushing: bool) {
        let mut state = self.lock();
        state.flushing = flushing;
        if let Some(id) = state.clock_id.take().filter(|_| flushing) {
            id.unschedule();
        }
        self.changed.notify_all();
    }

    fn activate(&self, active: bool) {
        self.set_flushing(!active);
        if active {
            let mut state = self.lock();
            state.eos = false;
            state.segment = gst::FormattedSegment::new();
            state.payload = None;
        }
    }
}

/// Whether an element, or a bin around it, is on its way to READY or NULL; or all of it is there.
fn is_stopping(element: &gst::Element) -> bool {
    let is_down = |state| matches!(state, gst::State::Ready | gst::State::Null);
    let pending = element.pending_state();
    if is_down(pending) {
        return true;
    }
    match element.parent().and_downcast() {
        Some(parent) => is_stopping(&parent),
        None => pending == gst::State::VoidPending && is_down(element.current_state()),
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SinkPad {
    const NAME: &'static str = "GstRtcSfuSinkPad";
    type Type = RtcSfuSinkPad;
    type ParentType = gst::Pad;
}

impl ObjectImpl for SinkPad {
    fn properties() -> &'static [glib::ParamSpec] {
        &labels::PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        {
            let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
            let before = labels.clone();
            labels.set(pspec.name(), value);
            if *labels == before {
                return;
            }
        }
        // The streaming thread publishes it again with its next packet.
        let mut state = self.lock();
        state.stale = state.published.is_some();
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.obj().labels().value(pspec.name())
    }
}

impl GstObjectImpl for SinkPad {}
impl PadImpl for SinkPad {}

impl RtcSfuSinkPad {
    /// A pad that still has to be added to its element.
    pub(super) fn new(template: &gst::PadTemplate, name: &str) -> RtcSfuSinkPad {
        gst::PadBuilder::<RtcSfuSinkPad>::from_template(template)
            .name(name)
            .chain_function(|pad, parent, buffer| {
                RtcSfu::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |element| pad.imp().chain(element, &buffer),
                )
            })
            .chain_list_function(|pad, parent, list| {
                RtcSfu::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |element| {
                        list.iter().try_fold(gst::FlowSuccess::Ok, |_, buffer| {
                            pad.imp().chain(element, buffer)
                        })
                    },
                )
            })
            .event_function(|pad, parent, event| {
                RtcSfu::catch_panic_pad_function(
                    parent,
                    || false,
                    |element| pad.imp().event(element, event),
                )
            })
            .query_function(|pad, parent, query| match query.type_() {
                gst::QueryType::Caps | gst::QueryType::AcceptCaps => {
                    gst::Pad::query_default(pad, parent, query)
                }
                _ => false,
            })
            .activatemode_function(|pad, _parent, _mode, active| {
                pad.imp().activate(active);
                Ok(())
            })
            .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(Vec::new()))
            .build()
    }

    fn labels(&self) -> Labels {
        self.imp()
            .labels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The track it feeds.
    pub(super) fn published(&self) -> Option<LocalTrackId> {
        self.imp()
            .lock()
            .published
            .as_ref()
            .map(|published| published.id)
    }

    /// Whether it feeds a track of these names.
    pub(super) fn publishes(&self, participant: &str, track: &str) -> bool {
        let state = self.imp().lock();
        state
            .published
            .as_ref()
            .is_some_and(|p| p.participant == participant && p.track == track)
    }

    /// Takes its track out of the room.
    pub(super) fn unpublish(&self) {
        let published = {
            let mut state = self.imp().lock();
            state.stale = false;
            state.published.take()
        };
        let Some(Published {
            hub, id, layers, ..
        }) = published
        else {
            return;
        };
        match layers {
            Some(layers) => layers.unpublish(&hub, id),
            None => hub.unpublish(id),
        }
    }

    /// The pipeline plays, or pauses.
    pub(super) fn set_playing(&self, playing: bool) {
        let imp = self.imp();
        let mut state = imp.lock();
        state.playing = playing;
        if let Some(id) = state.clock_id.take().filter(|_| !playing) {
            id.unschedule();
        }
        imp.changed.notify_all();
    }

    /// Its stream has ended.
    pub(super) fn is_eos(&self) -> bool {
        self.imp().lock().eos
    }

    /// Asks what is upstream for a keyframe.
    pub(super) fn ask_for_keyframe(&self) {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        if !self.push_event(event) {
            gst::debug!(CAT, obj = self, "upstream makes no keyframes on request");
        }
    }
}
