// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nonces that the server need not remember (RFC 8489 §9.2): the time and a code over the time and the client's address.

use super::path::FiveTuple;
use aws_lc_rs::{constant_time, hmac};
use std::net::IpAddr;
use std::time::Duration;

/// How long a nonce is good. A client that uses an older one gets 438 and the next.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// Bytes of a nonce before base64, which makes them 16 characters.
const LENGTH: usize = 12;
const TIME: usize = 4;

/// What a nonce says before it says anything else, when there is room (RFC 8489 §9.2, table 1): that the server knows
/// password algorithms.
pub(super) const COOKIE: &str = "obMatJos2gAAA";

/// Makes and checks nonces.
pub(super) struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    pub(super) fn new(key: &[u8; 32]) -> Nonces {
        Nonces {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// For a client, at a time since the server's start. `wide` ones begin with [`COOKIE`].
    pub(super) fn make(&self, client: &FiveTuple, now: Duration, wide: bool) -> String {
        let time = (now.as_secs() as u32).to_be_bytes();
        let mut bytes = [0; LENGTH];
        bytes[..TIME].copy_from_slice(&time);
        bytes[TIME..].copy_from_slice(&self.code(client, time, wide));
        let cookie = if wide { COOKIE } else { "" };
        format!("{cookie}{}", openssl::base64::encode_block(&bytes))
    }

    /// Whether a nonce is one that this client got, and not too long ago.
    pub(super) fn is_good(&self, nonce: &str, client: &FiveTuple, now: Duration) -> bool {
        let (wide, text) = match nonce.strip_prefix(COOKIE) {
            Some(rest) => (true, rest),
            None => (false, nonce),
        };
        if text.len() != 16 {
            return false;
        }
        let Ok(bytes) = openssl::base64::decode_block(text) else {
            return false;
        };
        let Some((time, code)) = bytes.split_first_chunk::<TIME>() else {
            return false;
        };
        let made = Duration::from_secs(u32::from_be_bytes(*time).into());
        let age = Duration::from_secs(now.as_secs()).checked_sub(made);
        constant_time::verify_slices_are_equal(code, &self.code(client, *time, wide)).is_ok()
            && age.is_some_and(|age| age < LIFETIME)
    }

    fn code(&self, client: &FiveTuple, time: [u8; TIME], wide: bool) -> [u8; LENGTH - TIME] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&time);
        context.update(&[client.transport as u8, wide.into()]);
        context.update(&client.client.port().to_be_bytes());
        match client.client.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        let tag = context.sign();
        let (code, _) = tag
            .as_ref()
            .split_first_chunk()
            .expect("a SHA-256 code has 32 bytes");
        *code
    }
}
