// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where pictures are composed: the compositor, and the size of it all.

use super::backdrop::Backdrop;
use super::painter::Painter;
use super::scene::Scene;
use super::settings::Settings;
use crate::patience::Patience;
use gst::glib;
use gst::prelude::*;
use gst_base::prelude::*;
use gst_rtc_core::mcu::rect::Size;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time given to inputs beyond what they announce, because threads do not wake at once.
pub(super) const SLACK: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// The composing part of the element; there from the first `video` pad on.
pub(super) struct Canvas {
    compositor: gst_base::Aggregator,
    backdrop: Backdrop,
    format: gst::Element,
    tee: gst::Element,
    progress: Arc<Progress>,
    patience: Arc<Patience>,
}

/// How far the canvas has come.
#[derive(Default)]
struct Progress {
    /// No more pictures come in.
    finishing: AtomicBool,
    /// The next picture leaves no sooner than that running time, in nanoseconds.
    next: AtomicU64,
}

impl Canvas {
    /// Makes it in the bin.
    ///
    /// # Errors
    /// An element is not installed.
    pub(super) fn new(
        bin: &gst::Bin,
        settings: &Settings,
        scene: Arc<Mutex<Scene>>,
        start: Option<gst::ClockTime>,
    ) -> Result<Canvas, glib::BoolError> {
        let compositor = gst::ElementFactory::make("compositor")
            .property("force-live", true)
            .property("emit-signals", true)
            .property_from_str("background", "black")
            .property("latency", SLACK)
            .build()?;
        // A picture that was on its way when the size changed is not an error.
        let format = gst::ElementFactory::make("capsfilter")
            .property_from_str("caps-change-mode", "delayed")
            .build()?;
        let tee = gst::ElementFactory::make("tee")
            .property("allow-not-linked", true)
            .build()?;
        let compositor: gst_base::Aggregator = compositor
            .downcast()
            .map_err(|_| glib::bool_error!("compositor is no aggregator"))?;
        let canvas = Canvas {
            compositor,
            backdrop: Backdrop::new()?,
            format,
            tee,
            progress: Arc::default(),
            patience: Arc::default(),
        };
        bin.add_many(canvas.elements())?;
        canvas.start_at(start);
        canvas.connect(scene)?;
        canvas.resize(settings);
        canvas.wait_for(settings.latency);
        for element in canvas.elements() {
            element.sync_state_with_parent()?;
        }
        Ok(canvas)
    }

    /// From the last to the first.
    fn elements(&self) -> [&gst::Element; 5] {
        let [paced, source] = self.backdrop.elements();
        let compositor = self.compositor.upcast_ref();
        [&self.tee, &self.format, compositor, paced, source]
    }

    fn connect(&self, scene: Arc<Mutex<Scene>>) -> Result<(), glib::BoolError> {
        let behind = self.add_picture();
        self.backdrop.link(&behind)?;
        gst::Element::link_many([self.compositor.upcast_ref(), &self.format, &self.tee])?;
        let (arranged, patience) = (scene.clone(), self.patience.clone());
        self.compositor.connect_samples_selected(
            move |compositor, segment, pts, _, duration, _| {
                let segment = segment.downcast_ref::<gst::ClockTime>();
                if let Some(now) = segment.and_then(|segment| segment.to_running_time(pts)) {
                    let mut scene = arranged.lock().unwrap_or_else(PoisonError::into_inner);
                    scene.arrange(now.into());
                }
                patience.handle_output(compositor, duration.unwrap_or_default());
            },
        );
        let painter = Painter::new(scene);
        let out = self.format.static_pad("src").expect("capsfilter has one");
        let (progress, compositor) = (self.progress.clone(), self.compositor.downgrade());
        out.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            // The compositor would show what is behind the pictures, which has no end, for ever.
            let is_finishing = progress.finishing.load(Ordering::Relaxed);
            if is_finishing && compositor.upgrade().is_none_or(|c| has_ended(&c, &behind)) {
                info.flow_res = Err(gst::FlowError::Eos);
                return gst::PadProbeReturn::Handled;
            }
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                progress.advance(buffer);
                painter.paint(pad, buffer);
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }

