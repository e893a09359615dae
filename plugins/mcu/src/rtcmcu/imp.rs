// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element: its pads, its states, and what follows when something changes.

use super::canvas::{Canvas, SLACK, clock_time};
use super::input::{Input, InputId};
use super::notice::Notice;
use super::output::{Content, Output};
use super::scene::Scene;
use super::settings::Settings;
use super::{CAT, RtcMcuSinkPad, caps, properties, roster};
use crate::mixer::Mixer;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// See [`super::RtcMcu`].
pub struct RtcMcu {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    pub(super) scene: Arc<Mutex<Scene>>,
    mixer: Mixer,
    /// Everybody's sound.
    sound: gst::Element,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) next_input: InputId,
    pub(super) inputs: Vec<Arc<Input>>,
    pub(super) outputs: Vec<Arc<Output>>,
    canvas: Option<Arc<Canvas>>,
    pub(super) participants: Vec<String>,
    /// From PAUSED on: what is linked decides what is made.
    started: bool,
}

impl RtcMcu {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> Settings {
        self.lock_settings().clone()
    }

    pub(super) fn mixer(&self) -> &Mixer {
        &self.mixer
    }

    pub(super) fn sound(&self) -> &gst::Element {
        &self.sound
    }

    /// There from the first `video` pad on.
    pub(super) fn canvas(&self) -> Option<Arc<Canvas>> {
        self.lock().canvas.clone()
    }

    pub(super) fn inputs(&self) -> Vec<Arc<Input>> {
        self.lock().inputs.clone()
    }

    pub(super) fn outputs(&self) -> Vec<Arc<Output>> {
        self.lock().outputs.clone()
    }

    /// An event has come in on a sink pad.
    pub(super) fn sink_event(&self, pad: &RtcMcuSinkPad, event: &gst::EventRef) {
        let input = self.inputs().into_iter().find(|input| input.pad == *pad);
        if input.is_some_and(|input| input.learn(event)) {
            self.inputs_changed();
        }
    }

    /// The properties of a sink pad have changed.
    pub(super) fn wishes_changed(&self, pad: &RtcMcuSinkPad) {
        if self.inputs().iter().any(|input| input.pad == *pad) {
            self.inputs_changed();
        }
    }

    /// Who is there, or what they send, has changed.
    pub(super) fn inputs_changed(&self) {
        let (before, after) = {
            let mut state = self.lock();
            let names = roster::participants(&state.inputs);
            for (input, name) in state.inputs.iter().zip(&names) {
                input.configure(&self.mixer, name);
            }
            self.lock_scene().seat(roster::seats(&state.inputs, &names));
            let mut present = names;
            present.sort_unstable();
            present.dedup();
            let before = std::mem::replace(&mut state.participants, present.clone());
            (before, present)
        };
        let element = self.obj();
        for name in after.iter().filter(|name| !before.contains(name)) {
            Notice::ParticipantAdded(name).tell(&element);
        }
        for name in before.iter().filter(|name| !after.contains(name)) {
            Notice::ParticipantRemoved(name).tell(&element);
        }
    }

    /// The mixer hears somebody else.
    pub(crate) fn speaker_changed(&self) {
        let speaker = self.mixer.speaker();
        self.lock_scene().speaker = speaker.clone();
        if let Some(speaker) = speaker {
            Notice::SpeakerChanged(&speaker).tell(&self.obj());
            self.obj().notify("speaker");
        }
    }

    /// When all that came in has ended, what goes out ends with it.
    pub(super) fn check_ended(&self) {
        let inputs = self.inputs();
        let ended = !inputs.is_empty() && inputs.iter().all(|input| input.has_ended());
        if !ended || !self.settings().end_with_inputs {
            return;
        }
        self.mixer.finish();
        if let Some(canvas) = self.canvas() {
            canvas.finish();
        }
    }

    /// Something of an input cannot be decoded; the others do not notice.
    pub(super) fn input_failed(&self, input: &Input, reason: &str) {
        gst::debug!(CAT, imp = self, "{}: {reason}", input.pad.name());
        if !input.fail() {
            return;
        }
        let (participant, pad) = (self.participant_of(input), input.pad.name());
        gst::element_imp_warning!(
            self,
            gst::StreamError::Decode,
            ("{participant} cannot be shown or heard: {reason}"),
            ["pad {pad}; it is tried again, and all others go on"]
        );
        Notice::InputFailed(&participant, &pad, reason).tell(&self.obj());
    }

