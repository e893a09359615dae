// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last part of a stream's way: from what is raw to the compositor or the mixer.

use super::canvas::Canvas;
use super::imp::RtcMcu;
use super::input::Input;
use super::picture::Picture;
use crate::mixer::{self, SourcePad};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::{Arc, Weak};

/// From raw to where it is mixed.
#[derive(Clone)]
pub(super) enum Tail {
    Video(Arc<Picture>, Vec<gst::Element>),
    Audio(SourcePad, Vec<gst::Element>),
}

impl Tail {
    /// Makes it for pictures or sound, and tells the input when something comes through. None: there is no canvas to go to.
    pub(super) fn new(
        input: &Arc<Input>,
        element: &RtcMcu,
        is_video: bool,
    ) -> Option<Result<Tail, glib::BoolError>> {
        if is_video {
            let canvas = element.canvas()?;
            Some(Tail::video(input, element, &canvas))
        } else {
            Some(Tail::audio(input, element))
        }
    }

    fn video(
        input: &Arc<Input>,
        element: &RtcMcu,
        canvas: &Canvas,
    ) -> Result<Tail, glib::BoolError> {
        let convert = gst::ElementFactory::make("videoconvert").build()?;
        let crop = gst::ElementFactory::make("videocrop").build()?;
        let elements = vec![convert, crop.clone()];
        add_linked(element, &elements)?;
        let target = canvas.add_picture();
        let picture = Picture::new(&target, &crop);
        let src = crop.static_pad("src").expect("videocrop has one");
        src.link(&target)
            .map_err(|error| glib::bool_error!("{error}"))?;
        let (input, weak) = (Arc::downgrade(input), element.obj().downgrade());
        picture.watch(&src, move || {
            if let (Some(input), Some(element)) = (Weak::upgrade(&input), weak.upgrade()) {
                input.works(element.imp());
            }
        });
        Ok(Tail::Video(Arc::new(picture), elements))
    }

    fn audio(input: &Arc<Input>, element: &RtcMcu) -> Result<Tail, glib::BoolError> {
        let convert = gst::ElementFactory::make("audioconvert").build()?;
        let resample = gst::ElementFactory::make("audioresample").build()?;
        let filter = gst::ElementFactory::make("capsfilter")
            .property("caps", &*mixer::CAPS)
            .build()?;
        let elements = vec![convert, resample, filter.clone()];
        add_linked(element, &elements)?;
        let source = element.mixer().add_source(&input.pad.name());
        let src = filter.static_pad("src").expect("capsfilter has one");
        src.link(&source)
            .map_err(|error| glib::bool_error!("{error}"))?;
        let (input, weak) = (Arc::downgrade(input), element.obj().downgrade());
        src.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if let (Some(input), Some(element)) = (Weak::upgrade(&input), weak.upgrade()) {
                input.works(element.imp());
            }
            gst::PadProbeReturn::Ok
        });
        Ok(Tail::Audio(source, elements))
    }

    pub(super) fn is_video(&self) -> bool {
        matches!(self, Tail::Video(..))
    }

    pub(super) fn entry(&self) -> gst::Pad {
        let (Tail::Video(_, elements) | Tail::Audio(_, elements)) = self;
        let first = elements.first().expect("a tail has elements");
        first.static_pad("sink").expect("converters have one")
    }

    /// Gives back the pad of the compositor or mixer, so that no thread waits there.
    pub(super) fn release(&self, element: &RtcMcu) {
        match self {
            Tail::Video(picture, _) => {
                if let Some(canvas) = element.canvas() {
                    canvas.remove_picture(picture.pad());
                }
            }
            Tail::Audio(source, _) => element.mixer().release_request_pad(source),
        }
    }

    pub(super) fn into_elements(self) -> Vec<gst::Element> {
        let (Tail::Video(_, elements) | Tail::Audio(_, elements)) = self;
        elements
    }
}

fn add_linked(element: &RtcMcu, elements: &[gst::Element]) -> Result<(), glib::BoolError> {
    element.obj().add_many(elements)?;
    gst::Element::link_many(elements)?;
    elements
        .iter()
        .try_for_each(|child| child.sync_state_with_parent())
}
