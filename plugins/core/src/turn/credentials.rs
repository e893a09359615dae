// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may relay: static users, and time-limited ones made from a shared secret.
//!
//! The time-limited form is that of draft-uberti-behave-turn-rest, which coturn and the back ends of browsers use: the user
//! name is `expiry:user` with the expiry in seconds of Unix time, the password is `base64(HMAC-SHA1(secret, user name))`.

use aws_lc_rs::hmac;
use std::collections::HashMap;
use std::fmt;

/// The credentials that the server knows. Shown without its secrets.
#[derive(Clone, Default)]
pub struct Credentials {
    /// What time-limited passwords are made of. Default: none, and so there are no such passwords.
    pub secret: Option<Vec<u8>>,
    /// Passwords of static users, by name. Default: none.
    pub users: HashMap<String, String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("secret", &self.secret.as_ref().map(|_| "(secret)"))
            .field("users", &self.users.keys())
            .finish()
    }
}

impl Credentials {
    /// The password of a user name at a time (Unix, seconds); `None` if there is none, or not any more.
    pub(super) fn password(&self, name: &str, unix: u64) -> Option<String> {
        if let Some(password) = self.users.get(name) {
            return Some(password.clone());
        }
        let secret = self.secret.as_ref().filter(|secret| !secret.is_empty())?;
        (expiry_of(name)? > unix).then(|| password_for(secret, name))
    }

    /// The name under which a user's relays are counted and revoked. A static user's is the whole name, even if it
    /// looks like a time-limited one.
    pub(super) fn user<'a>(&self, name: &'a str) -> &'a str {
        if self.users.contains_key(name) {
            name
        } else {
            user_of(name)
        }
    }
}

/// The password that belongs to a time-limited user name.
pub fn password_for(secret: &[u8], name: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    openssl::base64::encode_block(hmac::sign(&key, name.as_bytes()).as_ref())
}

/// What stands after `expiry:` in a time-limited user name; all of it when there is no such thing.
pub fn user_of(name: &str) -> &str {
    match name.split_once(':') {
        Some((expiry, user)) if !user.is_empty() && expiry.parse::<u64>().is_ok() => user,
        _ => name,
    }
}

fn expiry_of(name: &str) -> Option<u64> {
    name.split(':').next()?.parse().ok()
}
