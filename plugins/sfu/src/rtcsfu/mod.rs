// SPDX-License-Identifier: MIT OR Apache-2.0
//! # rtcsfu
//!
//! A WebRTC selective forwarding unit as one element: participants of a room are connected over the network, and every
//! track can be taken out of the room, or put into it, on a pad.
//!
//! Forwarding between participants needs no pad and costs the pipeline nothing. The element serves its rooms from PAUSED on;
//! pads carry data in PLAYING.
//!
//! ## Sink pads
//!
//! Each request pad `sink_%u` takes one RTP stream, encoded once for all receivers. The pad properties `participant` and
//! `track` say whose and which track it becomes, `audience` restricts it to one receiver. Buffers are sent when the
//! pipeline's clock reaches their time, so files play at their own speed.
//!
//! Where pads have the same `participant` (and `track`) and each a `rid` of its own, they feed one track together: the same
//! picture in several sizes, of which each receiver gets the one for its link and its window (simulcast). In a room that
//! another node serves, that node is sent all that somebody there needs.
//!
//! ```text
//! gst-launch-1.0 rtcsfu name=sfu signaller::uri=ws://127.0.0.1:8080 room=demo sink_0::participant=bars sink_1::participant=bars \
//!   videotestsrc is-live=true ! video/x-raw,width=640,height=360 ! vp8enc deadline=1 keyframe-max-dist=60 ! rtpvp8pay ! sfu.sink_0 \
//!   audiotestsrc is-live=true wave=ticks ! opusenc ! rtpopuspay ! sfu.sink_1
//! ```
//!
//! Everybody in the room `demo` now sees and hears a participant called `bars`.
//!
//! A track with the pad property `encrypted`, or whose caps have `encrypted=true`, is encrypted end to end (SFrame, an encoded transform):
//! its payloads pass as they are, and layers and keyframes are not looked for in them.
//!
//! ## Src pads
//!
//! Request pads `video_%s` and `audio_%s` exist at once; caps and data come when that participant publishes. `%s` is the name
//! of a participant, which means its first track of the kind, or `participant.track`. Names that cannot be part of a
//! pad name can be set with the pad properties `participant` and `track` instead. Buffers hold whole RTP packets in order,
//! lost ones repaired where they can be; video starts with a keyframe. Their times are those of the capture, by the sender
//! reports of the publisher, so audio and video of a participant are in sync in any muxer. Where a track is encrypted end to end the
//! caps have `encrypted=true`, and what comes first is a keyframe only where dependency descriptors tell:
//!
//! ```text
//! gst-launch-1.0 -e rtcsfu name=sfu signaller::uri=ws://127.0.0.1:8080 room=demo \
//!   sfu.video_alice ! rtpvp8depay ! queue ! matroskamux name=mux ! filesink location=alice.mkv \
//!   sfu.audio_alice ! rtpopusdepay ! queue ! mux.
//! ```
//!
//! waits for alice and records her until Ctrl-C, without encoding anything again.
//!
//! A sink that has had no data yet has not prerolled, and GStreamer lets no other sink of the pipeline play before it has.
//! Where somebody may be recorded while others have not come, give the sinks `async=false`.
//!
//! With `expose=all` every track of the other participants appears by itself as a pad `track_%s`, called
//! `track_participant.track`, and goes when the track goes. A room has no last track, so `no-more-pads` is never emitted.
//!
//! When a participant leaves, its request pads stay and send gap events, because it may come back: a recording goes on after
//! a page was reloaded. With `on-leave=eos` they send end-of-stream instead, so that a file is finished with its participant.
//!
//! ## Without a signaller
//!
//! Sink pads reach src pads of the same element directly; nothing else is needed:
//!
//! ```text
//! gst-launch-1.0 -e rtcsfu name=sfu sink_0::participant=alice \
//!   videotestsrc is-live=true ! vp8enc deadline=1 ! rtpvp8pay ! sfu.sink_0 \
//!   sfu.video_alice ! rtpvp8depay ! matroskamux ! filesink location=loop.mkv
//! ```
//!
//! ## Data channels
//!
//! What a participant sends on a data channel goes to the others in its room that have a channel of the same label open, as
//! they opened it (RFC 8831). The application hears of it by the signal `data-received`, whatever the label, and speaks by the
//! action signal `send-data`. Its options are a structure with any of `room`, `from` (the name of a participant for whom this process
//! speaks; receivers see an empty sender without) and `to` (the name of the only one who shall get it). It returns false when the
//! message can never be sent, and posts a warning when a participant named is not there. A message has at most 256 KiB.
//! In a room that another node serves, messages go through that node. There the element speaks in the names of its own participants
//! only, or in nobody's, and what it sends before it is connected waits, up to 512 KiB. Of a message that another element sent without
//! `from`, `data-received` has an empty participant.
//!
//! Pads do the same without an application. On a request pad `data_src_%s`, where `%s` is a label, each message comes out as one
//! buffer, text as `text/x-raw` and the rest as `application/octet-stream`; its `GstRtcSfuMessageMeta` says `room`,
//! `participant` and `label`, and what downstream does not take is left out. On a request pad `data_sink_%s` each buffer becomes one
//! message, at its time: text where the caps say `text/x-raw`, else bytes. There the pad properties `participant` and `audience` are
//! what `from` and `to` are above, and `track` is the label. Here subtitles run along with a room, and its chat goes to a file:
//!
//! ```text
//! gst-launch-1.0 rtcsfu name=sfu signaller::uri=ws://127.0.0.1:8080 room=demo \
//!   filesrc location=talk.srt ! subparse ! text/x-raw,format=utf8 ! sfu.data_sink_subtitles \
//!   sfu.data_src_chat ! filesink location=chat.txt async=false
//! ```
//!
//! ## Messages
//!
//! Each of the signals but those about data is also an element message on the bus, named `rtcsfu-` and the signal's name, with a field for each
//! of its arguments: see them with `gst-launch-1.0 -m`.

mod caps;
mod child_proxy;
mod clock;
mod data;
mod data_pad;
mod events;
mod expose;
mod imp;
mod layers;
mod message_queue;
mod notice;
mod properties;
mod run;
mod settings;
mod signaller;
mod sink_pad;
mod src_pad;
mod stats;
mod tap;
mod taps;

pub use settings::{Expose, OnLeave};

use gst::glib;
use gst::prelude::*;
use std::sync::LazyLock;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("rtcsfu", gst::DebugColorFlags::empty(), Some("WebRTC SFU"))
});

glib::wrapper! {
    /// The element `rtcsfu`.
    pub struct RtcSfu(ObjectSubclass<imp::RtcSfu>) @extends gst::Element, gst::Object, @implements gst::ChildProxy;
}

glib::wrapper! {
    /// A pad on which a local source enters the room.
    pub struct RtcSfuSinkPad(ObjectSubclass<sink_pad::SinkPad>) @extends gst::Pad, gst::Object;
}

glib::wrapper! {
    /// A pad on which a track leaves the room.
    pub struct RtcSfuSrcPad(ObjectSubclass<src_pad::SrcPad>) @extends gst::Pad, gst::Object;
}

glib::wrapper! {
    /// A pad on which messages of data channels leave the room.
    pub struct RtcSfuDataPad(ObjectSubclass<data_pad::DataPad>) @extends gst::Pad, gst::Object;
}

glib::wrapper! {
    /// How the element finds its signaller; the child `signaller` of the element.
    pub struct RtcSfuSignaller(ObjectSubclass<signaller::Signaller>);
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "rtcsfu",
        gst::Rank::NONE,
        RtcSfu::static_type(),
    )
}
