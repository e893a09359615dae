// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cookies of DTLS (RFC 6347 §4.2.1): who has one receives where it says it is.

use gst_rtc_core::turn::FiveTuple;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Bytes of a cookie.
pub(super) const LENGTH: usize = 16;
/// How often cookies change. Those of the time before are good as well.
const PERIOD: Duration = Duration::from_secs(60);

/// One cookie.
pub(super) type Cookie = [u8; LENGTH];

/// The one to give to a client, and those to take from it.
#[derive(Clone, Copy, Default)]
pub(super) struct Pair {
    fresh: Cookie,
    old: Cookie,
}

impl Pair {
    pub(super) fn fresh(&self) -> &Cookie {
        &self.fresh
    }

    pub(super) fn accepts(&self, cookie: &[u8]) -> bool {
        [self.fresh, self.old]
            .iter()
            .any(|good| cookie.len() == LENGTH && memcmp::eq(good, cookie))
    }
}

/// Makes cookies, and need not remember them.
pub(super) struct Baker {
    key: PKey<Private>,
    started: Instant,
}

impl Baker {
    pub(super) fn new(now: Instant, key: &[u8; 32]) -> Result<Baker, ErrorStack> {
        Ok(Baker {
            key: PKey::hmac(key)?,
            started: now,
        })
    }

    /// Those of a client.
    pub(super) fn pair(&self, now: Instant, path: &FiveTuple) -> Result<Pair, ErrorStack> {
        let periods = now.saturating_duration_since(self.started).as_secs() / PERIOD.as_secs();
        Ok(Pair {
            fresh: self.bake(periods + 1, path)?,
            old: self.bake(periods, path)?,
        })
    }

    fn bake(&self, period: u64, path: &FiveTuple) -> Result<Cookie, ErrorStack> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        signer.update(&period.to_be_bytes())?;
        for end in [path.client, path.server] {
            add(&mut signer, end)?;
        }
        let mut code = [0; 32];
        signer.sign(&mut code)?;
        let (cookie, _) = code.split_first_chunk().expect("a code is longer");
        Ok(*cookie)
    }
}

fn add(signer: &mut Signer<'_>, end: SocketAddr) -> Result<(), ErrorStack> {
    signer.update(&end.port().to_be_bytes())?;
    match end.ip() {
        IpAddr::V4(ip) => signer.update(&ip.octets()),
        IpAddr::V6(ip) => signer.update(&ip.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_rtc_core::turn::Transport;

    #[test]
    fn a_cookie_is_good_for_one_client_and_some_time() {
        let now = Instant::now();
        let baker = Baker::new(now, &[7; 32]).expect("OpenSSL works");
        let path = |port| FiveTuple {
            transport: Transport::Dtls,
            client: SocketAddr::from(([198, 51, 100, 1], port)),
            server: SocketAddr::from(([198, 51, 100, 2], 5349)),
        };
        let at = |now, port| baker.pair(now, &path(port)).expect("OpenSSL works");
        let cookie = *at(now, 1000).fresh();
        assert!(at(now, 1000).accepts(&cookie));
        assert!(
            at(now + PERIOD, 1000).accepts(&cookie),
            "of the time before"
        );
        assert!(!at(now + 2 * PERIOD, 1000).accepts(&cookie), "too old");
        assert!(!at(now, 1001).accepts(&cookie), "of another client");
        assert!(!at(now, 1000).accepts(&cookie[1..]), "cut");
        assert!(!at(now, 1000).accepts(&[]), "none");
    }
}
