// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element: its states and its pads.

use super::layers::Layers;
use super::run::Running;
use super::settings::{OnLeave, Settings};
use super::src_pad::Wanted;
use super::tap::PumpSettings;
use super::taps::Taps;
use super::{CAT, RtcSfuDataPad, RtcSfuSignaller, RtcSfuSinkPad, RtcSfuSrcPad, data_pad};
use crate::hub::{Hub, LocalTrackId};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_rtc_core::media::MediaKind;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct State {
    /// Between READY and PAUSED.
    running: Option<Running>,
    playing: bool,
    /// Every sink pad has ended and the bus has been told.
    eos_posted: bool,
}

/// See [`super::RtcSfu`].
pub struct RtcSfu {
    settings: Mutex<Settings>,
    signaller: RtcSfuSignaller,
    taps: Arc<Taps>,
    layers: Arc<Layers>,
    state: Mutex<State>,
}

impl RtcSfu {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn signaller(&self) -> &RtcSfuSignaller {
        &self.signaller
    }

    pub(super) fn layers(&self) -> &Arc<Layers> {
        &self.layers
    }

    pub(super) fn taps(&self) -> &Arc<Taps> {
        &self.taps
    }

    /// The hub, from PAUSED on.
    pub(super) fn hub(&self) -> Option<Arc<Hub>> {
        self.lock()
            .running
            .as_ref()
            .map(|running| running.hub.clone())
    }

    pub(super) fn set_running(&self, running: Option<Running>) -> Option<Running> {
        std::mem::replace(&mut self.lock().running, running)
    }

    pub(super) fn src_pads(&self) -> Vec<RtcSfuSrcPad> {
        self.obj()
            .src_pads()
            .into_iter()
            .filter_map(|pad| pad.downcast().ok())
            .collect()
    }

    pub(super) fn data_pads(&self) -> Vec<RtcSfuDataPad> {
        self.obj()
            .src_pads()
            .into_iter()
            .filter_map(|pad| pad.downcast().ok())
            .collect()
    }

    fn sink_pads(&self) -> Vec<RtcSfuSinkPad> {
        self.obj()
            .sink_pads()
            .into_iter()
            .filter_map(|pad| pad.downcast().ok())
            .collect()
    }

    /// Whether a track comes from one of the sink pads.
    pub(super) fn is_local(&self, participant: &str, track: &str) -> bool {
        self.sink_pads()
            .iter()
            .any(|pad| pad.publishes(participant, track))
    }

    /// The first of `video`, `video1`, … that no sink pad has taken.
    pub(super) fn free_track_name(&self, participant: &str, kind: MediaKind) -> String {
        let names = (0..).map(|n| {
            if n == 0 {
                kind.to_string()
            } else {
                format!("{kind}{n}")
            }
        });
        names
            .into_iter()
            .find(|name| !self.is_local(participant, name))
            .expect("pads are finite")
    }

    /// Hands a wish for a keyframe to what feeds the track.
    pub(super) fn ask_for_keyframe(&self, track: LocalTrackId) {
        if let Some(pad) = self
            .sink_pads()
            .into_iter()
            .find(|pad| pad.published() == Some(track))
        {
            pad.ask_for_keyframe();
        }
    }

    /// As a sink, the element has ended when all of its sink pads have.
    pub(super) fn check_eos(&self) {
        let pads = self.sink_pads();
        let ended = !pads.is_empty() && pads.iter().all(RtcSfuSinkPad::is_eos);
        let post = {
            let mut state = self.lock();
            let post = ended && state.playing && !state.eos_posted;
            state.eos_posted = ended && (post || state.eos_posted);
            post
        };
        if post {
            // Without a bus nobody waits for it.
            let _ = self
                .obj()
                .post_message(gst::message::Eos::builder().src(&*self.obj()).build());
        }
    }

    /// Tells every src pad what it has to know of the others: which belong together, and who waits for whom.
    pub(super) fn configure_src_pads(&self) {
        let settings = self.settings();
        let pads: Vec<_> = self
            .src_pads()
            .into_iter()
            .map(|pad| (pad.wanted(), pad))
            .collect();
        for (wanted, pad) in &pads {
            let of_same = |other: &&(Wanted, RtcSfuSrcPad)| {
                (&other.0.room, &other.0.participant) == (&wanted.room, &wanted.participant)
            };
            let others = || pads.iter().filter(of_same).map(|(_, pad)| pad);
            // The first pad's group is everybody's.
            let group = others().next().unwrap_or(pad).group();
            let paired = others().any(|other| other.kind() != pad.kind());
            let room = wanted
                .room
                .as_deref()
                .or(settings.room.as_deref())
                .unwrap_or_default();
            pad.configure(PumpSettings {
                latency: settings.latency,
                hold: Some(settings.sync_timeout).filter(|hold| paired && !hold.is_zero()),
                eos_on_leave: settings.on_leave == OnLeave::Eos,
                stream_id: format!("rtcsfu/{room}/{}", wanted.participant),
                group,
            });
        }
    }

