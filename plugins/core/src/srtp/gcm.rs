// SPDX-License-Identifier: MIT OR Apache-2.0
//! AES-GCM for SRTP and SRTCP (RFC 7714).

use super::MasterKey;
use super::kdf::{self, Label};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

pub(super) const TAG: usize = 16;

/// Key and salt of RTP or of RTCP in one direction.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(super) fn derive(master: MasterKey<'_>, cipher: Label, salt: Label) -> Option<Gcm> {
        let mut key = [0; 32];
        let key = key.get_mut(..master.key.len())?;
        let mut session_salt = [0; 12];
        kdf::derive(master, cipher, key)?;
        kdf::derive(master, salt, &mut session_salt)?;
        Gcm::new(key, session_salt)
    }

    pub(super) fn new(key: &[u8], salt: [u8; 12]) -> Option<Gcm> {
        let algorithm = if key.len() == 32 {
            &AES_256_GCM
        } else {
            &AES_128_GCM
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Gcm { key, salt })
    }

    /// The IV of RFC 7714 §8.1; that of SRTCP (§9.1) is the same with a 31-bit index.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = self.salt;
        for (byte, ssrc) in iv[2..6].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= ssrc;
        }
        for (byte, index) in iv[6..].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= index;
        }
        Nonce::assume_unique_for_key(iv)
    }

    /// Encrypts `text` and returns its tag.
    pub(super) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; TAG]> {
        let nonce = self.nonce(ssrc, index);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), text)
            .ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts `text`, which ends with its tag. True when the tag was right.
    pub(super) fn open(&self, ssrc: u32, index: u64, aad: &[u8], text: &mut [u8]) -> bool {
        self.key
            .open_in_place(self.nonce(ssrc, index), Aad::from(aad), text)
            .is_ok()
    }
}
