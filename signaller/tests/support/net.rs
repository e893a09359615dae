// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server on a free port, WebSockets that speak JSON, and bare HTTP.
#![allow(dead_code, reason = "each test uses a part of it")]

use super::ANSWER;
use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, connect_async};
use async_tungstenite::tungstenite::Message;
use futures_util::StreamExt;
use gst_rtc_signaller::protocol::IceServer;
use gst_rtc_signaller::rooms::Settings;
use gst_rtc_signaller::server::{AllowedOrigins, Server, ServerConfig};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const SOON: Duration = Duration::from_secs(5);

/// What the server's administrators know.
pub const ADMIN: &str = "known to administrators";

pub async fn server() -> Server {
    let ice = IceServer {
        urls: vec!["stun:192.0.2.1:3478".into()],
        username: None,
        credential: None,
    };
    start(Settings {
        ice_servers: vec![ice],
        ..Settings::default()
    })
    .await
}

pub async fn start(rooms: Settings) -> Server {
    let allowed_origins =
        AllowedOrigins::new(["https://app.example".to_owned()]).expect("an origin");
    let config = ServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        allowed_origins,
        admin_secret: Some(ADMIN.into()),
        rooms,
        turn: None,
    };
    Server::start(config).await.expect("a server")
}

/// A WebSocket that speaks JSON.
pub struct Socket(pub WebSocketStream<TokioAdapter<TcpStream>>);

impl Socket {
    pub async fn open(server: &Server, path: &str) -> Socket {
        let (socket, _) = connect_async(format!("ws://{}{path}", server.address()))
            .await
            .expect("a WebSocket");
        Socket(socket)
    }

    pub async fn say(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .expect("sent");
    }

    pub async fn expect(&mut self, kind: &str) -> Value {
        let found = timeout(SOON, async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let value: Value = serde_json::from_str(text.as_str()).expect("JSON");
                        if value["type"] == kind {
                            return value;
                        }
                    }
                    Some(Ok(_)) => {}
                    other => panic!("instead of {kind}: {other:?}"),
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {kind} came"))
    }

    /// The code with which the server closes.
    pub async fn closed(&mut self) -> Option<u16> {
        let end = timeout(Duration::from_secs(20), async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map(|f| f.code.into()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        });
        end.await.expect("a close")
    }

    pub async fn join(server: &Server, room: &str, name: &str) -> Socket {
        let mut socket = Socket::open(server, &format!("/ws/{room}")).await;
        socket.say(json!({"type": "join", "name": name})).await;
        socket.expect("joined").await;
        socket
    }
}

/// A node that answers every offer, or refuses those that contain "refuse me".
pub async fn node(server: &Server) {
    let mut node = Socket::open(server, "/ws").await;
    node.say(json!({"type": "node", "version": 1})).await;
    node.expect("nodeReady").await;
    tokio::spawn(async move {
        while let Some(Ok(message)) = node.0.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let value: Value = serde_json::from_str(text.as_str()).expect("JSON");
            if value["type"] != "offer" {
                continue;
            }
            let refuse = value["sdp"]
                .as_str()
                .is_some_and(|sdp| sdp.contains("refuse me"));
            node.say(match refuse {
                true => json!({"type": "refused", "request": value["request"], "code": "badSdp", "message": "no codec in common"}),
                false => json!({"type": "answer", "request": value["request"], "sdp": ANSWER}),
            })
            .await;
        }
    });
}

pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// A JSON error with a code and a text.
    pub fn code(&self) -> String {
        let body = self.json();
        assert!(
            body["message"].as_str().is_some_and(|m| m.len() > 10),
            "{body}"
        );
        body["code"].as_str().expect("a code").to_owned()
    }
}

pub async fn http(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
        server.address(),
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    let _ = stream.write_all(request.as_bytes()).await;
    read(&mut stream).await
}

pub async fn read(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let _ = timeout(Duration::from_secs(25), stream.read_to_end(&mut bytes))
        .await
        .expect("an end");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|l| l.split(' ').nth(1)?.parse().ok())
        .unwrap_or(0);
    let headers = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
        .collect();
    Reply {
        status,
        headers,
        body: body.to_owned(),
    }
}

pub const SDP: (&str, &str) = ("Content-Type", "application/sdp");
pub const FRAGMENT: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");
