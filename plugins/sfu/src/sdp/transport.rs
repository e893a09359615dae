// SPDX-License-Identifier: MIT OR Apache-2.0
//! ICE (RFC 8839) and DTLS (RFC 8842) of the transport that all media shares.

use super::attributes::{of_media, of_session, split_word};
use super::error::{Section, excerpt};
use super::media::ParsedSection;
use super::{MAX_CANDIDATES, SdpError, bundle, parse_candidate};
use gst_rtc_core::media::{Candidate, Fingerprint, Setup, TransportDescription};
use gst_sdp::SDPMessageRef;

/// Most certificate hashes looked at.
const MAX_FINGERPRINTS: usize = 8;

/// Reads the m-line that speaks for all, and what the session says above it.
pub(super) fn parse(
    message: &SDPMessageRef,
    sections: &[ParsedSection],
) -> Result<TransportDescription, SdpError> {
    let tagged = bundle::tagged(message, sections);
    let mut own = Said::default();
    let mut session = Said::default();
    for (key, value) in of_session(message) {
        session.attribute(key, value)?;
    }
    if let Some(section) = tagged {
        let media = u32::try_from(section.index)
            .ok()
            .and_then(|index| message.media(index));
        for (key, value) in media.into_iter().flat_map(of_media) {
            own.attribute(key, value)?;
        }
    }
    let name = tagged.map_or_else(
        || Section {
            index: 0,
            mid: "0".into(),
        },
        ParsedSection::name,
    );
    own.or(session).finish(name)
}

/// The transport attributes of one place.
#[derive(Default)]
struct Said<'a> {
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    ice_lite: bool,
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    candidates: Vec<&'a str>,
}

impl<'a> Said<'a> {
    fn attribute(&mut self, key: &str, value: &'a str) -> Result<(), SdpError> {
        match key {
            "ice-ufrag" => self.ufrag = Some(value),
            "ice-pwd" => self.pwd = Some(value),
            "ice-lite" => self.ice_lite = true,
            "setup" => self.setup = Some(setup(value)?),
            "fingerprint" if self.fingerprints.len() < MAX_FINGERPRINTS => {
                self.fingerprints.extend(fingerprint(value)?);
            }
            // One more than allowed is enough to know.
            "candidate" if self.candidates.len() <= MAX_CANDIDATES => self.candidates.push(value),
            _ => {}
        }
        Ok(())
    }

    /// What is said in the m-line counts, the rest comes from the session.
    fn or(self, session: Said<'a>) -> Said<'a> {
        Said {
            ufrag: self.ufrag.or(session.ufrag),
            pwd: self.pwd.or(session.pwd),
            ice_lite: self.ice_lite || session.ice_lite,
            fingerprints: first_filled(self.fingerprints, session.fingerprints),
            setup: self.setup.or(session.setup),
            candidates: first_filled(self.candidates, session.candidates),
        }
    }

    fn finish(self, section: Section) -> Result<TransportDescription, SdpError> {
        let (Some(ufrag), Some(pwd)) = (self.ufrag, self.pwd) else {
            return Err(SdpError::NoIce);
        };
        if self.fingerprints.is_empty() {
            return Err(SdpError::NoFingerprint);
        }
        Ok(TransportDescription {
            ufrag: credential("ufrag", ufrag, 4)?,
            pwd: credential("pwd", pwd, 22)?,
            ice_lite: self.ice_lite,
            fingerprints: self.fingerprints,
            setup: self.setup.unwrap_or(Setup::ActPass),
            candidates: candidates(section, &self.candidates)?,
        })
    }
}

fn first_filled<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}

/// RFC 8839 §5.4 allows letters, digits, `+` and `/`; some agents use more, and only `:` would be ambiguous in a check.
fn credential(name: &'static str, value: &str, min: usize) -> Result<String, SdpError> {
    let printable = value.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if printable && (min..=256).contains(&value.len()) {
        Ok(value.to_owned())
    } else {
        Err(SdpError::IceCredential { name, min })
    }
}

fn setup(value: &str) -> Result<Setup, SdpError> {
    match value {
        "actpass" => Ok(Setup::ActPass),
        "active" => Ok(Setup::Active),
        "passive" => Ok(Setup::Passive),
        _ => Err(SdpError::Setup(excerpt(value))),
    }
}

/// `<hash> <hex>:<hex>:…`; `None` for a hash that cannot be checked.
fn fingerprint(value: &str) -> Result<Option<Fingerprint>, SdpError> {
    let (algorithm, digits) = split_word(value);
    let algorithm = algorithm.to_ascii_lowercase();
    let length = match algorithm.as_str() {
        "sha-1" => 20,
        "sha-224" => 28,
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return Ok(None),
    };
    let byte = |pair: &str| match pair.as_bytes() {
        [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
            u8::from_str_radix(pair, 16).ok()
        }
        _ => None,
    };
    match digits.split(':').map(byte).collect::<Option<Vec<u8>>>() {
        Some(bytes) if bytes.len() == length => Ok(Some(Fingerprint { algorithm, bytes })),
        _ => Err(SdpError::Fingerprint(algorithm)),
    }
}

fn candidates(section: Section, lines: &[&str]) -> Result<Vec<Candidate>, SdpError> {
    if lines.len() > MAX_CANDIDATES {
        return Err(SdpError::TooManyCandidates(section));
    }
    let mut candidates = Vec::with_capacity(lines.len());
    for line in lines {
        match parse_candidate(line) {
            Ok(candidate) => candidates.extend(candidate),
            Err(error) => return Err(SdpError::Candidate { section, error }),
        }
    }
    Ok(candidates)
}
