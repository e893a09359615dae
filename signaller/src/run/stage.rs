// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pipeline with everything its templates have put into it.

use super::check::Prepared;
use super::description::{Each, Template};
use super::expand::expand;
use super::instance::{Instance, elements};
use super::line::Line;
use super::params::{Value, Values};
use super::source::Launch;
use gst::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an instance is of: the template's number, and what it was made for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    template: usize,
    subject: String,
}

/// A participant as far as templates must know.
#[derive(Clone, Debug, Default)]
struct Present {
    id: String,
    /// What it publishes: kind and encoding name.
    tracks: BTreeMap<String, (String, String)>,
}

#[derive(Debug, Default)]
struct State {
    /// None: being made just now.
    instances: BTreeMap<Key, Option<Instance>>,
    /// By room and name.
    present: BTreeMap<(String, String), Present>,
    /// How many instances were begun.
    made: u64,
}

/// The running pipeline.
pub(super) struct Stage {
    pub(super) pipeline: gst::Pipeline,
    prepared: Prepared,
    state: Mutex<State>,
    tell: Box<dyn Fn(Line) + Send + Sync>,
    runtime: tokio::runtime::Handle,
}

/// An instance that was just made, for whom it was made.
pub(super) struct Made {
    /// The `webrtcbin` elements in it.
    pub(super) webrtcbins: Vec<gst::Element>,
}

impl Stage {
    /// Must be called within a tokio runtime.
    pub(super) fn new(
        pipeline: gst::Pipeline,
        prepared: Prepared,
        tell: Box<dyn Fn(Line) + Send + Sync>,
    ) -> Arc<Stage> {
        let stage = Arc::new(Stage {
            pipeline,
            prepared,
            state: Mutex::default(),
            tell,
            runtime: tokio::runtime::Handle::current(),
        });
        stage.listen_for_pads();
        stage
    }

    /// Says something to the user.
    pub(super) fn tell(&self, text: impl Into<String>) {
        (self.tell)(Line::now(text));
    }

    /// Whether there is any template.
    pub(super) fn has_templates(&self) -> bool {
        !self.prepared.description.templates.is_empty()
    }

    /// Somebody came. Returns what was made for them.
    pub(super) fn joined(self: &Arc<Self>, room: &str, id: &str, name: &str) -> Vec<Made> {
        self.tell(format!("{name} joined {room}"));
        {
            let mut state = self.state();
            let present = state.present.entry((room.to_owned(), name.to_owned()));
            present.or_default().id = id.to_owned();
        }
        self.each(Each::Room, |_| true, room, &[("room", room)]);
        self.for_participant(room, name)
    }

    /// Somebody left.
    pub(super) fn left(self: &Arc<Self>, room: &str, name: &str) {
        self.tell(format!("{name} left {room}"));
        let room_is_empty = {
            let mut state = self.state();
            state.present.remove(&(room.to_owned(), name.to_owned()));
            !state.present.keys().any(|(in_room, _)| in_room == room)
        };
        let participant = subject(room, name);
        let its_tracks = format!("{participant}.");
        self.remove_all(Each::Track, |of| of.starts_with(&its_tracks));
        self.remove(Each::Participant, &participant);
        if room_is_empty {
            self.remove(Each::Room, room);
        }
    }

    /// Somebody publishes a track.
    pub(super) fn track_added(
        self: &Arc<Self>,
        room: &str,
        name: &str,
        track: &str,
        kind: &str,
        encoding: &str,
    ) {
        self.tell(format!(
            "{name} sends {track} ({kind}, {encoding}) in {room}"
        ));
        {
            let mut state = self.state();
            let present = state.present.entry((room.to_owned(), name.to_owned()));
            let tracks = &mut present.or_default().tracks;
            tracks.insert(track.to_owned(), (kind.to_owned(), encoding.to_owned()));
        }
        self.for_participant(room, name);
    }

