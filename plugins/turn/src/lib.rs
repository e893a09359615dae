// SPDX-License-Identifier: MIT OR Apache-2.0
//! The GStreamer plugin `rtcturn`: datagrams through NATs and relays.
//!
//! - [`stunsrc`]: a UDP source that knows its outside address and keeps it.
//! - [`turnsrc`] and [`turnsink`]: datagrams through a TURN relay.
//!
//! The protocols are in [`mapping`] (STUN, RFC 8489 and 5780) and [`relay`] (TURN, RFC 8656, on
//! `turn-client-proto`), which know no GStreamer. Each running element has one thread for its
//! socket: a paused or blocked pipeline keeps its mapping, its permissions and its channels.

pub mod inbox;
pub mod mapping;
mod notice;
mod owner;
mod packet;
mod peer;
pub mod relay;
mod source;
pub mod stunsrc;
pub mod turnsink;
pub mod turnsrc;
pub mod uri;

#[allow(missing_docs, unreachable_pub)]
mod plugin {
    use gst::glib;

    fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        crate::stunsrc::register(plugin)?;
        crate::turnsrc::register(plugin)?;
        crate::turnsink::register(plugin)
    }

    gst::plugin_define!(
        rtcturn,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}

/// Registers the plugin with the GStreamer of this process.
///
/// # Errors
/// GStreamer refuses it, for example before `gst::init()`.
pub fn plugin_register_static() -> Result<(), gst::glib::BoolError> {
    plugin::plugin_register_static()
}
