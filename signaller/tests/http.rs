// SPDX-License-Identifier: MIT OR Apache-2.0
//! WHIP and WHEP as the rooms see them.

mod support;

use gst_rtc_signaller::rooms::{Code, HttpId, HttpReply, HttpRequest, Resource};
use serde_json::json;
use std::time::Duration;
use support::{ANSWER, Hall, room, whep, whip};

fn session(hall: &Hall, id: HttpId) -> String {
    match &hall.replies[&id] {
        Ok(HttpReply::Created { session, .. }) => session.as_str().to_owned(),
        other => panic!("not created: {other:?}"),
    }
}

fn code(hall: &Hall, id: HttpId) -> Code {
    hall.replies[&id]
        .as_ref()
        .expect_err("refused")
        .code
        .clone()
}

#[test]
fn a_whip_publisher_shows_when_the_node_has_answered() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, _) = hall.join("lobby", "alice");
    hall.heard(alice);
    let post = hall.http(whip("lobby", "obs"));
    let offer = hall.expect(node, "offer");
    hall.say(node, json!({"type": "trackAdded", "room": "lobby", "participant": offer["participant"], "track": {"track": "video", "kind": "video", "codec": "H264"}}));
    hall.nothing(alice);
    hall.say(
        node,
        json!({"type": "answer", "request": offer["request"], "sdp": ANSWER}),
    );
    let joined = hall.expect(alice, "participantJoined");
    assert_eq!(
        (
            &joined["participant"]["name"],
            &joined["participant"]["tracks"][0]["codec"]
        ),
        (&json!("obs"), &json!("H264"))
    );
    let session = session(&hall, post);
    let delete = hall.http(HttpRequest::Delete {
        resource: Resource::Whip,
        room: room("lobby"),
        session,
    });
    assert_eq!(hall.replies[&delete], Ok(HttpReply::Done));
    assert_eq!(hall.expect(alice, "participantLeft")["reason"], "left");
    hall.expect(node, "participantLeft");
}

#[test]
fn a_refused_whip_publisher_never_shows() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, _) = hall.join("lobby", "alice");
    hall.heard(alice);
    let post = hall.http(whip("lobby", "obs"));
    let offer = hall.expect(node, "offer");
    hall.say(
        node,
        json!({"type": "refused", "request": offer["request"], "code": "badSdp", "message": "no"}),
    );
    assert_eq!(code(&hall, post), Code::BadSdp);
    hall.nothing(alice);
    hall.expect(node, "participantLeft");
}

#[test]
fn a_whip_publisher_goes_with_its_session() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, _) = hall.join("lobby", "alice");
    let post = hall.http(whip("lobby", "obs"));
    hall.answer(node);
    let session = session(&hall, post);
    hall.say(
        node,
        json!({"type": "sessionState", "session": session, "state": "closed", "reason": "ICE"}),
    );
    hall.expect(alice, "participantLeft");
    let delete = hall.http(HttpRequest::Delete {
        resource: Resource::Whip,
        room: room("lobby"),
        session,
    });
    assert_eq!(code(&hall, delete), Code::UnknownSession);
}

#[test]
fn without_a_node_there_is_no_session_and_no_room() {
    let mut hall = Hall::new();
    let post = hall.http(whip("lobby", "obs"));
    assert_eq!(code(&hall, post), Code::NoNode);
    let list = hall.http(HttpRequest::List);
    assert!(matches!(&hall.replies[&list], Ok(HttpReply::Rooms(list)) if list.rooms.is_empty()));
}

#[test]
fn whep_viewers_are_hidden() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let empty = hall.http(whep("lobby", None));
    assert_eq!(code(&hall, empty), Code::UnknownRoom);
    let (alice, _) = hall.join("lobby", "alice");
    hall.heard(alice);
    let nobody = hall.http(whep("lobby", Some("bob")));
    assert_eq!(code(&hall, nobody), Code::UnknownParticipant);
    let post = hall.http(whep("lobby", Some("alice")));
    let viewer = hall.expect(node, "participantJoined");
    let viewer = if viewer["kind"] == "viewer" {
        viewer
    } else {
        hall.expect(node, "participantJoined")
    };
    assert_eq!(viewer["kind"], "viewer");
    let offer = hall.expect(node, "offer");
    assert_eq!(
        (&offer["of"], &offer["direction"], &offer["participant"]),
        (&json!("alice"), &json!("receive"), &viewer["id"])
    );
    hall.say(
        node,
        json!({"type": "answer", "request": offer["request"], "sdp": ANSWER}),
    );
    session(&hall, post);
    hall.nothing(alice);
    let (_, bob) = hall.join("lobby", "bob");
    assert_eq!(bob["participants"].as_array().expect("a list").len(), 1);
}

#[test]
fn a_second_publisher_of_a_name_is_refused() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    hall.join("lobby", "alice");
    let post = hall.http(whip("lobby", "alice"));
    assert_eq!(code(&hall, post), Code::NameTaken);
    hall.http(whip("lobby", "obs"));
    hall.answer(node);
    let post = hall.http(whip("lobby", "obs"));
    assert_eq!(code(&hall, post), Code::NameTaken);
}

#[test]
fn candidates_need_the_right_session_and_tag() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let post = hall.http(whip("lobby", "obs"));
    hall.answer(node);
    let session = session(&hall, post);
    let line = "candidate:1 1 UDP 1 127.0.0.1 9 typ host".to_owned();
    let trickle =
        |session: &str, resource, tag: Option<String>, ufrag: &str| HttpRequest::Trickle {
            resource,
            room: room("lobby"),
            session: session.to_owned(),
            if_match: tag,
            ufrag: Some(ufrag.to_owned()),
            candidates: vec![(line.clone(), Some("0".to_owned()))],
        };
    let good = hall.http(trickle(
        &session,
        Resource::Whip,
        Some(format!("\"{}\"", &session[..8])),
        "abcd",
    ));
    assert_eq!(hall.replies[&good], Ok(HttpReply::Done));
    assert_eq!(hall.expect(node, "candidate")["session"], session.as_str());
    for (request, wanted) in [
        (
            trickle(
                &session,
                Resource::Whip,
                Some("\"other\"".to_owned()),
                "abcd",
            ),
            Code::Mismatch,
        ),
        (
            trickle(&session, Resource::Whip, None, "restart"),
            Code::Unsupported,
        ),
        (
            trickle(&session, Resource::Whep, None, "abcd"),
            Code::UnknownSession,
        ),
        (
            trickle(
                "0123456789abcdef0123456789abcdef",
                Resource::Whip,
                None,
                "abcd",
            ),
            Code::UnknownSession,
        ),
        (
            trickle("../../etc", Resource::Whip, None, "abcd"),
            Code::UnknownSession,
        ),
    ] {
        let id = hall.http(request);
        assert_eq!(code(&hall, id), wanted);
    }
    hall.nothing(node);
}

#[test]
fn a_silent_or_lost_node_gives_504_and_503() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let late = hall.http(whip("lobby", "obs"));
    hall.pass(Duration::from_secs(10));
    assert_eq!(code(&hall, late).status(), 504);
    let lost = hall.http(whip("lobby", "obs"));
    hall.hang_up(node, true);
    assert_eq!(code(&hall, lost).status(), 503);
}
