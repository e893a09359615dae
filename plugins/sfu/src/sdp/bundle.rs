// SPDX-License-Identifier: MIT OR Apache-2.0
//! All media on one transport: BUNDLE (RFC 9143) and `rtcp-mux` (RFC 5761).

use super::SdpError;
use super::attributes::of_session;
use super::media::ParsedSection;
use gst_sdp::SDPMessageRef;
use std::collections::HashSet;

/// Checks that all audio and video m-lines in use share one transport. Other m-lines are going to be refused, so theirs do
/// not matter.
pub(super) fn check(message: &SDPMessageRef, sections: &[ParsedSection]) -> Result<(), SdpError> {
    let used: Vec<_> = sections.iter().filter(|s| s.in_use()).collect();
    if let Some(alone) = used.iter().find(|s| !s.rtcp_mux) {
        return Err(SdpError::NoRtcpMux(alone.name()));
    }
    let [first, _, ..] = used.as_slice() else {
        return Ok(());
    };
    let group = group_of(message, &first.media.mid);
    match used.iter().find(|s| !group.contains(s.media.mid.as_str())) {
        Some(alone) => Err(SdpError::NotBundled(alone.name())),
        None => Ok(()),
    }
}

/// The mids of the BUNDLE group that has `mid`.
fn group_of<'a>(message: &'a SDPMessageRef, mid: &str) -> HashSet<&'a str> {
    groups(message)
        .find(|group| group.contains(mid))
        .unwrap_or_default()
}

fn groups(message: &SDPMessageRef) -> impl Iterator<Item = HashSet<&str>> {
    of_session(message)
        .filter(|(key, _)| *key == "group")
        .filter_map(|(_, value)| value.strip_prefix("BUNDLE"))
        .map(|mids| mids.split_ascii_whitespace().collect())
}

/// The m-line whose transport attributes count for all: the first in use in the order of the group (RFC 9143 §7.2), or
/// what comes nearest to it.
pub(super) fn tagged<'a>(
    message: &SDPMessageRef,
    sections: &'a [ParsedSection],
) -> Option<&'a ParsedSection> {
    let first = sections.iter().find(|s| s.in_use());
    let group = of_session(message)
        .filter(|(key, _)| *key == "group")
        .filter_map(|(_, value)| value.strip_prefix("BUNDLE"))
        .find(|mids| {
            first.is_some_and(|f| mids.split_ascii_whitespace().any(|m| m == f.media.mid))
        });
    let mut order = group.unwrap_or_default().split_ascii_whitespace();
    let tagged = order.find_map(|mid| {
        sections
            .iter()
            .find(|s| s.in_use() && s.ice && s.media.mid == mid)
    });
    tagged.or_else(|| sections.iter().find(|s| s.ice)).or(first)
}
