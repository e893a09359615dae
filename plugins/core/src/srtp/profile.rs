// SPDX-License-Identifier: MIT OR Apache-2.0

/// An SRTP protection profile, as DTLS negotiates it (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SrtpProfile {
    /// `SRTP_AEAD_AES_128_GCM`, 16-byte tag.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`, 16-byte tag.
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80`, 10-byte tag.
    Aes128CmSha1_80,
}

impl SrtpProfile {
    /// All profiles in the default order of preference.
    pub const PREFERRED: [SrtpProfile; 3] = [
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmSha1_80,
    ];

    /// Bytes of the master key.
    pub const fn key_len(self) -> usize {
        match self {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::Aes128CmSha1_80 => 16,
            SrtpProfile::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => 12,
            SrtpProfile::Aes128CmSha1_80 => 14,
        }
    }

    /// Bytes of the authentication tag.
    pub const fn tag_len(self) -> usize {
        match self {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => 16,
            SrtpProfile::Aes128CmSha1_80 => 10,
        }
    }

    /// The name by which OpenSSL knows the profile.
    pub(crate) const fn openssl_name(self) -> &'static str {
        match self {
            SrtpProfile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            SrtpProfile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
            SrtpProfile::Aes128CmSha1_80 => "SRTP_AES128_CM_SHA1_80",
        }
    }

    pub(crate) fn from_openssl_name(name: &str) -> Option<SrtpProfile> {
        SrtpProfile::PREFERRED
            .into_iter()
            .find(|profile| profile.openssl_name() == name)
    }
}
