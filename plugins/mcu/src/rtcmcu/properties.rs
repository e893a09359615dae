// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of the element.

use super::settings::{Scaling, Settings};
use gst::glib;
use gst::prelude::*;
use std::sync::LazyLock;
use std::time::Duration;

/// All of them.
pub(super) fn specs() -> &'static [glib::ParamSpec] {
    static SPECS: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let mut specs = canvas();
        specs.extend(tiles());
        specs.extend(streams());
        specs
    });
    &SPECS
}

fn canvas() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let size = |name: &str, nick: &str, value: u32| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(&format!(
                "{nick} of the canvas in pixels; odd values are rounded down"
            ))
            .minimum(32)
            .maximum(16_384)
            .default_value(value)
            .mutable_playing()
            .build()
    };
    vec![
        size("width", "Width", default.canvas.width),
        size("height", "Height", default.canvas.height),
        gst::ParamSpecFraction::builder("framerate")
            .nick("Frame rate")
            .blurb("Pictures per second of the canvas, whatever the inputs have")
            .minimum(gst::Fraction::new(1, 1))
            .maximum(gst::Fraction::new(240, 1))
            .default_value(default.framerate)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("background-color")
            .nick("Background colour")
            .blurb("What is seen where no tile is, as 0xRRGGBB")
            .maximum(0x00ff_ffff)
            .default_value(default.background.colour)
            .mutable_playing()
            .build(),
        text(
            "background-image",
            "Background image",
            "File of a picture that fills the canvas behind the tiles, instead of the colour",
        ),
        text(
            "logo",
            "Logo",
            "File of a picture drawn at the upper right corner, at most an eighth of the canvas high; it may be transparent",
        ),
    ]
}

fn tiles() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecString::builder("layout")
            .nick("Layout")
            .blurb(
                "grid, speaker (one big, a strip below), sidebar (one big, a column beside), pip (others small on top), single, or \
                 rectangles in pixels as JSON: [{\"x\":0,\"y\":0,\"width\":640,\"height\":360,\"participant\":\"alice\"}, …] \
                 with zorder and alpha where wanted, or the same as a GstStructure. One that is impossible is refused with a \
                 warning, and the old one stays; to get the reason, use the signal set-layout",
            )
            .default_value(Some(default.layout_text.as_str()))
            .mutable_playing()
            .build(),
        text(
            "focus",
            "Focus",
            "Participant who is big, where the layout has a big tile. Unset: the one who speaks",
        ),
        text_read_only("speaker", "Speaker", "Participant who speaks, or was the last to speak"),
        glib::ParamSpecEnum::builder::<Scaling>("scaling")
            .nick("Scaling")
            .blurb("What is done when a picture and its tile differ in shape")
            .mutable_playing()
            .build(),
        number("gap", "Gap", 1000, default.gap, "Pixels left free around each tile"),
        number(
            "animation",
            "Animation",
            10_000,
            default.animation.as_millis() as u32,
            "Milliseconds that tiles take to their new places. 0: at once",
        ),
        glib::ParamSpecBoolean::builder("names")
            .nick("Names")
            .blurb("Whether names and marks are drawn on tiles; names need the textrender element")
            .default_value(default.names)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("auto-level")
            .nick("Automatic level")
            .blurb(
                "Whether the sound of all is brought to about the same loudness, a mean of -20 dBFS, by at most -12 to +18 dB; the \
                 volume of a pad counts on top of it",
            )
            .default_value(default.auto_level)
            .mutable_playing()
            .build(),
        number(
            "freeze-timeout",
            "Freeze timeout",
            3_600_000,
            default.freeze_timeout.as_millis() as u32,
            "Milliseconds without a picture after which a tile shows only the name. 0: the last picture stays",
        ),
    ]
}

