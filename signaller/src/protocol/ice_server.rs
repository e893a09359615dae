// SPDX-License-Identifier: MIT OR Apache-2.0
//! ICE servers, as browsers take them and as people write them.

use super::Secret;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A STUN or TURN server, in the form of `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// TURN user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Secret>,
}

/// Reads `stun:host[:port]`, `turn[s]://user:password@host[:port][?transport=udp|tcp]`; `//` may be there or not, and
/// `user` and `password` may be percent-encoded, as in the `turn-server` property of `webrtcbin`.
impl FromStr for IceServer {
    type Err = String;

    fn from_str(text: &str) -> Result<IceServer, String> {
        let (scheme, rest) = text.split_once(':').ok_or_else(|| wrong(text))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, rest),
        };
        if host.is_empty()
            || host.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
        {
            return Err(wrong(text));
        }
        let urls = vec![format!("{scheme}:{host}")];
        match (scheme, credentials.and_then(|c| c.split_once(':'))) {
            ("stun" | "stuns", None) if credentials.is_none() => Ok(IceServer {
                urls,
                username: None,
                credential: None,
            }),
            ("turn" | "turns", Some((user, password))) => Ok(IceServer {
                urls,
                username: Some(decoded(user)?),
                credential: Some(decoded(password)?.into()),
            }),
            ("turn" | "turns", None) => Err(format!(
                "a TURN server needs a user and a password: {scheme}://USER:PASSWORD@{host}"
            )),
            _ => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> String {
    format!(
        "\"{text}\" is no ICE server; write stun:HOST[:PORT] or turn://USER:PASSWORD@HOST[:PORT][?transport=udp|tcp]"
    )
}

fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'%', None) => {
                return Err("a % in the user name or password must be written as %25".to_owned());
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "the user name or password is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_are_read() {
        let stun: IceServer = "stun://[::1]:3478".parse().expect("a server");
        assert_eq!(stun.urls, ["stun:[::1]:3478"]);
        let turn: IceServer = "turns:a%3Ab:c@d@turn.example.org"
            .parse()
            .expect("a server");
        assert_eq!(
            (turn.username.as_deref(), turn.credential.as_deref()),
            (Some("a:b"), Some("c@d"))
        );
        assert_eq!(turn.urls, ["turns:turn.example.org"]);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "stun:",
            "host",
            "http://host",
            "stun:a b",
            "stun:u:p@host",
            "turn:host",
            "turn://u@host",
            "turn://u:%zz@host",
        ] {
            assert!(text.parse::<IceServer>().is_err(), "{text}");
        }
    }
}
