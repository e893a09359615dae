// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element: what is mixed when, and where it goes.

use super::source_pad::{position, time};
use super::{CAPS, SourcePad};
use crate::patience::Patience;
use crate::rtcmcu::RtcMcu;
use gst::glib;
use gst::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_rtc_core::mcu::aligner::{CHANNELS, FADE, RATE};
use gst_rtc_core::mcu::mixer::{Listener, Mixer as Core};
use gst_rtc_core::mcu::speaker::Speakers;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Frames mixed at a time: 10 ms.
const BLOCK: usize = RATE as usize / 100;

/// See [`super::Mixer`].
#[derive(Default)]
pub(crate) struct Mixer {
    state: Mutex<State>,
    patience: Patience,
}

#[derive(Default)]
struct State {
    core: Core,
    everybody: Listener,
    own: Vec<Own>,
    speakers: Speakers,
    finishing: bool,
}

/// One participant's pad.
struct Own {
    pad: gst::Pad,
    participant: String,
    listener: Listener,
    /// The stream has begun.
    begun: bool,
}

impl Mixer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_participant(&self, pad: &SourcePad, participant: &str) {
        self.lock()
            .core
            .set_participant(pad.imp().id(), participant);
    }

    pub(super) fn set_volume(&self, pad: &SourcePad, volume: f64, muted: bool) {
        let mut state = self.lock();
        state.core.set_volume(pad.imp().id(), volume as f32);
        state.core.set_muted(pad.imp().id(), muted);
    }

    pub(super) fn set_auto_level(&self, auto_level: bool) {
        self.lock().core.set_auto_level(auto_level);
    }

    pub(super) fn add_listener(&self, participant: &str) -> gst::Pad {
        let template = self.obj().pad_template("own_%u");
        let template = template.expect("the class has it");
        let pad = gst::Pad::builder_from_template(&template)
            .generated_name()
            .query_function(|pad, parent, query| match query.type_() {
                gst::QueryType::Latency => {
                    let mixer = parent.and_then(|parent| parent.downcast_ref::<super::Mixer>());
                    mixer.is_some_and(|mixer| mixer.src_pad().query(query))
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        if self.obj().current_state() > gst::State::Ready {
            pad.set_active(true).expect("nothing refuses it");
        }
        self.obj().add_pad(&pad).expect("its name is new");
        self.lock().own.push(Own {
            pad: pad.clone(),
            participant: participant.to_owned(),
            listener: Listener::default(),
            begun: false,
        });
        pad
    }

    pub(super) fn remove_listener(&self, pad: &gst::Pad) {
        self.lock().own.retain(|own| own.pad != *pad);
        if pad.set_active(false).is_err() || self.obj().remove_pad(pad).is_err() {
            gst::warning!(gst::CAT_RUST, imp = self, "{} was not removed", pad.name());
        }
    }

    pub(super) fn start_at(&self, running_time: gst::ClockTime) {
        let whole = position(running_time) / BLOCK as i64 * BLOCK as i64;
        self.lock().core.seek(whole);
    }

    pub(super) fn wait_for(&self, latency: gst::ClockTime) {
        self.patience.set(self.obj().upcast_ref(), latency);
    }

    pub(super) fn finish(&self) {
        self.lock().finishing = true;
    }

    pub(super) fn speaker(&self) -> Option<String> {
        self.lock().speakers.dominant().map(str::to_owned)
    }

    /// Takes from the pads what the next block needs. False: a source that could still bring it has not.
    fn gather(&self, state: &mut State) -> bool {
        let mut complete = true;
        for pad in self.obj().sink_pads() {
            let Ok(pad) = pad.downcast::<SourcePad>() else {
                continue;
            };
            let id = pad.imp().id();
            while !state.core.is_ready(id, BLOCK) {
                let Some((at, samples)) = pad.imp().next() else {
                    complete &= pad.is_eos();
                    break;
                };
                state.core.push(id, at, &samples);
            }
        }
        complete
    }

    /// The next block of everybody's sound, and that of each pad. True: somebody else speaks now.
    fn mix(&self, state: &mut State) -> (gst::Buffer, Vec<(gst::Pad, bool, gst::Buffer)>, bool) {
        let at = state.core.position();
        let State {
            core,
            everybody,
            own,
            speakers,
            ..
        } = state;
        core.mix(BLOCK);
        let all = buffer(at, |output| core.write_all(everybody, output));
        let each = own.iter_mut().map(|own| {
            let write = |output: &mut [f32]| {
                core.write_without(&own.participant, &mut own.listener, output);
            };
            let begins = !std::mem::replace(&mut own.begun, true);
            (own.pad.clone(), begins, buffer(at, write))
        });
        let each = each.collect();
        let now = time(core.position()).into();
        for (participant, power) in core.powers() {
            speakers.handle_power(now, participant, power);
        }
        speakers.retain(|name| core.powers().any(|(there, _)| there == name));
        (all, each, speakers.update(now))
    }
}

/// A block of sound.
fn buffer(at: i64, write: impl FnOnce(&mut [f32])) -> gst::Buffer {
    let mut samples = vec![0.0f32; BLOCK * CHANNELS];
    write(&mut samples);
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_ne_bytes()).collect();
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let fields = buffer.get_mut().expect("it was just made");
    let (start, end) = (time(at), time(at + BLOCK as i64));
    fields.set_pts(start);
    fields.set_duration(end - start);
    fields.set_offset(at.max(0) as u64);
    fields.set_offset_end(at.max(0) as u64 + BLOCK as u64);
    buffer
}

/// What comes before the first buffer of a participant's own pad.
fn begin(pad: &gst::Pad) {
    pad.push_event(
        gst::event::StreamStart::builder(&format!("rtcmcu/{}", pad.name()))
            .group_id(gst::GroupId::next())
            .build(),
    );
    pad.push_event(gst::event::Caps::new(&CAPS));
    pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<
        gst::ClockTime,
    >::new()));
}