    /// Where the composed picture can be taken.
    pub(super) fn output(&self) -> &gst::Element {
        &self.tee
    }

    /// A pad of the compositor for one more picture, not seen yet.
    pub(super) fn add_picture(&self) -> gst::Pad {
        let pad = self.compositor.request_pad_simple("sink_%u");
        pad.expect("compositor has such pads")
    }

    /// Takes a picture away.
    pub(super) fn remove_picture(&self, pad: &gst::Pad) {
        self.compositor.release_request_pad(pad);
    }

    /// It ends when the last picture has ended.
    pub(super) fn finish(&self) {
        self.progress.finishing.store(true, Ordering::Relaxed);
    }

    /// The canvas begins at that running time; None: at 0.
    pub(super) fn start_at(&self, running_time: Option<gst::ClockTime>) {
        let selection = if running_time.is_some() {
            "set"
        } else {
            "zero"
        };
        self.progress.finishing.store(false, Ordering::Relaxed);
        self.progress.next.store(0, Ordering::Relaxed);
        self.compositor
            .set_property_from_str("start-time-selection", selection);
        let time = running_time.unwrap_or(gst::ClockTime::ZERO);
        self.compositor.set_property("start-time", time);
        self.backdrop.start_at(time);
    }

    /// Brings size, frame rate and background to the elements.
    pub(super) fn resize(&self, settings: &Settings) {
        let caps = caps(settings.canvas, settings.framerate);
        self.format.set_property("caps", &caps);
        self.backdrop.set_colour(&caps, &settings.background);
    }

    /// It waits that long for pictures that are late, as [`Mixer::wait_for`](crate::mixer::Mixer::wait_for) does for sound.
    pub(super) fn wait_for(&self, latency: Duration) {
        self.patience.set(&self.compositor, clock_time(latency));
    }

    /// Shows a picture of the canvas' size behind the tiles.
    pub(super) fn set_background(&self, picture: gst::Buffer) {
        self.backdrop.set_picture(picture);
    }
}

impl Progress {
    /// When a format changes, the compositor lets the next picture begin again where the last one began.
    fn advance(&self, buffer: &mut gst::Buffer) {
        let next = gst::ClockTime::from_nseconds(self.next.load(Ordering::Relaxed));
        let (Some(start), Some(duration)) = (buffer.pts(), buffer.duration()) else {
            return;
        };
        let mut end = start + duration;
        if start + gst::ClockTime::MSECOND < next {
            end = end.max(next + gst::ClockTime::MSECOND);
            let buffer = buffer.make_mut();
            buffer.set_pts(next);
            buffer.set_duration(end - next);
        }
        self.next.store(end.nseconds(), Ordering::Relaxed);
    }
}

/// Whether nothing more comes on any pad, but for what is behind all pictures.
fn has_ended(compositor: &gst_base::Aggregator, behind: &gst::Pad) -> bool {
    let pads = compositor.sink_pads();
    let pads = pads.iter().filter(|pad| *pad != behind);
    let mut pads = pads.filter_map(|pad| pad.downcast_ref::<gst_base::AggregatorPad>());
    pads.all(|pad| pad.is_eos())
}

/// Of all that is composed. The colours are those of VP8 and of most cameras; were they left open, each size would have those of
/// its own standard, and every picture on the canvas, the background too, would be converted to them, each time.
fn caps(canvas: Size, framerate: gst::Fraction) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("colorimetry", "bt601")
        .field("width", canvas.width as i32)
        .field("height", canvas.height as i32)
        .field("framerate", framerate)
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .build()
}

pub(super) fn clock_time(duration: Duration) -> gst::ClockTime {
    gst::ClockTime::try_from(duration).unwrap_or(gst::ClockTime::MAX)
}
