// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way of one stream from its sink pad to the compositor or the mixer.
//!
//! queue → decoder → conversion → compositor or mixer. The decoder is found by the caps, and made anew when they change their
//! format or after an error; the rest stays. Until there is somewhere to go, buffers are dropped.

use super::decoder;
use super::identity::Identity;
use super::imp::RtcMcu;
use super::picture::Picture;
use super::tail::Tail;
use super::{CAT, RtcMcuSinkPad, queue};
use crate::mixer::Mixer;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Numbers inputs in the order of their coming.
pub(super) type InputId = u32;

/// One sink pad's stream.
pub(super) struct Input {
    pub(super) id: InputId,
    pub(super) pad: RtcMcuSinkPad,
    queue: gst::Element,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    identity: Identity,
    family: String,
    decoder: Option<gst::Bin>,
    tail: Option<Tail>,
    failure: Option<Failure>,
    /// Since when buffers have come without anything being decoded.
    pending: Option<Instant>,
    ended: bool,
    gone: bool,
}

struct Failure {
    since: Instant,
    /// It has been told and not been taken back.
    told: bool,
    waiting: bool,
}

/// How long a stream that failed is left alone before it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long a stream may come without anything being decoded; decoders often say nothing of it.
const UNDECODED: Duration = Duration::from_secs(3);

