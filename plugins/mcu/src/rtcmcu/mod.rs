// SPDX-License-Identifier: MIT OR Apache-2.0
//! # rtcmcu
//!
//! A mixing unit as one element: what participants send goes in on sink pads; one composed picture and mixed sound come out.
//! It works alone, with `webrtcbin`, and beside `rtcsfu`.
//!
//! ```text
//! gst-launch-1.0 rtcmcu name=mcu width=1280 height=720 \
//!   sink_0::participant=ball sink_1::participant=bars sink_2::participant=bars \
//!   videotestsrc is-live=true pattern=ball ! mcu.sink_0 \
//!   videotestsrc is-live=true ! mcu.sink_1 \
//!   audiotestsrc is-live=true ! mcu.sink_2 \
//!   mcu.video ! videoconvert ! autovideosink \
//!   mcu.audio ! audioconvert ! autoaudiosink
//! ```
//!
//! shows two tiles with names and plays the tone.
//!
//! ## Sink pads
//!
//! Each request pad `sink_%u` takes one stream, raw, encoded or in RTP; what it is, is seen from its caps, which may change.
//! Streams of one participant are found together by the pad property `participant`, or without it by what the streams say of
//! themselves. Pads may come and go at any time. Buffers belong where their running time puts them, so that a participant's
//! lips and voice stay together, and all participants with each other; a drifting clock is followed without a click.
//!
//! A stream that cannot be decoded ends nothing: its tile shows the name, the signal `input-failed` says why, and it is tried
//! again. So does a tile whose camera is off, or stands still for longer than `freeze-timeout`.
//!
//! ## Src pads
//!
//! The request pads `video`, `audio` (everybody) and `audio_%s` (everybody but that participant) give what is linked to them
//! asks for: raw, encoded, or RTP. One encoder serves all viewers behind a pad: use a `tee`. What takes anything, like a
//! `queue`, gets raw, so that an encoder of your own can follow; a caps filter asks for something else:
//!
//! ```text
//! gst-launch-1.0 -e rtcmcu name=mcu videotestsrc is-live=true ! mcu.sink_0 audiotestsrc is-live=true ! mcu.sink_1 \
//!   mcu.video ! video/x-h264 ! queue ! mp4mux name=mux ! filesink location=mix.mp4 \
//!   mcu.audio ! audio/x-opus ! queue ! mux.
//! ```
//!
//! The element is live, whatever is linked to it: a picture leaves every 1/`framerate` seconds and sound every 10 ms, with or
//! without input. They end when all sink pads have ended, unless `end-with-inputs=false`, or with an end-of-stream sent to the element.
//!
//! ## In a room
//!
//! Pads of `rtcsfu` link to pads of `rtcmcu` and back, in one pipeline; who is who is told by the streams. The mix is a track
//! like any other, and with `audience` each gets the sound of the others alone:
//!
//! ```text
//! gst-launch-1.0 rtcsfu name=sfu signaller::uri=ws://127.0.0.1:8080 room=demo \
//!   sink_0::participant=mix sink_1::participant=mix sink_1::track=for-alice sink_1::audience=alice \
//!   rtcmcu name=mcu sfu.video_alice ! mcu. sfu.audio_alice ! mcu. sfu.video_bob ! mcu. sfu.audio_bob ! mcu. \
//!   mcu.video ! application/x-rtp,encoding-name=VP8 ! sfu.sink_0 \
//!   mcu.audio_alice ! application/x-rtp ! sfu.sink_1
//! ```
//!
//! ## Layouts
//!
//! See the property `layout`; it and all others may be changed at any time, tiles then move to their new places within
//! `animation`. A pad whose properties `width` and `height` are set is where they and `xpos` and
//! `ypos` put it, and the layout arranges the rest. A layout that is impossible is refused, and the old one stays.
//!
//! ## Sound
//!
//! Each voice is decoded once, and somebody's own mix is everybody's without their voice. Pads have `volume` and `mute`; with
//! `auto-level` quiet and loud voices become alike. A sum of many is turned down before it clips.
//!
//! ## Messages
//!
//! Each of the signals without a return value is also an element message on the bus, named `rtcmcu-` and the signal's name,
//! with a field for each of its arguments: see them with `gst-launch-1.0 -m`.

mod backdrop;
mod bitrate;
mod canvas;
mod caps;
mod changes;
mod child_proxy;
mod decoder;
mod encoding;
mod identity;
mod image;
mod imp;
mod input;
mod layout_text;
mod loading;
mod messages;
mod notice;
mod output;
mod pads;
mod painter;
mod picture;
mod properties;
mod queue;
mod roster;
mod scene;
mod settings;
mod sink_pad;
mod tail;
mod text;

pub use settings::Scaling;

use gst::glib;
use gst::prelude::*;
use std::sync::LazyLock;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("rtcmcu", gst::DebugColorFlags::empty(), Some("WebRTC MCU"))
});

glib::wrapper! {
    /// The element `rtcmcu`.
    pub struct RtcMcu(ObjectSubclass<imp::RtcMcu>) @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

glib::wrapper! {
    /// A pad on which a participant's picture or sound comes in.
    pub struct RtcMcuSinkPad(ObjectSubclass<sink_pad::SinkPad>)
        @extends gst::GhostPad, gst::ProxyPad, gst::Pad, gst::Object;
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "rtcmcu",
        gst::Rank::NONE,
        RtcMcu::static_type(),
    )
}
