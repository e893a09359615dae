// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses of STUN and TURN servers, written as `webrtcbin` takes them.
//!
//! These are not the URIs of RFC 7064 and RFC 7065, which browsers take: those have no `//` and
//! keep user name and password elsewhere. Each error says how to write what was meant.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Port of STUN and TURN over UDP and TCP (RFC 8489 §18.6).
const PORT: u16 = 3478;

/// Port of TURN over TLS (RFC 8656 §18.2).
const TLS_PORT: u16 = 5349;

/// `stun://host:port`. Without a port: 3478.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunUri {
    /// Where the server is.
    pub server: HostPort,
}

/// `turn://user:password@host:port?transport=udp`, also `turns://` and `transport=tcp`.
///
/// Without a port: 3478, with `turns` 5349. Without a transport: UDP, with `turns` TCP.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnUri {
    /// Where the server is.
    pub server: HostPort,
    /// Name of the user, percent-decoded.
    pub user: String,
    /// Its password, percent-decoded.
    pub password: String,
    /// How the server is reached.
    pub transport: Transport,
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Never zero.
    pub port: u16,
}

/// How a TURN server is reached; what it relays is always UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams: no packet waits for another.
    Udp,
    /// For networks that let no UDP out.
    Tcp,
    /// For networks that let out only what looks like the web.
    Tls,
}

/// Why a text is no address of a server, and how to write it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UriError {
    /// `stun:host`, as browsers write it.
    #[error("\"{0}\" is how browsers write it; here it is written stun://{1}")]
    BrowserStun(String, String),
    /// `turn:host`, as browsers write it.
    #[error(
        "\"{0}\" is how browsers write it; here user name and password stand in it: {1}://user:password@{2}"
    )]
    BrowserTurn(String, &'static str, String),
    /// Not a scheme that is known here.
    #[error("\"{0}\" does not start with {1}")]
    Scheme(String, &'static str),
    /// No `user:password@`.
    #[error("\"{0}\" has no user name and password; write {1}://user:password@{2}")]
    Credentials(String, &'static str, String),
    /// No host, or one with characters that no host has.
    #[error("\"{0}\" names no host")]
    Host(String),
    /// Not a number from 1 to 65535.
    #[error("\"{0}\" is not a port; ports are numbers from 1 to 65535")]
    Port(String),
    /// A `%` without two hexadecimal digits behind it, or text that is not UTF-8.
    #[error("\"{0}\" has a % without two hexadecimal digits behind it; a % itself is written %25")]
    Escape(&'static str),
    /// A `?` with something other than a transport.
    #[error("\"?{0}\" is not understood; what may stand there is ?transport=udp or ?transport=tcp")]
    Query(String),
    /// `turns` with UDP.
    #[error(
        "TLS over UDP (DTLS) to a relay is not supported; leave out ?transport=udp, or write turn:// instead of turns://"
    )]
    Dtls,
}

impl FromStr for StunUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let Some(rest) = after_scheme(text, "stun") else {
            return Err(match without_slashes(text, "stun") {
                Some(rest) => UriError::BrowserStun(text.into(), rest.into()),
                None => UriError::Scheme(text.into(), "stun://"),
            });
        };
        let server = HostPort::parse(rest.trim_end_matches('/'), PORT)?;
        Ok(StunUri { server })
    }
}

impl FromStr for TurnUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = turn_scheme(text)?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let transport = transport(scheme, query)?;
        let place = rest.rsplit_once('@');
        let Some((user, password)) = place.and_then(|(login, _)| login.split_once(':')) else {
            let host = place.map_or(rest, |(_, host)| host);
            return Err(UriError::Credentials(conceal(text), scheme, host.into()));
        };
        let host = place.map_or(rest, |(_, host)| host).trim_end_matches('/');
        let port = if transport == Transport::Tls {
            TLS_PORT
        } else {
            PORT
        };
        Ok(TurnUri {
            server: HostPort::parse(host, port)?,
            user: unescape(user).ok_or(UriError::Escape("the user name"))?,
            password: unescape(password).ok_or(UriError::Escape("the password"))?,
            transport,
        })
    }
}

/// `turn` or `turns`, and what follows the `//`.
fn turn_scheme(text: &str) -> Result<(&'static str, &str), UriError> {
    for scheme in ["turns", "turn"] {
        if let Some(rest) = after_scheme(text, scheme) {
            return Ok((scheme, rest));
        }
        if let Some(rest) = without_slashes(text, scheme) {
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            return Err(UriError::BrowserTurn(conceal(text), scheme, host.into()));
        }
    }
    Err(UriError::Scheme(conceal(text), "turn:// or turns://"))
}

