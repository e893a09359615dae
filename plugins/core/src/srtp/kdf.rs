// SPDX-License-Identifier: MIT OR Apache-2.0
//! Session keys from master keys: RFC 3711 §4.3 with the AES-CM PRF, RFC 6188 for 256-bit keys, RFC 7714 §11 for 12-byte salts.

use super::MasterKey;
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// What a key is for (RFC 3711 §4.3.2, RFC 6904 §3.1.1). The RTCP labels are the RTP ones plus 3.
#[derive(Clone, Copy)]
pub(super) enum Label {
    RtpCipher = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpCipher = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
    HeaderCipher = 6,
    HeaderSalt = 7,
}

/// An AES key for counter mode, or `None` when the length is neither 16 nor 32 bytes.
pub(super) fn counter_key(key: &[u8]) -> Option<EncryptingKey> {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).ok()?).ok()
}

/// XORs the keystream that starts at `iv` into `data`.
pub(super) fn counter_mode(key: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) {
    key.less_safe_encrypt(data, EncryptionContext::Iv128(FixedLength::from(&iv)))
        .expect("counter mode takes any length and a 16-byte IV");
}

/// Fills `out` with the session key of a label. The key derivation rate is 0, so there is one derivation per session.
pub(super) fn derive(master: MasterKey<'_>, label: Label, out: &mut [u8]) -> Option<()> {
    let mut iv = [0; 16];
    // The salt is 112 bits; the 96 bits of GCM are padded at the end (RFC 7714 §11). The last 16 bits are the counter.
    iv.get_mut(..14)?
        .get_mut(..master.salt.len())?
        .copy_from_slice(master.salt);
    iv[7] ^= label as u8;
    out.fill(0);
    counter_mode(&counter_key(master.key)?, iv, out);
    Some(())
}
