// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of a template: a bin in the pipeline, its links to the rest, and its end.

use super::check::join;
use super::expand::Part;
use super::references::{Outer, cut_outer};
use gst::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the sinks of a template have to finish their files.
const FINISH: Duration = Duration::from_secs(5);

/// What a probe answers for an event or a buffer that is to go no further. Drop would do, but the bindings free what is dropped, and
/// GStreamer 1.22 then complains that it is gone.
const DISCARD: gst::PadProbeReturn = gst::PadProbeReturn::Handled;

/// The element in front of a template that takes a track.
const TRACK: &str = "track";

/// A bin made from a template.
#[derive(Debug)]
pub(super) struct Instance {
    bin: gst::Bin,
    /// Ghost pads of the bin, and the pads of the pipeline they are linked to.
    links: Vec<(gst::Pad, gst::Pad)>,
}

impl Instance {
    /// Makes the bin, links its first element to `feeding` (a pad of the pipeline, if there is one) and the rest to
    /// whatever it refers to, and starts it.
    ///
    /// # Errors
    /// What could not be made or linked.
    pub(super) fn start(
        pipeline: &gst::Pipeline,
        name: &str,
        parts: &[Part],
        feeding: Option<&gst::Pad>,
    ) -> Result<Instance, String> {
        let (own, outers) = cut_outer(parts);
        let mut launch = join(&own);
        if feeding.is_some() {
            launch.insert_str(0, &format!("identity name={TRACK} ! "));
        }
        let bin = gst::parse::bin_from_description(&launch, false)
            .map_err(|error| error.message().to_owned())?;
        bin.set_property("async-handling", true);
        bin.set_property("name", name);
        pipeline.add(&bin).map_err(|error| error.to_string())?;
        let mut instance = Instance {
            bin,
            links: Vec::new(),
        };
        let started = instance.link_and_start(pipeline, &outers, feeding);
        if let Err(reason) = started {
            instance.dispose(pipeline);
            return Err(reason);
        }
        Ok(instance)
    }

    /// Data must find open doors all the way: outwards it is linked before anything runs, inwards when all runs.
    fn link_and_start(
        &mut self,
        pipeline: &gst::Pipeline,
        outers: &[Outer],
        feeding: Option<&gst::Pad>,
    ) -> Result<(), String> {
        let mut incoming = Vec::new();
        for outer in outers {
            let ghost = self.ghost(&outer.stand_in, outer.incoming)?;
            let pad = pad_of(pipeline, outer, &ghost)?;
            for (name, value) in &outer.properties {
                if pad.find_property(name).is_none() {
                    return Err(format!("pad {} has no property \"{name}\"", pad.name()));
                }
                pad.set_property_from_str(name, value);
            }
            if outer.incoming {
                incoming.push((ghost, pad));
            } else {
                self.link(ghost, pad)?;
            }
        }
        if let Some(feeding) = feeding {
            incoming.push((self.ghost(TRACK, true)?, feeding.clone()));
        }
        self.bin
            .sync_state_with_parent()
            .map_err(|error| error.to_string())?;
        for (ghost, pad) in incoming {
            self.link(ghost, pad)?;
        }
        Ok(())
    }

    fn ghost(&self, stand_in: &str, incoming: bool) -> Result<gst::Pad, String> {
        let element = self.bin.by_name(stand_in).ok_or("a stand-in is missing")?;
        let pad = element.static_pad(if incoming { "sink" } else { "src" });
        self.ghost_of(&pad.ok_or("an identity has both pads")?, stand_in)
    }

    fn ghost_of(&self, pad: &gst::Pad, name: &str) -> Result<gst::Pad, String> {
        let ghost = gst::GhostPad::builder_with_target(pad).map_err(|error| error.to_string())?;
        let ghost = ghost.name(name).build();
        ghost.set_active(true).map_err(|error| error.to_string())?;
        self.bin
            .add_pad(&ghost)
            .map_err(|error| error.to_string())?;
        Ok(ghost.upcast())
    }

    fn link(&mut self, ghost: gst::Pad, pad: gst::Pad) -> Result<(), String> {
        let (from, to) = match ghost.direction() {
            gst::PadDirection::Sink => (&pad, &ghost),
            _ => (&ghost, &pad),
        };
        // A pad of an element inside of another template is reached through pads of its bin.
        let result = from.link_maybe_ghosting(to).map_err(|error| {
            let (gives, takes) = (from.query_caps(None), to.query_caps(None));
            format!(
                "{error}: {} gives {gives}, {} takes {takes}",
                from.name(),
                to.name()
            )
        });
        self.links.push((ghost, pad));
        result
    }

    /// An element of it.
    pub(super) fn element(&self, name: &str) -> Option<gst::Element> {
        self.bin.by_name(name)
    }

    /// The elements of it made by that factory.
    pub(super) fn elements(&self, factory: &str) -> Vec<gst::Element> {
        elements(&self.bin, factory)
    }

    /// Whether something ends in it: a file, a screen.
    pub(super) fn has_sinks(&self) -> bool {
        !sinks(&self.bin).is_empty()
    }