    /// Somebody stopped publishing a track.
    pub(super) fn track_removed(&self, room: &str, name: &str, track: &str) {
        self.tell(format!("{name} no longer sends {track} in {room}"));
        let mut state = self.state();
        if let Some(present) = state.present.get_mut(&(room.to_owned(), name.to_owned())) {
            present.tracks.remove(track);
        }
    }

    /// Ends the instances that have sinks of their own: their files are finished when this returns. The others go on: what they
    /// give to the pipeline shall not be missing from its last pictures.
    pub(super) async fn finish_sinks(&self) {
        self.finish_those(Instance::has_sinks).await;
    }

    /// Ends all instances that are left.
    pub(super) async fn finish(&self) {
        self.finish_those(|_| true).await;
    }

    async fn finish_those(&self, meant: impl Fn(&Instance) -> bool) {
        let is_meant = |instance: &Option<Instance>| instance.as_ref().is_none_or(&meant);
        let ending: Vec<_> = (self.state().instances)
            .extract_if(.., |_, instance| is_meant(instance))
            .collect();
        let instances = ending.into_iter().filter_map(|(_, instance)| instance);
        let finishing = instances.map(|instance| instance.finish(self.pipeline.clone()));
        futures_util::future::join_all(finishing).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what participant templates want now that they are here, or have one track more.
    fn for_participant(self: &Arc<Self>, room: &str, name: &str) -> Vec<Made> {
        let key = (room.to_owned(), name.to_owned());
        let Some(present) = self.state().present.get(&key).cloned() else {
            return Vec::new();
        };
        let encodings: BTreeMap<&str, &str> = present
            .tracks
            .values()
            .map(|(kind, encoding)| (kind.as_str(), encoding.as_str()))
            .collect();
        let kinds: BTreeSet<&str> = encodings.keys().copied().collect();
        let wanted = |template: &Template| {
            let needs = &mut template.needs.iter();
            needs.all(|kind| kinds.contains(kind.as_str()))
                && !template.except.iter().any(|other| other == name)
        };
        let depay = |kind: &str| depay(encodings.get(kind).copied().unwrap_or_default());
        let (video, audio) = (depay("video"), depay("audio"));
        let variables = [
            ("room", room),
            ("participant", name),
            ("id", &present.id),
            ("video-depay", video),
            ("audio-depay", audio),
        ];
        self.each(Each::Participant, wanted, &subject(room, name), &variables)
    }

    /// Makes one of each template that is wanted and not there yet.
    fn each(
        self: &Arc<Self>,
        each: Each,
        wanted: impl Fn(&Template) -> bool,
        subject: &str,
        variables: &[(&str, &str)],
    ) -> Vec<Made> {
        let templates = &self.prepared.description.templates;
        let of_kind = templates.iter().enumerate();
        of_kind
            .filter(|(_, template)| template.each == each && wanted(template))
            .filter_map(|(index, template)| {
                let key = Key {
                    template: index,
                    subject: subject.to_owned(),
                };
                self.make(key, template, variables, None)
            })
            .collect()
    }

    fn make(
        self: &Arc<Self>,
        key: Key,
        template: &Template,
        variables: &[(&str, &str)],
        feeding: Option<&gst::Pad>,
    ) -> Option<Made> {
        if self.state().instances.contains_key(&key) {
            return None;
        }
        let number = {
            let mut state = self.state();
            state.instances.insert(key.clone(), None);
            state.made += 1;
            state.made
        };
        let values = self.values(variables);
        let text = &self.prepared.description.text;
        // The number, because another template may be for the same, or one made before still be ending.
        let name = format!("{}-{}-{number}", template.each, key.subject);
        let made = expand(text, &template.launch, &values)
            .map_err(|findings| findings[0].message.clone())
            .and_then(|parts| Instance::start(&self.pipeline, &name, &parts, feeding));
        match made {
            Ok(instance) => {
                self.tell(format!("{} for {} runs", template.each, key.subject));
                let webrtcbins = instance.elements("webrtcbin");
                self.listen_inside(&instance, variables);
                self.state().instances.insert(key, Some(instance));
                Some(Made { webrtcbins })
            }
            Err(reason) => {
                self.state().instances.remove(&key);
                self.tell(format!(
                    "{} for {} failed: {reason}",
                    template.each, key.subject
                ));
                None
            }
        }
    }

    fn values(&self, variables: &[(&str, &str)]) -> Values {
        let mut values = self.prepared.values.clone();
        for (name, text) in variables {
            let value = match *name {
                "depay" | "video-depay" | "audio-depay" => Value::Launch(Launch::whole(text)),
                _ => Value::Foreign((*text).to_owned()),
            };
            values.insert((*name).to_owned(), value);
        }
        values
    }

    fn remove(&self, each: Each, subject: &str) {
        self.remove_all(each, |of| of == subject);
    }

    /// Ends all instances whose subject is meant. What they have to finish is finished after this returned.
    fn remove_all(&self, each: Each, meant: impl Fn(&str) -> bool) {
        let templates = &self.prepared.description.templates;
        let is_meant = |key: &Key| templates[key.template].each == each && meant(&key.subject);
        let removed: Vec<_> = self
            .state()
            .instances
            .extract_if(.., |key, instance| instance.is_some() && is_meant(key))
            .collect();
        for (key, instance) in removed {
            self.tell(format!("{each} for {} ends", key.subject));
            if let Some(instance) = instance {
                self.runtime.spawn(instance.finish(self.pipeline.clone()));
            }
        }
    }

    /// Track templates run for the pads that appear by themselves on the elements they are of.
    fn listen_for_pads(self: &Arc<Self>) {
        for (index, template) in self.track_templates() {
            let of = match &template.of {
                Some(name) => self.pipeline.by_name(name).into_iter().collect(),
                None => [elements_of(self, "rtcsfu"), elements_of(self, "webrtcbin")].concat(),
            };
            for element in of {
                self.listen(index, &element, None);
            }
        }
        for webrtcbin in elements_of(self, "webrtcbin") {
            drain_unwanted(&webrtcbin);
        }
    }

    /// The same for elements of a template that has just begun to run.
    fn listen_inside(self: &Arc<Self>, instance: &Instance, variables: &[(&str, &str)]) {
        let variable = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map_or_else(String::new, |(_, value)| (*value).to_owned())
        };
        for (index, template) in self.track_templates() {
            let name = template.of.as_deref();
            if let Some(element) = name.and_then(|name| instance.element(name)) {
                let owner = (variable("room"), variable("participant"));
                self.listen(index, &element, Some(owner));
            }
        }
        for webrtcbin in instance.elements("webrtcbin") {
            drain_unwanted(&webrtcbin);
        }
    }

