// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only those may do who know the administrator's secret (a bearer token, RFC 6750).

use super::reply;
use super::router::App;
use crate::protocol::Secret;
use crate::rooms::{Code, HttpRequest, Refusal, RoomName};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// The shortest secret taken, in bytes.
pub(super) const SHORTEST: usize = 16;

/// `DELETE /api/v1/rooms/{room}/participants/{name}`: takes a participant out of its room.
pub(super) async fn remove(
    State(app): State<App>,
    Path((room, participant)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    if let Err(refusal) = app.origins.check(&headers) {
        return reply::refused(&refusal);
    }
    if let Err(response) = check(app.admin_secret.as_ref(), &headers) {
        return *response;
    }
    match remove_from(&app, &room, participant).await {
        Ok(()) => reply::empty(StatusCode::NO_CONTENT),
        Err(refusal) => reply::refused(&refusal),
    }
}

async fn remove_from(app: &App, room: &str, participant: String) -> Result<(), Refusal> {
    let room = RoomName::parse(room)?;
    let request = HttpRequest::Remove { room, participant };
    app.switchboard.ask(request).await.map(drop)
}

/// Lets those pass who bring the secret; nobody if there is none.
fn check(secret: Option<&Secret>, headers: &HeaderMap) -> Result<(), Box<Response<Body>>> {
    let Some(secret) = secret else {
        let text = "this server has no administrator; start it with --admin-secret";
        let refusal = Refusal::new(Code::NotAllowed, text);
        return Err(Box::new(reply::refused(&refusal)));
    };
    match bearer(headers) {
        Some(given) if Secret::from(given) == *secret => Ok(()),
        given => Err(Box::new(unauthorized(given.is_some()))),
    }
}

/// The token of `Authorization: Bearer …`; the word may be written in any case (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start_matches(' '))
}

/// RFC 6750 §3.
fn unauthorized(is_wrong: bool) -> Response<Body> {
    let text = "give the secret of --admin-secret in a header: Authorization: Bearer SECRET";
    let mut response = reply::problem(StatusCode::UNAUTHORIZED, "notAllowed", text);
    let challenge = match is_wrong {
        true => "Bearer realm=\"gst-rtc\", error=\"invalid_token\"",
        false => "Bearer realm=\"gst-rtc\"",
    };
    let challenge = HeaderValue::from_static(challenge);
    let headers = response.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: Option<&str>) -> HeaderMap {
        let given = authorization.map(|value| value.parse().expect("a header"));
        given
            .map(|value| (header::AUTHORIZATION, value))
            .into_iter()
            .collect()
    }

    #[test]
    fn only_the_secret_itself_opens() {
        let secret = Secret::from("correct horse battery");
        for good in [
            "Bearer correct horse battery",
            "bearer  correct horse battery",
        ] {
            assert!(check(Some(&secret), &headers(Some(good))).is_ok(), "{good}");
        }
        for bad in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer correct horse batterz"),
            Some("Bearer correct horse battery2"),
            Some("Basic correct horse battery"),
            Some("correct horse battery"),
        ] {
            let response = check(Some(&secret), &headers(bad)).expect_err("refused");
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{bad:?}");
            assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
        }
    }

    #[test]
    fn without_a_secret_nobody_is_administrator() {
        for any in [None, Some("Bearer "), Some("Bearer x")] {
            let response = check(None, &headers(any)).expect_err("refused");
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
        }
    }
}
