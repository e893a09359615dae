// SPDX-License-Identifier: MIT OR Apache-2.0
//! # stunsrc
//!
//! A UDP source that knows under which address it is seen from outside, behind whatever NAT: it
//! asks a STUN server, says so, keeps the mapping alive, and notices when it changes.
//!
//! Everything the peers need to know is in `reflexive-address`, from READY on: as a property, a
//! signal and an element message. Without an application, `-m` shows it:
//!
//! ```text
//! gst-launch-1.0 -m stunsrc port=5000 stun-server=stun://stun.example.org:3478 \
//!   caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8" ! \
//!   rtpjitterbuffer ! rtpvp8depay ! vp8dec ! autovideosink
//! ```
//!
//! prints `stunsrc-reflexive-address-changed, address=(string)203.0.113.10:5000, …`, and shows
//! what a camera with a public address sends there with `udpsink host=203.0.113.10 port=5000`, if
//! this side's NAT lets it in.
//!
//! ## Punching
//!
//! Most NATs let in only packets of those to whom something was sent before. `peers` are kept
//! open by a packet now and then, as the signal `punch` does for one more; both sides must do it.
//! The packets are STUN Binding indications: a `stunsrc` at the other end hides them, and RTP
//! elements drop them. Peers are addresses and ports as *they* are seen from outside.
//!
//! ## Sending
//!
//! What goes out through the same socket has the same outside address. Any `udpsink` does so if it
//! is given `used-socket`, from READY on, and told not to close it:
//!
//! ```text
//! stunsrc.set_state(READY)
//! udpsink.set_property("socket", stunsrc.get_property("used-socket"))
//! udpsink.set_property("close-socket", false)
//! udpsink.set_property("host", "203.0.113.20")
//! ```
//!
//! The host is set before the sink starts: its default, `localhost`, may be an IPv6 address, which
//! a socket for IPv4 is not for.
//!
//! ## What no STUN does
//!
//! Where the NAT gives another address for each destination (`nat-mapping` is not
//! `endpoint-independent`), the address that the server sees is of no use to anybody else, unless
//! their filtering is open. Such a peer needs a relay at one end: see `turnsrc`.

mod imp;
mod properties;

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "stunsrc",
        gst::DebugColorFlags::empty(),
        Some("UDP source with STUN"),
    )
});

glib::wrapper! {
    /// The element `stunsrc`.
    pub struct StunSrc(ObjectSubclass<imp::StunSrc>)
        @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object;
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "stunsrc",
        gst::Rank::NONE,
        StunSrc::static_type(),
    )
}
