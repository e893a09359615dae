// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lies behind the tiles.
//!
//! It comes as a camera's pictures do: one for each picture of the canvas, when it is due. So the canvas keeps the pace of the
//! clock whatever its inputs do, and has no more to wait for than the last of them.

use super::settings::Background;
use gst::glib;
use gst::prelude::*;
use gst_rtc_core::mcu::rect::Size;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module.
pub(super) struct Backdrop {
    source: gst::Element,
    format: gst::Element,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Default)]
struct Shown {
    colour: u32,
    plain: Option<gst::Buffer>,
    picture: Option<gst::Buffer>,
}

impl Backdrop {
    /// # Errors
    /// An element is not installed.
    pub(super) fn new() -> Result<Backdrop, glib::BoolError> {
        let source = gst::ElementFactory::make("videotestsrc")
            .property("is-live", true)
            .property_from_str("pattern", "black")
            .build()?;
        let format = gst::ElementFactory::make("capsfilter")
            .property_from_str("caps-change-mode", "delayed")
            .build()?;
        let backdrop = Backdrop {
            source,
            format,
            shown: Arc::default(),
        };
        backdrop.replace_pictures();
        Ok(backdrop)
    }

    /// From the last to the first.
    pub(super) fn elements(&self) -> [&gst::Element; 2] {
        [&self.format, &self.source]
    }

    /// Both are in the bin: leads them there.
    pub(super) fn link(&self, behind: &gst::Pad) -> Result<(), glib::BoolError> {
        self.source.link(&self.format)?;
        let linked = self.src().link(behind);
        linked
            .map(drop)
            .map_err(|error| glib::bool_error!("{error}"))
    }

    /// The first picture is of that running time.
    pub(super) fn start_at(&self, running_time: gst::ClockTime) {
        let nanoseconds = i64::try_from(running_time.nseconds()).unwrap_or(i64::MAX);
        self.source.set_property("timestamp-offset", nanoseconds);
    }

    /// Shows a colour on a canvas of that format.
    pub(super) fn set_colour(&self, caps: &gst::Caps, background: &Background) {
        *lock(&self.shown) = Shown {
            colour: background.colour,
            ..Shown::default()
        };
        self.format.set_property("caps", caps);
    }

    /// Shows a picture of the canvas' size.
    pub(super) fn set_picture(&self, picture: gst::Buffer) {
        lock(&self.shown).picture = Some(picture);
    }

    fn src(&self) -> gst::Pad {
        self.format.static_pad("src").expect("capsfilter has one")
    }

    /// The source gives times, and pictures of the right size; what is on them is ours.
    fn replace_pictures(&self) {
        let shown = self.shown.clone();
        self.src()
            .add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
                    && let Some(mut picture) = lock(&shown).picture(pad, buffer.size())
                {
                    let copy = picture.make_mut();
                    copy.set_pts(buffer.pts());
                    copy.set_duration(buffer.duration());
                    *buffer = picture;
                }
                gst::PadProbeReturn::Ok
            });
    }
}

impl Shown {
    /// What is shown where a picture has that many bytes. Another size comes a moment after it was asked for.
    fn picture(&mut self, pad: &gst::Pad, size: usize) -> Option<gst::Buffer> {
        let fits = |known: &&gst::Buffer| known.size() == size;
        let picture = self.picture.as_ref().filter(fits);
        if let Some(known) = picture.or(self.plain.as_ref().filter(fits)) {
            // The pixels are not copied.
            return Some(known.clone());
        }
        let info = gst_video::VideoInfo::from_caps(&*pad.current_caps()?).ok()?;
        let canvas = Size {
            width: info.width(),
            height: info.height(),
        };
        self.plain = Some(colour(canvas, self.colour));
        self.plain.clone()
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A canvas of one colour.
fn colour(canvas: Size, colour: u32) -> gst::Buffer {
    let [y, u, v] = yuv(colour);
    let info =
        gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, canvas.width, canvas.height)
            .build()
            .expect("such a canvas is possible");
    let mut bytes = vec![0; info.size()];
    let (chroma, red) = (info.offset()[1], info.offset()[2]);
    bytes[..chroma].fill(y);
    bytes[chroma..red].fill(u);
    bytes[red..].fill(v);
    gst::Buffer::from_mut_slice(bytes)
}

/// 0xRRGGBB in the limited range of BT.601, which is that of the canvas.
pub(super) fn yuv(colour: u32) -> [u8; 3] {
    let part = |shift: u32| f64::from(colour >> shift & 0xff);
    let (r, g, b) = (part(16), part(8), part(0));
    let y = 16.0 + 0.256_79 * r + 0.504_13 * g + 0.097_91 * b;
    let u = 128.0 - 0.148_22 * r - 0.290_99 * g + 0.439_22 * b;
    let v = 128.0 + 0.439_22 * r - 0.367_79 * g - 0.071_43 * b;
    [y, u, v].map(|value| value.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_the_standard() {
        assert_eq!(yuv(0x00_0000), [16, 128, 128]);
        assert_eq!(yuv(0xff_ffff), [235, 128, 128]);
        assert_eq!(yuv(0xff_0000), [81, 90, 240]);
    }

    #[test]
    fn a_canvas_of_a_colour_is_of_that_colour() {
        gst::init().expect("GStreamer starts");
        let size = Size {
            width: 64,
            height: 36,
        };
        let picture = colour(size, 0xff_0000);
        let map = picture.map_readable().expect("it is memory");
        assert_eq!((map.len(), map[0]), (64 * 36 * 3 / 2, 81));
        assert_eq!((map[64 * 36], map[64 * 36 * 5 / 4]), (90, 240));
    }
}
