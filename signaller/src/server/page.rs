// SPDX-License-Identifier: MIT OR Apache-2.0
//! The web page: plain files, embedded in the binary (read from disk in debug builds).

use super::reply;
use crate::rooms::RoomName;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

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
    let etag = etag(&file);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains(&etag));
    let mut response = match known {
        true => Response::new(Body::empty()),
        false => Response::new(Body::from(file.data.into_owned())),
    };
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-cache"),
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

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}