fn streams() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let bitrate = |name: &str, nick: &str, value: u32, blurb: &str| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .minimum(6_000)
            .maximum(100_000_000)
            .default_value(value)
            .mutable_playing()
            .build()
    };
    vec![
        glib::ParamSpecUInt::builder("latency")
            .nick("Latency")
            .blurb(
                "Milliseconds by which inputs may be late, where they do not announce more themselves. Changed while the pipeline \
                 plays, it takes effect when that distributes its latency again, which a LATENCY message asks for: what leaves waits \
                 once, or comes sooner bit by bit, four seconds for each that it was lowered by",
            )
            .maximum(10_000)
            .default_value(default.latency.as_millis() as u32)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("end-with-inputs")
            .nick("End with inputs")
            .blurb("Whether the outputs end when all inputs have. False: they go on, for a room that may be empty for a while")
            .default_value(default.end_with_inputs)
            .mutable_playing()
            .build(),
        bitrate(
            "video-bitrate",
            "Video bitrate",
            default.video_bitrate,
            "Bits per second of the encoded picture, where it is encoded here",
        ),
        bitrate(
            "audio-bitrate",
            "Audio bitrate",
            default.audio_bitrate,
            "Bits per second of each encoded mix, where it is encoded here. Encoders of AAC take it only when they start",
        ),
    ]
}

fn text(name: &str, nick: &str, blurb: &str) -> glib::ParamSpec {
    let spec = glib::ParamSpecString::builder(name).nick(nick).blurb(blurb);
    spec.mutable_playing().build()
}

fn text_read_only(name: &str, nick: &str, blurb: &str) -> glib::ParamSpec {
    let spec = glib::ParamSpecString::builder(name).nick(nick).blurb(blurb);
    spec.read_only().build()
}

fn number(name: &str, nick: &str, maximum: u32, default: u32, blurb: &str) -> glib::ParamSpec {
    glib::ParamSpecUInt::builder(name)
        .nick(nick)
        .blurb(blurb)
        .maximum(maximum)
        .default_value(default)
        .mutable_playing()
        .build()
}

impl Settings {
    /// Sets a property whose type GObject has checked; not the layout, which may be refused.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "width" => self.canvas.width = checked::<u32>(value) & !1,
            "height" => self.canvas.height = checked::<u32>(value) & !1,
            "framerate" => self.framerate = checked(value),
            "background-color" => self.background.colour = checked(value),
            "background-image" => self.background.image = path(value),
            "logo" => self.logo = path(value),
            "focus" => self.focus = path(value),
            "scaling" => self.scaling = checked(value),
            "gap" => self.gap = checked(value),
            "animation" => self.animation = milliseconds(value),
            "names" => self.names = checked(value),
            "auto-level" => self.auto_level = checked(value),
            "freeze-timeout" => self.freeze_timeout = milliseconds(value),
            "latency" => self.latency = milliseconds(value),
            "end-with-inputs" => self.end_with_inputs = checked(value),
            "video-bitrate" => self.video_bitrate = checked(value),
            "audio-bitrate" => self.audio_bitrate = checked(value),
            name => unreachable!("no property {name}"),
        }
    }

    /// The value of a property.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        let milliseconds = |duration: Duration| (duration.as_millis() as u32).to_value();
        match name {
            "width" => self.canvas.width.to_value(),
            "height" => self.canvas.height.to_value(),
            "framerate" => self.framerate.to_value(),
            "background-color" => self.background.colour.to_value(),
            "background-image" => self.background.image.to_value(),
            "logo" => self.logo.to_value(),
            "layout" => self.layout_text.to_value(),
            "focus" => self.focus.to_value(),
            "scaling" => self.scaling.to_value(),
            "gap" => self.gap.to_value(),
            "animation" => milliseconds(self.animation),
            "names" => self.names.to_value(),
            "auto-level" => self.auto_level.to_value(),
            "freeze-timeout" => milliseconds(self.freeze_timeout),
            "latency" => milliseconds(self.latency),
            "end-with-inputs" => self.end_with_inputs.to_value(),
            "video-bitrate" => self.video_bitrate.to_value(),
            "audio-bitrate" => self.audio_bitrate.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

fn checked<'v, T: glib::value::FromValue<'v>>(value: &'v glib::Value) -> T {
    value.get().expect("GObject checked the type")
}

fn path(value: &glib::Value) -> Option<String> {
    checked::<Option<String>>(value).filter(|text| !text.is_empty())
}

fn milliseconds(value: &glib::Value) -> Duration {
    Duration::from_millis(u64::from(checked::<u32>(value)))
}
