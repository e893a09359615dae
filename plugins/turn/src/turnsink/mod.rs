// SPDX-License-Identifier: MIT OR Apache-2.0
//! # turnsink
//!
//! Sends each buffer as a datagram through a TURN relay: receivers see it come from the relay's
//! address. There are three ways to say which relay:
//!
//! - `relay-of=NAME`: that of the `turnsrc` (or `turnsink`) of this name in the same pipeline. This
//!   is the way for `gst-launch-1.0`.
//! - `relay`: the object that another element has as `used-relay`. This is the way for programs,
//!   and works across pipelines.
//! - `turn-server`: one of its own.
//!
//! Where it sends to is `host` and `port`; without `host`, the address in the `GstNetAddressMeta`
//! of each buffer. To whom something is sent, the relay is open also for what comes back.
//!
//! A camera behind one NAT, with a relay of its own, sends to a recorder behind another, which has
//! one as well (`198.51.100.1:50123`, see `turnsrc`):
//!
//! ```text
//! gst-launch-1.0 -m v4l2src ! videoconvert ! vp8enc deadline=1 ! rtpvp8pay ! \
//!   turnsink turn-server=turn://user:password@turn.example.org host=198.51.100.1 port=50123
//!
//! gst-launch-1.0 -e -m turnsrc turn-server=turn://user:password@turn.example.org permissions=198.51.100.1 \
//!   caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8" ! \
//!   rtpjitterbuffer ! rtpvp8depay ! matroskamux ! filesink location=camera.mkv
//! ```
//!
//! Both directions through one relay:
//!
//! ```text
//! gst-launch-1.0 turnsrc name=relay turn-server=turn://user:password@turn.example.org ! fakesink \
//!   audiotestsrc is-live=true ! opusenc ! rtpopuspay ! turnsink relay-of=relay host=203.0.113.20 port=5000
//! ```
//!
//! The first buffer waits for the relay. Later ones that find none, because the server is being
//! restarted, are dropped and counted in `stats`, as the network would.

mod imp;

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("turnsink", gst::DebugColorFlags::empty(), Some("TURN sink"))
});

glib::wrapper! {
    /// The element `turnsink`.
    pub struct TurnSink(ObjectSubclass<imp::TurnSink>)
        @extends gst_base::BaseSink, gst::Element, gst::Object;
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "turnsink",
        gst::Rank::NONE,
        TurnSink::static_type(),
    )
}
