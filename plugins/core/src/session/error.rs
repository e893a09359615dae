// SPDX-License-Identifier: MIT OR Apache-2.0

/// Why a session could not be made, or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No connectivity check got through in time.
    #[error(
        "no ICE connectivity within 30 s: check that the listening port is reachable over UDP, and that `public-address` is set behind a NAT"
    )]
    IceTimeout,
    /// ICE was connected, and then nothing authentic came for 30 s.
    #[error("the peer fell silent for 30 s; it has to reconnect")]
    ConsentLost,
    /// ICE works, and the DTLS handshake did not finish in time.
    #[error(
        "the DTLS handshake did not finish within 30 s: the path may drop large datagrams, or the peer may refuse our certificate"
    )]
    DtlsTimeout,
    /// The certificate is not the one that the description announces.
    #[error(
        "the peer's certificate does not match the fingerprint of its description; the connection may be intercepted"
    )]
    FingerprintMismatch,
    /// The description has no fingerprint that can be relied on.
    #[error(
        "the description has no usable fingerprint: one of sha-256, sha-384 or sha-512 is needed"
    )]
    NoFingerprint,
    /// The peer shares no SRTP profile with us.
    #[error(
        "the peer offers no SRTP profile that we have; it must support AES-GCM or AES128_CM_HMAC_SHA1_80"
    )]
    NoSrtpProfile,
    /// The peer aborted the handshake, or broke its rules.
    #[error("DTLS failed: {0}")]
    Dtls(String),
    /// A user name fragment or password breaks the rules of RFC 8839 §5.4.
    #[error(
        "the ICE credentials are unusable: 4 to 256 characters of ice-ufrag and 22 to 256 of ice-pwd are needed"
    )]
    BadCredentials,
    /// OpenSSL or the cipher library refused to set something up.
    #[error("the cryptography library refused: {0}")]
    Crypto(String),
}

impl From<openssl::error::ErrorStack> for SessionError {
    fn from(error: openssl::error::ErrorStack) -> Self {
        SessionError::Crypto(error.to_string())
    }
}
