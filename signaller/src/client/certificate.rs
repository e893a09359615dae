// SPDX-License-Identifier: MIT OR Apache-2.0
//! A certificate of our own for the DTLS of `webrtcbin`: ECDSA with P-256, which every peer accepts (RFC 8827 §6.5).
//!
//! `webrtcbin` has no property for it, but its DTLS decoders have. What it then writes as `a=fingerprint` is wrong in 1.22:
//! it hashes the key along with the certificate. So the fingerprint is corrected in what is sent.

use super::fingerprint::Fingerprint;
use gst::prelude::*;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::{X509, X509Name};

/// How long it is valid: longer than any call.
const DAYS: u32 = 30;

/// A self-signed certificate with its key.
pub(super) struct Certificate {
    pub(super) x509: X509,
    pem: String,
}

/// An SDP with these fingerprints in place of those it has.
pub(super) fn with_fingerprint(sdp: &str, fingerprint: &Fingerprint) -> String {
    let ours = format!("a=fingerprint:{fingerprint}");
    let lines = sdp.lines().map(|line| {
        if line.starts_with("a=fingerprint:") {
            ours.as_str()
        } else {
            line
        }
    });
    lines.flat_map(|line| [line, "\r\n"]).collect()
}

impl Certificate {
    /// Draws a key and signs.
    pub(super) fn generate() -> Result<Certificate, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let mut name = X509Name::builder()?;
        name.append_entry_by_text("CN", "WebRTC")?;
        let name = name.build();
        let mut serial = BigNum::new()?;
        serial.rand(64, MsbOption::ONE, false)?;
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_serial_number(&*serial.to_asn1_integer()?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(&key)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(DAYS)?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        let x509 = builder.build();
        let mut pem = x509.to_pem()?;
        pem.extend(key.private_key_to_pem_pkcs8()?);
        let pem = String::from_utf8_lossy(&pem).into_owned();
        Ok(Certificate { x509, pem })
    }

    /// Gives it to every DTLS decoder that `webrtcbin` makes from now on. It makes them with the first description, before
    /// it puts the fingerprint into it.
    pub(super) fn give_to(self, webrtcbin: &gst::Bin) {
        webrtcbin.connect_deep_element_added(move |_, _, element| {
            let is_decoder = element
                .factory()
                .is_some_and(|factory| factory.name() == "dtlssrtpdec");
            if is_decoder && element.has_property("pem") {
                element.set_property("pem", &self.pem);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fingerprint_is_replaced_and_nothing_else() {
        let certificate = Certificate::generate().expect("a certificate");
        let fingerprint = Fingerprint::of(&certificate.x509).expect("a fingerprint");
        let sdp = "v=0\r\na=fingerprint:sha-256 AA\r\nm=audio 9 X 0\r\na=fingerprint:sha-1 BB\r\n";
        let wanted = format!(
            "v=0\r\na=fingerprint:{fingerprint}\r\nm=audio 9 X 0\r\na=fingerprint:{fingerprint}\r\n"
        );
        assert_eq!(with_fingerprint(sdp, &fingerprint), wanted);
    }
}
