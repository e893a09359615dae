// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a description.

use super::candidate::CandidateError;
use super::{MAX_BYTES, MAX_CANDIDATES, MAX_LINE, MAX_MEDIA};
use std::fmt;

/// An m-line, for messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its place, from 0.
    pub index: usize,
    /// Its mid.
    pub mid: String,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m-line {} (mid {})", self.index, self.mid)
    }
}

/// Why a description cannot be used. Lines count from 1, m-lines from 0.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    /// The text is too long.
    #[error("the description has {0} bytes, more than {MAX_BYTES}; offer fewer m-lines or codecs")]
    TooLong(usize),
    /// A line is too long.
    #[error("line {0} is longer than {MAX_LINE} bytes; shorten it")]
    LineTooLong(usize),
    /// A line holds a character that no line may hold.
    #[error(
        "line {0} holds a NUL or another control character; send the text as the peer connection made it"
    )]
    ControlCharacter(usize),
    /// It does not begin like SDP.
    #[error(
        "the description does not begin with `v=0`; send the SDP text alone, not wrapped in JSON"
    )]
    NoVersion,
    /// A line is no SDP line.
    #[error("line {0} is not `<letter>=<value>`; send the text as the peer connection made it")]
    NotALine(usize),
    /// No m-line.
    #[error("the description has no m-lines; add a track or transceiver before making it")]
    NoMedia,
    /// Too many m-lines.
    #[error("line {0}: more than {MAX_MEDIA} m-lines; use several connections")]
    TooManyMedia(usize),
    /// An m-line is malformed.
    #[error(
        "line {line}: {problem} in an m-line; it must be `m=<media> <port> <protocol> <formats>`"
    )]
    MediaLine {
        /// The line.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The SDP parser refused it.
    #[error("the description cannot be parsed; send the text as the peer connection made it")]
    Refused,
    /// A payload type is no number from 0 to 127 (RFC 3550 §5.1).
    #[error("{section} has payload type {found:?}; payload types are numbers from 0 to 127")]
    PayloadType {
        /// The m-line.
        section: Section,
        /// What stands there.
        found: String,
    },
    /// A payload type is listed twice.
    #[error("{section} lists payload type {pt} twice; number each format once")]
    DuplicatePayloadType {
        /// The m-line.
        section: Section,
        /// The payload type.
        pt: u8,
    },
    /// An `a=mid` is no token (RFC 8866 §9) or longer than 64 bytes.
    #[error(
        "m-line {index} has an a=mid that is no token of at most 64 characters; use letters and digits"
    )]
    Mid {
        /// The m-line.
        index: usize,
    },
    /// An `a=ssrc` or `a=ssrc-group` has no 32-bit number.
    #[error("{section} has SSRC {found:?}; SSRCs are numbers from 0 to 4294967295")]
    Ssrc {
        /// The m-line.
        section: Section,
        /// What stands there.
        found: String,
    },
    /// M-lines have transports of their own.
    #[error(
        "{0} is not in the BUNDLE group of the first m-line; all media must share one transport (webrtcbin: bundle-policy=max-bundle; browsers: bundlePolicy \"max-bundle\")"
    )]
    NotBundled(Section),
    /// RTCP wants a port of its own.
    #[error(
        "{0} has no a=rtcp-mux; RTP and RTCP must share one port (browsers: rtcpMuxPolicy \"require\")"
    )]
    NoRtcpMux(Section),
    /// No ICE credentials.
    #[error("the description has no a=ice-ufrag and a=ice-pwd; this server speaks only ICE")]
    NoIce,
    /// Bad ICE credentials (RFC 8839 §5.4).
    #[error("a=ice-{name} is not {min} to 256 printable characters; copy it from the ICE agent")]
    IceCredential {
        /// `ufrag` or `pwd`.
        name: &'static str,
        /// Smallest length.
        min: usize,
    },
    /// No certificate hash that we can check.
    #[error(
        "the description has no a=fingerprint with sha-256, sha-384, sha-512 or sha-1; media must be encrypted with DTLS-SRTP"
    )]
    NoFingerprint,
    /// A certificate hash is malformed (RFC 8122 §5).
    #[error("an a=fingerprint:{0} is not the hexadecimal bytes of such a hash, joined by colons")]
    Fingerprint(String),
    /// An unknown DTLS role.
    #[error("a=setup:{0:?} is unknown; use actpass in an offer and active or passive in an answer")]
    Setup(String),
    /// Too many candidates.
    #[error(
        "{0} has more than {MAX_CANDIDATES} candidates; gather on fewer interfaces or trickle them"
    )]
    TooManyCandidates(Section),
    /// A candidate is malformed.
    #[error("{section}: {error}")]
    Candidate {
        /// The m-line.
        section: Section,
        /// What is wrong with it.
        error: CandidateError,
    },
}

/// The beginning of what stands in a text from outside, short enough for a message.
pub(super) fn excerpt(text: &str) -> String {
    const LENGTH: usize = 32;
    text.chars().take(LENGTH).collect()
}
