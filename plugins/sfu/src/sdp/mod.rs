// SPDX-License-Identifier: MIT OR Apache-2.0
//! SDP text (RFC 8866) ↔ [`SessionDescription`].
//!
//! [`parse`] reads offers and answers of browsers, GStreamer, FFmpeg, aiortc and other servers, [`write()`] makes ours. Only
//! descriptions whose audio and video m-lines share one transport come through: BUNDLE (RFC 9143) and `rtcp-mux`
//! (RFC 5761) are demanded. What is not understood is left out; what is wrong or beyond the limits is an [`SdpError`].
//!
//! Trickled candidates have [`parse_candidate`] and [`write_candidate`].
//!
//! GStreamer must be initialised, as it always is inside a plugin.

mod attributes;
mod bundle;
mod candidate;
mod error;
mod media;
mod payloads;
mod scan;
mod sources;
#[cfg(test)]
mod tests;
mod transport;
mod writer;

pub use candidate::{CandidateError, parse_candidate, write_candidate};
pub use error::{SdpError, Section};
pub use writer::write;

use gst_rtc_core::media::SessionDescription;

/// Longest description taken, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// Longest line taken, in bytes.
pub const MAX_LINE: usize = 8 * 1024;
/// Most m-lines in a description.
pub const MAX_MEDIA: usize = 512;
/// Most candidates of a transport.
pub const MAX_CANDIDATES: usize = 64;

/// Reads an offer or an answer.
///
/// Takes time linear in the length of the text.
///
/// # Errors
/// When the text is no SDP, is beyond the limits of this module, or has no usable ICE, DTLS or BUNDLE.
pub fn parse(text: &str) -> Result<SessionDescription, SdpError> {
    let lines = scan::scan(text)?;
    let message =
        gst_sdp::SDPMessage::parse_buffer(lines.as_bytes()).map_err(|_| SdpError::Refused)?;
    let sections = media::parse_all(&message)?;
    bundle::check(&message, &sections)?;
    let transport = transport::parse(&message, &sections)?;
    Ok(SessionDescription {
        transport,
        media: sections.into_iter().map(|s| s.media).collect(),
    })
}
