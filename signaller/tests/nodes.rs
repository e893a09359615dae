// SPDX-License-Identifier: MIT OR Apache-2.0
//! Media nodes: home and guest, loss and return.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::{ANSWER, Hall, OFFER, id, whep, whip};

const SESSION: &str = "5f2d6b1a9c3e4f70815263748596a7b8";

fn opened(message: &Value, room: &str, role: &str) {
    assert_eq!(
        (&message["room"], &message["role"]),
        (&json!(room), &json!(role)),
        "{message}"
    );
}

#[test]
fn a_node_for_all_rooms_gets_open_and_new_ones() {
    let mut hall = Hall::new();
    let (_, a) = hall.join("early", "alice");
    let (node, _) = hall.node(None);
    opened(&hall.expect(node, "roomOpened"), "early", "home");
    assert_eq!(hall.expect(node, "participantJoined")["id"], a["id"]);
    let (late, _) = hall.join("late", "bob");
    opened(&hall.expect(node, "roomOpened"), "late", "home");
    hall.hang_up(late, true);
    assert_eq!(hall.expect(node, "roomClosed")["room"], "late");
}

#[test]
fn rooms_are_shared_out_evenly() {
    let mut hall = Hall::new();
    let (one, _) = hall.node(None);
    let (two, _) = hall.node(None);
    for room in ["a", "b", "c", "d"] {
        hall.join(room, "alice");
    }
    let count = |heard: Vec<Value>| heard.iter().filter(|m| m["type"] == "roomOpened").count();
    assert_eq!((count(hall.heard(one)), count(hall.heard(two))), (2, 2));
}

#[test]
fn a_node_of_one_room_is_home_alone_and_guest_beside_another() {
    let mut hall = Hall::new();
    let (studio, _) = hall.node(Some("studio"));
    opened(&hall.expect(studio, "roomOpened"), "studio", "home");
    let (all, _) = hall.node(None);
    hall.nothing(all);
    let (lobby, _) = hall.node(Some("lobby"));
    opened(&hall.expect(all, "roomOpened"), "lobby", "home");
    let told = hall.expect(lobby, "roomOpened");
    opened(&told, "lobby", "guest");
    assert_eq!(
        hall.expect(all, "participantJoined")["id"],
        told["participant"]
    );
}

