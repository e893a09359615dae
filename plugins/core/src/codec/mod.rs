// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a forwarder needs to know of the codecs: where pictures start, where decoding can start, and what must be
//! renumbered when streams are switched or layers dropped.
//!
//! Payloads are only looked at, never decoded, and never trusted: whatever cannot be read leaves its field of
//! [`Description`] at the default. Nothing here allocates.
//!
//! A new codec is one file with a `Format` and one line in the table below.

mod audio;
mod av1;
mod bits;
mod dependency;
mod h264;
mod h265;
mod picture_id;
pub(crate) mod red;
mod vp8;
mod vp9;

#[cfg(test)]
mod tests;

pub(crate) use dependency::rewrite as rewrite_dependency;
pub use dependency::{
    Dependency, Indication, Reader as DependencyReader, Structure as DependencyStructure,
    Target as DecodeTarget,
};

use crate::media::MediaKind;

/// Everything the rest of the crate asks of a codec.
struct Format {
    /// Encoding name in SDP.
    name: &'static str,
    kind: MediaKind,
    /// RTP clock rate in Hz.
    clock_rate: u32,
    describe: fn(&[u8]) -> Description,
    rewrite: fn(&mut [u8], &Description, u16, u8),
}

macro_rules! codecs {
    ($($(#[$doc:meta])* $codec:ident => $format:path,)*) => {
        /// A codec the SFU forwards.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Codec {
            $($(#[$doc])* $codec,)*
        }

        impl Codec {
            /// Every codec.
            pub const ALL: &'static [Codec] = &[$(Codec::$codec,)*];

            fn format(self) -> &'static Format {
                match self {
                    $(Codec::$codec => &$format,)*
                }
            }
        }
    };
}

codecs! {
    /// Opus (RFC 7587).
    Opus => audio::OPUS,
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu => audio::PCMU,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma => audio::PCMA,
    /// Redundant audio data (RFC 2198); in WebRTC around Opus.
    Red => audio::RED,
    /// VP8 (RFC 7741).
    Vp8 => vp8::FORMAT,
    /// VP9 (RFC 9628).
    Vp9 => vp9::FORMAT,
    /// H.264 (RFC 6184).
    H264 => h264::FORMAT,
    /// H.265 (RFC 7798).
    H265 => h265::FORMAT,
    /// AV1 (RTP Payload Format For AV1, v1.0.0).
    Av1 => av1::FORMAT,
}

impl Codec {
    /// The encoding name as SDP writes it, for example `VP8` or `opus`.
    pub fn as_str(self) -> &'static str {
        self.format().name
    }

    /// The codec of an SDP encoding name. Case does not matter (RFC 8866 §6.6).
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL
            .iter()
            .copied()
            .find(|codec| codec.as_str().eq_ignore_ascii_case(name))
    }

    /// Audio or video.
    pub fn kind(self) -> MediaKind {
        self.format().kind
    }

    /// RTP clock rate in Hz.
    pub fn clock_rate(self) -> u32 {
        self.format().clock_rate
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A VP8 or VP9 picture id, with the width it is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PictureId {
    /// The id, below `1 << bits`.
    pub value: u16,
    /// 7 or 15.
    pub bits: u8,
}

/// What one RTP payload says about itself. All fields at their default: nothing could be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Description {
    /// The packet begins a picture (for VP9 and AV1: one spatial layer of it). False where that cannot be told, so a
    /// stream may be cut before such a packet, but false is no proof of the contrary. H.264 and H.265 pictures have
    /// several when parameter sets come in packets of their own: all have the same timestamp.
    pub start_of_frame: bool,
    /// The packet ends a picture (for VP9: one spatial layer of it), when the payload says so. Other codecs have the marker bit.
    pub end_of_frame: bool,
    /// A receiver of the temporal layer below this one can take this one too from here on (VP8: Y, RFC 7741 §4.2; VP9: U,
    /// RFC 9628 §4.2).
    pub switch_up: bool,
    /// Decoding can start with this packet: it begins a keyframe, or (H.264, H.265) holds the parameter sets before one.
    /// Always true for audio.
    pub keyframe: bool,
    /// Temporal layer, 0 = base, when the payload says so.
    pub temporal: Option<u8>,
    /// Spatial layer, 0 = base, when the payload says so.
    pub spatial: Option<u8>,
    /// VP8 and VP9 picture id.
    pub picture_id: Option<PictureId>,
    /// VP8 and VP9 running index of base temporal layer pictures.
    pub tl0_pic_idx: Option<u8>,
    /// Width and height in pixels, neither of them 0; on keyframes whose headers could be read. Of the highest layer where
    /// there are many.
    pub resolution: Option<(u16, u16)>,
}

/// Reads what an RTP payload says about itself. Never fails: what cannot be read stays at its default.
pub fn describe(codec: Codec, payload: &[u8]) -> Description {
    (codec.format().describe)(payload)
}

/// Spatial layers and their resolutions, where a payload lists them (VP9 scalability structure, RFC 9628 §4.2.1).
pub fn spatial_resolutions(
    codec: Codec,
    payload: &[u8],
) -> impl Iterator<Item = (usize, (u16, u16))> + '_ {
    let payload = if codec == Codec::Vp9 { payload } else { &[] };
    vp9::resolutions(payload).enumerate()
}

/// Writes another picture id and TL0PICIDX over those of a payload, in place and without changing its length.
///
/// `description` is what [`describe`] said of this payload. Fields it does not have are not written; `picture_id` is
/// cut to the width in the payload. Codecs without such fields are left alone.
pub fn rewrite(
    codec: Codec,
    payload: &mut [u8],
    description: &Description,
    picture_id: u16,
    tl0: u8,
) {
    (codec.format().rewrite)(payload, description, picture_id, tl0);
}

/// For codecs without numbering in the payload.
fn rewrite_nothing(_: &mut [u8], _: &Description, _: u16, _: u8) {}

/// A resolution that a picture can have.
fn resolution(width: u64, height: u64) -> Option<(u16, u16)> {
    let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    (width != 0 && height != 0).then_some((width, height))
}
