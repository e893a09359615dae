// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server over real sockets: WebSockets, limits, the page, stopping.

mod support;

use async_tungstenite::tungstenite::Message;
use gst_rtc_signaller::server::{Server, ServerConfig, StartError};
use serde_json::json;
use std::time::{Duration, Instant};
use support::net::{Socket, http, node, read, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

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
