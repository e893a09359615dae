// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server over real sockets, with a node made of a WebSocket.

mod support;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, connect_async};
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::{Error, Message};
use futures_util::StreamExt;
use gst_rtc_signaller::protocol::IceServer;
use gst_rtc_signaller::rooms::Settings;
use gst_rtc_signaller::server::{AllowedOrigins, Server, ServerConfig, StartError};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use support::{ANSWER, OFFER};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

async fn server() -> Server {
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

async fn start(rooms: Settings) -> Server {
    let allowed_origins =
        AllowedOrigins::new(["https://app.example".to_owned()]).expect("an origin");
    let config = ServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        allowed_origins,
        rooms,
    };
    Server::start(config).await.expect("a server")
}

/// A WebSocket that speaks JSON.
struct Socket(WebSocketStream<TokioAdapter<TcpStream>>);

impl Socket {
    async fn open(server: &Server, path: &str) -> Socket {
        let (socket, _) = connect_async(format!("ws://{}{path}", server.address()))
            .await
            .expect("a WebSocket");
        Socket(socket)
    }

    async fn say(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .expect("sent");
    }

    async fn expect(&mut self, kind: &str) -> Value {
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
    async fn closed(&mut self) -> Option<u16> {
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

    async fn join(server: &Server, room: &str, name: &str) -> Socket {
        let mut socket = Socket::open(server, &format!("/ws/{room}")).await;
        socket.say(json!({"type": "join", "name": name})).await;
        socket.expect("joined").await;
        socket
    }
}

/// A node that answers every offer, or refuses those that contain "refuse me".
async fn node(server: &Server) {
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

struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// A JSON error with a code and a text.
    fn code(&self) -> String {
        let body = self.json();
        assert!(
            body["message"].as_str().is_some_and(|m| m.len() > 10),
            "{body}"
        );
        body["code"].as_str().expect("a code").to_owned()
    }
}

async fn http(
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

async fn read(stream: &mut TcpStream) -> Reply {
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

const SDP: (&str, &str) = ("Content-Type", "application/sdp");
const FRAGMENT: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");

#[tokio::test]
async fn whip_from_post_to_delete() {
    let server = server().await;
    node(&server).await;
    let mut alice = Socket::join(&server, "lobby", "alice").await;
    let created = http(&server, "POST", "/whip/lobby?name=obs%201", &[SDP], OFFER).await;
    assert_eq!((created.status, created.body.as_str()), (201, ANSWER));
    assert_eq!(created.headers["content-type"], "application/sdp");
    assert_eq!(
        created.headers["link"],
        "<stun:192.0.2.1:3478>; rel=\"ice-server\""
    );
    let (location, etag) = (
        created.headers["location"].clone(),
        created.headers["etag"].clone(),
    );
    assert_eq!(
        alice.expect("participantJoined").await["participant"]["name"],
        "obs 1"
    );

    let candidates = "a=ice-ufrag:abcd\r\nm=audio 9 X 0\r\na=mid:0\r\na=candidate:1 1 UDP 1 127.0.0.1 9 typ host\r\n";
    let patch = |headers: Vec<(&'static str, String)>, body: &'static str| {
        let location = location.clone();
        let server = &server;
        async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            http(server, "PATCH", &location, &headers, body)
                .await
                .status
        }
    };
    let fragment = || (FRAGMENT.0, FRAGMENT.1.to_owned());
    assert_eq!(patch(vec![fragment()], candidates).await, 204);
    assert_eq!(
        patch(vec![fragment(), ("If-Match", etag)], candidates).await,
        204
    );
    assert_eq!(
        patch(
            vec![fragment(), ("If-Match", "\"x\"".to_owned())],
            candidates
        )
        .await,
        412
    );
    assert_eq!(patch(vec![fragment()], "a=ice-ufrag:zzzz\r\n").await, 422);
    assert_eq!(patch(vec![fragment()], "nonsense").await, 400);
    assert_eq!(
        patch(vec![("Content-Type", "text/plain".to_owned())], candidates).await,
        415
    );

    assert_eq!(http(&server, "GET", &location, &[], "").await.status, 405);
    assert_eq!(
        http(&server, "DELETE", &location, &[], "").await.status,
        200
    );
    assert_eq!(alice.expect("participantLeft").await["reason"], "left");
    assert_eq!(
        http(&server, "DELETE", &location, &[], "").await.status,
        404
    );
    server.stop().await;
}

#[tokio::test]
async fn whip_and_whep_refuse_with_reasons() {
    let server = server().await;
    let none = http(&server, "POST", "/whip/lobby", &[SDP], OFFER).await;
    assert_eq!((none.status, none.code().as_str()), (503, "noNode"));
    assert_eq!(none.headers["retry-after"], "2");
    node(&server).await;
    let _alice = Socket::join(&server, "lobby", "alice").await;
    let long = format!("v=0{}", "x".repeat(256 * 1024));
    for (path, headers, body, status, code) in [
        ("/whip/lobby?name=alice", vec![SDP], OFFER, 409, "nameTaken"),
        ("/whip/lobby?name=%20x", vec![SDP], OFFER, 400, "badName"),
        ("/whip/lob%20by", vec![SDP], OFFER, 400, "badRoom"),
        ("/whip/lobby", vec![], OFFER, 415, "unsupportedMediaType"),
        (
            "/whip/lobby",
            vec![("Content-Type", "application/json")],
            "{}",
            415,
            "unsupportedMediaType",
        ),
        ("/whip/lobby", vec![SDP], "{\"a\":1}", 400, "badSdp"),
        ("/whip/lobby", vec![SDP], "", 400, "badSdp"),
        ("/whip/lobby", vec![SDP], "v=0 refuse me", 400, "badSdp"),
        ("/whip/lobby", vec![SDP], long.as_str(), 413, "tooLarge"),
        ("/whep/empty", vec![SDP], OFFER, 404, "unknownRoom"),
        (
            "/whep/lobby?participant=bob",
            vec![SDP],
            OFFER,
            404,
            "unknownParticipant",
        ),
    ] {
        let reply = http(&server, "POST", path, &headers, body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{path}"
        );
    }
    assert_eq!(
        http(
            &server,
            "POST",
            "/whep/lobby?participant=alice",
            &[("Content-Type", "application/SDP; charset=utf-8")],
            OFFER
        )
        .await
        .status,
        201
    );
    assert_eq!(
        http(&server, "GET", "/whip/lobby", &[], "").await.status,
        405
    );
    server.stop().await;
}

#[tokio::test]
async fn a_body_without_length_is_cut_at_its_limit_too() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    let head = "POST /whip/lobby HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..8 {
        let _ = stream.write_all(chunk.as_bytes()).await;
    }
    assert_eq!(read(&mut stream).await.status, 413);
    server.stop().await;
}

#[tokio::test]
async fn unknown_sessions_are_all_alike() {
    let server = server().await;
    node(&server).await;
    let created = http(&server, "POST", "/whip/lobby?name=obs", &[SDP], OFFER).await;
    let location = created.headers["location"].clone();
    let session = location.rsplit('/').next().expect("a session").to_owned();
    assert!(session.len() >= 32, "at least 128 bits: {session}");
    let wrong = [
        format!("/whip/lobby/{}", "0".repeat(32)),
        format!("/whip/other/{session}"),
        format!("/whep/lobby/{session}"),
        "/whip/lobby/x".to_owned(),
        "/whip/nowhere/%2e%2e".to_owned(),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for path in wrong {
        for (method, body) in [("DELETE", ""), ("PATCH", "a=ice-ufrag:abcd\r\n")] {
            let reply = http(&server, method, &path, &[FRAGMENT], body).await;
            assert_eq!(reply.status, 404, "{method} {path}");
            bodies.insert(reply.body);
        }
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    server.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_need_permission() {
    let server = server().await;
    node(&server).await;
    let own = format!("http://{}", server.address());
    for (origin, allowed) in [
        (own.as_str(), true),
        ("https://app.example", true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let mut request = format!("ws://{}/ws/lobby", server.address())
            .into_client_request()
            .expect("a request");
        request
            .headers_mut()
            .insert("Origin", origin.parse().expect("a header"));
        match connect_async(request).await {
            Ok(_) => assert!(allowed, "{origin}"),
            Err(Error::Http(response)) => assert!(!allowed && response.status() == 403, "{origin}"),
            Err(error) => panic!("{origin}: {error}"),
        }
        let reply = http(
            &server,
            "POST",
            "/whip/lobby",
            &[SDP, ("Origin", origin)],
            OFFER,
        )
        .await;
        assert_eq!(reply.status, if allowed { 201 } else { 403 }, "{origin}");
        assert_eq!(
            reply
                .headers
                .get("access-control-allow-origin")
                .map(String::as_str),
            allowed.then_some(origin)
        );
        let preflight = http(&server, "OPTIONS", "/whip/lobby", &[("Origin", origin)], "").await;
        assert_eq!(preflight.status, if allowed { 204 } else { 403 });
        if allowed {
            assert!(preflight.headers["access-control-allow-methods"].contains("POST"));
            assert!(reply.headers["access-control-expose-headers"].contains("Location"));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn peers_see_each_other_come_and_go() {
    let server = server().await;
    let mut alice = Socket::join(&server, "lobby", "alice").await;
    let mut bob = Socket::join(&server, "lobby", "bob").await;
    assert_eq!(
        alice.expect("participantJoined").await["participant"]["name"],
        "bob"
    );
    let gone = Instant::now();
    bob.0.close(None).await.expect("closed");
    assert_eq!(alice.expect("participantLeft").await["reason"], "left");
    let carol = Socket::join(&server, "lobby", "carol").await;
    alice.expect("participantJoined").await;
    drop(carol);
    assert_eq!(
        alice.expect("participantLeft").await["reason"],
        "connectionLost"
    );
    assert!(gone.elapsed() < Duration::from_secs(1));
    server.stop().await;
}

#[tokio::test]
async fn websocket_rules_are_kept() {
    let server = server().await;
    let mut alice = Socket::join(&server, "lobby", "alice").await;
    alice
        .0
        .send(Message::text("{\"type\":"))
        .await
        .expect("sent");
    assert_eq!(alice.expect("error").await["code"], "badMessage");
    alice
        .0
        .send(Message::binary(vec![1, 2, 3]))
        .await
        .expect("sent");
    assert_eq!(alice.closed().await, Some(1003));

    let mut long = Socket::join(&server, "lobby", "long").await;
    let _ = long.0.send(Message::text("x".repeat(600 * 1024))).await;
    assert!(matches!(long.closed().await, Some(1009) | None));

    let mut flood = Socket::join(&server, "lobby", "flood").await;
    for _ in 0..700 {
        if flood
            .0
            .send(Message::text(
                "{\"type\":\"mute\",\"track\":\"x\",\"muted\":true}",
            ))
            .await
            .is_err()
        {
            break;
        }
    }
    assert!(matches!(flood.closed().await, Some(1008) | None));

    let plain = http(&server, "GET", "/ws/lobby", &[], "").await;
    assert_eq!((plain.status, plain.code().as_str()), (426, "badMessage"));
    assert_eq!(
        http(&server, "GET", "/ws/b%20d", &[], "").await.code(),
        "badRoom"
    );
    Socket::join(&server, "lobby", "alice").await;
    server.stop().await;
}

#[tokio::test]
async fn slow_requests_are_cut_off_and_hold_up_nobody() {
    let server = server().await;
    let started = Instant::now();
    let mut slow = Vec::new();
    for index in 0..200 {
        let mut stream = TcpStream::connect(server.address())
            .await
            .expect("a connection");
        let head = if index % 2 == 0 {
            "GET / HT"
        } else {
            "POST /whip/lobby HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 100\r\n\r\nv"
        };
        stream.write_all(head.as_bytes()).await.expect("sent");
        slow.push(stream);
    }
    let mut silent = Socket::open(&server, "/ws/lobby").await;
    let joining = Instant::now();
    Socket::join(&server, "lobby", "alice").await;
    assert!(joining.elapsed() < Duration::from_secs(1));
    for mut stream in slow {
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "still open after {:?}", started.elapsed());
    }
    assert_eq!(silent.closed().await, Some(1008));
    assert!(
        started.elapsed() >= Duration::from_secs(14) && started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    server.stop().await;
}

#[tokio::test]
async fn large_heads_are_refused() {
    let server = server().await;
    let long = "x".repeat(1024 * 1024);
    let reply = http(&server, "GET", "/", &[("X-Long", &long)], "").await;
    assert!(matches!(reply.status, 431 | 0), "{}", reply.status);
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    let many: String = (0..2000).map(|n| format!("X-{n}: y\r\n")).collect();
    let _ = stream
        .write_all(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes())
        .await;
    assert!(matches!(read(&mut stream).await.status, 431 | 0));
    assert_eq!(http(&server, "GET", "/healthz", &[], "").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_served_with_a_strict_policy() {
    let server = server().await;
    for path in ["/", "/r/lobby"] {
        let page = http(&server, "GET", path, &[], "").await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.headers["content-type"].starts_with("text/html"));
        let policy = &page.headers["content-security-policy"];
        assert!(
            policy.contains("default-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        let again = http(
            &server,
            "GET",
            path,
            &[("If-None-Match", &page.headers["etag"])],
            "",
        )
        .await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        // Everything the page refers to is there.
        for reference in page
            .body
            .split('"')
            .filter(|part| part.starts_with("/static/"))
        {
            let file = http(&server, "GET", reference, &[], "").await;
            assert_eq!(file.status, 200, "{reference}");
            if reference.ends_with(".js") {
                assert!(file.headers["content-type"].starts_with("text/javascript"));
            }
        }
    }
    for path in [
        "/static/../Cargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/nothing.js",
        "/static/",
        "/nowhere",
        "/r/b%20d",
    ] {
        let reply = http(&server, "GET", path, &[], "").await;
        assert!(
            matches!(reply.status, 400 | 404),
            "{path}: {}",
            reply.status
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn machines_can_ask() {
    let server = server().await;
    assert_eq!(http(&server, "GET", "/healthz", &[], "").await.status, 200);
    assert_eq!(
        http(&server, "GET", "/readyz", &[], "").await.code(),
        "noNode"
    );
    node(&server).await;
    assert_eq!(http(&server, "GET", "/readyz", &[], "").await.status, 200);
    let _alice = Socket::join(&server, "lobby", "alice").await;
    let rooms = http(&server, "GET", "/api/v1/rooms", &[], "").await.json();
    assert_eq!(
        (&rooms["rooms"][0]["room"], &rooms["rooms"][0]["nodes"]),
        (&json!("lobby"), &json!(1))
    );
    assert_eq!(rooms["rooms"][0]["participants"][0]["kind"], "peer");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_frees_its_port() {
    let server = server().await;
    let address = server.address();
    let mut alice = Socket::join(&server, "lobby", "alice").await;
    let taken = Server::start(ServerConfig {
        listen: address,
        ..ServerConfig::default()
    })
    .await;
    let Err(error @ StartError::Listen { .. }) = taken else {
        panic!("the port was given twice")
    };
    assert!(
        error.to_string().contains(&address.to_string()) && error.to_string().contains("--listen"),
        "{error}"
    );
    let stopping = tokio::spawn(server.stop());
    assert_eq!(alice.closed().await, Some(1001));
    timeout(Duration::from_secs(2), stopping)
        .await
        .expect("in time")
        .expect("no panic");
    let again = Server::start(ServerConfig {
        listen: address,
        ..ServerConfig::default()
    })
    .await
    .expect("the port is free");
    again.stop().await;
}
