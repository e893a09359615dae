// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTCP packets: those of RFC 3550, the feedback messages of RFC 4585 and RFC 5104, REMB and transport-wide feedback.
//!
//! Reading takes compound and reduced-size packets alike (RFC 5506). What one datagram can make us store is bounded, see
//! the constants. Left out: APP, XR (RFC 3611), SLI and RPSI; they come as [`Packet::Other`].

mod builder;
mod parse;
mod transport_feedback;

#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use parse::{MAX_NACKED, MAX_PACKETS, Packets, ParseError, parse};
pub use transport_feedback::{MAX_STATUSES, TransportFeedback};

/// Length of the header all RTCP packets begin with.
const HEADER_LEN: usize = 4;

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
mod packet_type {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SDES: u8 = 202;
    pub(super) const BYE: u8 = 203;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
}

/// Feedback message types: of transport feedback, then of payload feedback.
mod format {
    pub(super) const NACK: u8 = 1;
    pub(super) const TRANSPORT_CC: u8 = 15;

    pub(super) const PLI: u8 = 1;
    pub(super) const FIR: u8 = 4;
    pub(super) const APPLICATION: u8 = 15;
}

/// Reception of one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    /// The source this is about.
    pub ssrc: u32,
    /// Lost since the previous report, in 1/256.
    pub fraction_lost: u8,
    /// Lost in all, -2^23 to 2^23-1; negative when packets came twice.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with the count of wrap-arounds in the upper 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report, 0 = none came.
    pub last_sender_report: u32,
    /// Delay between that sender report and this block, in 1/65536 s.
    pub delay: u32,
}

/// One RTCP packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// What a sender sent, and which wall-clock time belongs to which RTP timestamp (RFC 3550 §6.4.1).
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// NTP time of the report, 32.32 bits.
        ntp: u64,
        /// RTP timestamp of the same instant.
        rtp: u32,
        /// Packets sent, modulo 2^32.
        packets: u32,
        /// Payload bytes sent, modulo 2^32.
        octets: u32,
        /// What it received itself, at most 31.
        reports: Vec<ReportBlock>,
    },
    /// What was received (RFC 3550 §6.4.2).
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// At most 31.
        reports: Vec<ReportBlock>,
    },
    /// Source descriptions (RFC 3550 §6.5); of the items only CNAME is kept.
    Sdes {
        /// Sources and their canonical names.
        cnames: Vec<(u32, String)>,
    },
    /// Sources that leave (RFC 3550 §6.6).
    Bye {
        /// At most 31.
        ssrcs: Vec<u32>,
    },
    /// Generic NACK (RFC 4585 §6.2.1).
    Nack {
        /// Who asks.
        sender: u32,
        /// The stream with the losses.
        media: u32,
        /// Sequence numbers as asked for; over one datagram at most [`MAX_NACKED`].
        lost: Vec<u16>,
    },
    /// Picture loss indication: asks for a keyframe (RFC 4585 §6.3.1).
    Pli {
        /// The stream.
        media: u32,
    },
    /// Full intra request: asks for keyframes (RFC 5104 §4.3.1).
    Fir {
        /// Stream and command number; a repeated number repeats the request.
        entries: Vec<(u32, u8)>,
    },
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    Remb {
        /// Bit/s; `u64::MAX` when the packet says more than that.
        bitrate: u64,
        /// The streams it is for.
        ssrcs: Vec<u32>,
    },
    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    TransportCc(TransportFeedback),
    /// Well-formed, but of a type that is not used here.
    Other {
        /// Packet type.
        packet_type: u8,
        /// The five bits that are a count, a format or a subtype.
        count: u8,
    },
}
