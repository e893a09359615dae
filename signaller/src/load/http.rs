// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client's half of WHIP (RFC 9725) and WHEP: an offer by `POST`, an end by `DELETE`. Plain HTTP only; no redirects, no `PATCH`.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// The longest answer taken, in bytes.
const MAX_ANSWER: usize = 256 * 1024;
/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Only `http://` is spoken.
    #[error("{0} is not an address of the form http://HOST[:PORT]/PATH; TLS is not spoken here")]
    Address(Uri),
    /// No connection.
    #[error("cannot connect to {0}: {1}; is the server running?")]
    Connect(String, std::io::Error),
    /// The exchange broke off.
    #[error("{0}: {1}")]
    Exchange(Uri, Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("{0}: no answer within 30 s")]
    Timeout(Uri),
    /// The server says no.
    #[error("{uri}: {status} {}", text.trim())]
    Refused {
        /// What was asked.
        uri: Uri,
        /// The status of the reply.
        status: StatusCode,
        /// The body of the reply.
        text: String,
    },
}

/// What a server gives for an offer.
pub(super) struct Created {
    pub(super) answer: String,
    /// Where to `DELETE`; not every server says.
    pub(super) session: Option<Uri>,
}

/// Posts an offer.
pub(super) async fn offer(uri: &Uri, sdp: String) -> Result<Created, HttpError> {
    let response = exchange(Method::POST, uri, sdp).await?;
    let location = response
        .headers()
        .get(header::LOCATION)
        .and_then(|l| l.to_str().ok());
    let session = location.and_then(|location| resolve(uri, location));
    Ok(Created {
        answer: response.into_body(),
        session,
    })
}

/// Ends a session.
pub(super) async fn end(session: &Uri) -> Result<(), HttpError> {
    exchange(Method::DELETE, session, String::new())
        .await
        .map(drop)
}

async fn exchange(method: Method, uri: &Uri, body: String) -> Result<Response<String>, HttpError> {
    let response = match tokio::time::timeout(PATIENCE, send(method, uri, body)).await {
        Ok(response) => response?,
        Err(_) => return Err(HttpError::Timeout(uri.clone())),
    };
    if response.status().is_success() {
        return Ok(response);
    }
    Err(HttpError::Refused {
        uri: uri.clone(),
        status: response.status(),
        text: response.into_body(),
    })
}

async fn send(method: Method, uri: &Uri, body: String) -> Result<Response<String>, HttpError> {
    let failed = |error: hyper::Error| HttpError::Exchange(uri.clone(), error.into());
    let authority = authority(uri)?;
    let stream = TcpStream::connect(&authority)
        .await
        .map_err(|error| HttpError::Connect(authority.clone(), error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, &authority)
        .header(header::CONTENT_TYPE, "application/sdp")
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| HttpError::Exchange(uri.clone(), error.into()))?;
    let (parts, body) = sender
        .send_request(request)
        .await
        .map_err(failed)?
        .into_parts();
    let body = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| HttpError::Exchange(uri.clone(), error))?;
    Ok(Response::from_parts(
        parts,
        String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    ))
}

/// Host and port, as TCP and the `Host` field want them.
pub(super) fn authority(uri: &Uri) -> Result<String, HttpError> {
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) => Ok(format!("{host}:{}", uri.port_u16().unwrap_or(80))),
        _ => Err(HttpError::Address(uri.clone())),
    }
}

/// The address that `location` means in a reply from `base` (RFC 3986 §5.2, without dot segments).
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    if location.contains("://") {
        return location.parse().ok();
    }
    let root = format!("{}://{}", base.scheme_str()?, base.authority()?);
    if location.starts_with('/') {
        return format!("{root}{location}").parse().ok();
    }
    let directory = base
        .path()
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    format!("{root}{directory}/{location}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_of_every_form_are_resolved() {
        let base: Uri = "http://host:81/whip/room?name=a"
            .parse()
            .expect("an address");
        let resolved = |location| resolve(&base, location).expect("an address").to_string();
        assert_eq!(resolved("/whip/room/1"), "http://host:81/whip/room/1");
        assert_eq!(resolved("1"), "http://host:81/whip/1");
        assert_eq!(resolved("http://other/1"), "http://other/1");
    }

    #[test]
    fn only_plain_http_is_spoken() {
        assert_eq!(
            authority(&"http://host/a".parse().expect("an address")).expect("plain"),
            "host:80"
        );
        assert!(authority(&"https://host/a".parse().expect("an address")).is_err());
    }
}
