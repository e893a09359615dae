// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way of the picture or of a mix from where it is made to its src pad.
//!
//! What lies between depends on what is linked, so it is made when the element starts, or when a pad is linked after that.

use super::encoding::Demand;
use super::imp::RtcMcu;
use super::input::discard;
use super::settings::Settings;
use super::{bitrate, queue};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What leaves by a pad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The composed picture.
    Video,
    /// Everybody.
    Audio,
    /// Everybody but one.
    AudioWithout(String),
}

/// One src pad.
pub(super) struct Output {
    pub(super) pad: gst::GhostPad,
    content: Content,
    built: Mutex<Option<Built>>,
}

struct Built {
    demand: Demand,
    source: gst::Pad,
    elements: Vec<gst::Element>,
}

impl Output {
    pub(super) fn new(pad: &gst::GhostPad, content: Content) -> Output {
        Output {
            pad: pad.clone(),
            content,
            built: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Built>> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_video(&self) -> bool {
        self.content == Content::Video
    }

    /// Makes what the linked pad needs; nothing while none is linked.
    ///
    /// # Errors
    /// What it needs cannot be given.
    pub(super) fn ensure(&self, element: &RtcMcu) -> Result<(), String> {
        if !self.pad.is_linked() {
            return Ok(());
        }
        let demand = Demand::of(&self.pad.peer_query_caps(None), self.is_video())?;
        let mut built = self.lock();
        if built.as_ref().is_some_and(|built| built.demand == demand) {
            return Ok(());
        }
        if let Some(built) = built.take() {
            self.tear_down(element, built);
        }
        *built = Some(
            self.build(element, demand)
                .map_err(|error| error.to_string())?,
        );
        Ok(())
    }

    /// Takes everything out of the bin. The pad itself stays.
    pub(super) fn remove(&self, element: &RtcMcu) {
        let built = self.lock().take();
        if let Some(built) = built {
            self.tear_down(element, built);
        }
    }

    /// Whether a message comes from one of its elements. True also while these are replaced.
    pub(super) fn owns(&self, source: &gst::Object) -> bool {
        // Who replaces them waits for those who send messages.
        let Ok(built) = self.built.try_lock() else {
            return true;
        };
        let mut elements = built.iter().flat_map(|built| &built.elements);
        elements.any(|element| source.has_as_ancestor(element) || source == element)
    }

    /// What leaves may have to wait that long.
    pub(super) fn hold(&self, latency: Duration) {
        if let Some(queue) = self.elements().first() {
            queue::grow(queue, latency + self.room());
        }
    }

    /// What it holds beyond the latency.
    fn room(&self) -> Duration {
        if self.is_video() {
            queue::ROOM
        } else {
            queue::ROOM_FOR_SOUND
        }
    }

    /// Brings the bitrate to the encoder, where there is one.
    pub(super) fn set_bitrate(&self, settings: &Settings) {
        for element in self.elements() {
            bitrate::set(&element, settings);
        }
    }

    /// From the queue on; none while it is not linked.
    fn elements(&self) -> Vec<gst::Element> {
        let built = self.lock();
        let elements = built.as_ref().map(|built| built.elements.clone());
        elements.unwrap_or_default()
    }

    /// The stream ends here.
    pub(super) fn end(&self) {
        let elements = self.elements();
        let first = elements.first().and_then(|first| first.static_pad("sink"));
        if let Some(first) = first {
            first.send_event(gst::event::Eos::new());
        }
    }

    fn build(&self, element: &RtcMcu, demand: Demand) -> Result<Built, glib::BoolError> {
        // Who does not take it in time must not hold up the others.
        let settings = element.settings();
        let queue = queue::new(settings.latency + self.room())?;
        queue.set_property_from_str("leaky", "downstream");
        let mut elements = vec![queue];
        elements.extend(demand.elements(self.is_video(), &settings)?);
        element.obj().add_many(&elements)?;
        gst::Element::link_many(&elements)?;
        let last = elements.last().and_then(|last| last.static_pad("src"));
        self.pad.set_target(last.as_ref())?;
        for child in elements.iter().rev() {
            element.announce(child);
            child.sync_state_with_parent()?;
        }
        let source = self.source(element)?;
        let first = elements.first().and_then(|first| first.static_pad("sink"));
        source
            .link(&first.expect("a queue has one"))
            .map_err(|error| glib::bool_error!("{error}"))?;
        Ok(Built {
            demand,
            source,
            elements,
        })
    }

    fn source(&self, element: &RtcMcu) -> Result<gst::Pad, glib::BoolError> {
        let of_tee = |tee: &gst::Element| {
            let pad = tee.request_pad_simple("src_%u");
            pad.ok_or_else(|| glib::bool_error!("tee gives no pad"))
        };
        match &self.content {
            Content::Video => {
                let canvas = element.canvas();
                of_tee(
                    canvas
                        .ok_or_else(|| glib::bool_error!("there is no canvas"))?
                        .output(),
                )
            }
            Content::Audio => of_tee(element.sound()),
            Content::AudioWithout(name) => Ok(element.mixer().add_listener(name)),
        }
    }

    fn tear_down(&self, element: &RtcMcu, built: Built) {
        for child in &built.elements {
            child.set_locked_state(true);
        }
        if let Some(peer) = built.source.peer() {
            let _ = built.source.unlink(&peer);
        }
        match (&self.content, built.source.parent_element()) {
            (Content::AudioWithout(_), _) => element.mixer().remove_listener(&built.source),
            (_, Some(tee)) => tee.release_request_pad(&built.source),
            (_, None) => {}
        }
        let _ = self.pad.set_target(None::<&gst::Pad>);
        built
            .elements
            .iter()
            .for_each(|child| discard(element, child));
    }
}