    /// Adds a src pad that wants a track. False: the name is taken.
    pub(super) fn add_src_pad(&self, pad: &RtcSfuSrcPad) -> bool {
        if !self.add(pad) {
            return false;
        }
        self.configure_src_pads();
        pad.set_playing(self.lock().playing);
        self.tap(pad);
        true
    }

    /// Ends the stream of a src pad and removes it.
    pub(super) fn remove_src_pad(&self, pad: &RtcSfuSrcPad) {
        pad.close_tap(&self.taps);
        pad.end();
        pad.settle();
        self.remove(pad.upcast_ref());
        self.configure_src_pads();
    }

    /// Another track is wanted on a pad.
    pub(super) fn retap(&self, pad: &RtcSfuSrcPad) {
        self.configure_src_pads();
        self.tap(pad);
    }

    fn tap(&self, pad: &RtcSfuSrcPad) {
        let Some(hub) = self.hub().filter(|_| !pad.wanted().participant.is_empty()) else {
            return;
        };
        if let Err(error) = pad.open_tap(&hub, &self.taps) {
            gst::element_imp_error!(
                self,
                gst::ResourceError::Settings,
                ("{}: {error}", pad.name())
            );
        }
    }

    fn add(&self, pad: &impl IsA<gst::Pad>) -> bool {
        let pad = pad.upcast_ref();
        let active = match pad.direction() {
            gst::PadDirection::Sink => self.obj().current_state() >= gst::State::Ready,
            _ => self.lock().running.is_some(),
        };
        if active && pad.set_active(true).is_err() {
            return false;
        }
        if self.obj().add_pad(pad).is_err() {
            return false;
        }
        self.obj().child_added(pad, &pad.name());
        true
    }

    fn remove(&self, pad: &gst::Pad) {
        let name = pad.name();
        if pad.set_active(false).is_err() || self.obj().remove_pad(pad).is_err() {
            gst::warning!(CAT, imp = self, "{name} was not removed cleanly");
        }
        self.obj().child_removed(pad, &name);
    }

    fn request_sink_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
    ) -> Option<gst::Pad> {
        let element = self.obj();
        let name = match name {
            Some(name) => name.to_owned(),
            None => (0u32..)
                .map(|n| format!("sink_{n}"))
                .find(|name| element.static_pad(name).is_none())?,
        };
        self.add_sink_pad(RtcSfuSinkPad::new(template, &name))
    }

    fn add_sink_pad(&self, pad: RtcSfuSinkPad) -> Option<gst::Pad> {
        pad.set_playing(self.lock().playing);
        if !self.add(&pad) {
            return None;
        }
        self.obj().set_element_flags(gst::ElementFlags::SINK);
        Some(pad.upcast())
    }

    /// A pad for data channels, whose label is what its name has after `prefix`.
    fn request_data_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        prefix: &str,
    ) -> Option<gst::Pad> {
        let label = name.and_then(|name| name.strip_prefix(prefix));
        let Some((name, label)) = name.zip(label.filter(|label| !label.is_empty())) else {
            gst::error!(
                CAT,
                imp = self,
                "which data channels? Request for example {prefix}chat"
            );
            return None;
        };
        if template.direction() == gst::PadDirection::Sink {
            return self.add_sink_pad(RtcSfuSinkPad::for_messages(template, name, label));
        }
        let pad = RtcSfuDataPad::new(template, name, label);
        pad.set_playing(self.lock().playing);
        self.add(&pad).then(|| pad.upcast())
    }

    fn request_src_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        kind: MediaKind,
    ) -> Option<gst::Pad> {
        let Some(name) = name.filter(|name| name.len() > "video_".len()) else {
            gst::error!(
                CAT,
                imp = self,
                "which participant? Request {kind}_alice, or {kind}_alice.track"
            );
            return None;
        };
        let wanted = Wanted::parse(name.split_once('_').map_or(name, |(_, wanted)| wanted));
        let pad = RtcSfuSrcPad::new(template, name, kind, wanted);
        self.add_src_pad(&pad).then(|| pad.upcast())
    }

    fn set_playing(&self, playing: bool) {
        self.lock().playing = playing;
        for pad in self.src_pads() {
            pad.set_playing(playing);
        }
        for pad in self.data_pads() {
            pad.set_playing(playing);
        }
        for pad in self.sink_pads() {
            pad.set_playing(playing);
        }
    }

    /// What comes on sink pads waits there already in READY: where streams go in a circle, a bin may start what is upstream
    /// first, and it would not try again after one that flushes.
    fn let_in(&self) -> Result<(), gst::StateChangeError> {
        for pad in self.sink_pads() {
            pad.set_active(true).map_err(|_| gst::StateChangeError)?;
        }
        Ok(())
    }

    /// The pads let go of the hub.
    fn let_go(&self) {
        for pad in self.sink_pads() {
            pad.unpublish();
        }
        for pad in self.src_pads() {
            pad.close_tap(&self.taps);
        }
        self.remove_exposed();
        self.lock().eos_posted = false;
    }
}

