// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which web pages may use the server (RFC 6454): cross-site WebSocket hijacking ends here.

use crate::rooms::{Code, Refusal};
use axum::http::{HeaderMap, header};
use std::sync::Arc;

/// Web origins whose pages may use the server, besides its own.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Arc<[String]>);

impl AllowedOrigins {
    /// Takes `scheme://host[:port]`, or `*` for all.
    ///
    /// # Errors
    /// The text that is no origin, and what one looks like.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Result<AllowedOrigins, String> {
        origins
            .into_iter()
            .map(checked)
            .collect::<Result<Vec<_>, _>>()
            .map(|all| AllowedOrigins(all.into()))
    }

    fn contains(&self, origin: &str) -> bool {
        self.0
            .iter()
            .any(|o| o == "*" || o.eq_ignore_ascii_case(origin))
    }

    /// Lets pass: no `Origin` (not a browser), the server's own, an allowed one. Returns the origin for CORS.
    ///
    /// # Errors
    /// [`Code::NotAllowed`] for all others.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(None);
        };
        let origin = origin.to_str().unwrap_or("?");
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
        let own = host
            .is_some_and(|host| authority(origin).is_some_and(|a| a.eq_ignore_ascii_case(host)));
        if own || self.contains(origin) {
            return Ok(Some(origin.to_owned()));
        }
        let shown: String = origin
            .chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect();
        let text = format!(
            "pages of {shown} may not use this server; start it with --allow-origin {shown} if they should"
        );
        Err(Refusal::new(Code::NotAllowed, text))
    }
}

fn checked(origin: String) -> Result<String, String> {
    let plain = origin == "*"
        || authority(&origin)
            .is_some_and(|a| !a.is_empty() && !a.contains(['/', '?', '#', '@', ' ']));
    if plain {
        Ok(origin)
    } else {
        Err(format!(
            "\"{origin}\" is no web origin; write scheme://host or scheme://host:port without a path, or *"
        ))
    }
}

fn authority(origin: &str) -> Option<&str> {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn own_and_absent_origins_pass() {
        let none = AllowedOrigins::default();
        assert!(none.check(&headers("localhost:8080", None)).is_ok());
        assert!(
            none.check(&headers("localhost:8080", Some("http://localhost:8080")))
                .is_ok()
        );
        assert!(
            none.check(&headers("rtc.example.org", Some("https://rtc.example.org")))
                .is_ok()
        );
    }

    #[test]
    fn foreign_origins_do_not() {
        let none = AllowedOrigins::default();
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:8081",
            "http://localhost:8080.evil.example",
            "file://",
        ] {
            assert!(
                none.check(&headers("localhost:8080", Some(origin)))
                    .is_err(),
                "{origin}"
            );
        }
    }

    #[test]
    fn allowed_origins_pass() {
        let some = AllowedOrigins::new(["https://app.example".to_owned()]).expect("an origin");
        assert!(
            some.check(&headers("localhost:8080", Some("https://app.example")))
                .is_ok()
        );
        assert!(
            some.check(&headers("localhost:8080", Some("https://app.example.evil")))
                .is_err()
        );
        assert!(AllowedOrigins::new(["app.example".to_owned()]).is_err());
        assert!(AllowedOrigins::new(["https://app.example/path".to_owned()]).is_err());
    }
}
