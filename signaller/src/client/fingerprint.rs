// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificate fingerprints (RFC 8122 §5): read from SDP, made from certificates.

use gst_sdp::{SDPMediaRef, SDPMessageRef};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::X509Ref;
use std::fmt;

/// The hash of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// The hash functions taken. Neither MD5 nor SHA-1: they can be forged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Algorithm> {
        match name.to_ascii_lowercase().as_str() {
            "sha-256" => Some(Algorithm::Sha256),
            "sha-384" => Some(Algorithm::Sha384),
            "sha-512" => Some(Algorithm::Sha512),
            _ => None,
        }
    }

    fn digest(self) -> MessageDigest {
        match self {
            Algorithm::Sha256 => MessageDigest::sha256(),
            Algorithm::Sha384 => MessageDigest::sha384(),
            Algorithm::Sha512 => MessageDigest::sha512(),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.algorithm {
            Algorithm::Sha256 => "sha-256",
            Algorithm::Sha384 => "sha-384",
            Algorithm::Sha512 => "sha-512",
        };
        let hex: Vec<String> = self
            .bytes
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        write!(f, "{name} {}", hex.join(":"))
    }
}

impl Fingerprint {
    /// Reads the value of an `a=fingerprint` line. None for other hash functions and for malformed ones.
    pub fn parse(value: &str) -> Option<Fingerprint> {
        let (name, hex) = value.trim().split_once(' ')?;
        let algorithm = Algorithm::parse(name)?;
        let bytes = hex.trim().split(':').map(|pair| match pair.len() {
            2 => u8::from_str_radix(pair, 16).ok(),
            _ => None,
        });
        let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
        (bytes.len() == algorithm.digest().size()).then_some(Fingerprint { algorithm, bytes })
    }

    /// The SHA-256 of a certificate.
    pub(super) fn of(certificate: &X509Ref) -> Result<Fingerprint, ErrorStack> {
        let algorithm = Algorithm::Sha256;
        let digest = certificate.digest(algorithm.digest())?;
        Ok(Fingerprint {
            algorithm,
            bytes: digest.to_vec(),
        })
    }

    /// Whether the certificate has this fingerprint.
    pub(super) fn is_of(&self, certificate: &X509Ref) -> bool {
        certificate
            .digest(self.algorithm.digest())
            .is_ok_and(|digest| digest.as_ref() == self.bytes)
    }

    /// All that a description gives, of the session and of its media.
    pub(super) fn all_in(sdp: &SDPMessageRef) -> Vec<Fingerprint> {
        let session = sdp
            .attributes()
            .filter(|a| a.key() == "fingerprint")
            .filter_map(|a| a.value());
        let media = sdp
            .medias()
            .flat_map(SDPMediaRef::attributes)
            .filter(|a| a.key() == "fingerprint")
            .filter_map(|a| a.value());
        let mut all: Vec<Fingerprint> = Vec::new();
        for fingerprint in session.chain(media).filter_map(Fingerprint::parse) {
            if !all.contains(&fingerprint) {
                all.push(fingerprint);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strong_and_whole_ones_are_read() {
        let whole = format!("SHA-256 {}", ["aB"; 32].join(":"));
        assert_eq!(
            Fingerprint::parse(&whole).expect("a fingerprint").bytes,
            [0xab; 32]
        );
        for bad in [
            "",
            "sha-256",
            "sha-256 AB",
            &format!("sha-1 {}", ["AB"; 20].join(":")),
            &format!("sha-256 {}", ["A"; 32].join(":")),
            &whole.replace("aB", "xy"),
        ] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_certificate_has_its_own_and_no_other() {
        let [ours, other] = [(); 2].map(|()| {
            super::super::certificate::Certificate::generate()
                .expect("a certificate")
                .x509
        });
        let fingerprint = Fingerprint::of(&ours).expect("a digest");
        assert!(fingerprint.is_of(&ours) && !fingerprint.is_of(&other));
        assert_eq!(
            Fingerprint::parse(&fingerprint.to_string()),
            Some(fingerprint)
        );
    }
}