    /// Ends it: its files are finished, its pads given back.
    pub(super) async fn finish(self, pipeline: gst::Pipeline) {
        let finished = self.drain();
        if tokio::time::timeout(FINISH, finished).await.is_err() {
            tracing::warn!("{} did not finish within {FINISH:?}", self.bin.name());
        }
        let disposed = tokio::task::spawn_blocking(move || self.dispose(&pipeline));
        let _ = disposed.await;
    }

    /// Sends end-of-stream in and returns when it has reached every sink.
    async fn drain(&self) {
        // The pipeline shall not think that it has ended with its last template.
        let ended = ends(&self.bin, DISCARD);
        let (bin, links) = (self.bin.clone(), self.links.clone());
        let sent = tokio::task::spawn_blocking(move || end(&bin, &links));
        let _ = sent.await;
        ended.await;
    }

    fn dispose(&self, pipeline: &gst::Pipeline) {
        let _ = self.bin.set_state(gst::State::Null);
        for (ghost, pad) in &self.links {
            unlink(ghost);
            let element = pad.parent_element();
            let requested = pad
                .pad_template()
                .is_some_and(|template| template.presence() == gst::PadPresence::Request);
            if let (true, Some(element)) = (requested, element) {
                element.release_request_pad(pad);
            }
        }
        let _ = pipeline.remove(&self.bin);
    }
}

fn pad_of(pipeline: &gst::Pipeline, outer: &Outer, ghost: &gst::Pad) -> Result<gst::Pad, String> {
    let Outer { element, pad, .. } = outer;
    let found = pipeline
        .by_name(element)
        .ok_or_else(|| format!("no element is named \"{element}\""))?;
    if pad.is_empty() {
        let fits = found.compatible_pad(ghost, None);
        return fits.ok_or_else(|| format!("{element} has no pad that fits"));
    }
    found
        .static_pad(pad)
        .or_else(|| found.request_pad_simple(pad))
        .ok_or_else(|| format!("{element} has no pad \"{pad}\""))
}

/// Watches for end-of-stream from now on; ready when it has come to every sink of a bin.
pub(super) fn ends(bin: &gst::Bin, then: gst::PadProbeReturn) -> impl Future<Output = ()> + use<> {
    let ends = Arc::new((AtomicUsize::new(0), Notify::new()));
    for pad in sinks(bin).iter().flat_map(|sink| sink.sink_pads()) {
        ends.0.fetch_add(1, Ordering::AcqRel);
        let ends = ends.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let event = info.event().map(|event| event.type_());
            if event != Some(gst::EventType::Eos) {
                return gst::PadProbeReturn::Ok;
            }
            ends.0.fetch_sub(1, Ordering::AcqRel);
            ends.1.notify_one();
            then
        });
    }
    async move {
        while ends.0.load(Ordering::Acquire) > 0 {
            ends.1.notified().await;
        }
    }
}

fn end(bin: &gst::Bin, links: &[(gst::Pad, gst::Pad)]) {
    let mut has_inputs = false;
    for (ghost, _) in links {
        if ghost.direction() == gst::PadDirection::Sink {
            has_inputs = true;
            unlink(ghost);
            ghost.send_event(gst::event::Eos::new());
        }
    }
    if !has_inputs {
        bin.send_event(gst::event::Eos::new());
    }
}

/// The other end may be a pad of a bin that was put in between.
fn unlink(ghost: &gst::Pad) {
    let Some(peer) = ghost.peer() else {
        return;
    };
    if ghost.direction() != gst::PadDirection::Sink {
        let _ = ghost.unlink(&peer);
        return;
    }
    let unlinked = discard_unlinked(&peer);
    let _ = peer.unlink(ghost);
    unlinked.store(true, Ordering::Release);
}

/// What a pad gives between being unlinked, which is told by the result, and being linked again goes nowhere. Its source goes on: that
/// nobody takes its data any more would be an error there.
fn discard_unlinked(pad: &gst::Pad) -> Arc<AtomicBool> {
    let unlinked = Arc::new(AtomicBool::new(false));
    let known = unlinked.clone();
    let data = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(data, move |pad, _| {
        match (known.load(Ordering::Acquire), pad.is_linked()) {
            (true, true) => gst::PadProbeReturn::Remove,
            (false, true) => gst::PadProbeReturn::Ok,
            (_, false) => DISCARD,
        }
    });
    unlinked
}

/// All elements below a bin made by that factory.
pub(super) fn elements(bin: &gst::Bin, factory: &str) -> Vec<gst::Element> {
    let all = bin.iterate_recurse().into_iter().filter_map(Result::ok);
    all.filter(|element| element.factory().is_some_and(|made| made.name() == factory))
        .collect()
}

/// The sinks that a template's own data ends in; those inside of a `webrtcbin` never see an end.
pub(super) fn sinks(bin: &gst::Bin) -> Vec<gst::Element> {
    let mut found = Vec::new();
    for child in bin.iterate_elements().into_iter().filter_map(Result::ok) {
        let is_webrtcbin = child
            .factory()
            .is_some_and(|factory| factory.name() == "webrtcbin");
        match child.downcast_ref::<gst::Bin>() {
            Some(_) if is_webrtcbin => {}
            Some(bin) => found.extend(sinks(bin)),
            None if child.element_flags().contains(gst::ElementFlags::SINK) => found.push(child),
            None => {}
        }
    }
    found
}