fn transport(scheme: &str, query: Option<&str>) -> Result<Transport, UriError> {
    match (scheme, query) {
        ("turns", Some("transport=udp")) => Err(UriError::Dtls),
        ("turns", None | Some("transport=tcp")) => Ok(Transport::Tls),
        (_, None | Some("transport=udp")) => Ok(Transport::Udp),
        (_, Some("transport=tcp")) => Ok(Transport::Tcp),
        (_, Some(other)) => Err(UriError::Query(other.into())),
    }
}

fn after_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    without_slashes_or_with(text, scheme)?.strip_prefix("//")
}

fn without_slashes<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    without_slashes_or_with(text, scheme).filter(|rest| !rest.starts_with("//"))
}

fn without_slashes_or_with<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = text.split_once(':')?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The text without what may be a password, for error messages.
fn conceal(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => text.to_owned(),
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = more
            .get(..2)
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &more[2..];
    }
    String::from_utf8(bytes).ok()
}

impl HostPort {
    /// `host`, `host:port`, `[v6]` or `[v6]:port`.
    ///
    /// # Errors
    /// No host, or a port that is none.
    pub fn parse(text: &str, default_port: u16) -> Result<HostPort, UriError> {
        let (host, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(rest))),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let allowed = |c: char| c.is_alphanumeric() || "-_.:%".contains(c);
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(UriError::Host(text.into()));
        }
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(number) if number > 0 => number,
                _ => return Err(UriError::Port(port.into())),
            },
        };
        Ok(HostPort {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Without the password.
impl fmt::Debug for TurnUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnUri")
            .field("server", &self.server)
            .field("user", &self.user)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(text: &str) -> Result<TurnUri, UriError> {
        text.parse()
    }

    fn refused(text: &str) -> String {
        turn(text).expect_err("not refused").to_string()
    }

    #[test]
    fn the_forms_webrtcbin_takes_are_taken() {
        let full = turn("turn://ann:s3cret@relay.example:4000?transport=tcp").expect("valid");
        assert_eq!(full.server.to_string(), "relay.example:4000");
        assert_eq!((&*full.user, &*full.password), ("ann", "s3cret"));
        assert_eq!(full.transport, Transport::Tcp);
        let short = turn("turn://ann:s3cret@192.0.2.1").expect("valid");
        assert_eq!((short.server.port, short.transport), (3478, Transport::Udp));
        let tls = turn("turns://ann:s3cret@[2001:db8::1]").expect("valid");
        assert_eq!(
            (tls.server.to_string().as_str(), tls.transport),
            ("[2001:db8::1]:5349", Transport::Tls)
        );
        let stun: StunUri = "stun://stun.example".parse().expect("valid");
        assert_eq!(stun.server.to_string(), "stun.example:3478");
    }

    #[test]
    fn escapes_carry_what_would_end_a_part() {
        let uri = turn("turn://1700%3Aann:a%2Fb%40c%25@relay.example").expect("valid");
        assert_eq!((&*uri.user, &*uri.password), ("1700:ann", "a/b@c%"));
        assert!(refused("turn://ann:50%@relay.example").contains("%25"));
    }

    #[test]
    fn browser_style_is_refused_with_the_form_that_is_meant() {
        let error = "stun:stun.example:3478"
            .parse::<StunUri>()
            .expect_err("refused");
        assert!(
            error.to_string().contains("stun://stun.example:3478"),
            "{error}"
        );
        let error = refused("turn:relay.example:3478?transport=udp");
        assert!(
            error.contains("turn://user:password@relay.example:3478?transport=udp"),
            "{error}"
        );
        assert!(refused("turns:relay.example").contains("turns://user:password@relay.example"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(refused("turn://relay.example").contains("user name and password"));
        assert!(refused("turn://ann:pw@relay.example:port").contains("\"port\" is not a port"));
        assert!(refused("turn://ann:pw@relay.example:0").contains("1 to 65535"));
        assert!(refused("turn://ann:pw@").contains("no host"));
        assert!(refused("turn://ann:pw@h?transport=sctp").contains("transport=sctp"));
        assert!(refused("turns://ann:pw@h?transport=udp").contains("DTLS"));
        assert!(refused("http://relay.example").contains("turn://"));
        assert!("relay.example".parse::<StunUri>().is_err());
    }

    #[test]
    fn neither_errors_nor_debug_output_tell_the_password() {
        let uri = turn("turn://ann:s3cret@relay.example").expect("valid");
        assert!(!format!("{uri:?}").contains("s3cret"));
        for text in ["http://ann:s3cret@h", "turn://s3cret@relay.example"] {
            assert!(!refused(text).contains("s3cret"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in ".{0,60}", scheme in "(stun|turns?):(//)?") {
            let _ = text.parse::<StunUri>();
            let _ = format!("{scheme}{text}").parse::<StunUri>();
            let _ = format!("{scheme}{text}").parse::<TurnUri>();
        }
    }
}