    /// An input that had failed is decoded again.
    pub(super) fn input_recovered(&self, input: &Input) {
        let participant = self.participant_of(input);
        Notice::InputRecovered(&participant, &input.pad.name()).tell(&self.obj());
    }

    fn participant_of(&self, input: &Input) -> String {
        let inputs = self.inputs();
        let names = roster::participants(&inputs);
        let mut known = inputs.iter().zip(names);
        let found = known.find(|(known, _)| known.id == input.id);
        found.map_or_else(|| input.pad.name().to_string(), |(_, name)| name)
    }

    /// An element that was made for an output: the application may set it up.
    pub(super) fn announce(&self, child: &gst::Element) {
        let class = child.metadata("klass").unwrap_or_default();
        if class.contains("Encoder") {
            self.obj().emit_by_name::<()>("encoder-setup", &[child]);
        }
    }

    /// Running time of a pipeline that plays already; None: it begins with 0.
    fn running_time(&self) -> Option<gst::ClockTime> {
        let element = self.obj();
        let plays = |state: gst::State| state == gst::State::Playing;
        let parent = element.parent().and_downcast::<gst::Element>();
        let playing = plays(element.current_state())
            || parent.is_some_and(|parent| plays(parent.current_state()));
        let now = element.clock()?.time();
        playing.then(|| now.checked_sub(element.base_time()?))?
    }

    pub(super) fn ensure_canvas(&self) -> Result<(), glib::BoolError> {
        if self.lock().canvas.is_some() {
            return Ok(());
        }
        let settings = self.settings();
        let start = self.running_time();
        let bin = self.obj();
        let canvas = Canvas::new(bin.upcast_ref(), &settings, self.scene.clone(), start)?;
        let canvas = Arc::new(canvas);
        self.lock().canvas = Some(canvas.clone());
        self.load_background(canvas, settings);
        Ok(())
    }

    pub(super) fn output_linked(&self, output: &Output) {
        if self.lock().started {
            self.ensure_output(output);
        }
    }

    fn ensure_output(&self, output: &Output) -> bool {
        let Err(reason) = output.ensure(self) else {
            return true;
        };
        gst::element_imp_error!(
            self,
            gst::StreamError::Encode,
            ("{}: {reason}", output.pad.name())
        );
        false
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings();
        let start = self.running_time();
        self.mixer.wait_for(clock_time(settings.latency));
        self.mixer.start_at(start.unwrap_or(gst::ClockTime::ZERO));
        if let Some(canvas) = self.canvas() {
            canvas.start_at(start);
            canvas.wait_for(settings.latency);
            self.resize();
        }
        self.lock().started = true;
        let outputs = self.outputs();
        let all = outputs.iter().all(|output| self.ensure_output(output));
        if all {
            Ok(())
        } else {
            Err(gst::StateChangeError)
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for RtcMcu {
    const NAME: &'static str = "GstRtcMcu";
    type Type = super::RtcMcu;
    type ParentType = gst::Bin;
    type Interfaces = (gst::ChildProxy,);

    fn new() -> RtcMcu {
        let settings = Settings::default();
        let sound = gst::ElementFactory::make("tee").property("allow-not-linked", true);
        RtcMcu {
            scene: Arc::new(Mutex::new(Scene::new(settings.clone()))),
            settings: Mutex::new(settings),
            state: Mutex::default(),
            mixer: Mixer::new(),
            sound: sound.build().expect("tee is part of GStreamer itself"),
        }
    }
}

impl ObjectImpl for RtcMcu {
    fn properties() -> &'static [glib::ParamSpec] {
        properties::specs()
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            let mut signals: Vec<_> = Notice::signals().collect();
            signals.push(encoder_setup());
            signals.push(set_layout());
            signals
        });
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let name = pspec.name();
        if name == "layout" {
            let text = value
                .get::<Option<String>>()
                .expect("GObject checked the type");
            let text = text.unwrap_or_else(|| "grid".to_owned());
            if let Err(reason) = self.set_layout(&text) {
                gst::element_imp_warning!(
                    self,
                    gst::ResourceError::Settings,
                    ("layout: {reason}; the old one stays")
                );
            }
            return;
        }
        self.lock_settings().set(name, value);
        self.property_changed(name);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "speaker" => self.mixer.speaker().to_value(),
            name => self.settings().get(name),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.mixer.set_property("latency", SLACK);
        let children = [self.mixer.upcast_ref(), &self.sound];
        let added = self.obj().add_many(children);
        let linked = added.and_then(|()| gst::Element::link_many(children));
        linked.expect("both are new and fit each other");
        // So that an end-of-stream sent to the pipeline comes here.
        self.obj().set_element_flags(gst::ElementFlags::SOURCE);
    }
}

