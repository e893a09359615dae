// SPDX-License-Identifier: MIT OR Apache-2.0
//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one PeerConnection by HTTP.
//!
//! Left out: ICE restarts by `PATCH` (422), and the 406 counter-offer of WHEP.

use super::reply;
use super::router::App;
use super::trickle;
use crate::protocol::IceServer;
use crate::rooms::{
    Code, HttpReply, HttpRequest, MAX_SDP, Refusal, Resource, RoomName, SessionId, etag,
};
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::{MethodRouter, options, post};
use serde::Deserialize;
use std::time::Duration;

/// How long a request body may take.
const BODY: Duration = Duration::from_secs(15);

/// The query of a `POST`.
#[derive(Deserialize)]
struct Who {
    name: Option<String>,
    participant: Option<String>,
    /// `1`: what is published is encrypted end to end.
    encrypted: Option<String>,
}

/// `/whip/{room}` or `/whep/{room}`.
pub(super) fn collection(resource: Resource) -> MethodRouter<App> {
    let create = move |State(app): State<App>,
                       Path(room): Path<String>,
                       Query(who): Query<Who>,
                       request: Request| async move {
        let cors = match app.origins.check(request.headers()) {
            Ok(origin) => origin,
            Err(refusal) => return reply::refused(&refusal),
        };
        let response = match create(&app, resource, &room, who, request).await {
            Ok(made) => created(resource, &room, made),
            Err(failure) => failure.into_response(),
        };
        with_cors(response, cors)
    };
    post(create).merge(preflight())
}

/// `/whip/{room}/{session}` or `/whep/{room}/{session}`.
pub(super) fn session(resource: Resource) -> MethodRouter<App> {
    let patch = move |State(app): State<App>,
                      Path((room, session)): Path<(String, String)>,
                      request: Request| async move {
        let cors = match app.origins.check(request.headers()) {
            Ok(origin) => origin,
            Err(refusal) => return reply::refused(&refusal),
        };
        let response = match trickle_in(&app, resource, &room, session, request).await {
            Ok(()) => reply::empty(StatusCode::NO_CONTENT),
            Err(failure) => failure.into_response(),
        };
        with_cors(response, cors)
    };
    let delete = move |State(app): State<App>,
                       Path((room, session)): Path<(String, String)>,
                       headers: HeaderMap| async move {
        let cors = match app.origins.check(&headers) {
            Ok(origin) => origin,
            Err(refusal) => return reply::refused(&refusal),
        };
        let response = match end(&app, resource, &room, session).await {
            Ok(()) => reply::empty(StatusCode::OK),
            Err(refusal) => reply::refused(&refusal),
        };
        with_cors(response, cors)
    };
    axum::routing::patch(patch)
        .delete(delete)
        .merge(preflight())
}

fn preflight() -> MethodRouter<App> {
    options(|State(app): State<App>, headers: HeaderMap| async move {
        match app.origins.check(&headers) {
            Ok(origin) => {
                let mut response = with_cors(reply::empty(StatusCode::NO_CONTENT), origin);
                response
                    .headers_mut()
                    .insert("accept-post", HeaderValue::from_static("application/sdp"));
                response.headers_mut().insert(
                    "accept-patch",
                    HeaderValue::from_static("application/trickle-ice-sdpfrag"),
                );
                response
            }
            Err(refusal) => reply::refused(&refusal),
        }
    })
}

