// SPDX-License-Identifier: MIT OR Apache-2.0
//! AES-CM with HMAC-SHA1-80 for SRTP and SRTCP (RFC 3711 §4.1.1, §4.2.1).

use super::MasterKey;
use super::kdf::{self, Label};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::{constant_time, hmac};

pub(super) const TAG: usize = 10;

/// Keys and salt of RTP or of RTCP in one direction.
pub(super) struct Cm {
    cipher: EncryptingKey,
    auth: hmac::Key,
    salt: [u8; 14],
}

impl Cm {
    pub(super) fn derive(
        master: MasterKey<'_>,
        cipher: Label,
        auth: Label,
        salt: Label,
    ) -> Option<Cm> {
        let (mut key, mut auth_key, mut session_salt) = ([0; 16], [0; 20], [0; 14]);
        kdf::derive(master, cipher, &mut key)?;
        kdf::derive(master, auth, &mut auth_key)?;
        kdf::derive(master, salt, &mut session_salt)?;
        Some(Cm {
            cipher: kdf::counter_key(&key)?,
            auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth_key),
            salt: session_salt,
        })
    }

    /// Encrypts or decrypts: counter mode is its own inverse.
    pub(super) fn apply(&self, ssrc: u32, index: u64, text: &mut [u8]) {
        kdf::counter_mode(&self.cipher, iv(&self.salt, ssrc, index), text);
    }

    pub(super) fn tag(&self, data: &[u8]) -> [u8; TAG] {
        let tag = hmac::sign(&self.auth, data);
        tag.as_ref()[..TAG]
            .try_into()
            .expect("HMAC-SHA1 gives 20 bytes")
    }

    pub(super) fn verify(&self, data: &[u8], tag: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.tag(data), tag).is_ok()
    }
}

/// `IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16)` (RFC 3711 §4.1.1).
pub(super) fn iv(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    for (byte, ssrc) in iv[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
        *byte ^= ssrc;
    }
    for (byte, index) in iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
        *byte ^= index;
    }
    iv
}
