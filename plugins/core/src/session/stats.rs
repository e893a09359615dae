// SPDX-License-Identifier: MIT OR Apache-2.0

use std::time::Duration;

/// What a session saw. Every fault of a datagram is a count here, never an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionStats {
    /// Datagrams that are none of STUN, DTLS, RTP and RTCP (RFC 7983).
    pub unknown: u64,
    /// STUN messages malformed, not for us, or with a wrong integrity.
    pub stun_bad: u64,
    /// DTLS datagrams malformed, too large, or from an address no check came from.
    pub dtls_bad: u64,
    /// SRTP and SRTCP packets with a wrong tag.
    pub srtp_auth: u64,
    /// SRTP and SRTCP packets taken before, or too old.
    pub srtp_replay: u64,
    /// RTP and RTCP packets too short or with a length that lies, and unencrypted RTCP.
    pub srtp_malformed: u64,
    /// Packets of sources beyond the limit for one peer.
    pub srtp_sources: u64,
    /// RTP and RTCP packets that came before the keys, or after the end.
    pub before_keys: u64,
    /// Round-trip time of the latest answered check of ours; `None` before the first.
    pub round_trip: Option<Duration>,
}
