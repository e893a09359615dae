// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of a peer's payload types stands for which of a source's.

use crate::codec::{Codec, red};
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
    pub(super) payload: Form,
}

/// What becomes of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// It stays as it is, but for the numbers of its codec.
    Same,
    /// Redundant audio (RFC 2198) whose blocks have other payload types at the peer.
    Renumbered { from: u8, to: u8 },
    /// Redundant audio of which the peer takes only the newest frame.
    Newest,
}

impl Form {
    /// The part of a payload that is sent; `None`: there is none.
    pub(super) fn part(self, payload: &[u8]) -> Option<&[u8]> {
        match self {
            Form::Same | Form::Renumbered { .. } => Some(payload),
            Form::Newest => red::primary(payload).map(|primary| &payload[primary.range]),
        }
    }
}

/// The formats of a source that a peer can take. Payloads of an encrypted one go as they are, or not at all.
pub(super) fn formats(
    offered: &[PayloadParams],
    source: &[PayloadParams],
    encrypted: bool,
) -> Arc<[Format]> {
    let format = |params: &PayloadParams| match params.codec {
        Codec::Red if !encrypted => redundant(offered, source, params),
        _ => Some(plain(params, matching(offered, params)?, Form::Same)),
    };
    source.iter().filter_map(format).collect()
}

fn plain(source: &PayloadParams, peer: &PayloadParams, payload: Form) -> Format {
    Format {
        source_pt: source.pt,
        pt: peer.pt,
        rtx_pt: peer.rtx_pt,
        payload,
    }
}

/// Redundant audio goes as it is to a peer that takes it, else its newest frames do.
fn redundant(
    offered: &[PayloadParams],
    source: &[PayloadParams],
    red: &PayloadParams,
) -> Option<Format> {
    let from = inner(red)?;
    let frames = matching(offered, source.iter().find(|params| params.pt == from)?)?;
    let Some(peer) = matching(offered, red) else {
        return Some(plain(red, frames, Form::Newest));
    };
    let form = match inner(peer)? {
        to if to == from => Form::Same,
        to => Form::Renumbered { from, to },
    };
    Some(plain(red, peer, form))
}

/// The payload type of the frames in redundant audio.
fn inner(red: &PayloadParams) -> Option<u8> {
    red::listed(&red.fmtp).next().flatten()
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
