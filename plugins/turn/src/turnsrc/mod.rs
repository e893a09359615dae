// SPDX-License-Identifier: MIT OR Apache-2.0
//! # turnsrc
//!
//! Receives datagrams through a TURN relay: an address on a server, which reaches us behind any
//! NAT that lets us out, by UDP, TCP or TLS.
//!
//! The address is in `relayed-address`, from READY on: as a property, a signal and an element
//! message. Peers send to it with plain UDP (`udpsink`), once their address is permitted; a relay
//! lets in nobody else's packets. Ports do not matter:
//!
//! ```text
//! gst-launch-1.0 -m turnsrc turn-server=turn://user:password@turn.example.org:3478 permissions=203.0.113.20 \
//!   caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8" ! \
//!   rtpjitterbuffer ! rtpvp8depay ! vp8dec ! autovideosink
//! ```
//!
//! prints `turnsrc-relayed-address-changed, address=(string)198.51.100.1:50123, …` and shows what
//! the host at 203.0.113.20 sends there:
//!
//! ```text
//! gst-launch-1.0 videotestsrc is-live=true ! vp8enc deadline=1 ! rtpvp8pay ! \
//!   udpsink host=198.51.100.1 port=50123
//! ```
//!
//! To send through the same relay, see `turnsink`.
//!
//! ## Losing the relay
//!
//! Permissions, channels and the allocation are refreshed for as long as the element is in READY or
//! above. When the server is restarted, or a NAT on the way gives us another address, that is noticed after
//! `keepalive-interval`, and another relay asked for: `turnsrc-relay-lost`, then
//! `turnsrc-relayed-address-changed` with the address that peers have to be told.
//!
//! ## URIs
//!
//! They are those of `webrtcbin`: `turn://user:password@host:port?transport=udp`, also with `tcp`;
//! `turns://` is TLS over TCP. The time-limited credentials of the REST kind have a colon in the
//! user name, which is written `%3A`; the `/`, `+` and `=` of their passwords need no escape.

mod imp;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    /// The element `turnsrc`.
    pub struct TurnSrc(ObjectSubclass<imp::TurnSrc>)
        @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object;
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "turnsrc",
        gst::Rank::NONE,
        TurnSrc::static_type(),
    )
}
