// SPDX-License-Identifier: MIT OR Apache-2.0

use is::stun::StunMessage;

/// What a datagram is, by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PacketKind {
    /// ICE connectivity check or its answer.
    Stun,
    /// DTLS record.
    Dtls,
    /// RTP, or SRTP.
    Rtp,
    /// RTCP, or SRTCP.
    Rtcp,
    /// Anything else: ZRTP, TURN channel data, junk. To be dropped.
    Unknown,
}

/// Tells the protocols of a bundled transport apart: RFC 7983 §7 by the first byte, RFC 5761 §4 by the second.
pub fn demux(data: &[u8]) -> PacketKind {
    match (data.first(), data.get(1)) {
        (Some(0..=3), Some(_)) => PacketKind::Stun,
        (Some(20..=63), Some(_)) => PacketKind::Dtls,
        (Some(128..=191), Some(192..=223)) => PacketKind::Rtcp,
        (Some(128..=191), Some(_)) => PacketKind::Rtp,
        _ => PacketKind::Unknown,
    }
}

/// The user name of a STUN request, split into our and the peer's fragment: it says which session a first check is for.
///
/// Nothing is authenticated by this. `None` when it is not a STUN binding request with a user name.
pub fn stun_username(data: &[u8]) -> Option<(&str, &str)> {
    if demux(data) != PacketKind::Stun {
        return None;
    }
    let message = StunMessage::parse(data).ok()?;
    message
        .username()
        .filter(|_| message.is_binding_request())?
        .split_once(':')
}
