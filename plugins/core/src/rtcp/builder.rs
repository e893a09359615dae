// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing RTCP.

use super::{HEADER_LEN, MAX_NACKED, ReportBlock, TransportFeedback, format, packet_type};
use rtcp_types::RtcpPacketWriter;

/// The count field has five bits.
const MAX_COUNT: usize = 31;

/// Writes a compound RTCP packet.
///
/// The order is the caller's: RFC 3550 §6.1 wants a report first and SDES with a CNAME in it, unless reduced-size packets
/// were negotiated (RFC 5506). So is keeping it below the path MTU.
///
/// Reports, SDES and BYE are written by `rtcp-types`. The feedback messages are not: it has no REMB, packs NACKs by value
/// so that a loss around the wrap takes more room, and writes FIR entries in the order of a hash map.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    data: Vec<u8>,
}

impl Builder {
    /// An empty packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sender report. `ntp` is 32.32 bits; of `reports` the first 31 are written.
    pub fn sender_report(
        mut self,
        ssrc: u32,
        ntp: u64,
        rtp: u32,
        packets: u32,
        octets: u32,
        reports: &[ReportBlock],
    ) -> Self {
        let report = rtcp_types::SenderReport::builder(ssrc)
            .ntp_timestamp(ntp)
            .rtp_timestamp(rtp)
            .packet_count(packets)
            .octet_count(octets);
        let report = reports
            .iter()
            .take(MAX_COUNT)
            .fold(report, |report, block| {
                report.add_report_block(block.into())
            });
        self.append(&report);
        self
    }

    /// Adds receiver reports: one for each 31 blocks, or an empty one when there are no blocks.
    pub fn receiver_report(mut self, ssrc: u32, reports: &[ReportBlock]) -> Self {
        let mut rest = reports;
        loop {
            let (now, later) = rest.split_at(rest.len().min(MAX_COUNT));
            let report = rtcp_types::ReceiverReport::builder(ssrc);
            self.append(&now.iter().fold(report, |report, block| {
                report.add_report_block(block.into())
            }));
            rest = later;
            if rest.is_empty() {
                return self;
            }
        }
    }

    /// Adds a source description with a CNAME, of which at most 255 bytes are written.
    pub fn sdes(mut self, ssrc: u32, cname: &str) -> Self {
        let cname = &cname[..cname.floor_char_boundary(usize::from(u8::MAX))];
        let item = rtcp_types::SdesItem::builder(rtcp_types::SdesItem::CNAME, cname);
        let chunk = rtcp_types::SdesChunk::builder(ssrc).add_item(item);
        self.append(&rtcp_types::Sdes::builder().add_chunk(chunk));
        self
    }

    /// Adds a BYE, of `ssrcs` the first 31.
    pub fn bye(mut self, ssrcs: &[u32]) -> Self {
        let bye = rtcp_types::Bye::builder();
        self.append(
            &ssrcs
                .iter()
                .take(MAX_COUNT)
                .fold(bye, |bye, ssrc| bye.add_source(*ssrc)),
        );
        self
    }

    /// Adds a generic NACK for `lost`, of which the first [`MAX_NACKED`] are written; nothing when it is empty. Smallest when
    /// they are in order.
    pub fn nack(mut self, sender: u32, media: u32, lost: &[u16]) -> Self {
        let lost = &lost[..lost.len().min(MAX_NACKED)];
        if lost.is_empty() {
            return self;
        }
        self.feedback(
            packet_type::TRANSPORT_FEEDBACK,
            format::NACK,
            sender,
            media,
            |data| write_nacked(data, lost),
        );
        self
    }

    /// Adds a picture loss indication.
    pub fn pli(mut self, sender: u32, media: u32) -> Self {
        self.feedback(
            packet_type::PAYLOAD_FEEDBACK,
            format::PLI,
            sender,
            media,
            |_| {},
        );
        self
    }

    /// Adds a full intra request for streams with their command numbers; nothing when there are none.
    pub fn fir(mut self, sender: u32, entries: &[(u32, u8)]) -> Self {
        if entries.is_empty() {
            return self;
        }
        // The media SSRC is unused (RFC 5104 §4.3.1.2).
        self.feedback(
            packet_type::PAYLOAD_FEEDBACK,
            format::FIR,
            sender,
            0,
            |data| {
                for (ssrc, sequence) in entries.iter().take(MAX_NACKED) {
                    data.extend_from_slice(&ssrc.to_be_bytes());
                    data.extend_from_slice(&[*sequence, 0, 0, 0]);
                }
            },
        );
        self
    }

