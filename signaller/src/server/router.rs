// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which path is what.

use super::switchboard::Switchboard;
use super::{AllowedOrigins, ServerConfig, admin, metrics, page, reply, whip, ws};
use crate::protocol::Secret;
use crate::rooms::{HttpReply, HttpRequest};
use crate::turn::TurnHandle;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::routing::{delete, get};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub(super) switchboard: Switchboard,
    pub(super) origins: AllowedOrigins,
    pub(super) relays: Option<TurnHandle>,
    pub(super) admin_secret: Option<Secret>,
    pub(super) sockets: Arc<Semaphore>,
}

impl App {
    pub(super) fn new(
        switchboard: Switchboard,
        sockets: Arc<Semaphore>,
        config: &ServerConfig,
        relays: Option<TurnHandle>,
    ) -> App {
        App {
            switchboard,
            origins: config.allowed_origins.clone(),
            relays,
            admin_secret: config.admin_secret.clone(),
            sockets,
        }
    }
}

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/ws", get(ws::any_room))
        .route("/ws/{room}", get(ws::one_room))
        .route(
            "/whip/{room}",
            whip::collection(crate::rooms::Resource::Whip),
        )
        .route(
            "/whip/{room}/{session}",
            whip::session(crate::rooms::Resource::Whip),
        )
        .route(
            "/whep/{room}",
            whip::collection(crate::rooms::Resource::Whep),
        )
        .route(
            "/whep/{room}/{session}",
            whip::session(crate::rooms::Resource::Whep),
        )
        .route(
            "/healthz",
            get(|| async { reply::text(StatusCode::OK, "ok\n") }),
        )
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/rooms", get(rooms))
        .route(
            "/api/v1/rooms/{room}/participants/{name}",
            delete(admin::remove),
        )
        .route("/", get(page::index))
        .route("/r/{room}", get(page::room))
        .route("/static/{*path}", get(page::file))
        .fallback(|| async {
            reply::problem(
                StatusCode::NOT_FOUND,
                "notFound",
                "there is nothing at this path; the page is at / and the rooms are at /r/{room}",
            )
        })
        .with_state(app)
}

async fn ready(State(app): State<App>) -> Response<Body> {
    match app.switchboard.ask(HttpRequest::Ready).await {
        Ok(_) => reply::text(StatusCode::OK, "ready\n"),
        Err(refusal) => reply::refused(&refusal),
    }
}

async fn rooms(State(app): State<App>) -> Response<Body> {
    match app.switchboard.ask(HttpRequest::List).await {
        Ok(HttpReply::Rooms(list)) => reply::json(
            StatusCode::OK,
            serde_json::to_string(&list).unwrap_or_default(),
        ),
        Ok(_) => reply::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the list of rooms could not be made",
        ),
        Err(refusal) => reply::refused(&refusal),
    }
}
