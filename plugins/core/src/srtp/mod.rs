// SPDX-License-Identifier: MIT OR Apache-2.0
//! SRTP and SRTCP: RFC 3711 (AES-CM with HMAC-SHA1-80) and RFC 7714 (AES-GCM), keyed by DTLS (RFC 5764).
//!
//! Packets are sealed and opened in place, without allocation. Of RFC 3711 left out, because WebRTC never uses it: MKI, key
//! derivation rates other than 0, the F8 and NULL ciphers, and unencrypted SRTCP, which is refused. Encrypted header
//! extensions (RFC 6904) have their transform in [`header_extension`]; nothing negotiates them yet.

mod cm;
mod gcm;
pub mod header_extension;
mod kdf;
mod open;
mod profile;
mod replay;
mod seal;
#[cfg(test)]
mod tests;
mod transform;

pub use open::{MAX_SOURCES, OpenError, Opener};
pub use profile::SrtpProfile;
pub use replay::{REPLAY_WINDOW, ReplayWindow};
pub use seal::Sealer;

/// The most bytes that sealing an RTP packet adds, in any profile: the GCM tag.
pub const SRTP_OVERHEAD: usize = 16;

/// The most bytes that sealing an RTCP packet adds, in any profile: the GCM tag and the index word.
pub const SRTCP_OVERHEAD: usize = SRTP_OVERHEAD + 4;

/// Master key and salt of one direction (RFC 3711 §3.2.1).
#[derive(Clone, Copy)]
pub struct MasterKey<'a> {
    /// [`SrtpProfile::key_len`] bytes.
    pub key: &'a [u8],
    /// [`SrtpProfile::salt_len`] bytes.
    pub salt: &'a [u8],
}

/// Keys of the wrong length for the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "SRTP key or salt length does not fit the profile {0:?}; pass key_len() and salt_len() bytes"
)]
pub struct KeyLengthError(pub SrtpProfile);

fn read_u32(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The length of an RTP header with its CSRCs and extension (RFC 3550 §5.1), or `None` when it does not fit.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let fixed = 12 + 4 * usize::from(first & 0x0f);
    let len = match first & 0x10 {
        0 => fixed,
        _ => {
            let words = packet.get(fixed + 2..fixed + 4)?;
            fixed + 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]))
        }
    };
    (first >> 6 == 2 && len <= packet.len()).then_some(len)
}
