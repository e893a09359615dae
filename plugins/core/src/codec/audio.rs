// SPDX-License-Identifier: MIT OR Apache-2.0
//! Audio codecs: every packet is whole and decodes without the ones before it.

use super::{Description, Format, rewrite_nothing};
use crate::media::MediaKind;

/// Opus always has a 48 kHz RTP clock (RFC 7587 §4.1).
pub(super) const OPUS: Format = format("opus", 48_000);
pub(super) const PCMU: Format = format("PCMU", 8_000);
pub(super) const PCMA: Format = format("PCMA", 8_000);
/// RED has the clock of what it wraps, in WebRTC Opus (RFC 2198 §5).
pub(super) const RED: Format = format("red", 48_000);

const fn format(name: &'static str, clock_rate: u32) -> Format {
    Format {
        name,
        kind: MediaKind::Audio,
        clock_rate,
        describe,
        rewrite: rewrite_nothing,
    }
}

fn describe(payload: &[u8]) -> Description {
    let some = !payload.is_empty();
    Description {
        start_of_frame: some,
        keyframe: some,
        ..Description::default()
    }
}
