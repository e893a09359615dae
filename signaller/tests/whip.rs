// SPDX-License-Identifier: MIT OR Apache-2.0
//! WHIP and WHEP over real sockets, with a node made of a WebSocket.

mod support;

use async_tungstenite::tokio::connect_async;
use async_tungstenite::tungstenite::Error;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use serde_json::{Value, json};
use support::net::{FRAGMENT, SDP, Socket, http, node, read, server};
use support::{ANSWER, OFFER};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

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
async fn a_publisher_says_in_its_query_what_is_encrypted_end_to_end() {
    let server = server().await;
    let mut node = Socket::open(&server, "/ws").await;
    node.say(json!({"type": "node", "version": 1})).await;
    node.expect("nodeReady").await;
    for (path, told) in [
        ("/whip/lobby?name=a&encrypted=1", json!(true)),
        ("/whip/lobby?name=b", Value::Null),
        ("/whep/lobby?encrypted=1", Value::Null),
    ] {
        let answer = async {
            let offer = node.expect("offer").await;
            assert_eq!(offer["encrypted"], told, "{path}");
            node.say(json!({"type": "answer", "request": offer["request"], "sdp": ANSWER}))
                .await;
        };
        let (reply, ()) = tokio::join!(http(&server, "POST", path, &[SDP], OFFER), answer);
        assert_eq!(reply.status, 201, "{path}");
    }
}
