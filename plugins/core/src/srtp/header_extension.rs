// SPDX-License-Identifier: MIT OR Apache-2.0
//! Encryption of RTP header extension elements (RFC 6904), with the AES-CM keystream of §3.1.1.

use super::cm;
use super::kdf::{self, Label};
use super::{MasterKey, read_u32, rtp_header_len};
use aws_lc_rs::cipher::EncryptingKey;

/// Profile words of RFC 8285: one-byte form, and two-byte form with its 4 application bits cleared.
const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;

/// Encrypts and decrypts the elements of some ids; what stays in the clear is ids, lengths and padding.
pub struct HeaderExtensionCipher {
    key: EncryptingKey,
    salt: [u8; 14],
}

impl HeaderExtensionCipher {
    /// The header keys derived from a master key of a counter mode profile; `None` when a length does not fit.
    pub fn new(master: MasterKey<'_>) -> Option<HeaderExtensionCipher> {
        let mut key = [0; 32];
        let key = key.get_mut(..master.key.len())?;
        let mut salt = [0; 14];
        kdf::derive(master, Label::HeaderCipher, key)?;
        kdf::derive(master, Label::HeaderSalt, &mut salt)?;
        Some(HeaderExtensionCipher {
            key: kdf::counter_key(key)?,
            salt,
        })
    }

    /// Encrypts, or decrypts, every element of a packet whose id `selected` names. `None` when the packet has no whole
    /// extension block. Comes before the payload is sealed, and after it is opened, since the tag covers the header.
    pub fn apply(
        &self,
        packet: &mut [u8],
        index: u64,
        selected: impl Fn(u8) -> bool,
    ) -> Option<()> {
        let header = rtp_header_len(packet).filter(|_| packet[0] & 0x10 != 0)?;
        let ssrc = read_u32(packet, 8)?;
        let start = 12 + 4 * usize::from(packet[0] & 0x0f);
        let profile = u16::from_be_bytes([packet[start], packet[start + 1]]);
        let block = packet.get_mut(start + 4..header)?;
        let mut keystream = vec![0; block.len()];
        kdf::counter_mode(&self.key, cm::iv(&self.salt, ssrc, index), &mut keystream);
        let mut at = 0;
        while let Some((id, data)) = element(profile, block, at) {
            if selected(id) {
                for i in data.clone() {
                    block[i] ^= keystream[i];
                }
            }
            at = data.end;
        }
        Some(())
    }
}

/// The first element at or after a position: its id and where its data lie. `None` at the end.
fn element(profile: u16, block: &[u8], mut at: usize) -> Option<(u8, std::ops::Range<usize>)> {
    while *block.get(at)? == 0 {
        at += 1;
    }
    let (id, start, len) = match profile {
        ONE_BYTE => (block[at] >> 4, at + 1, usize::from(block[at] & 0x0f) + 1),
        _ if profile & 0xfff0 == TWO_BYTE => (block[at], at + 2, usize::from(*block.get(at + 1)?)),
        _ => return None,
    };
    let stop = profile == ONE_BYTE && id == 15; // RFC 8285 §4.2: ends the block.
    (!stop && start + len <= block.len()).then_some((id, start..start + len))
}
