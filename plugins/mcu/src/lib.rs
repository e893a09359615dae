// SPDX-License-Identifier: MIT OR Apache-2.0
//! The GStreamer plugin `rtcmcu`: many participants in one composed picture, and for each of them the sound of the others.
//!
//! The element is [`rtcmcu::RtcMcu`]. Programs that link this crate instead of installing the plugin call
//! [`plugin_register_static`] after `gst::init()`; everything else they do as with any element.

mod mixer;
mod patience;
pub mod rtcmcu;

#[allow(missing_docs, unreachable_pub)]
mod plugin {
    use gst::glib;

    fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        crate::rtcmcu::register(plugin)
    }

    gst::plugin_define!(
        rtcmcu,
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