/// Why a request failed.
enum Failure {
    Refused(Refusal),
    Status(StatusCode, &'static str, &'static str),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl Failure {
    fn into_response(self) -> Response<Body> {
        match self {
            Failure::Refused(refusal) => reply::refused(&refusal),
            Failure::Status(status, code, message) => reply::problem(status, code, message),
        }
    }
}

async fn create(
    app: &App,
    resource: Resource,
    room: &str,
    who: Who,
    request: Request,
) -> Result<Created, Failure> {
    let room = RoomName::parse(room)?;
    needs_type(request.headers(), "application/sdp")?;
    let sdp = body(request).await?;
    let name = match resource {
        Resource::Whip => who.name,
        Resource::Whep => who.participant,
    };
    let encrypted = matches!(who.encrypted.as_deref(), Some("1" | "true"));
    match app
        .switchboard
        .ask(HttpRequest::Create {
            resource,
            room,
            name,
            sdp,
            encrypted: encrypted && resource == Resource::Whip,
        })
        .await?
    {
        HttpReply::Created {
            session,
            sdp,
            ice_servers,
        } => Ok(Created {
            session,
            sdp,
            ice_servers,
        }),
        _ => Err(unexpected()),
    }
}

async fn trickle_in(
    app: &App,
    resource: Resource,
    room: &str,
    session: String,
    request: Request,
) -> Result<(), Failure> {
    needs_type(request.headers(), "application/trickle-ice-sdpfrag")?;
    let if_match = request
        .headers()
        .get(header::IF_MATCH)
        .map(|v| v.to_str().unwrap_or("?").to_owned());
    let text = body(request).await?;
    let room = RoomName::parse(room)?;
    let fragment = trickle::parse(&text).map_err(|why| Refusal::new(Code::BadSdp, why))?;
    let request = HttpRequest::Trickle {
        resource,
        room,
        session,
        if_match,
        ufrag: fragment.ufrag,
        candidates: fragment.candidates,
    };
    app.switchboard.ask(request).await?;
    Ok(())
}

async fn end(app: &App, resource: Resource, room: &str, session: String) -> Result<(), Refusal> {
    let room = RoomName::parse(room)?;
    app.switchboard
        .ask(HttpRequest::Delete {
            resource,
            room,
            session,
        })
        .await
        .map(drop)
}

fn unexpected() -> Failure {
    Failure::Refused(Refusal::new(
        Code::Internal,
        "the rooms gave an answer that does not fit the question",
    ))
}

fn needs_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Failure> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let message = match wanted {
        "application/sdp" => "the body must be an SDP offer with Content-Type: application/sdp",
        _ => "the body must be an ICE fragment with Content-Type: application/trickle-ice-sdpfrag",
    };
    Err(Failure::Status(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupportedMediaType",
        message,
    ))
}

async fn body(request: Request) -> Result<String, Failure> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_SDP as u64) {
        return Err(too_large());
    }
    let bytes = match tokio::time::timeout(BODY, axum::body::to_bytes(request.into_body(), MAX_SDP))
        .await
    {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            return Err(Failure::Status(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the body did not come within 15 s; send it at once",
            ));
        }
    };
    String::from_utf8(bytes.into()).map_err(|_| {
        Failure::Refused(Refusal::new(
            Code::BadSdp,
            "the body is not UTF-8; send the SDP as it is",
        ))
    })
}

fn too_large() -> Failure {
    Failure::Refused(Refusal::new(
        Code::TooLarge,
        "the body has more than 256 KiB; offer fewer m-lines or codecs",
    ))
}

/// What a `POST` has made.
struct Created {
    session: SessionId,
    sdp: String,
    ice_servers: Vec<IceServer>,
}

fn created(resource: Resource, room: &str, made: Created) -> Response<Body> {
    let session = made.session;
    let mut response = Response::new(Body::from(made.sdp));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/sdp"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let location = format!("/{}/{room}/{session}", resource.as_str());
    for (name, value) in [
        (header::LOCATION, location),
        (header::ETAG, etag(session.as_str())),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    for link in made.ice_servers.iter().flat_map(links) {
        headers.append(header::LINK, link);
    }
    response
}

/// RFC 9725 §4.6.
fn links(server: &IceServer) -> Vec<HeaderValue> {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let credentials = match (&server.username, &server.credential) {
        (Some(user), Some(password)) => format!(
            "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
            quoted(user),
            quoted(password)
        ),
        _ => String::new(),
    };
    let links = server
        .urls
        .iter()
        .map(|url| format!("<{url}>; rel=\"ice-server\"{credentials}"));
    links
        .filter_map(|link| HeaderValue::from_str(&link).ok())
        .collect()
}

fn with_cors(mut response: Response<Body>, origin: Option<String>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin.and_then(|o| HeaderValue::from_str(&o).ok()) else {
        return response;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, PATCH, DELETE, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Content-Type, Authorization, If-Match"),
    );
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Location, ETag, Link, Retry-After"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("600"),
    );
    response
}
