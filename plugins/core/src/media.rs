// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed media descriptions: what an SDP says, without its text.
//!
//! The glue parses and writes SDP (RFC 8866, RFC 8829); the core sees only these types.

use crate::codec::Codec;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// Audio or video.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl MediaKind {
    /// The word of the m-line: `audio` or `video`.
    pub fn as_str(self) -> &'static str {
        match self {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        }
    }
}

impl std::fmt::Display for MediaKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The direction attribute of an m-line, as written by the side that wrote it (RFC 8866 §6.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    /// Sends and receives; what a description without the attribute means.
    #[default]
    SendRecv,
    /// Only sends.
    SendOnly,
    /// Only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// True when the side that wrote it sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// True when the side that wrote it receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// The `a=setup` attribute (RFC 4145 §4, RFC 8842 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// Either; the answerer chooses. Only in offers.
    ActPass,
    /// The writer is the DTLS client.
    Active,
    /// The writer is the DTLS server.
    Passive,
}

/// A certificate hash (RFC 8122 §5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// Hash function in lower case, for example `sha-256`.
    pub algorithm: String,
    /// The hash itself.
    pub bytes: Vec<u8>,
}

/// What a transport needs to know of one side (RFC 8839, RFC 8842). With BUNDLE there is one for all m-lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransportDescription {
    /// ICE user name fragment.
    pub ufrag: String,
    /// ICE password.
    pub pwd: String,
    /// True when this side is ICE lite.
    pub ice_lite: bool,
    /// Every fingerprint the side gave; one of them must match its certificate.
    pub fingerprints: Vec<Fingerprint>,
    /// The DTLS role of the side that wrote it.
    pub setup: Setup,
    /// Candidates known when it was written.
    pub candidates: Vec<Candidate>,
}

/// Transport protocol below ICE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Proto {
    /// One packet, one datagram.
    Udp,
    /// RFC 4571 framing; ICE-TCP (RFC 6544).
    Tcp,
}

/// A 5-tuple, seen from here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// UDP or TCP.
    pub proto: Proto,
    /// Our address, as bound (not the public one).
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// Of the peer's address alone, in one go: each datagram's path is looked up, and we have few addresses that one peer could send to.
impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let port = u64::from(self.remote.port());
        match self.remote.ip() {
            IpAddr::V4(ip) => state.write_u64(u64::from(u32::from(ip)) << 16 | port),
            IpAddr::V6(ip) => {
                state.write_u128(u128::from(ip));
                state.write_u64(port);
            }
        }
    }
}

/// The type of an ICE candidate (RFC 8445 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CandidateKind {
    /// An address of the host itself.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by the peer.
    PeerReflexive,
    /// An address of a relay.
    Relayed,
}

/// An ICE candidate with a numeric address. Host names (mDNS) never get this far: no name is ever looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Foundation (RFC 8445 §5.1.1.3).
    pub foundation: String,
    /// 1 = RTP (and RTCP, muxed).
    pub component: u8,
    /// UDP or TCP.
    pub proto: Proto,
    /// `tcptype` for TCP: `active`, `passive` or `so`.
    pub tcp_type: Option<String>,
    /// Priority (RFC 8445 §5.1.2).
    pub priority: u32,
    /// The address to send to.
    pub addr: SocketAddr,
    /// Its type.
    pub kind: CandidateKind,
}

/// One payload type of an m-line with everything said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayloadParams {
    /// Payload type, 0 to 127.
    pub pt: u8,
    /// The codec.
    pub codec: Codec,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Channels (audio), or `None` when not said.
    pub channels: Option<u8>,
    /// The text after `a=fmtp:<pt> `, or empty.
    pub fmtp: String,
    /// Payload type of its retransmissions (RFC 4588), when negotiated.
    pub rtx_pt: Option<u8>,
    /// Negotiated feedback.
    pub feedback: Feedback,
}

/// `a=rtcp-fb` of a payload type (RFC 4585, RFC 5104).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Feedback {
    /// `nack`
    pub nack: bool,
    /// `nack pli`
    pub pli: bool,
    /// `ccm fir`
    pub fir: bool,
    /// `goog-remb`
    pub remb: bool,
    /// `transport-cc`
    pub transport_cc: bool,
}

