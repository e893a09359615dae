// SPDX-License-Identifier: MIT OR Apache-2.0
//! The web page: plain files, embedded in the binary (read from disk in debug builds), sent compressed to whoever takes that.

use super::reply;
use crate::rooms::RoomName;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};
use std::io::Write;

/// The files of `web/`.
#[derive(RustEmbed)]
#[folder = "web"]
struct Files;

/// Nothing from elsewhere, nothing inline, nothing framed by others.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; style-src 'self'; script-src 'self'; \
    media-src 'self' blob: mediastream:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// `GET /`.
pub(super) async fn index(headers: HeaderMap) -> Response<Body> {
    serve("index.html", &headers)
}

/// `GET /r/{room}`.
pub(super) async fn room(Path(room): Path<String>, headers: HeaderMap) -> Response<Body> {
    match RoomName::parse(&room) {
        Ok(_) => serve("index.html", &headers),
        Err(refusal) => reply::refused(&refusal),
    }
}

/// `GET /static/{path}`.
pub(super) async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response<Body> {
    serve(&path, &headers)
}

fn serve(path: &str, headers: &HeaderMap) -> Response<Body> {
    let (Some(media_type), Some(file)) = (media_type(path), find(path)) else {
        return reply::problem(
            StatusCode::NOT_FOUND,
            "notFound",
            "there is no such file; the page is at /",
        );
    };
    let compressed = takes_gzip(headers).then(|| gzip(&file.data)).flatten();
    let etag = etag(&file, compressed.is_some());
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains(&etag));
    let encoded = compressed.is_some();
    let mut response = match known {
        true => Response::new(Body::empty()),
        false => Response::new(Body::from(
            compressed.unwrap_or_else(|| file.data.into_owned()),
        )),
    };
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    if encoded && !known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-cache"),
        // Pages of other origins may import rtc.js; what they may do with it, --allow-origin decides.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static(
            "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
        ),
    );
    response
}

/// Plain file names only: nothing above or below the directory, nothing hidden.
fn find(path: &str) -> Option<EmbeddedFile> {
    let plain = !path.starts_with('.')
        && !path.contains("..")
        && path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/'));
    if plain { Files::get(path) } else { None }
}

fn media_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

/// Whether the client lists gzip without refusing it by `q=0` (RFC 9110 §12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let offered = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok());
    offered.unwrap_or_default().split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts
            .filter_map(|p| p.strip_prefix("q="))
            .any(|q| q.parse() == Ok(0.0));
        gzip && !refused
    })
}

/// The whole page is under 60 kB: compressing it anew costs less than remembering it would.
fn gzip(data: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(data.len() / 2), Compression::default());
    encoder.write_all(data).ok()?;
    encoder.finish().ok()
}

/// Strong tags differ by encoding (RFC 9110 §8.8.3.3).
fn etag(file: &EmbeddedFile, compressed: bool) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let encoding = if compressed { "-gzip" } else { "" };
    format!("\"{hex}{encoding}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(encoding: &'static str) -> Response<Body> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        serve("index.html", &headers)
    }

    #[test]
    fn the_page_is_compressed_for_those_who_take_it_and_tagged_apart() {
        let tag = |response: &Response<Body>| response.headers()[header::ETAG].clone();
        let compressed = asking("deflate, gzip;q=0.8, br");
        assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "gzip");
        for plain in [asking("br"), asking("gzip;q=0"), asking("")] {
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
            assert_ne!(tag(&plain), tag(&compressed));
        }
    }

    #[test]
    fn the_page_is_less_than_60_kb_and_a_browser_loads_less_than_25_kb() {
        let (mut plain, mut sent) = (0, 0);
        for name in Files::iter() {
            let file = Files::get(&name).expect("a listed file is there");
            plain += file.data.len();
            sent += gzip(&file.data)
                .expect("memory takes what is written")
                .len();
        }
        assert!(plain < 60_000 && sent < 25_000, "{plain} and {sent} bytes");
    }
}
