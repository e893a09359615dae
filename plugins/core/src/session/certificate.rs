// SPDX-License-Identifier: MIT OR Apache-2.0

use super::SessionError;
use crate::media::Fingerprint;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    SslContext, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509NameBuilder, X509Ref};

/// What RFC 8827 §6.5 demands and more: forward secrecy and authenticated encryption, for RSA and ECDSA peers.
pub(super) const CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20";
/// Enough for any node's uptime; the peer trusts the fingerprint, not the dates.
const VALID_DAYS: u32 = 365;

/// Our certificate: ECDSA P-256, self-signed, with the DTLS settings all sessions share.
///
/// Costs some tens of KiB and a key generation; share it between sessions by `Arc`.
pub struct Certificate {
    context: SslContext,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// Makes a fresh key and certificate.
    ///
    /// # Errors
    /// [`SessionError::Crypto`] when OpenSSL refuses, as it may when its policy rules out P-256.
    pub fn generate() -> Result<Certificate, SessionError> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        Certificate::from_key(key, CIPHERS)
    }

    pub(super) fn from_key(key: PKey<Private>, ciphers: &str) -> Result<Certificate, SessionError> {
        let certificate = self_signed(&key)?;
        let bytes = certificate.digest(MessageDigest::sha256())?.to_vec();
        Ok(Certificate {
            context: context(&key, &certificate, ciphers)?,
            fingerprint: Fingerprint {
                algorithm: "sha-256".into(),
                bytes,
            },
        })
    }

    /// The SHA-256 fingerprint, to be announced in SDP (RFC 8122 §5).
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    pub(super) fn context(&self) -> &SslContext {
        &self.context
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// True when a fingerprint of a strong hash function is that of the certificate. Weak and unknown functions never match.
pub(super) fn matches(certificate: &X509Ref, fingerprint: &Fingerprint) -> bool {
    digest(&fingerprint.algorithm)
        .and_then(|function| certificate.digest(function).ok())
        .is_some_and(|digest| digest[..] == fingerprint.bytes[..])
}

/// True when the fingerprint can be relied on: SHA-2, and of the right length.
pub(super) fn is_usable(fingerprint: &Fingerprint) -> bool {
    digest(&fingerprint.algorithm)
        .is_some_and(|function| function.size() == fingerprint.bytes.len())
}

fn digest(algorithm: &str) -> Option<MessageDigest> {
    match algorithm.to_ascii_lowercase().as_str() {
        "sha-256" => Some(MessageDigest::sha256()),
        "sha-384" => Some(MessageDigest::sha384()),
        "sha-512" => Some(MessageDigest::sha512()),
        _ => None,
    }
}

fn self_signed(key: &PKey<Private>) -> Result<X509, SessionError> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "WebRTC")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(64, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    // A day back: clocks of peers that look at the dates may be behind ours.
    let yesterday = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().saturating_sub(86_400));
    builder.set_not_before(Asn1Time::from_unix(yesterday.cast_signed())?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(VALID_DAYS)?.as_ref())?;
    builder.set_pubkey(key)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn context(
    key: &PKey<Private>,
    certificate: &X509,
    ciphers: &str,
) -> Result<SslContext, SessionError> {
    let mut builder = SslContext::builder(SslMethod::dtls())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_cipher_list(ciphers)?;
    builder.set_options(
        SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    // A peer without a certificate is refused; each session replaces the callback by one that knows the fingerprints.
    builder.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        |_, _| false,
    );
    builder.set_certificate(certificate)?;
    builder.set_private_key(key)?;
    builder.check_private_key()?;
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(algorithm: &str, certificate: &X509, function: MessageDigest) -> Fingerprint {
        let bytes = certificate.digest(function).expect("a digest").to_vec();
        Fingerprint {
            algorithm: algorithm.into(),
            bytes,
        }
    }

    #[test]
    fn strong_fingerprints_match_in_any_case_and_sha_1_never() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
        let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
        let certificate = self_signed(&key).expect("a certificate");
        for (name, function) in [
            ("sha-256", MessageDigest::sha256()),
            ("SHA-256", MessageDigest::sha256()),
            ("sha-384", MessageDigest::sha384()),
            ("sha-512", MessageDigest::sha512()),
        ] {
            let mut good = fingerprint(name, &certificate, function);
            assert!(is_usable(&good) && matches(&certificate, &good), "{name}");
            good.bytes[5] ^= 1;
            assert!(!matches(&certificate, &good), "{name}");
            good.bytes.pop();
            assert!(!is_usable(&good) && !matches(&certificate, &good), "{name}");
        }
        for (name, function) in [
            ("sha-1", MessageDigest::sha1()),
            ("md5", MessageDigest::md5()),
        ] {
            let weak = fingerprint(name, &certificate, function);
            assert!(!is_usable(&weak) && !matches(&certificate, &weak), "{name}");
        }
    }
}
