// SPDX-License-Identifier: MIT OR Apache-2.0
//! WebSockets (RFC 6455): the upgrade, and a task for each connection.

use super::reply;
use super::router::App;
use super::switchboard::{Frame, Switchboard};
use crate::rooms::{Code, ConnectionId, Refusal, RoomName};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error, Message, error::CapacityError};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use futures_util::StreamExt;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// The largest message taken, in bytes: an SDP of the largest size, escaped, with room to spare.
const MAX_MESSAGE: usize = 512 * 1024;
/// How often to ping.
const PING: Duration = Duration::from_secs(10);
/// After how much silence a connection is dead.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a write may take.
const WRITE: Duration = Duration::from_secs(10);
/// How long the other side may take to answer our close frame.
const CLOSE: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<TokioAdapter<TokioIo<Upgraded>>>;

/// `GET /ws`.
pub(super) async fn any_room(State(app): State<App>, request: Request) -> Response<Body> {
    upgrade(app, None, request)
}

/// `GET /ws/{room}`.
pub(super) async fn one_room(
    State(app): State<App>,
    Path(room): Path<String>,
    request: Request,
) -> Response<Body> {
    match RoomName::parse(&room) {
        Ok(room) => upgrade(app, Some(room), request),
        Err(refusal) => reply::refused(&refusal),
    }
}

fn upgrade(app: App, room: Option<RoomName>, mut request: Request) -> Response<Body> {
    let key = match key(request.headers()) {
        Ok(key) => key,
        Err(why) => return upgrade_required(why),
    };
    if let Err(refusal) = app.origins.check(request.headers()) {
        return reply::refused(&refusal);
    }
    let Ok(permit) = app.sockets.try_acquire_owned() else {
        return reply::refused(&Refusal::new(
            Code::Full,
            "the server has its limit of WebSockets; try later",
        ));
    };
    let upgrading = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        run(app.switchboard, room, upgrading).await;
        drop(permit);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    response
}

/// The accept key, if these are the headers of a WebSocket handshake (RFC 6455 §4.2.1).
fn key(headers: &HeaderMap) -> Result<HeaderValue, &'static str> {
    let has = |name: header::HeaderName, word: &str| {
        let all = headers.get_all(name);
        all.iter()
            .filter_map(|v| v.to_str().ok())
            .any(|v| v.split(',').any(|w| w.trim().eq_ignore_ascii_case(word)))
    };
    if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        return Err(
            "this is a WebSocket address: open it with a WebSocket client, or see the page at /",
        );
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err("only WebSocket version 13 (RFC 6455) is spoken here");
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or("Sec-WebSocket-Key is missing")?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| "Sec-WebSocket-Key is malformed")
}

fn upgrade_required(why: &str) -> Response<Body> {
    let mut response = reply::problem(StatusCode::UPGRADE_REQUIRED, "badMessage", why);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    response
}

async fn run(switchboard: Switchboard, room: Option<RoomName>, upgrading: OnUpgrade) {
    let Ok(upgraded) = upgrading.await else {
        return;
    };
    let io = TokioAdapter::new(TokioIo::new(upgraded));
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (id, frames) = switchboard.open(room).await;
    let mut connection = Connection {
        socket,
        switchboard: switchboard.clone(),
        id,
        frames,
        allowance: Some(Allowance::new()),
        heard: Instant::now(),
    };
    let end = connection.work().await;
    // Before the goodbyes, which may take a while: the others are to know at once.
    switchboard
        .closed(id, matches!(end, End::Theirs { clean: true }))
        .await;
    connection.say_goodbye(end).await;
}

struct Connection {
    socket: Socket,
    switchboard: Switchboard,
    id: ConnectionId,
    frames: mpsc::Receiver<Frame>,
    /// None for nodes.
    allowance: Option<Allowance>,
    heard: Instant,
}

/// Why the loop of a connection ends.
enum End {
    /// The other side closed, with a close frame or without.
    Theirs { clean: bool },
    /// We close.
    Ours { code: u16, reason: &'static str },
}

impl Connection {
    /// Carries messages both ways until it ends.
    async fn work(&mut self) -> End {
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let end = tokio::select! {
                frame = self.frames.recv() => self.tell(frame).await,
                message = self.socket.next() => self.hear(message).await,
                _ = ping.tick() => self.ping().await,
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    async fn tell(&mut self, frame: Option<Frame>) -> Option<End> {
        match frame {
            Some(Frame::Text { json, to_node }) => {
                if to_node {
                    self.allowance = None;
                }
                self.write(Message::text(json)).await
            }
            Some(Frame::Close { code, reason }) => Some(End::Ours { code, reason }),
            None => Some(End::Ours {
                code: 1008,
                reason: "messages are not read",
            }),
        }
    }

    async fn hear(&mut self, message: Option<Result<Message, Error>>) -> Option<End> {
        self.heard = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => {
                if self.allowance.as_mut().is_some_and(|a| !a.spend()) {
                    return Some(End::Ours {
                        code: 1008,
                        reason: "rateLimited: too many messages",
                    });
                }
                self.switchboard
                    .message(self.id, text.as_str().to_owned())
                    .await;
                None
            }
            Some(Ok(Message::Binary(_))) => Some(End::Ours {
                code: 1003,
                reason: "only text frames with JSON",
            }),
            Some(Ok(Message::Close(_))) => Some(End::Theirs { clean: true }),
            Some(Ok(_)) => None,
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => Some(End::Ours {
                code: 1009,
                reason: "a message may have 512 KiB",
            }),
            Some(Err(Error::Protocol(_) | Error::Utf8(_))) => Some(End::Ours {
                code: 1002,
                reason: "not the WebSocket protocol",
            }),
            Some(Err(_)) | None => Some(End::Theirs { clean: false }),
        }
    }

    async fn ping(&mut self) -> Option<End> {
        if self.heard.elapsed() > SILENCE {
            return Some(End::Ours {
                code: 1008,
                reason: "nothing heard for 30 s",
            });
        }
        self.write(Message::Ping(Default::default())).await
    }

    async fn write(&mut self, message: Message) -> Option<End> {
        match timeout(WRITE, self.socket.send(message)).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) | Err(_) => Some(End::Theirs { clean: false }),
        }
    }

    /// Closes as RFC 6455 §7.1.1 asks: both close frames, then TCP.
    async fn say_goodbye(mut self, end: End) {
        let frame = match end {
            End::Ours { code, reason } => Some(CloseFrame {
                code: CloseCode::from(code),
                reason: reason.into(),
            }),
            End::Theirs { clean: true } => None,
            End::Theirs { clean: false } => return,
        };
        let exchange = async {
            let _ = self.socket.close(frame).await;
            // Reads on until the other side has closed too, so that what was sent arrives.
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        let _ = timeout(CLOSE, exchange).await;
    }
}

/// A token bucket: 500 messages at once, 100 a second.
struct Allowance {
    tokens: f64,
    at: Instant,
}

impl Allowance {
    const BURST: f64 = 500.0;
    const PER_SECOND: f64 = 100.0;

    fn new() -> Allowance {
        Allowance {
            tokens: Self::BURST,
            at: Instant::now(),
        }
    }

    fn spend(&mut self) -> bool {
        let now = Instant::now();
        let earned = now.duration_since(self.at).as_secs_f64() * Self::PER_SECOND;
        self.tokens = (self.tokens + earned).min(Self::BURST) - 1.0;
        self.at = now;
        self.tokens >= 0.0
    }
}
