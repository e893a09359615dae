// SPDX-License-Identifier: MIT OR Apache-2.0
//! The GStreamer plugin `rtcsfu`: a WebRTC selective forwarding unit as an element.
//!
//! The element is [`rtcsfu::RtcSfu`]. Programs that link this crate instead of installing the plugin call
//! [`plugin_register_static`] after `gst::init()`; everything else they do as with any element.

#[cfg(fuzzing)]
pub mod fuzz;
pub mod hub;
mod io;
mod node;
pub mod rtcsfu;
pub mod sdp;

#[allow(missing_docs, unreachable_pub)]
mod plugin {
    use gst::glib;

    fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        crate::rtcsfu::register(plugin)
    }

    gst::plugin_define!(
        rtcsfu,
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
