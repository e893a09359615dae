// SPDX-License-Identifier: MIT OR Apache-2.0
//! The RTCP a peer is sent: reports, NACKs, transport feedback, keyframe requests.

use super::Peer;
use super::stream::Role;
use crate::engine::Moment;
use crate::id::TrackId;
use crate::rtcp::{Builder, ReportBlock, TransportFeedback};
use std::time::{Duration, Instant};

/// Report blocks one packet holds (RFC 3550 §6.4.1: a five-bit count).
const MAX_BLOCKS: usize = 31;
/// Sender reports in one compound packet, so that it stays below the MTU.
const MAX_SENDER_REPORTS: usize = 16;

impl Peer {
    /// Sender reports of the slots that send, a receiver report of what comes in.
    pub(crate) fn reports(&mut self, moment: &Moment) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let sending: Vec<_> = self
            .slots
            .iter()
            .filter_map(|slot| Some((slot, slot.sender_report(moment.now)?)))
            .collect();
        for chunk in sending.chunks(MAX_SENDER_REPORTS) {
            let mut compound = Builder::new();
            for (_, r) in chunk {
                compound =
                    compound.sender_report(r.ssrc, moment.ntp, r.rtp, r.packets, r.octets, &[]);
            }
            if let Some((slot, r)) = chunk.first() {
                compound =
                    compound.sdes(r.ssrc, slot.spec.ssrc.cname.as_deref().unwrap_or("gst-rtc"));
            }
            packets.push(compound.finish());
        }
        let blocks = self.report_blocks(moment.now);
        if packets.is_empty() || !blocks.is_empty() {
            packets.push(self.receiver_report(&blocks).finish());
        }
        packets
    }

    fn report_blocks(&mut self, now: Instant) -> Vec<ReportBlock> {
        let media = self
            .receiver
            .streams
            .iter_mut()
            .filter(|s| s.role == Role::Media);
        media
            .take(MAX_BLOCKS)
            .map(|s| s.reception.report_block(now))
            .collect()
    }

    fn receiver_report(&self, blocks: &[ReportBlock]) -> Builder {
        Builder::new().receiver_report(self.receiver.ssrc, blocks)
    }

    /// NACKs and transport feedback that are due, as one compound packet; empty when there are none.
    pub(crate) fn feedback(&mut self, now: Instant) -> Vec<u8> {
        let ssrc = self.receiver.ssrc;
        let mut compound = Builder::new();
        let round_trip = self.session.stats().round_trip.or(self.round_trip);
        for stream in &mut self.receiver.streams {
            let Some(nack) = &mut stream.nack else {
                continue;
            };
            if let Some(round_trip) = round_trip {
                nack.set_round_trip(round_trip);
            }
            if let Some(lost) = nack.poll(now) {
                compound = compound.nack(ssrc, stream.ssrc, &lost);
            }
        }
        if let Some(recorder) = &mut self.receiver.feedback {
            // The feedback is about the transport; which stream it names does not matter to the sender.
            let media = self.receiver.streams.first().map_or(0, |s| s.ssrc);
            while let Some(feedback) = recorder.poll(now) {
                compound = compound.transport_cc(&TransportFeedback {
                    sender: ssrc,
                    media,
                    ..feedback
                });
            }
        }
        let feedback = compound.finish();
        if feedback.is_empty() {
            return feedback;
        }
        // A report first, as RFC 3550 §6.1 wants it of peers that did not agree to reduced-size packets.
        let mut packet = self.receiver_report(&[]).finish();
        packet.extend(feedback);
        packet
    }

    /// A keyframe request for a track's layer: PLI (RFC 4585 §6.3.1), or FIR where only that was negotiated.
    pub(crate) fn keyframe_request(
        &self,
        track: TrackId,
        layer: u8,
        number: u8,
    ) -> Option<Vec<u8>> {
        let (media, line) = self.receiver.ssrc_of(track, layer)?;
        let feedback = |f: fn(&crate::media::Feedback) -> bool| {
            line.spec.payloads.iter().any(|p| f(&p.feedback))
        };
        let compound = self.receiver_report(&[]);
        let compound = if feedback(|f| f.pli) || !feedback(|f| f.fir) {
            compound.pli(self.receiver.ssrc, media)
        } else {
            compound.fir(self.receiver.ssrc, &[(media, number)])
        };
        Some(compound.finish())
    }
}

/// Round trip out of a report block (RFC 3550 §6.4.1, figure 2); `None` without an earlier sender report.
pub(crate) fn round_trip(now_ntp: u64, block: &ReportBlock) -> Option<Duration> {
    if block.last_sender_report == 0 {
        return None;
    }
    let now = (now_ntp >> 16) as u32;
    let units = now
        .wrapping_sub(block.last_sender_report)
        .wrapping_sub(block.delay);
    // More than a minute is a lie or a wrapped difference.
    (units < 60 << 16).then(|| Duration::from_secs_f64(f64::from(units) / 65_536.0))
}