#[test]
fn a_guest_publishes_and_receives_through_the_home_node() {
    let mut hall = Hall::new();
    let (home, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    hall.publish(alice, home, "lobby", &id(&a));
    let (guest, _) = hall.node(Some("lobby"));
    assert_eq!(hall.expect(guest, "participantJoined")["name"], "alice");
    assert_eq!(hall.expect(guest, "trackAdded")["participant"], a["id"]);

    hall.say(
        guest,
        json!({"type": "join", "request": 1, "room": "lobby", "name": "camera"}),
    );
    let camera = hall.expect(guest, "joined");
    assert_eq!(
        hall.expect(alice, "participantJoined")["participant"]["name"],
        "camera"
    );
    let hidden = hall.expect(home, "participantJoined");
    assert_eq!(
        (&hidden["kind"], &hidden["guest"]),
        (&json!("viewer"), &hidden["id"])
    );
    assert_eq!(
        hall.expect(home, "participantJoined")["guest"],
        hidden["id"]
    );
    hall.say(guest, json!({"type": "offer", "request": 2, "room": "lobby", "participant": camera["id"], "direction": "publish", "session": SESSION, "sdp": OFFER, "of": null, "encrypted": true}));
    let offer = hall.expect(home, "offer");
    assert_eq!(
        (&offer["participant"], &offer["session"]),
        (&camera["id"], &json!(SESSION))
    );
    assert_eq!(offer["encrypted"], true);
    hall.say(
        home,
        json!({"type": "answer", "request": offer["request"], "sdp": ANSWER}),
    );
    assert_eq!(hall.expect(guest, "answer")["request"], 2);
    hall.say(home, json!({"type": "trackAdded", "room": "lobby", "participant": camera["id"], "track": {"track": "video", "kind": "video", "codec": "VP8", "encrypted": true}}));
    let told = hall.expect(alice, "trackAdded");
    assert_eq!(
        (&told["participant"], &told["track"]["encrypted"]),
        (&camera["id"], &json!(true))
    );
    hall.say(guest, json!({"type": "candidate", "session": SESSION, "candidate": "candidate:1 1 UDP 1 127.0.0.1 9 typ host"}));
    assert_eq!(hall.expect(home, "candidate")["session"], SESSION);

    hall.say(home, json!({"type": "layers", "session": SESSION, "track": "video", "mid": "0", "active": [true, false]}));
    let layers = hall.expect(guest, "layers");
    assert_eq!(
        (&layers["session"], &layers["mid"], &layers["active"]),
        (&json!(SESSION), &json!("0"), &json!([true, false]))
    );

    hall.say(guest, json!({"type": "offer", "request": 3, "room": "lobby", "direction": "receive", "session": "receive-0123456789", "sdp": OFFER, "of": "alice"}));
    let offer = hall.expect(home, "offer");
    assert_eq!(
        (&offer["of"], &offer["direction"]),
        (&json!("alice"), &json!("receive"))
    );
    hall.say(
        home,
        json!({"type": "slots", "session": "receive-0123456789", "slots": [], "missing": {}}),
    );
    hall.expect(guest, "slots");
    hall.say(
        home,
        json!({"type": "sessionState", "session": SESSION, "state": "closed", "reason": "ICE"}),
    );
    assert_eq!(hall.expect(guest, "sessionState")["reason"], "ICE");
    assert_eq!(
        hall.expect(alice, "trackRemoved")["participant"],
        camera["id"]
    );

    hall.say(
        guest,
        json!({"type": "leave", "room": "lobby", "id": camera["id"]}),
    );
    assert_eq!(hall.expect(alice, "participantLeft")["id"], camera["id"]);
    assert_eq!(hall.expect(home, "participantLeft")["id"], camera["id"]);
}

#[test]
fn a_guest_may_not_speak_for_the_home_node() {
    let mut hall = Hall::new();
    let (home, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    let session = hall.publish(alice, home, "lobby", &id(&a));
    let (guest, _) = hall.node(Some("lobby"));
    let (stranger, _) = hall.node(Some("elsewhere"));
    hall.heard(alice);
    for node in [guest, stranger] {
        hall.heard(node);
        for message in [
            json!({"type": "trackAdded", "room": "lobby", "participant": a["id"], "track": {"track": "x", "kind": "video", "codec": "VP8"}}),
            json!({"type": "trackRemoved", "room": "lobby", "participant": a["id"], "track": "video"}),
            json!({"type": "speaking", "room": "lobby", "participant": a["id"], "speaking": true}),
            json!({"type": "sessionState", "session": session, "state": "closed"}),
            json!({"type": "closeSession", "session": session}),
            json!({"type": "slots", "session": session, "slots": [], "missing": {}}),
            json!({"type": "candidate", "session": session, "candidate": ""}),
            json!({"type": "leave", "room": "lobby", "id": a["id"]}),
        ] {
            hall.say(node, message);
            hall.refused(node, "notAllowed");
        }
        hall.say(node, json!({"type": "offer", "request": 1, "room": "lobby", "participant": a["id"], "direction": "publish", "session": SESSION, "sdp": OFFER}));
        hall.expect(node, "error");
        hall.say(node, json!({"type": "offer", "request": 1, "room": "lobby", "direction": "receive", "session": session, "sdp": OFFER}));
        hall.expect(node, "error");
    }
    hall.say(
        stranger,
        json!({"type": "join", "request": 1, "room": "lobby", "name": "spy"}),
    );
    hall.refused(stranger, "notAllowed");
    hall.nothing(alice);
}

#[test]
fn answers_count_only_from_the_node_that_was_asked() {
    let mut hall = Hall::new();
    let (home, _) = hall.node(None);
    let (other, _) = hall.node(Some("other"));
    let (alice, _) = hall.join("lobby", "alice");
    hall.say(alice, json!({"type": "publish", "sdp": OFFER}));
    let offer = hall.expect(home, "offer");
    hall.say(
        other,
        json!({"type": "answer", "request": offer["request"], "sdp": "forged"}),
    );
    hall.refused(other, "notAllowed");
    hall.say(
        home,
        json!({"type": "answer", "request": offer["request"], "sdp": "genuine"}),
    );
    assert_eq!(hall.expect(alice, "published")["sdp"], "genuine");
}

#[test]
fn a_node_that_says_goodbye_is_gone_at_once() {
    let mut hall = Hall::new();
    let (home, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    let (bob, _) = hall.join("lobby", "bob");
    hall.publish(alice, home, "lobby", &id(&a));
    hall.http(whip("lobby", "obs"));
    hall.answer(home);
    hall.http(whep("lobby", None));
    hall.answer(home);
    hall.say(
        home,
        json!({"type": "join", "request": 1, "room": "lobby", "name": "pad"}),
    );
    hall.heard(bob);
    hall.hang_up(home, true);
    assert_eq!(hall.expect(alice, "sessionState")["state"], "closed");
    let heard = hall.heard(bob);
    let kinds = |kind: &str| heard.iter().filter(|m| m["type"] == kind).count();
    assert_eq!(
        (
            kinds("media"),
            kinds("trackRemoved"),
            kinds("participantLeft")
        ),
        (1, 1, 2),
        "{heard:?}"
    );
    hall.say(alice, json!({"type": "publish", "sdp": OFFER}));
    hall.refused(alice, "noNode");
    let (again, _) = hall.node(None);
    assert_eq!(hall.expect(bob, "media")["available"], true);
    let mut names: Vec<Value> = hall
        .heard(again)
        .iter()
        .filter(|m| m["type"] == "participantJoined")
        .map(|m| m["name"].clone())
        .collect();
    names.sort_by_key(Value::to_string);
    assert_eq!(names, ["alice", "bob"]);
}

#[test]
fn a_guest_takes_over_when_the_home_is_lost() {
    let mut hall = Hall::new();
    let (home, _) = hall.node(None);
    let (guest, _) = hall.node(Some("lobby"));
    let (alice, _) = hall.join("lobby", "alice");
    hall.say(
        guest,
        json!({"type": "join", "request": 1, "room": "lobby", "name": "camera"}),
    );
    hall.heard(guest);
    hall.hang_up(home, true);
    hall.expect(guest, "roomClosed");
    opened(&hall.expect(guest, "roomOpened"), "lobby", "home");
    assert_eq!(hall.expect(guest, "participantJoined")["name"], "alice");
    hall.expect(alice, "participantLeft");
    hall.say(
        guest,
        json!({"type": "join", "request": 2, "room": "lobby", "name": "camera"}),
    );
    hall.expect(guest, "joined");
    hall.say(alice, json!({"type": "publish", "sdp": OFFER}));
    hall.answer(guest);
    hall.expect(alice, "published");
}

#[test]
fn a_node_whose_connection_breaks_is_waited_for() {
    let mut hall = Hall::new();
    let (home, node) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    let (bob, b) = hall.join("lobby", "bob");
    let session = hall.publish(alice, home, "lobby", &id(&a));
    hall.hang_up(home, false);
    hall.heard(alice);
    hall.pass(Duration::from_secs(3));
    hall.hang_up(bob, true);
    let (_, c) = hall.join("lobby", "carol");
    hall.expect(alice, "participantLeft");
    hall.expect(alice, "participantJoined");
    let back = hall.open(None);
    hall.say(
        back,
        json!({"type": "node", "version": 1, "resume": {"node": node, "rooms": [{"room": "lobby", "role": "home",
        "participants": [
            {"id": a["id"], "name": "alice", "kind": "peer", "resume": a["resume"], "tracks": [{"track": "video", "kind": "video", "codec": "VP8"}, {"track": "audio", "kind": "audio", "codec": "opus"}]},
            {"id": b["id"], "name": "bob", "kind": "peer", "resume": b["resume"], "tracks": []}],
        "sessions": [{"session": session, "participant": a["id"], "direction": "publish"}, {"session": "gone-while-away-01", "participant": b["id"], "direction": "receive"}]}]}}),
    );
    assert_eq!(hall.expect(back, "nodeReady")["node"], node.as_str());
    opened(&hall.expect(back, "roomOpened"), "lobby", "home");
    assert_eq!(hall.expect(back, "participantJoined")["id"], c["id"]);
    assert_eq!(hall.expect(back, "participantLeft")["id"], b["id"]);
    assert_eq!(
        hall.expect(back, "closeSession")["session"],
        "gone-while-away-01"
    );
    hall.expect(back, "resumed");
    hall.nothing(alice);
    hall.pass(Duration::from_secs(60));
    hall.nothing(alice);
    hall.say(alice, json!({"type": "publish", "sdp": OFFER}));
    assert_eq!(hall.expect(back, "offer")["session"], session.as_str());
}

#[test]
fn a_node_that_does_not_come_back_is_given_up() {
    let mut hall = Hall::new();
    let (home, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    hall.publish(alice, home, "lobby", &id(&a));
    hall.hang_up(home, false);
    hall.pass(Duration::from_secs(4));
    hall.nothing(alice);
    hall.pass(Duration::from_secs(2));
    hall.expect(alice, "sessionState");
}

/// A server that has just started, and what a node brings it.
fn brought(a: &str, secret: &str) -> Value {
    json!({"node": "n-of-before", "rooms": [{"room": "lobby", "role": "home",
        "participants": [
            {"id": a, "name": "alice", "kind": "peer", "resume": secret, "tracks": [{"track": "video", "kind": "video", "codec": "VP8"}]},
            {"id": "p-pad", "name": "pad", "kind": "local", "own": true, "resume": "secret-of-the-pad-0", "tracks": []},
            {"id": "p-cam", "name": "camera", "kind": "local", "resume": "secret-of-the-cam-0", "tracks": []},
            {"id": "p-obs", "name": "obs", "kind": "whip", "resume": "", "tracks": []},
            {"id": "p-idle", "name": "viewer-1", "kind": "viewer", "resume": "", "tracks": []}],
        "sessions": [
            {"session": "session-of-alice-1", "participant": a, "direction": "publish"},
            {"session": "session-of-camera1", "participant": "p-cam", "direction": "publish"},
            {"session": "session-of-obs-001", "participant": "p-obs", "direction": "publish"}]}]})
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn after_a_restart_the_node_brings_the_room_back() {
    let mut hall = Hall::new();
    let alice = hall.open(Some("lobby"));
    hall.say(
        alice,
        json!({"type": "join", "name": "alice", "resume": SECRET}),
    );
    hall.nothing(alice);
    let node = hall.open(None);
    hall.say(
        node,
        json!({"type": "node", "version": 1, "resume": brought("p-alice", SECRET)}),
    );
    let joined = hall.expect(alice, "joined");
    assert_eq!(
        (&joined["id"], &joined["resumed"], &joined["sessions"]),
        (&json!("p-alice"), &json!(true), &json!(["publish"]))
    );
    let names: Vec<&str> = joined["participants"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|p| p["name"].as_str())
        .collect();
    assert_eq!(names, ["pad", "camera", "obs"]);
    hall.expect(node, "nodeReady");
    opened(&hall.expect(node, "roomOpened"), "lobby", "home");
    assert_eq!(hall.expect(node, "participantLeft")["id"], "p-idle");
    hall.expect(node, "resumed");
    hall.nothing(node);
    hall.heard(alice);

    let guest = hall.open(Some("lobby"));
    hall.say(
        guest,
        json!({"type": "node", "version": 1, "resume": {"node": "n-guest", "rooms": [{"room": "lobby", "role": "guest",
        "participants": [{"id": "p-cam", "name": "camera", "kind": "local", "own": true, "resume": "secret-of-the-cam-0"}, {"id": "p-lie", "name": "lie", "kind": "local", "own": true, "resume": "secret-of-a-lie-000"}],
        "sessions": []}]}}),
    );
    assert_eq!(hall.expect(guest, "participantLeft")["id"], "p-lie");
    let told = hall.expect(guest, "roomOpened");
    opened(&told, "lobby", "guest");
    assert_eq!(told["sessions"], json!(["session-of-camera1"]));
    hall.expect(guest, "resumed");

    hall.pass(Duration::from_secs(60));
    hall.nothing(alice);
    hall.hang_up(guest, true);
    assert_eq!(hall.expect(alice, "participantLeft")["id"], "p-cam");
}

#[test]
fn who_does_not_return_after_a_restart_leaves() {
    let mut hall = Hall::new();
    let node = hall.open(None);
    hall.say(
        node,
        json!({"type": "node", "version": 1, "resume": brought("p-alice", SECRET)}),
    );
    let (bob, joined) = hall.join("lobby", "bob");
    assert_eq!(joined["participants"].as_array().expect("a list").len(), 4);
    hall.heard(node);
    hall.pass(Duration::from_secs(15));
    let left: Vec<Value> = hall
        .heard(bob)
        .iter()
        .filter(|m| m["type"] == "participantLeft")
        .map(|m| m["id"].clone())
        .collect();
    assert_eq!(left, ["p-alice", "p-cam"]);
    assert_eq!(
        hall.heard(node)
            .iter()
            .filter(|m| m["type"] == "participantLeft")
            .count(),
        2
    );
}

#[test]
fn the_name_of_somebody_away_can_be_taken() {
    let mut hall = Hall::new();
    let node = hall.open(None);
    hall.say(
        node,
        json!({"type": "node", "version": 1, "resume": brought("p-alice", SECRET)}),
    );
    let (_, joined) = hall.join("lobby", "alice");
    assert_ne!(joined["id"], "p-alice");
    hall.expect(node, "resumed");
    assert_eq!(hall.expect(node, "participantLeft")["id"], "p-alice");
}

#[test]
fn a_resume_that_nobody_knows_becomes_a_new_participant_after_5_s() {
    let mut hall = Hall::new();
    let alice = hall.open(Some("lobby"));
    hall.say(
        alice,
        json!({"type": "join", "name": "alice", "resume": SECRET}),
    );
    hall.pass(Duration::from_secs(4));
    hall.nothing(alice);
    hall.say(alice, json!({"type": "leave"}));
    hall.refused(alice, "badMessage");
    hall.pass(Duration::from_secs(1));
    assert_eq!(hall.expect(alice, "joined")["resumed"], false);
    hall.pass(Duration::from_secs(20));
    let late = hall.open(Some("lobby"));
    hall.say(
        late,
        json!({"type": "join", "name": "bob", "resume": "unknown"}),
    );
    assert_eq!(hall.expect(late, "joined")["resumed"], false);
}

#[test]
fn a_guest_that_is_back_first_waits_for_its_home() {
    let mut hall = Hall::new();
    let guest = hall.open(Some("lobby"));
    let rooms = json!([{"room": "lobby", "role": "guest", "participants": [{"id": "p-cam", "name": "camera", "kind": "local", "own": true, "resume": "secret-of-the-cam-0"}], "sessions": []}]);
    hall.say(
        guest,
        json!({"type": "node", "version": 1, "resume": {"node": "n-guest", "rooms": rooms}}),
    );
    hall.expect(guest, "resumed");
    hall.pass(Duration::from_secs(2));
    let node = hall.open(None);
    hall.say(
        node,
        json!({"type": "node", "version": 1, "resume": brought("p-alice", SECRET)}),
    );
    opened(&hall.expect(guest, "roomOpened"), "lobby", "guest");
    assert!(
        !hall
            .heard(guest)
            .iter()
            .any(|m| m["type"] == "participantLeft")
    );
}

#[test]
fn a_guest_whose_home_never_returns_becomes_home() {
    let mut hall = Hall::new();
    let guest = hall.open(Some("lobby"));
    let rooms = json!([{"room": "lobby", "role": "guest", "participants": [], "sessions": []}]);
    hall.say(
        guest,
        json!({"type": "node", "version": 1, "resume": {"node": "n-guest", "rooms": rooms}}),
    );
    hall.pass(Duration::from_secs(6));
    opened(&hall.expect(guest, "roomOpened"), "lobby", "home");
}

#[test]
fn registrations_that_do_not_fit_are_refused_and_closed() {
    let mut hall = Hall::new();
    let wrong = hall.open(None);
    hall.say(wrong, json!({"type": "node", "version": 2}));
    hall.refused(wrong, "badMessage");
    assert_eq!(hall.closed[&wrong], 1008);
    let alice = hall.open(Some("quiet"));
    hall.say(
        alice,
        json!({"type": "join", "name": "alice", "mode": "p2p"}),
    );
    let node = hall.open(Some("quiet"));
    hall.say(node, json!({"type": "node", "version": 1}));
    hall.refused(node, "wrongMode");
    assert_eq!(hall.closed[&node], 1008);
    let peer = hall.open(None);
    hall.say(peer, json!({"type": "join", "name": "alice"}));
    hall.refused(peer, "badMessage");
}
