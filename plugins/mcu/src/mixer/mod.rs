// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element inside `rtcmcu` that mixes sound: one thread, one block at a time, everybody's mix and each one's own.
//!
//! `audiomixer` could not be used for it: one per listener costs the product of sources and listeners, and taking a voice
//! out of a sum made elsewhere is exact only while no buffer is late in one place and in time in another. The arithmetic is
//! [`gst_rtc_core::mcu::mixer`]; waiting for sources, deadlines and latency are GstAggregator's.

mod imp;
mod source_pad;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_rtc_core::mcu::aligner::{CHANNELS, RATE};
use std::sync::LazyLock;

glib::wrapper! {
    /// Mixes what its sink pads get. Not registered: only `rtcmcu` makes it.
    pub(crate) struct Mixer(ObjectSubclass<imp::Mixer>) @extends gst_base::Aggregator, gst::Element, gst::Object;
}

glib::wrapper! {
    /// One source of sound.
    pub(crate) struct SourcePad(ObjectSubclass<source_pad::SourcePad>)
        @extends gst_base::AggregatorPad, gst::Pad, gst::Object;
}

/// The only format on all its pads.
pub(crate) static CAPS: LazyLock<gst::Caps> = LazyLock::new(|| {
    let format = if cfg!(target_endian = "big") {
        "F32BE"
    } else {
        "F32LE"
    };
    gst::Caps::builder("audio/x-raw")
        .field("format", format)
        .field("layout", "interleaved")
        .field("rate", RATE as i32)
        .field("channels", CHANNELS as i32)
        .field("channel-mask", gst::Bitmask::new(3))
        .build()
});

impl Mixer {
    pub(crate) fn new() -> Mixer {
        glib::Object::builder().property("name", "mixer").build()
    }

    /// A new source of somebody's sound; it ends with `release_request_pad`.
    pub(crate) fn add_source(&self, participant: &str) -> SourcePad {
        let pad = self
            .request_pad_simple("sink_%u")
            .and_downcast::<SourcePad>();
        let pad = pad.expect("the template makes such pads");
        self.imp().set_participant(&pad, participant);
        pad
    }

    /// Whose sound it is.
    pub(crate) fn set_participant(&self, source: &SourcePad, participant: &str) {
        self.imp().set_participant(source, participant);
    }

    /// How loud it is to be; 1 is as it comes.
    pub(crate) fn set_volume(&self, source: &SourcePad, volume: f64, muted: bool) {
        self.imp().set_volume(source, volume, muted);
    }

    /// Whether all are brought to about the same loudness.
    pub(crate) fn set_auto_level(&self, auto_level: bool) {
        self.imp().set_auto_level(auto_level);
    }

    /// A new pad with everybody's sound but one's.
    pub(crate) fn add_listener(&self, participant: &str) -> gst::Pad {
        self.imp().add_listener(participant)
    }

    /// Removes a pad that [`add_listener`](Self::add_listener) made.
    pub(crate) fn remove_listener(&self, pad: &gst::Pad) {
        self.imp().remove_listener(pad);
    }

    /// It waits that long for sources that are late, or for longer if one announces it. While it runs this takes effect when the
    /// pipeline distributes its latency again.
    pub(crate) fn wait_for(&self, latency: gst::ClockTime) {
        self.imp().wait_for(latency);
    }

    /// It ends when the last source has ended.
    pub(crate) fn finish(&self) {
        self.imp().finish();
    }

    /// Begins at a running time other than 0.
    pub(crate) fn start_at(&self, running_time: gst::ClockTime) {
        self.imp().start_at(running_time);
    }

    /// Who speaks.
    pub(crate) fn speaker(&self) -> Option<String> {
        self.imp().speaker()
    }
}
