// SPDX-License-Identifier: MIT OR Apache-2.0
//! All media on one transport: BUNDLE (RFC 9143) and `rtcp-mux` (RFC 5761).

use super::SdpError;
use super::attributes::of_session;
use super::media::ParsedSection;
use gst_sdp::SDPMessageRef;
use std::collections::HashSet;

/// Checks that all m-lines of media and data channels in use share one transport. Other m-lines are going to be refused, so theirs
/// do not matter.
pub(super) fn check(message: &SDPMessageRef, sections: &[ParsedSection]) -> Result<(), SdpError> {
    let used: Vec<_> = sections.iter().filter(|s| s.in_use()).collect();
    if let Some(alone) = used.iter().find(|s| s.media.kind.is_some() && !s.rtcp_mux) {
        return Err(SdpError::NoRtcpMux(alone.name()));
    }
    let [first, others @ ..] = used.as_slice() else {
        return Ok(());
    };
    let group: HashSet<_> = group_of(message, &first.media.mid).into_iter().collect();
    match others
        .iter()
        .find(|s| !group.contains(s.media.mid.as_str()))
    {
        Some(alone) => Err(SdpError::NotBundled(alone.name())),
        None => Ok(()),
    }
}

/// The mids of the BUNDLE group that has `mid`, in order; empty when there is none.
fn group_of<'a>(message: &'a SDPMessageRef, mid: &str) -> Vec<&'a str> {
    of_session(message)
        .filter(|(key, _)| *key == "group")
        .filter_map(|(_, value)| value.strip_prefix("BUNDLE"))
        .map(|mids| mids.split_ascii_whitespace().collect::<Vec<_>>())
        .find(|group| group.contains(&mid))
        .unwrap_or_default()
}

/// The m-line whose transport attributes count for all: the first in use in the order of the group (RFC 9143 §7.2), or
/// what comes nearest to it.
pub(super) fn tagged<'a>(
    message: &SDPMessageRef,
    sections: &'a [ParsedSection],
) -> Option<&'a ParsedSection> {
    let first = sections.iter().find(|s| s.in_use());
    let group = first.map_or(Vec::new(), |f| group_of(message, &f.media.mid));
    let named = |mid: &&str| sections.iter().find(|s| s.media.mid == **mid);
    let bundled = group.iter().filter_map(named).find(|s| s.in_use() && s.ice);
    bundled
        .or_else(|| sections.iter().find(|s| s.ice))
        .or(first)
}
