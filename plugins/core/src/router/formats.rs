// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of a peer's payload types stands for which of a source's.

use crate::media::PayloadParams;
use std::sync::Arc;

/// Payload types for one of a source's formats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// The source's.
    pub(super) source_pt: u8,
    /// Ours towards the peer.
    pub(super) pt: u8,
    /// That of its retransmissions.
    pub(super) rtx_pt: Option<u8>,
}

/// The formats of a source that a peer can take.
pub(super) fn formats(offered: &[PayloadParams], source: &[PayloadParams]) -> Arc<[Format]> {
    let format = |params: &PayloadParams| {
        let out = matching(offered, params)?;
        Some(Format {
            source_pt: params.pt,
            pt: out.pt,
            rtx_pt: out.rtx_pt,
        })
    };
    source.iter().filter_map(format).collect()
}

/// The peer's payload type for a source's format.
pub(super) fn matching<'a>(
    offered: &'a [PayloadParams],
    source: &PayloadParams,
) -> Option<&'a PayloadParams> {
    let same = |p: &&PayloadParams| p.codec == source.codec && p.clock_rate == source.clock_rate;
    let exact = offered
        .iter()
        .filter(same)
        .find(|p| profile(p) == profile(source));
    exact.or_else(|| offered.iter().find(same))
}

/// What tells variants of one codec apart: H.264 profile (not level) and packetization mode, VP9 and AV1 profile.
fn profile(params: &PayloadParams) -> (Option<String>, Option<&str>) {
    let parameter = |name: &str| {
        params.fmtp.split(';').find_map(|p| {
            p.trim()
                .split_once('=')
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        })
    };
    let profile = parameter("profile-level-id")
        .map(|(_, value)| value.get(..4).unwrap_or(value))
        .or_else(|| {
            parameter("profile-id")
                .or_else(|| parameter("profile"))
                .map(|(_, value)| value)
        })
        .map(str::to_ascii_lowercase);
    (
        profile,
        parameter("packetization-mode").map(|(_, value)| value),
    )
}
