// SPDX-License-Identifier: MIT OR Apache-2.0
//! One input's picture at the compositor: where it is told to be, and what has been seen of it.

use super::settings::Settings;
use gst::prelude::*;
use gst_rtc_core::mcu::animation::Pose;
use gst_rtc_core::mcu::rect::{Rect, Size};
use gst_rtc_core::mcu::scaling::{Cut, Placed};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One input's picture on its way into the compositor.
pub(super) struct Picture {
    pad: gst::Pad,
    crop: gst::Element,
    seen: Arc<Seen>,
    applied: Mutex<Option<Applied>>,
}

/// What was last told to the compositor's pad.
#[derive(Clone, Copy, PartialEq)]
struct Applied {
    rect: Rect,
    alpha: f64,
    zorder: u32,
    cut: Cut,
}

/// What is known of the pictures themselves.
struct Seen {
    /// Running time of the end of the last one, in nanoseconds; [`NEVER`] before the first.
    last: AtomicU64,
    format: Mutex<Option<Format>>,
}

#[derive(Clone, Copy)]
struct Format {
    pixels: Size,
    shown: Size,
    /// Between two pictures, where the caps say it.
    interval: Duration,
}

const NEVER: u64 = u64::MAX;

impl Picture {
    pub(super) fn new(pad: &gst::Pad, crop: &gst::Element) -> Picture {
        pad.set_property("alpha", 0.0f64);
        Picture {
            pad: pad.clone(),
            crop: crop.clone(),
            seen: Arc::new(Seen {
                last: AtomicU64::new(NEVER),
                format: Mutex::default(),
            }),
            applied: Mutex::default(),
        }
    }

    /// Notes each picture that comes by on a pad.
    pub(super) fn watch(&self, pad: &gst::Pad, decoded: impl Fn() + Send + Sync + 'static) {
        let seen = self.seen.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(buffer) = info.buffer() {
                seen.handle_picture(pad, buffer);
                decoded();
            }
            gst::PadProbeReturn::Ok
        });
        // The size as it comes, before anything is cut off.
        let crop = self.crop.static_pad("sink").expect("videocrop has one");
        let seen = self.seen.clone();
        crop.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::PadProbeData::Event(event)) = &info.data
                && let gst::EventView::Caps(caps) = event.view()
                && let Ok(info) = gst_video::VideoInfo::from_caps(caps.caps())
            {
                seen.handle_format(&info);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// The compositor's.
    pub(super) fn pad(&self) -> &gst::Pad {
        &self.pad
    }

    /// Whether there has been no picture for that long, or never one.
    pub(super) fn is_frozen(&self, now: Duration, timeout: Duration) -> bool {
        let last = self.seen.last.load(Ordering::Relaxed);
        if last == NEVER {
            return true;
        }
        // Somebody who sends a picture every ten seconds has not stopped after one.
        let patience = timeout.max(2 * self.seen.format().map_or(Duration::ZERO, |f| f.interval));
        !timeout.is_zero() && now.saturating_sub(Duration::from_nanos(last)) > patience
    }

    pub(super) fn apply(&self, tile: Rect, settings: &Settings, pose: Pose, zorder: u32) {
        let Some(format) = self.seen.format() else {
            return;
        };
        let scaling = gst_rtc_core::mcu::scaling::Scaling::from(settings.scaling);
        // Cut for where it comes to rest, so that the picture is not cut anew with each step.
        let cut = scaling.place(tile, format.pixels, format.shown).cut;
        let Placed { rect, .. } = scaling.place(pose.rect, format.pixels, format.shown);
        let alpha = if rect.area() > 0 { pose.alpha } else { 0.0 };
        let now = Applied {
            rect,
            alpha,
            zorder,
            cut,
        };
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        if applied.is_none_or(|before| before.cut != cut) {
            for (name, value) in [
                ("left", cut.left),
                ("right", cut.right),
                ("top", cut.top),
                ("bottom", cut.bottom),
            ] {
                self.crop.set_property(name, value as i32);
            }
        }
        if *applied != Some(now) {
            self.set_pad(&now);
            *applied = Some(now);
        }
    }

    fn set_pad(&self, applied: &Applied) {
        let Applied {
            rect,
            alpha,
            zorder,
            ..
        } = *applied;
        self.pad.set_properties(&[
            ("xpos", &rect.x),
            ("ypos", &rect.y),
            ("width", &(rect.width as i32)),
            ("height", &(rect.height as i32)),
            ("alpha", &alpha),
            ("zorder", &zorder),
        ]);
    }

    pub(super) fn hide(&self) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(applied) = applied.as_mut().filter(|applied| applied.alpha > 0.0) {
            applied.alpha = 0.0;
            self.pad.set_property("alpha", 0.0f64);
        }
    }
}

impl Seen {
    fn format(&self) -> Option<Format> {
        *self.format.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle_picture(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        let Some(segment) = pad.sticky_event::<gst::event::Segment>(0) else {
            return;
        };
        let segment = segment.segment().downcast_ref::<gst::ClockTime>().cloned();
        let time = segment.and_then(|segment| segment.to_running_time(buffer.pts()));
        if let Some(time) = time {
            let end = time + buffer.duration().unwrap_or(gst::ClockTime::ZERO);
            self.last.store(end.nseconds(), Ordering::Relaxed);
        }
    }

    fn handle_format(&self, info: &gst_video::VideoInfo) {
        let pixels = Size {
            width: info.width(),
            height: info.height(),
        };
        let (numer, denom) = (
            info.par().numer().max(1) as u64,
            info.par().denom().max(1) as u64,
        );
        let width = u64::from(pixels.width) * numer / denom;
        let shown = Size {
            width: u32::try_from(width).unwrap_or(u32::MAX),
            height: pixels.height,
        };
        let (frames, seconds) = (info.fps().numer(), info.fps().denom());
        let interval = if frames > 0 {
            Duration::from_secs_f64(f64::from(seconds.max(0)) / f64::from(frames))
        } else {
            Duration::ZERO
        };
        let format = Format {
            pixels,
            shown,
            interval,
        };
        *self.format.lock().unwrap_or_else(PoisonError::into_inner) = Some(format);
    }
}