#[glib::object_subclass]
impl ObjectSubclass for RtcSfu {
    const NAME: &'static str = "GstRtcSfu";
    type Type = super::RtcSfu;
    type ParentType = gst::Element;
    type Interfaces = (gst::ChildProxy,);

    fn new() -> RtcSfu {
        RtcSfu {
            settings: Mutex::default(),
            signaller: glib::Object::new(),
            taps: Arc::default(),
            layers: Arc::default(),
            state: Mutex::default(),
        }
    }
}

impl GstObjectImpl for RtcSfu {}

impl ElementImpl for RtcSfu {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "WebRTC SFU",
                "Filter/Network/WebRTC",
                "Forwards audio and video between the WebRTC participants of rooms; local sources enter a room on sink pads, \
                 tracks leave it on src pads",
                "The gst-rtc developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let any = gst::Caps::new_empty_simple("application/x-rtp");
            let of = |kind: MediaKind| {
                gst::Caps::builder("application/x-rtp")
                    .field("media", kind.as_str())
                    .build()
            };
            let src = |name, presence, caps| {
                let gtype = RtcSfuSrcPad::static_type();
                gst::PadTemplate::with_gtype(name, gst::PadDirection::Src, presence, caps, gtype)
                    .expect("the template is valid")
            };
            vec![
                gst::PadTemplate::with_gtype(
                    "sink_%u",
                    gst::PadDirection::Sink,
                    gst::PadPresence::Request,
                    &any,
                    RtcSfuSinkPad::static_type(),
                )
                .expect("the template is valid"),
                src("video_%s", gst::PadPresence::Request, &of(MediaKind::Video)),
                src("audio_%s", gst::PadPresence::Request, &of(MediaKind::Audio)),
                src("track_%s", gst::PadPresence::Sometimes, &any),
                gst::PadTemplate::with_gtype(
                    "data_sink_%s",
                    gst::PadDirection::Sink,
                    gst::PadPresence::Request,
                    &gst::Caps::new_any(),
                    RtcSfuSinkPad::static_type(),
                )
                .expect("the template is valid"),
                gst::PadTemplate::with_gtype(
                    "data_src_%s",
                    gst::PadDirection::Src,
                    gst::PadPresence::Request,
                    &data_pad::template_caps(),
                    RtcSfuDataPad::static_type(),
                )
                .expect("the template is valid"),
            ]
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        match template.name_template() {
            "video_%s" => self.request_src_pad(template, name, MediaKind::Video),
            "audio_%s" => self.request_src_pad(template, name, MediaKind::Audio),
            "data_sink_%s" => self.request_data_pad(template, name, "data_sink_"),
            "data_src_%s" => self.request_data_pad(template, name, "data_src_"),
            _ => self.request_sink_pad(template, name),
        }
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if let Some(pad) = pad.downcast_ref::<RtcSfuSrcPad>() {
            self.remove_src_pad(pad);
        } else if pad.is::<RtcSfuDataPad>() {
            self.remove(pad);
        } else if let Some(pad) = pad.downcast_ref::<RtcSfuSinkPad>() {
            self.remove(pad.upcast_ref());
            pad.unpublish();
            if self.sink_pads().is_empty() {
                self.obj().unset_element_flags(gst::ElementFlags::SINK);
            }
            self.check_eos();
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.let_in()?,
            gst::StateChange::ReadyToPaused => self.start()?,
            gst::StateChange::PlayingToPaused => self.set_playing(false),
            _ => {}
        }
        let success = self.parent_change_state(transition);
        match (transition, success) {
            (gst::StateChange::ReadyToPaused, Ok(_)) => {
                self.src_pads().iter().for_each(|pad| self.tap(pad));
                Ok(gst::StateChangeSuccess::NoPreroll)
            }
            (gst::StateChange::PlayingToPaused, Ok(_)) => Ok(gst::StateChangeSuccess::NoPreroll),
            (gst::StateChange::PausedToPlaying, Ok(success)) => {
                self.set_playing(true);
                self.check_eos();
                Ok(success)
            }
            (gst::StateChange::PausedToReady, success)
            | (gst::StateChange::ReadyToPaused, success @ Err(_)) => {
                self.let_go();
                self.stop();
                self.let_in()?;
                success
            }
            (_, success) => success,
        }
    }

    fn send_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::Eos => {
                self.src_pads().iter().for_each(RtcSfuSrcPad::end);
                self.data_pads().iter().for_each(RtcSfuDataPad::end);
                true
            }
            _ => self.parent_send_event(event),
        }
    }
}
