// SPDX-License-Identifier: MIT OR Apache-2.0
//! The STUN messages of ICE (RFC 8489, RFC 8445 §7), as far as the `is` crate leaves them to us.

use aws_lc_rs::hmac;
use is::Sha1HmacProvider;

pub(super) type TransactionId = [u8; 12];

const BINDING_REQUEST: u16 = 0x0001;
const MAGIC_COOKIE: u32 = 0x2112_a442;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const PRIORITY: u16 = 0x0024;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// HMAC-SHA1 of STUN's message integrity.
#[derive(Debug)]
pub(super) struct StunHmac;

impl Sha1HmacProvider for StunHmac {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let mut context = hmac::Context::with_key(&key);
        for payload in payloads {
            context.update(payload);
        }
        context
            .sign()
            .as_ref()
            .try_into()
            .expect("HMAC-SHA1 gives 20 bytes")
    }
}

pub(super) fn sha1_hmac(key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
    StunHmac.sha1_hmac(key, payloads)
}

/// The transaction id of a message that was parsed.
pub(super) fn transaction_id(data: &[u8]) -> Option<TransactionId> {
    data.get(8..20)?.try_into().ok()
}

/// A check of a controlled agent (RFC 8445 §7.1).
///
/// Written here and not by the `is` crate because its transaction ids come from a generator whose output can be predicted,
/// and the answer to this check proves that the peer is at the address it claims.
pub(super) fn controlled_check(
    id: TransactionId,
    username: &str,
    remote_pwd: &str,
    priority: u32,
    tie_breaker: u64,
) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    message.extend_from_slice(&BINDING_REQUEST.to_be_bytes());
    message.extend_from_slice(&[0; 2]);
    message.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
    message.extend_from_slice(&id);
    attribute(&mut message, USERNAME, username.as_bytes());
    attribute(&mut message, PRIORITY, &priority.to_be_bytes());
    attribute(&mut message, ICE_CONTROLLED, &tie_breaker.to_be_bytes());
    set_length(&mut message, 24);
    let integrity = sha1_hmac(remote_pwd.as_bytes(), &[&message]);
    attribute(&mut message, MESSAGE_INTEGRITY, &integrity);
    set_length(&mut message, 8);
    let fingerprint = crc32(&message) ^ FINGERPRINT_XOR;
    attribute(&mut message, FINGERPRINT, &fingerprint.to_be_bytes());
    message
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&(value.len() as u16).to_be_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// Integrity and fingerprint are taken with the length that the message has after them (RFC 8489 §14.5, §14.7).
fn set_length(message: &mut [u8], coming: usize) {
    let len = (message.len() - 20 + coming) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

/// CRC-32 of ISO 3309, bit by bit: one short message now and then does not pay for a table.
pub(super) fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use is::stun::StunMessage;

    #[test]
    fn a_check_carries_what_rfc_8445_demands() {
        let data = controlled_check([7; 12], "remote:local", "the-password", 1234, 99);
        let message = StunMessage::parse(&data).expect("a whole STUN message");
        assert!(message.is_binding_request());
        assert_eq!(message.username(), Some("remote:local"));
        assert_eq!(message.prio(), Some(1234));
        assert_eq!(message.ice_controlled(), Some(99));
        assert!(message.verify(b"the-password", sha1_hmac));
        assert!(!message.verify(b"another-password", sha1_hmac));
    }

    #[test]
    fn crc32_has_the_check_value_of_its_catalogue_entry() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