impl Input {
    /// Behind that pad, in that bin.
    pub(super) fn new(
        element: &RtcMcu,
        id: InputId,
        pad: &RtcMcuSinkPad,
    ) -> Result<Arc<Input>, glib::BoolError> {
        let queue = queue::new(element.settings().latency + queue::ROOM)?;
        element.obj().add(&queue)?;
        let target = queue.static_pad("sink").expect("a queue has one");
        pad.set_target(Some(&target))?;
        let input = Arc::new(Input {
            id,
            pad: pad.clone(),
            queue,
            state: Mutex::default(),
        });
        input.watch(element);
        input.queue.sync_state_with_parent()?;
        Ok(input)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the stream says of itself.
    pub(super) fn identity(&self) -> Identity {
        self.lock().identity.clone()
    }

    /// Whether pictures come from it; None: nothing yet.
    pub(super) fn is_video(&self) -> Option<bool> {
        self.lock()
            .tail
            .as_ref()
            .map(|tail| matches!(tail, Tail::Video(..)))
    }

    /// What the compositor shows of it.
    pub(super) fn picture(&self) -> Option<Arc<Picture>> {
        match &self.lock().tail {
            Some(Tail::Video(picture, _)) => Some(picture.clone()),
            _ => None,
        }
    }

    /// Brings name and wishes to the mixer.
    pub(super) fn configure(&self, mixer: &Mixer, participant: &str) {
        let tail = self.lock().tail.clone();
        if let Some(Tail::Audio(source, _)) = tail {
            let wishes = self.pad.wishes();
            mixer.set_participant(&source, participant);
            mixer.set_volume(&source, wishes.volume, wishes.mute);
        }
    }

    /// It may have to wait that long.
    pub(super) fn hold(&self, latency: Duration) {
        queue::grow(&self.queue, latency + queue::ROOM);
    }

    /// Learns from an event on the pad. True: something is known that was not.
    pub(super) fn learn(&self, event: &gst::EventRef) -> bool {
        self.lock().identity.learn(event)
    }

    /// Whether its stream has come to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether a message comes from its decoder.
    pub(super) fn owns(&self, source: &gst::Object) -> bool {
        let decoder = self.lock().decoder.clone();
        decoder.is_some_and(|decoder| source.has_as_ancestor(&decoder) || *source == decoder)
    }

    /// Its decoder cannot go on. Some: to be told, for the first time since it worked.
    pub(super) fn fail(&self) -> bool {
        let mut state = self.lock();
        let failure = state.failure.get_or_insert(Failure {
            since: Instant::now(),
            told: false,
            waiting: true,
        });
        failure.since = Instant::now();
        failure.waiting = true;
        !std::mem::replace(&mut failure.told, true)
    }

    /// Takes everything out of the bin. The pad itself stays.
    pub(super) fn remove(&self, element: &RtcMcu) {
        let (decoder, tail) = {
            let mut state = self.lock();
            state.gone = true;
            (state.decoder.take(), state.tail.take())
        };
        let mut children = vec![self.queue.clone()];
        children.extend(decoder.map(|decoder| decoder.upcast()));
        children.extend(tail.clone().map(Tail::into_elements).unwrap_or_default());
        for child in &children {
            child.set_locked_state(true);
        }
        // First what may hold the streaming thread, from its far end.
        if let Some(tail) = &tail {
            tail.release(element);
        }
        let _ = self.pad.set_target(None::<&gst::Pad>);
        children.iter().for_each(|child| discard(element, child));
    }

    fn watch(self: &Arc<Self>, element: &RtcMcu) {
        let src = self.queue.static_pad("src").expect("a queue has one");
        let (input, element) = (Arc::downgrade(self), element.obj().downgrade());
        let types = gst::PadProbeType::BUFFER
            | gst::PadProbeType::BUFFER_LIST
            | gst::PadProbeType::EVENT_DOWNSTREAM
            | gst::PadProbeType::QUERY_DOWNSTREAM;
        src.add_probe(types, move |pad, info| {
            let (Some(input), Some(element)) = (Weak::upgrade(&input), element.upgrade()) else {
                return discarded(info);
            };
            input.probe(element.imp(), pad, info)
        });
    }

    /// What happens in the queue's thread, before the decoder sees it.
    fn probe(
        self: &Arc<Self>,
        element: &RtcMcu,
        pad: &gst::Pad,
        info: &mut gst::PadProbeInfo<'_>,
    ) -> gst::PadProbeReturn {
        match &mut info.data {
            Some(gst::PadProbeData::Event(event)) => {
                match event.view() {
                    gst::EventView::Caps(caps) => self.handle_caps(element, caps.caps()),
                    gst::EventView::StreamStart(_) => self.lock().ended = false,
                    gst::EventView::Eos(_) => {
                        self.lock().ended = true;
                        element.check_ended();
                    }
                    _ => {}
                }
                gst::PadProbeReturn::Ok
            }
            Some(gst::PadProbeData::Query(query)) => answer(query),
            _ if self.ensure_chain(element, pad) => gst::PadProbeReturn::Ok,
            _ => discarded(info),
        }
    }

    /// Another format: the decoder goes, the next buffer makes another one.
    fn handle_caps(&self, element: &RtcMcu, caps: &gst::CapsRef) {
        let family = decoder::family(caps);
        let (decoder, tail) = {
            let mut state = self.lock();
            if state.family == family {
                return;
            }
            state.family = family;
            // It is tried at once, and told again when that fails, too.
            if let Some(failure) = &mut state.failure {
                (failure.told, failure.waiting) = (false, false);
            }
            let other_kind = state.tail.as_ref().map(Tail::is_video) != decoder::is_video(caps);
            let tail = if other_kind { state.tail.take() } else { None };
            (state.decoder.take(), tail)
        };
        self.unlink();
        if let Some(decoder) = decoder {
            discard(element, decoder.upcast_ref());
        }
        if let Some(tail) = tail {
            tail.release(element);
            tail.into_elements()
                .iter()
                .for_each(|child| discard(element, child));
            element.inputs_changed();
        }
    }

    fn unlink(&self) {
        let src = self.queue.static_pad("src").expect("a queue has one");
        if let Some(peer) = src.peer() {
            let _ = src.unlink(&peer);
        }
    }

    /// Whether there is somewhere to go.
    fn ensure_chain(self: &Arc<Self>, element: &RtcMcu, pad: &gst::Pad) -> bool {
        let retry = {
            let state = self.lock();
            match &state.failure {
                Some(failure) if failure.waiting && failure.since.elapsed() < RETRY => {
                    return false;
                }
                Some(failure) => failure.waiting,
                None => false,
            }
        };
        if !retry && pad.is_linked() {
            return self.is_decoded(element);
        }
        let Some(caps) = pad.current_caps() else {
            return false;
        };
        if let Some(failure) = &mut self.lock().failure {
            failure.waiting = false;
        }
        self.drop_decoder(element);
        match self.build(element, pad, &caps) {
            Ok(built) => built,
            Err(reason) => {
                element.input_failed(self, &reason);
                false
            }
        }
    }

    /// False: for too long nothing has come out of what went in.
    fn is_decoded(&self, element: &RtcMcu) -> bool {
        let since = *self.lock().pending.get_or_insert_with(Instant::now);
        if since.elapsed() < UNDECODED {
            return true;
        }
        self.lock().pending = None;
        element.input_failed(self, "nothing can be decoded of what comes");
        false
    }

    /// Decoding can begin only with a keyframe.
    fn ask_for_keyframe(&self) {
        let sink = self.queue.static_pad("sink").expect("a queue has one");
        let event = gst_video::UpstreamForceKeyUnitEvent::builder();
        sink.push_event(event.all_headers(true).build());
    }

    fn drop_decoder(&self, element: &RtcMcu) {
        self.unlink();
        let decoder = self.lock().decoder.take();
        if let Some(decoder) = decoder {
            discard(element, decoder.upcast_ref());
        }
    }

    /// Makes what is missing. False: what there is to feed is not there.
    fn build(
        self: &Arc<Self>,
        element: &RtcMcu,
        pad: &gst::Pad,
        caps: &gst::Caps,
    ) -> Result<bool, String> {
        let is_video = decoder::is_video(caps).ok_or("it is neither a picture nor sound")?;
        // First of all, so that whose stream nothing can decode has a tile with the name.
        let Some(tail) = self.ensure_tail(element, is_video)? else {
            return Ok(false);
        };
        let (input, weak) = (Arc::downgrade(self), element.obj().downgrade());
        let failed = move |reason: String| {
            if let (Some(input), Some(element)) = (Weak::upgrade(&input), weak.upgrade()) {
                element.imp().input_failed(&input, &reason);
            }
        };
        let decoder = decoder::build(caps, failed)?;
        let linked = self.link(element, pad, decoder.as_ref(), &tail);
        let left = match &linked {
            Ok(()) => self.keep_decoder(decoder),
            Err(_) => decoder,
        };
        if let Some(decoder) = left {
            discard(element, decoder.upcast_ref());
        }
        linked.map_err(|error| error.to_string())?;
        if is_video {
            self.ask_for_keyframe();
        }
        Ok(true)
    }

    /// The last part of the way, made when there is none. None: there is nowhere to go.
    fn ensure_tail(
        self: &Arc<Self>,
        element: &RtcMcu,
        is_video: bool,
    ) -> Result<Option<Tail>, String> {
        let known = self.lock().tail.clone();
        if known.is_some() {
            return Ok(known);
        }
        let Some(made) = Tail::new(self, element, is_video) else {
            return Ok(None);
        };
        let tail = made.map_err(|error| error.to_string())?;
        if !self.keep_tail(&tail) {
            tail.release(element);
            tail.into_elements()
                .iter()
                .for_each(|child| discard(element, child));
            return Ok(None);
        }
        element.inputs_changed();
        Ok(Some(tail))
    }

    /// False: the pad was released meanwhile.
    fn keep_tail(&self, tail: &Tail) -> bool {
        let mut state = self.lock();
        if !state.gone {
            state.tail = Some(tail.clone());
        }
        !state.gone
    }

    /// Gives it back when the pad was released meanwhile.
    fn keep_decoder(&self, decoder: Option<gst::Bin>) -> Option<gst::Bin> {
        let mut state = self.lock();
        if state.gone {
            return decoder;
        }
        state.decoder = decoder;
        None
    }

    fn link(
        &self,
        element: &RtcMcu,
        pad: &gst::Pad,
        decoder: Option<&gst::Bin>,
        tail: &Tail,
    ) -> Result<(), glib::BoolError> {
        let entry = tail.entry();
        let first = match decoder {
            None => entry,
            Some(decoder) => {
                element.obj().add(decoder)?;
                let src = decoder.static_pad("src").expect("it was made with one");
                src.link(&entry)
                    .map_err(|error| glib::bool_error!("what is decoded does not fit: {error}"))?;
                decoder.sync_state_with_parent()?;
                decoder.static_pad("sink").expect("it was made with one")
            }
        };
        pad.link(&first)
            .map_err(|error| glib::bool_error!("{} does not fit: {error}", first.name()))?;
        Ok(())
    }

    /// Something was decoded.
    pub(super) fn works(&self, element: &RtcMcu) {
        let recovered = {
            let mut state = self.lock();
            state.pending = None;
            match &state.failure {
                Some(failure) if !failure.waiting => state.failure.take().is_some(),
                _ => false,
            }
        };
        if recovered {
            element.input_recovered(self);
        }
    }
}

/// What is not wanted goes no further. Drop would do for all, but the bindings free buffers and events, and GStreamer 1.22 then
/// complains that they are gone.
fn discarded(info: &gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
    match info.data {
        Some(gst::PadProbeData::Query(_)) => gst::PadProbeReturn::Drop,
        _ => gst::PadProbeReturn::Handled,
    }
}

/// Upstream may send whatever this element takes, since what comes next is made to fit.
fn answer(query: &mut gst::QueryRef) -> gst::PadProbeReturn {
    match query.view_mut() {
        gst::QueryViewMut::AcceptCaps(query) => query.set_result(true),
        gst::QueryViewMut::Caps(query) => {
            let caps = super::caps::inputs();
            let caps = match query.filter() {
                Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
                None => caps,
            };
            query.set_result(&caps);
        }
        _ => return gst::PadProbeReturn::Ok,
    }
    gst::PadProbeReturn::Handled
}

/// Stops an element and takes it out.
pub(super) fn discard(element: &RtcMcu, child: &gst::Element) {
    child.set_locked_state(true);
    let stopped = child.set_state(gst::State::Null);
    // A bin that is disposed of has let go of it already.
    let is_child = child.parent().as_ref() == Some(element.obj().upcast_ref());
    if stopped.is_err() || (is_child && element.obj().remove(child).is_err()) {
        gst::warning!(
            CAT,
            imp = element,
            "{} was not removed cleanly",
            child.name()
        );
    }
}