/// Tells of an encoder that was made for an output, before it starts. Argument: the encoder.
fn encoder_setup() -> glib::subclass::Signal {
    glib::subclass::Signal::builder("encoder-setup")
        .param_types([gst::Element::static_type()])
        .build()
}

/// Puts a layout in force. Argument: what the property `layout` takes. Returns nothing when it is accepted, else the reason.
fn set_layout() -> glib::subclass::Signal {
    glib::subclass::Signal::builder("set-layout")
        .param_types([String::static_type()])
        .return_type::<Option<String>>()
        .action()
        .class_handler(|args| {
            let element = args[0]
                .get::<super::RtcMcu>()
                .expect("the signal is the element's");
            let text = args[1]
                .get::<Option<String>>()
                .expect("GObject checked the type");
            let refused = element.imp().set_layout(&text.unwrap_or_default()).err();
            Some(refused.to_value())
        })
        .build()
}

impl GstObjectImpl for RtcMcu {}

impl ElementImpl for RtcMcu {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "WebRTC MCU",
                "Generic/Bin/Audio/Video/Network/WebRTC",
                "Composes the pictures of many participants into one, and mixes for each of them the sound of the others",
                "The gst-rtc developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::PadDirection::{Sink, Src};
            use gst::PadPresence::Request;
            let valid = "the template is valid";
            let sink = RtcMcuSinkPad::static_type();
            vec![
                gst::PadTemplate::with_gtype("sink_%u", Sink, Request, &caps::inputs(), sink)
                    .expect(valid),
                gst::PadTemplate::new("video", Src, Request, &caps::video()).expect(valid),
                gst::PadTemplate::new("audio", Src, Request, &caps::audio()).expect(valid),
                gst::PadTemplate::new("audio_%s", Src, Request, &caps::audio()).expect(valid),
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
            "video" => self.request_src_pad(template, "video", Content::Video),
            "audio" => self.request_src_pad(template, "audio", Content::Audio),
            "audio_%s" => {
                let participant = name.and_then(|name| name.strip_prefix("audio_"));
                let Some(participant) = participant.filter(|name| !name.is_empty()) else {
                    gst::error!(CAT, imp = self, "without whom? Request audio_alice");
                    return None;
                };
                let content = Content::AudioWithout(participant.to_owned());
                self.request_src_pad(template, &format!("audio_{participant}"), content)
            }
            _ => self.request_sink_pad(template, name),
        }
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let input = self
            .inputs()
            .into_iter()
            .find(|input| input.pad.upcast_ref::<gst::Pad>() == pad);
        if let Some(input) = input {
            self.forget_input(&input);
            self.inputs_changed();
        }
        let output = self
            .outputs()
            .into_iter()
            .find(|output| output.pad.upcast_ref::<gst::Pad>() == pad);
        if let Some(output) = output {
            self.lock().outputs.retain(|known| known.pad != output.pad);
            output.remove(self);
        }
        self.remove(pad);
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            self.start()?;
        }
        let success = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            self.lock().started = false;
        }
        match (transition, success) {
            (gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused, Ok(_)) => {
                Ok(gst::StateChangeSuccess::NoPreroll)
            }
            (_, success) => success,
        }
    }

    fn send_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::Eos => {
                self.outputs().iter().for_each(|output| output.end());
                true
            }
            _ => self.parent_send_event(event),
        }
    }
}
