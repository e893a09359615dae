// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the properties of the element say.

use gst::glib;
use gst_rtc_core::mcu::layout::Layout;
use gst_rtc_core::mcu::rect::Size;
use std::time::Duration;

/// How a picture meets a tile of another shape.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstRtcMcuScaling")]
pub enum Scaling {
    /// The whole picture, with bars of background beside it.
    #[enum_value(name = "The whole picture, background beside it", nick = "fit")]
    Fit,
    /// The whole picture, stretched.
    #[enum_value(name = "The whole picture, stretched", nick = "fill")]
    Fill,
    /// The middle of the picture.
    #[default]
    #[enum_value(name = "The middle of the picture, the tile full", nick = "crop")]
    Crop,
}

impl From<Scaling> for gst_rtc_core::mcu::scaling::Scaling {
    fn from(scaling: Scaling) -> Self {
        match scaling {
            Scaling::Fit => Self::Fit,
            Scaling::Fill => Self::Fill,
            Scaling::Crop => Self::Crop,
        }
    }
}

/// See the properties of the element.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) canvas: Size,
    pub(super) framerate: gst::Fraction,
    pub(super) layout: Layout,
    /// The text it was set with.
    pub(super) layout_text: String,
    pub(super) focus: Option<String>,
    pub(super) scaling: Scaling,
    pub(super) gap: u32,
    pub(super) animation: Duration,
    pub(super) background: Background,
    pub(super) logo: Option<String>,
    pub(super) names: bool,
    pub(super) auto_level: bool,
    pub(super) freeze_timeout: Duration,
    pub(super) latency: Duration,
    pub(super) end_with_inputs: bool,
    pub(super) video_bitrate: u32,
    pub(super) audio_bitrate: u32,
}

/// What is seen where no tile is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Background {
    /// 0xRRGGBB.
    pub(super) colour: u32,
    /// Path of a file.
    pub(super) image: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            canvas: Size {
                width: 1280,
                height: 720,
            },
            framerate: gst::Fraction::new(30, 1),
            layout: Layout::Grid,
            layout_text: "grid".to_owned(),
            focus: None,
            scaling: Scaling::default(),
            gap: 0,
            animation: Duration::from_millis(300),
            background: Background {
                colour: 0x0010_1418,
                image: None,
            },
            logo: None,
            names: true,
            auto_level: false,
            freeze_timeout: Duration::from_secs(1),
            latency: Duration::from_millis(100),
            end_with_inputs: true,
            video_bitrate: 2_000_000,
            audio_bitrate: 64_000,
        }
    }
}
