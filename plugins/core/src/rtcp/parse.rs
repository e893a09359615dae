// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading RTCP.

use super::{HEADER_LEN, Packet, ReportBlock, TransportFeedback, format, packet_type};
use rtcp_types::RtcpPacketParser;

/// RTCP packets read from one datagram; what comes after is an error.
pub const MAX_PACKETS: usize = 128;
/// Sequence numbers read from the NACKs of one datagram; further ones are left out.
pub const MAX_NACKED: usize = 1024;

/// Why bytes are not RTCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// The header or the length in it does not fit into what is there.
    #[error("RTCP packet of {needed} bytes announced where {length} are left")]
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        length: usize,
    },
    /// The version is not 2.
    #[error("RTCP version {version}, expected 2")]
    Version {
        /// The version found, 0 to 3.
        version: u8,
    },
    /// Padding that is empty or longer than the packet.
    #[error("RTCP padding of {padding} bytes is not possible here")]
    Padding {
        /// The padding count found.
        padding: usize,
    },
    /// The contents of a packet do not fit into it, or make no sense.
    #[error("RTCP packet of type {packet_type} and format {count} is malformed inside")]
    Malformed {
        /// Packet type.
        packet_type: u8,
        /// The five bits that are a count, a format or a subtype.
        count: u8,
    },
    /// More than [`MAX_PACKETS`] in one datagram.
    #[error("more than {MAX_PACKETS} RTCP packets in one datagram")]
    TooMany,
}

/// Reads the RTCP packets of a datagram, compound or reduced-size, one after the other.
///
/// A packet whose contents are malformed is an error in its place, and reading goes on behind it. When the framing itself
/// is wrong, the error is the last item. What was read before an error stands.
///
/// The framing is not left to `rtcp_types::Compound`, which refuses a whole datagram for its last packet, nor are the
/// feedback messages, whose contents it reads together with their padding and without bounds.
pub fn parse(data: &[u8]) -> Packets<'_> {
    Packets {
        rest: data,
        packets: 0,
        nacked: 0,
    }
}

/// The iterator of [`parse`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
    packets: usize,
    nacked: usize,
}

impl Iterator for Packets<'_> {
    type Item = Result<Packet, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(match self.split() {
            Ok(raw) => raw.and_then(|raw| self.packet(&raw)),
            Err(error) => {
                self.rest = &[];
                Err(error)
            }
        })
    }
}

impl<'a> Packets<'a> {
    /// Takes the next packet off. The outer error is one of framing, after which nothing can be found.
    fn split(&mut self) -> Result<Result<Raw<'a>, ParseError>, ParseError> {
        self.packets += 1;
        if self.packets > MAX_PACKETS {
            return Err(ParseError::TooMany);
        }
        let length = self.rest.len();
        let Some(head) = self.rest.first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::Truncated {
                needed: HEADER_LEN,
                length,
            });
        };
        let version = head[0] >> 6;
        if version != 2 {
            return Err(ParseError::Version { version });
        }
        let needed = HEADER_LEN + usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        let Some((whole, rest)) = self.rest.split_at_checked(needed) else {
            return Err(ParseError::Truncated { needed, length });
        };
        self.rest = rest;
        Ok(Raw::new(whole))
    }

    fn packet(&mut self, raw: &Raw<'_>) -> Result<Packet, ParseError> {
        let packet = match (raw.packet_type, raw.count) {
            (packet_type::SENDER_REPORT, _) => sender_report(raw.whole),
            (packet_type::RECEIVER_REPORT, _) => receiver_report(raw.whole),
            (packet_type::SDES, count) => sdes(raw.body, count),
            (packet_type::BYE, count) => bye(raw.body, count),
            (packet_type::TRANSPORT_FEEDBACK, format::NACK) => self.nack(raw.body),
            (packet_type::TRANSPORT_FEEDBACK, format::TRANSPORT_CC) => Feedback::new(raw.body)
                .and_then(TransportFeedback::parse)
                .map(Packet::TransportCc),
            (packet_type::PAYLOAD_FEEDBACK, format::PLI) => {
                Feedback::new(raw.body).map(|feedback| Packet::Pli {
                    media: feedback.media,
                })
            }
            (packet_type::PAYLOAD_FEEDBACK, format::FIR) => Feedback::new(raw.body).map(fir),
            (packet_type::PAYLOAD_FEEDBACK, format::APPLICATION) => application(raw),
            (packet_type, count) => Some(Packet::Other { packet_type, count }),
        };
        packet.ok_or(ParseError::Malformed {
            packet_type: raw.packet_type,
            count: raw.count,
        })
    }

    /// RFC 4585 §6.2.1: a sequence number and a mask of the 16 that follow it.
    fn nack(&mut self, body: &[u8]) -> Option<Packet> {
        let Feedback {
            sender,
            media,
            control,
        } = Feedback::new(body)?;
        let mut lost = Vec::new();
        for &[a, b, c, d] in control.as_chunks().0 {
            let first = u16::from_be_bytes([a, b]);
            let mask = u32::from(u16::from_be_bytes([c, d])) << 1 | 1;
            let left = MAX_NACKED - self.nacked;
            let asked = (0..17)
                .filter(|bit| mask >> bit & 1 == 1)
                .map(|bit| first.wrapping_add(bit))
                .take(left);
            let before = lost.len();
            lost.extend(asked);
            self.nacked += lost.len() - before;
        }
        Some(Packet::Nack {
            sender,
            media,
            lost,
        })
    }
}

/// One packet with its header read.
struct Raw<'a> {
    packet_type: u8,
    count: u8,
    /// From the header on, with padding.
    whole: &'a [u8],
    /// After the header, without padding.
    body: &'a [u8],
}