/// Header extensions the SFU understands (RFC 8285); the rest are dropped in negotiation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Extension {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143)
    Mid,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` (RFC 8852)
    Rid,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` (RFC 8852)
    RepairedRid,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464)
    AudioLevel,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    AbsSendTime,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    TransportCc,
    /// `urn:3gpp:video-orientation`
    VideoOrientation,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`
    DependencyDescriptor,
}

impl Extension {
    /// Every extension, in the order in which they are written.
    pub const ALL: [Extension; 8] = [
        Extension::Mid,
        Extension::Rid,
        Extension::RepairedRid,
        Extension::AudioLevel,
        Extension::AbsSendTime,
        Extension::TransportCc,
        Extension::VideoOrientation,
        Extension::DependencyDescriptor,
    ];

    /// The URI by which SDP names it.
    pub fn uri(self) -> &'static str {
        match self {
            Extension::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Extension::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Extension::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Extension::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Extension::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Extension::TransportCc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Extension::VideoOrientation => "urn:3gpp:video-orientation",
            Extension::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
        }
    }

    /// The extension of a URI, if it is one we understand.
    pub fn from_uri(uri: &str) -> Option<Extension> {
        Extension::ALL.into_iter().find(|e| e.uri() == uri)
    }
}

/// Which id (1 to 14 here; RFC 8285 one-byte range) stands for which extension on an m-line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExtensionMap {
    /// Index: extension as in [`Extension::ALL`]. 0 = not negotiated.
    ids: [u8; Extension::ALL.len()],
}

impl ExtensionMap {
    /// The id of an extension, or `None` when it was not negotiated.
    pub fn id(&self, extension: Extension) -> Option<u8> {
        Some(self.ids[extension as usize]).filter(|id| *id != 0)
    }

    /// The extension of an id.
    pub fn extension(&self, id: u8) -> Option<Extension> {
        Extension::ALL
            .into_iter()
            .find(|e| id != 0 && self.ids[*e as usize] == id)
    }

    /// Sets the id of an extension; 0 removes it.
    pub fn set(&mut self, extension: Extension, id: u8) {
        self.ids[extension as usize] = id;
    }

    /// All pairs, in the order of [`Extension::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Extension, u8)> + '_ {
        Extension::ALL
            .into_iter()
            .filter_map(|e| self.id(e).map(|id| (e, id)))
    }
}

/// One SSRC as an SDP names it (RFC 5576).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SsrcDescription {
    /// Media SSRC.
    pub ssrc: u32,
    /// SSRC of its retransmissions (`a=ssrc-group:FID`).
    pub rtx: Option<u32>,
    /// Canonical name (RFC 3550 §6.5.1).
    pub cname: Option<String>,
}

/// One m-line.
#[derive(Clone, PartialEq, Debug)]
pub struct MediaDescription {
    /// `a=mid` (RFC 5888). Generated from the m-line's index when the peer gave none.
    pub mid: String,
    /// Audio or video. `None`: data channels, or something else, which is answered as rejected.
    pub kind: Option<MediaKind>,
    /// The m-line's own words, kept for rejecting what is not understood: media, port, protocol, formats.
    pub line: MediaLine,
    /// Port 0 in an offer or answer: refused, or bundled when in `a=bundle-only`.
    pub rejected: bool,
    /// Direction as the writer sees it.
    pub direction: Direction,
    /// Known codecs, in the order of preference of the writer.
    pub payloads: Vec<PayloadParams>,
    /// Known header extensions.
    pub extensions: ExtensionMap,
    /// SSRCs the writer will send.
    pub ssrcs: Vec<SsrcDescription>,
    /// Simulcast layers the writer will send, best first as written (`a=rid:<id> send`, RFC 8851, RFC 8853).
    pub rids: Vec<String>,
    /// `a=msid`: stream id and track id (RFC 8830).
    pub msid: Option<(String, String)>,
    /// `a=rtcp-rsize` (RFC 5506).
    pub rtcp_rsize: bool,
    /// Present on an m-line of data channels.
    pub data: Option<DataDescription>,
}

/// What an m-line of data channels says (RFC 8841).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataDescription {
    /// `a=sctp-port`.
    pub port: u16,
    /// `a=max-message-size` in bytes. 0: any size; 65,536 when not said (RFC 8841 §6.1).
    pub max_message: u64,
}

/// The words of an m-line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MediaLine {
    /// `audio`, `video`, `application`, …
    pub media: String,
    /// `UDP/TLS/RTP/SAVPF`, …
    pub proto: String,
    /// Formats as written.
    pub formats: Vec<String>,
}

/// A whole offer or answer.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionDescription {
    /// The transport of the BUNDLE group.
    pub transport: TransportDescription,
    /// The m-lines, in order.
    pub media: Vec<MediaDescription>,
}

/// An m-line on which we receive: it becomes a track.
#[derive(Clone, PartialEq, Debug)]
pub struct ReceiveSpec {
    /// Its mid.
    pub mid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What may arrive.
    pub payloads: Vec<PayloadParams>,
    /// Extension ids of the sender.
    pub extensions: ExtensionMap,
    /// SSRCs announced; empty when the sender names none (then MID, RID and payload type decide).
    pub ssrcs: Vec<SsrcDescription>,
    /// Simulcast layers; empty when there is one encoding.
    pub rids: Vec<String>,
}

/// An m-line on which we send: a slot.
#[derive(Clone, PartialEq, Debug)]
pub struct SlotSpec {
    /// Its mid.
    pub mid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What the peer can take, in its order of preference.
    pub payloads: Vec<PayloadParams>,
    /// Extension ids to use towards the peer.
    pub extensions: ExtensionMap,
    /// Our SSRC, our RTX SSRC when negotiated, and the CNAME.
    pub ssrc: SsrcDescription,
    /// Set when the m-line has a slot for each encoding of a track (RFC 8853): this slot sends that one and no other. `None`: it sends
    /// whichever suits.
    pub encoding: Option<NamedEncoding>,
}

/// An encoding of a track, and the name by which the peer knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedEncoding {
    /// Its number, from 0.
    pub encoding: u8,
    /// Its `rid` (RFC 8852).
    pub rid: String,
}
