// SPDX-License-Identifier: MIT OR Apache-2.0
//! Participants who are removed by an administrator.

mod support;

use gst_rtc_signaller::client::{Client, Event};
use gst_rtc_signaller::rooms::{Code, HttpId, HttpReply, HttpRequest, Settings};
use gst_rtc_signaller::server::{Server, ServerConfig, StartError};
use gst_rtc_signaller::turn::Access;
use serde_json::json;
use std::time::Duration;
use support::net::{ADMIN, Socket, http, node, server};
use support::{Hall, id, room, whip};
use tokio::time::timeout;

fn remove(hall: &mut Hall, at: &str, participant: &str) -> HttpId {
    hall.http(HttpRequest::Remove {
        room: room(at),
        participant: participant.to_owned(),
    })
}

fn relay() -> Access {
    Access {
        urls: vec!["turn:127.0.0.1:3478".to_owned()],
        secret: "of the relay".into(),
        lifetime: Duration::from_secs(60),
    }
}

#[test]
fn who_is_removed_is_gone_for_everybody_and_cannot_resume() {
    let mut hall = Hall::with(Settings {
        relay: Some(relay()),
        ..Settings::default()
    });
    let (node, _) = hall.node(None);
    let (alice, _) = hall.join("lobby", "alice");
    let (mallory, joined) = hall.join("lobby", "mallory");
    hall.publish(mallory, node, "lobby", &id(&joined));
    let removed = remove(&mut hall, "lobby", "mallory");
    assert_eq!(hall.replies[&removed], Ok(HttpReply::Done));
    assert_eq!(hall.closed[&mallory], 4003);
    assert_eq!(hall.gone, [id(&joined)], "its credentials are revoked");
    let left = hall.expect(alice, "participantLeft");
    assert_eq!(
        (&left["id"], &left["reason"]),
        (&joined["id"], &json!("removed"))
    );
    assert_eq!(hall.expect(node, "participantLeft")["id"], joined["id"]);

    let back = hall.open(Some("lobby"));
    hall.say(
        back,
        json!({"type": "join", "name": "mallory", "resume": joined["resume"]}),
    );
    hall.refused(back, "notAllowed");
    hall.nothing(alice);
    // A person may try again, as anybody may.
    hall.say(back, json!({"type": "join", "name": "mallory"}));
    assert_ne!(hall.expect(back, "joined")["id"], joined["id"]);
}

#[test]
fn publishers_by_whip_are_removed_and_pads_of_nodes_are_not() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, _) = hall.join("lobby", "alice");
    hall.http(whip("lobby", "obs"));
    hall.answer(node);
    let removed = remove(&mut hall, "lobby", "obs");
    assert_eq!(hall.replies[&removed], Ok(HttpReply::Done));
    assert_eq!(hall.expect(alice, "participantLeft")["reason"], "removed");
    hall.expect(node, "participantLeft");

    hall.say(
        node,
        json!({"type": "join", "request": 1, "room": "lobby", "name": "camera"}),
    );
    hall.expect(node, "joined");
    for (at, name, code) in [
        ("lobby", "camera", Code::Unsupported),
        ("lobby", "obs", Code::UnknownParticipant),
        ("attic", "alice", Code::UnknownParticipant),
        ("lobby", "", Code::BadName),
    ] {
        let refused = remove(&mut hall, at, name);
        let refusal = hall.replies[&refused].as_ref().expect_err("refused");
        assert_eq!(refusal.code, code, "{refusal}");
    }
    assert!(!hall.closed.contains_key(&alice));
}

#[tokio::test]
async fn only_administrators_remove() {
    let server = server().await;
    node(&server).await;
    let mut alice = Socket::join(&server, "lobby", "alice smith").await;
    let path = "/api/v1/rooms/lobby/participants/alice%20smith";
    let bearer = format!("Bearer {ADMIN}");
    for (headers, status) in [
        (vec![], 401),
        (vec![("Authorization", "Bearer guess")], 401),
        (
            vec![
                ("Authorization", bearer.as_str()),
                ("Origin", "https://evil.example"),
            ],
            403,
        ),
    ] {
        let reply = http(&server, "DELETE", path, &headers, "").await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, "notAllowed")
        );
        assert!(!reply.body.contains(ADMIN));
    }
    let admin = [("Authorization", bearer.as_str())];
    assert_eq!(http(&server, "DELETE", path, &admin, "").await.status, 204);
    assert_eq!(alice.closed().await, Some(4003));
    let again = http(&server, "DELETE", path, &admin, "").await;
    assert_eq!(
        (again.status, again.code().as_str()),
        (404, "unknownParticipant")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_a_secret_has_no_administrators_and_takes_no_short_one() {
    let config = |secret: Option<&str>| ServerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        admin_secret: secret.map(Into::into),
        ..ServerConfig::default()
    };
    for short in ["", "too short"] {
        let started = Server::start(config(Some(short))).await;
        assert!(matches!(started, Err(StartError::AdminSecret)));
    }
    let server = Server::start(config(None)).await.expect("a server");
    let path = "/api/v1/rooms/lobby/participants/alice";
    for given in ["Bearer ", "Bearer undefined"] {
        let headers = [("Authorization", given)];
        let reply = http(&server, "DELETE", path, &headers, "").await;
        assert_eq!(reply.status, 403);
        assert!(reply.body.contains("--admin-secret"), "{}", reply.body);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_is_removed_does_not_come_back() {
    let server = server().await;
    let uri = format!("ws://{}", server.address());
    let (_client, mut events) = Client::connect(&uri, "lobby", "mallory")
        .await
        .expect("joined");
    let bearer = format!("Bearer {ADMIN}");
    let path = "/api/v1/rooms/lobby/participants/mallory";
    let reply = http(&server, "DELETE", path, &[("Authorization", &bearer)], "").await;
    assert_eq!(reply.status, 204);
    let mut last = None;
    let all = async {
        while let Some(event) = events.next().await {
            last = Some(event);
        }
    };
    timeout(Duration::from_secs(30), all).await.expect("an end");
    assert!(
        matches!(&last, Some(Event::Ended { reason }) if reason.contains("removed")),
        "{last:?}"
    );
    let rooms = http(&server, "GET", "/api/v1/rooms", &[], "").await.json();
    assert_eq!(rooms["rooms"], json!([]));
    server.stop().await;
}