impl<'a> Raw<'a> {
    /// `whole` is at least a header long and version 2.
    fn new(whole: &'a [u8]) -> Result<Raw<'a>, ParseError> {
        let body = &whole[HEADER_LEN..];
        let padded = whole[0] & 0x20 != 0;
        // Not always a multiple of four, as RFC 3550 §6.4.1 wants: libwebrtc pads transport-wide feedback by 1 to 3 bytes.
        let padding = if padded {
            usize::from(body.last().copied().unwrap_or(0))
        } else {
            0
        };
        if padding > body.len() || padded && padding == 0 {
            return Err(ParseError::Padding { padding });
        }
        let body = &body[..body.len() - padding];
        Ok(Raw {
            packet_type: whole[1],
            count: whole[0] & 0x1F,
            whole,
            body,
        })
    }
}

fn sender_report(whole: &[u8]) -> Option<Packet> {
    let report = rtcp_types::SenderReport::parse(whole).ok()?;
    Some(Packet::SenderReport {
        ssrc: report.ssrc(),
        ntp: report.ntp_timestamp(),
        rtp: report.rtp_timestamp(),
        packets: report.packet_count(),
        octets: report.octet_count(),
        reports: report.report_blocks().map(ReportBlock::from).collect(),
    })
}

fn receiver_report(whole: &[u8]) -> Option<Packet> {
    let report = rtcp_types::ReceiverReport::parse(whole).ok()?;
    Some(Packet::ReceiverReport {
        ssrc: report.ssrc(),
        reports: report.report_blocks().map(ReportBlock::from).collect(),
    })
}

impl From<rtcp_types::ReportBlock<'_>> for ReportBlock {
    fn from(block: rtcp_types::ReportBlock<'_>) -> Self {
        ReportBlock {
            ssrc: block.ssrc(),
            fraction_lost: block.fraction_lost(),
            // 24 bits with a sign.
            cumulative_lost: (block.cumulative_lost() << 8) as i32 >> 8,
            highest_sequence: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
            last_sender_report: block.last_sender_report_timestamp(),
            delay: block.delay_since_last_sender_report_timestamp(),
        }
    }
}

/// RFC 3550 §6.5. `rtcp_types` takes leading zeros of an SSRC for the end of the chunk before it.
fn sdes(body: &[u8], count: u8) -> Option<Packet> {
    let mut cnames = Vec::new();
    let mut rest = body;
    for _ in 0..count {
        let (ssrc, items) = rest.split_first_chunk()?;
        let (cname, length) = sdes_items(items)?;
        cnames.extend(cname.map(|cname| (u32::from_be_bytes(*ssrc), cname)));
        rest = items.get(length..)?;
    }
    Some(Packet::Sdes { cnames })
}

/// The CNAME among the items of a chunk, and the length of them all with their end and padding.
fn sdes_items(items: &[u8]) -> Option<(Option<String>, usize)> {
    const CNAME: u8 = 1;
    let mut cname = None;
    let mut offset = 0;
    while items.get(offset).is_some_and(|kind| *kind != 0) {
        let length = usize::from(*items.get(offset + 1)?);
        let text = items.get(offset + 2..offset + 2 + length)?;
        if items[offset] == CNAME {
            cname = Some(String::from_utf8_lossy(text).into_owned());
        }
        offset += 2 + length;
    }
    // At least one zero, then up to the next 32 bit boundary.
    Some((cname, (offset + 1).next_multiple_of(4)))
}

fn bye(body: &[u8], count: u8) -> Option<Packet> {
    let ssrcs = body.get(..usize::from(count) * 4)?;
    Some(Packet::Bye {
        ssrcs: words(ssrcs).collect(),
    })
}

/// The part all feedback messages begin with (RFC 4585 §6.1).
pub(super) struct Feedback<'a> {
    pub(super) sender: u32,
    pub(super) media: u32,
    /// Feedback control information.
    pub(super) control: &'a [u8],
}

impl<'a> Feedback<'a> {
    fn new(body: &'a [u8]) -> Option<Self> {
        let (sender, rest) = body.split_first_chunk()?;
        let (media, control) = rest.split_first_chunk()?;
        Some(Feedback {
            sender: u32::from_be_bytes(*sender),
            media: u32::from_be_bytes(*media),
            control,
        })
    }
}

/// RFC 5104 §4.3.1.1.
fn fir(feedback: Feedback<'_>) -> Packet {
    let entries = feedback.control.as_chunks().0.iter();
    let entries = entries
        .map(|&[a, b, c, d, sequence, _, _, _]| (u32::from_be_bytes([a, b, c, d]), sequence));
    Packet::Fir {
        entries: entries.collect(),
    }
}

/// Application layer feedback (RFC 4585 §6.4), of which REMB is known.
fn application(raw: &Raw<'_>) -> Option<Packet> {
    let feedback = Feedback::new(raw.body)?;
    match feedback.control.split_first_chunk() {
        Some((b"REMB", remb)) => parse_remb(remb),
        _ => Some(Packet::Other {
            packet_type: raw.packet_type,
            count: raw.count,
        }),
    }
}

/// draft-alvestrand-rmcat-remb-03 §2.2: a count of SSRCs, six bits of exponent and 18 of mantissa.
fn parse_remb(control: &[u8]) -> Option<Packet> {
    let (&[count, a, b, c], ssrcs) = control.split_first_chunk()?;
    let mantissa = u128::from(u32::from_be_bytes([0, a & 0x03, b, c]));
    let bitrate = u64::try_from(mantissa << (a >> 2)).unwrap_or(u64::MAX);
    let ssrcs = ssrcs.get(..usize::from(count) * 4)?;
    Some(Packet::Remb {
        bitrate,
        ssrcs: words(ssrcs).collect(),
    })
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|word| u32::from_be_bytes(*word))
}
