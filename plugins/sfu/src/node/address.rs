// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the signaller is.

use crate::hub::StartError;

/// A checked WebSocket address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SignallerAddress {
    /// `host:port`, as TCP wants it.
    pub(crate) authority: String,
    /// The address of the endpoint for this node.
    pub(crate) url: String,
}

impl SignallerAddress {
    /// Takes `ws://host[:port][/prefix]`, with or without the `/ws` of the endpoint, and the room to serve when there is only one.
    ///
    /// # Errors
    /// Another scheme, or no host.
    pub(crate) fn parse(uri: &str, room: Option<&str>) -> Result<SignallerAddress, StartError> {
        let wrong = |reason: &str| StartError::SignallerUri {
            uri: uri.to_owned(),
            reason: reason.to_owned(),
        };
        let Some((scheme, rest)) = uri.split_once("://") else {
            return Err(wrong("it has no scheme"));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "ws" => {}
            "wss" => {
                return Err(wrong(
                    "TLS is not built in; put the node beside the signaller, or a TLS tunnel between them",
                ));
            }
            _ => return Err(wrong("its scheme is not ws")),
        }
        if rest.contains(['?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err(wrong("it may hold a host, a port and a path only"));
        }
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix(path);
        let authority = with_port(host).ok_or_else(|| wrong("it has no usable host and port"))?;
        let room = room.map(|room| format!("/{room}")).unwrap_or_default();
        let slash = if prefix.is_empty() { "" } else { "/" };
        Ok(SignallerAddress {
            url: format!("ws://{authority}{slash}{prefix}/ws{room}"),
            authority,
        })
    }
}

/// What stands before the `ws` of the endpoint.
fn prefix(path: &str) -> &str {
    let path = path.trim_matches('/');
    match path.strip_suffix("ws") {
        Some("") => "",
        Some(prefix) if prefix.ends_with('/') => prefix.trim_end_matches('/'),
        _ => path,
    }
}

fn with_port(host: &str) -> Option<String> {
    let bracketed = host.starts_with('[');
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !bracketed || name.ends_with(']') => (name, port),
        _ => (host, "80"),
    };
    let usable = !name.is_empty()
        && name.starts_with('[') == name.ends_with(']')
        && port.parse::<u16>().is_ok_and(|p| p != 0);
    usable.then(|| format!("{name}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(uri: &str, room: Option<&str>) -> String {
        SignallerAddress::parse(uri, room).expect(uri).url
    }

    #[test]
    fn the_endpoint_is_added_once() {
        assert_eq!(
            url("ws://localhost:8080", Some("lobby")),
            "ws://localhost:8080/ws/lobby"
        );
        assert_eq!(url("ws://localhost:8080/", None), "ws://localhost:8080/ws");
        assert_eq!(
            url("ws://localhost:8080/ws/", None),
            "ws://localhost:8080/ws"
        );
        assert_eq!(
            url("WS://[::1]:8080/rtc/ws", Some("a")),
            "ws://[::1]:8080/rtc/ws/a"
        );
        assert_eq!(
            url("ws://example.org/rtc", None),
            "ws://example.org:80/rtc/ws"
        );
        assert_eq!(url("ws://[::1]", None), "ws://[::1]:80/ws");
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_with_the_reason() {
        for uri in [
            "localhost:8080",
            "http://a",
            "wss://a",
            "ws://",
            "ws://:80",
            "ws://a:0",
            "ws://a:99999",
            "ws://a b",
            "ws://a?b",
        ] {
            let error = SignallerAddress::parse(uri, None)
                .expect_err(uri)
                .to_string();
            assert!(
                error.starts_with("signaller::uri: ") && error.contains(uri),
                "{error}"
            );
        }
    }
}
