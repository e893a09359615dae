// SPDX-License-Identifier: MIT OR Apache-2.0

use super::transform::Transform;
use super::{KeyLengthError, MasterKey, SRTCP_OVERHEAD, SrtpProfile};

/// The highest SRTCP index; after it the keys are used up (RFC 3711 §9.2).
const LAST_RTCP_INDEX: u32 = 0x7fff_ffff;

/// Seals what we send to a peer.
pub struct Sealer {
    rtp: Transform,
    rtcp: Transform,
    /// One counter for all our sources: the IV holds the SSRC too, so it never repeats.
    next_rtcp_index: u32,
}

impl Sealer {
    /// A sealer for our own keys.
    ///
    /// # Errors
    /// When key or salt do not have the lengths of the profile.
    pub fn new(profile: SrtpProfile, master: MasterKey<'_>) -> Result<Sealer, KeyLengthError> {
        Ok(Sealer {
            rtp: Transform::rtp(profile, master)?,
            rtcp: Transform::rtcp(profile, master)?,
            next_rtcp_index: 1,
        })
    }

    /// Seals the RTP packet `buf[..len]` in place, of which the first `header_len` bytes are its header.
    ///
    /// `index` is the 48-bit packet index, roll-over counter and sequence number (RFC 3711 §3.3.1); the counter of a new SSRC
    /// starts at 0. Under GCM an index of an SSRC must never carry two different packets: send a retransmission byte by byte
    /// as it was, or under another index.
    ///
    /// Returns the sealed length, or `None` when `buf` has no room for [`SRTP_OVERHEAD`](super::SRTP_OVERHEAD) more bytes or
    /// `header_len` is out of range.
    pub fn seal_rtp(
        &self,
        buf: &mut [u8],
        header_len: usize,
        len: usize,
        index: u64,
    ) -> Option<usize> {
        self.rtp.seal_rtp(buf, header_len, len, index)
    }

    /// Seals a compound RTCP packet in place. False when it has no RTCP header or the index is used up.
    pub fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        if self.next_rtcp_index > LAST_RTCP_INDEX {
            return false;
        }
        packet.reserve(SRTCP_OVERHEAD);
        let sealed = self.rtcp.seal_rtcp(packet, self.next_rtcp_index).is_some();
        self.next_rtcp_index += u32::from(sealed);
        sealed
    }
}