    /// Adds a REMB. The bitrate is rounded down to 18 significant bits; of `ssrcs` the first 255 are written.
    pub fn remb(mut self, sender: u32, bitrate: u64, ssrcs: &[u32]) -> Self {
        let ssrcs = &ssrcs[..ssrcs.len().min(usize::from(u8::MAX))];
        let exponent = (u64::BITS - bitrate.leading_zeros()).saturating_sub(18);
        let mantissa = (bitrate >> exponent) as u32;
        self.feedback(
            packet_type::PAYLOAD_FEEDBACK,
            format::APPLICATION,
            sender,
            0,
            |data| {
                data.extend_from_slice(b"REMB");
                data.extend_from_slice(
                    &((ssrcs.len() as u32) << 24 | exponent << 18 | mantissa).to_be_bytes(),
                );
                data.extend(ssrcs.iter().flat_map(|ssrc| ssrc.to_be_bytes()));
            },
        );
        self
    }

    /// Adds transport-wide feedback, of which the first [`super::MAX_STATUSES`] statuses are written; nothing when it has
    /// none.
    pub fn transport_cc(mut self, feedback: &TransportFeedback) -> Self {
        if feedback.deltas.is_empty() {
            return self;
        }
        let TransportFeedback { sender, media, .. } = *feedback;
        self.feedback(
            packet_type::TRANSPORT_FEEDBACK,
            format::TRANSPORT_CC,
            sender,
            media,
            |data| feedback.write(data),
        );
        self
    }

    /// True when nothing was added.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Length so far, in bytes.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// The finished packet.
    pub fn finish(self) -> Vec<u8> {
        self.data
    }

    fn append(&mut self, packet: &impl RtcpPacketWriter) {
        let size = packet
            .calculate_size()
            .expect("counts and lengths were cut to what the fields hold");
        let start = self.data.len();
        self.data.resize(start + size, 0);
        packet.write_into_unchecked(&mut self.data[start..]);
    }

    /// A feedback message (RFC 4585 §6.1); `control` appends its control information.
    fn feedback(
        &mut self,
        packet_type: u8,
        format: u8,
        sender: u32,
        media: u32,
        control: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.data.len();
        self.data
            .extend_from_slice(&[0x80 | format, packet_type, 0, 0]);
        self.data.extend_from_slice(&sender.to_be_bytes());
        self.data.extend_from_slice(&media.to_be_bytes());
        control(&mut self.data);
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        let words = (self.data.len() - start - HEADER_LEN) / 4;
        let words = u16::try_from(words).expect("each message is bounded far below 256 KiB");
        self.data[start + 2..start + HEADER_LEN].copy_from_slice(&words.to_be_bytes());
    }
}

/// Each entry holds a sequence number and a mask of the 16 after it (RFC 4585 §6.2.1).
fn write_nacked(data: &mut Vec<u8>, lost: &[u16]) {
    let mut rest = lost;
    while let Some((&first, later)) = rest.split_first() {
        let ahead = |sequence: &u16| (1..=16).contains(&sequence.wrapping_sub(first));
        let (masked, later) =
            later.split_at(later.iter().take_while(|sequence| ahead(sequence)).count());
        let mask = masked.iter().fold(0u16, |mask, sequence| {
            mask | 1 << (sequence.wrapping_sub(first) - 1)
        });
        data.extend_from_slice(&first.to_be_bytes());
        data.extend_from_slice(&mask.to_be_bytes());
        rest = later;
    }
}

impl From<&ReportBlock> for rtcp_types::ReportBlockBuilder {
    fn from(block: &ReportBlock) -> Self {
        rtcp_types::ReportBlock::builder(block.ssrc)
            .fraction_lost(block.fraction_lost)
            // 24 bits with a sign.
            .cumulative_lost(
                block.cumulative_lost.clamp(-(1 << 23), (1 << 23) - 1) as u32 & 0x00FF_FFFF,
            )
            .extended_sequence_number(block.highest_sequence)
            .interarrival_jitter(block.jitter)
            .last_sender_report_timestamp(block.last_sender_report)
            .delay_since_last_sender_report_timestamp(block.delay)
    }
}