    fn track_templates(&self) -> impl Iterator<Item = (usize, &Template)> {
        let templates = self.prepared.description.templates.iter().enumerate();
        templates.filter(|(_, template)| template.each == Each::Track)
    }

    /// `owner`: the room and participant whose tracks these are, where pads do not say.
    fn listen(
        self: &Arc<Self>,
        index: usize,
        element: &gst::Element,
        owner: Option<(String, String)>,
    ) {
        let weak = Arc::downgrade(self);
        let owner_of_removed = owner.clone();
        element.connect_pad_added(move |element, pad| {
            if let Some(stage) = weak.upgrade() {
                stage.pad_added(index, track_of(element, pad, owner.as_ref()), pad);
            }
        });
        let weak = Arc::downgrade(self);
        element.connect_pad_removed(move |element, pad| {
            if let Some(stage) = weak.upgrade() {
                let track = track_of(element, pad, owner_of_removed.as_ref());
                stage.remove(Each::Track, &track.subject());
            }
        });
    }

    fn pad_added(self: &Arc<Self>, index: usize, track: Track, pad: &gst::Pad) {
        let by_itself = pad
            .pad_template()
            .is_some_and(|template| template.presence() == gst::PadPresence::Sometimes);
        if pad.direction() != gst::PadDirection::Src || !by_itself {
            return;
        }
        let template = &self.prepared.description.templates[index];
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let fits = |wanted: &gst::Caps| caps.can_intersect(wanted);
        if !template.caps.as_ref().is_none_or(fits) {
            return;
        }
        let structure = caps.structure(0).map(|caps| caps.to_owned());
        let field = |name: &str| {
            let caps = structure.as_ref()?;
            caps.get::<String>(name).ok()
        };
        let encoding = field("encoding-name").unwrap_or_default();
        let variables = [
            ("room", track.room.as_str()),
            ("participant", &track.participant),
            ("track", &track.track),
            ("kind", &field("media").unwrap_or_default()),
            ("pad", &pad.name()),
            ("depay", depay(&encoding)),
        ];
        let key = Key {
            template: index,
            subject: track.subject(),
        };
        self.make(key, template, &variables, Some(pad));
    }
}

