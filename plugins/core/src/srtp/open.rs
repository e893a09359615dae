// SPDX-License-Identifier: MIT OR Apache-2.0

use super::replay::{ReplayTable, ReplayWindow};
use super::transform::Transform;
use super::{KeyLengthError, MasterKey, SrtpProfile, read_u32, rtp_header_len};

/// How many sources one peer may send, counted separately for RTP and RTCP. Further ones are refused.
pub const MAX_SOURCES: usize = 128;

/// Why a packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not an SRTP or SRTCP packet: too short, or a length that lies.
    #[error("malformed packet")]
    Malformed,
    /// The tag is wrong: forged, damaged, or under other keys.
    #[error("wrong authentication tag")]
    Forged,
    /// Taken before, or older than the replay window.
    #[error("replayed or too old")]
    Replayed,
    /// A source beyond [`MAX_SOURCES`].
    #[error("too many sources")]
    TooManySources,
}

/// Opens what a peer sends: its keys, and one replay window for each of its sources.
///
/// A source gets state only by an authentic packet. Its roll-over counter starts at 0, as RFC 3711 §3.3.1 has it.
pub struct Opener {
    rtp: Transform,
    rtcp: Transform,
    rtp_sources: ReplayTable,
    rtcp_sources: ReplayTable,
}

impl Opener {
    /// An opener for the keys of the peer.
    ///
    /// # Errors
    /// When key or salt do not have the lengths of the profile.
    pub fn new(profile: SrtpProfile, master: MasterKey<'_>) -> Result<Opener, KeyLengthError> {
        Ok(Opener {
            rtp: Transform::rtp(profile, master)?,
            rtcp: Transform::rtcp(profile, master)?,
            rtp_sources: ReplayTable::default(),
            rtcp_sources: ReplayTable::default(),
        })
    }

    /// Opens an SRTP packet in place and returns its plain length.
    ///
    /// # Errors
    /// [`OpenError`]; the content of `packet` is then unspecified.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let plain = packet
            .len()
            .checked_sub(self.rtp.tag_len())
            .ok_or(OpenError::Malformed)?;
        let header = rtp_header_len(&packet[..plain]).ok_or(OpenError::Malformed)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = read_u32(packet, 8).ok_or(OpenError::Malformed)?;
        let window = admit(&mut self.rtp_sources, ssrc)?;
        let index = window.map_or(sequence.into(), |window| window.estimate(sequence));
        check_replay(window, index)?;
        let len = self
            .rtp
            .open_rtp(packet, header, index)
            .ok_or(OpenError::Forged)?;
        self.rtp_sources.take(ssrc, index);
        Ok(len)
    }

    /// Opens an SRTCP packet in place and returns its plain length.
    ///
    /// # Errors
    /// [`OpenError`]; the content of `packet` is then unspecified.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let index = self.rtcp.rtcp_index(packet).ok_or(OpenError::Malformed)?;
        let ssrc = read_u32(packet, 4).ok_or(OpenError::Malformed)?;
        check_replay(admit(&mut self.rtcp_sources, ssrc)?, index.into())?;
        let len = self
            .rtcp
            .open_rtcp(packet, index)
            .ok_or(OpenError::Forged)?;
        self.rtcp_sources.take(ssrc, index.into());
        Ok(len)
    }
}

/// The window of a source, or `None` for a new one while there is room.
fn admit(sources: &mut ReplayTable, ssrc: u32) -> Result<Option<ReplayWindow>, OpenError> {
    match sources.find(ssrc).copied() {
        None if sources.len() >= MAX_SOURCES => Err(OpenError::TooManySources),
        window => Ok(window),
    }
}

fn check_replay(window: Option<ReplayWindow>, index: u64) -> Result<(), OpenError> {
    match window {
        Some(window) if !window.is_new(index) => Err(OpenError::Replayed),
        _ => Ok(()),
    }
}