#[glib::object_subclass]
impl ObjectSubclass for Mixer {
    const NAME: &'static str = "GstRtcMcuMixer";
    type Type = super::Mixer;
    type ParentType = gst_base::Aggregator;
}

impl ObjectImpl for Mixer {
    fn constructed(&self) {
        self.parent_constructed();
        let frames = (BLOCK + FADE) as i64;
        self.obj().set_latency(time(frames), None);
        // It goes on whatever its sources do.
        self.obj().set_force_live(true);
    }
}

impl GstObjectImpl for Mixer {}

impl ElementImpl for Mixer {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Mix-minus mixer",
                "Generic/Audio",
                "Everybody's sound, and for each that of the others",
                "The gst-rtc developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::PadDirection::{Sink, Src};
            use gst::PadPresence::{Always, Request, Sometimes};
            let valid = "the template is valid";
            let source = SourcePad::static_type();
            let main = gst_base::AggregatorPad::static_type();
            vec![
                gst::PadTemplate::with_gtype("sink_%u", Sink, Request, &CAPS, source).expect(valid),
                gst::PadTemplate::with_gtype("src", Src, Always, &CAPS, main).expect(valid),
                gst::PadTemplate::new("own_%u", Src, Sometimes, &CAPS).expect(valid),
            ]
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let pad = self.parent_request_new_pad(template, name, caps)?;
        let source = pad.downcast_ref::<SourcePad>()?;
        self.lock().core.add(source.imp().id(), "");
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if let Some(source) = pad.downcast_ref::<SourcePad>() {
            self.lock().core.remove(source.imp().id());
        }
        self.parent_release_pad(pad);
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let success = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            let mut state = self.lock();
            state.core.seek(0);
            state.finishing = false;
            state.own.iter_mut().for_each(|own| own.begun = false);
        }
        Ok(success)
    }
}

impl AggregatorImpl for Mixer {
    fn aggregate(&self, timeout: bool) -> Result<gst::FlowSuccess, gst::FlowError> {
        let pads = self.obj().sink_pads();
        let ended = |pad: &gst::Pad| {
            let pad = pad.downcast_ref::<gst_base::AggregatorPad>();
            pad.is_some_and(gst_base::AggregatorPad::is_eos)
        };
        let (finishing, own) = {
            let state = self.lock();
            let own = state.own.iter().map(|own| own.pad.clone());
            (state.finishing, own.collect::<Vec<_>>())
        };
        if finishing && pads.iter().all(ended) {
            for pad in own {
                pad.push_event(gst::event::Eos::new());
            }
            return Err(gst::FlowError::Eos);
        }
        let (all, each, speaker_changed) = {
            let mut state = self.lock();
            if !self.gather(&mut state) && !timeout {
                return Err(gst_base::AGGREGATOR_FLOW_NEED_DATA);
            }
            self.mix(&mut state)
        };
        if speaker_changed && let Some(rtcmcu) = self.obj().parent().and_downcast::<RtcMcu>() {
            rtcmcu.imp().speaker_changed();
        }
        self.patience
            .handle_output(self.obj().upcast_ref(), time(BLOCK as i64));
        for (pad, begins, buffer) in each {
            if begins {
                begin(&pad);
            }
            // A pad that nobody is linked to, or whose listener has stopped, must not stop the others.
            let _ = pad.push(buffer);
        }
        self.obj().finish_buffer(all)
    }

    fn next_time(&self) -> Option<gst::ClockTime> {
        Some(time(self.lock().core.position()))
    }

    fn update_src_caps(&self, _caps: &gst::Caps) -> Result<gst::Caps, gst::FlowError> {
        Ok(CAPS.clone())
    }
}