/// A pad of a `webrtcbin` that nobody has taken when it appears would fail all of it with its first packet.
fn drain_unwanted(webrtcbin: &gst::Element) {
    webrtcbin.connect_pad_added(|webrtcbin, pad| {
        if pad.direction() != gst::PadDirection::Src || pad.is_linked() {
            return;
        }
        let made = gst::ElementFactory::make("fakesink")
            .property("async", false)
            .property("sync", false)
            .build();
        let parent = webrtcbin.parent().and_downcast::<gst::Bin>();
        let (Ok(drain), Some(parent)) = (made, parent) else {
            return;
        };
        let into = drain.static_pad("sink");
        let drained = parent.add(&drain).is_ok()
            && drain.sync_state_with_parent().is_ok()
            && into.is_some_and(|into| pad.link(&into).is_ok());
        if !drained {
            tracing::warn!("{} of {} leads nowhere", pad.name(), webrtcbin.name());
        }
    });
}

fn elements_of(stage: &Stage, factory: &str) -> Vec<gst::Element> {
    elements(stage.pipeline.upcast_ref(), factory)
}

/// Whose track a pad carries, by its properties where it has any.
struct Track {
    room: String,
    participant: String,
    track: String,
}

impl Track {
    fn subject(&self) -> String {
        let track = format!("{}.{}", self.participant, self.track);
        subject(&self.room, &track)
    }
}

fn track_of(element: &gst::Element, pad: &gst::Pad, owner: Option<&(String, String)>) -> Track {
    let text = |name: &str| {
        let pspec = pad.find_property(name)?;
        let is_text = pspec.value_type() == String::static_type();
        is_text
            .then(|| pad.property::<Option<String>>(name))
            .flatten()
    };
    let (room, participant) = match owner {
        Some((room, participant)) => (room.clone(), participant.clone()),
        None => (String::new(), element.name().to_string()),
    };
    Track {
        room: text("room").unwrap_or(room),
        participant: text("participant").unwrap_or(participant),
        track: text("track").unwrap_or_else(|| pad.name().to_string()),
    }
}

fn subject(room: &str, name: &str) -> String {
    if room.is_empty() {
        name.to_owned()
    } else {
        format!("{room}/{name}")
    }
}

/// The launch text that takes media of an encoding out of RTP, ready for a muxer.
fn depay(encoding: &str) -> &'static str {
    match encoding.to_ascii_uppercase().as_str() {
        "VP8" => "rtpvp8depay",
        "VP9" => "rtpvp9depay ! vp9parse",
        "AV1" => "rtpav1depay ! av1parse",
        "H264" => "rtph264depay ! h264parse",
        "H265" => "rtph265depay ! h265parse",
        "OPUS" => "rtpopusdepay ! opusparse",
        "PCMU" => "rtppcmudepay",
        "PCMA" => "rtppcmadepay",
        _ => "parsebin",
    }
}
