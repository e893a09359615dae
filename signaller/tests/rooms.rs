// SPDX-License-Identifier: MIT OR Apache-2.0
//! Participants: joining, leaving, names, offers, peer to peer.

mod support;

use gst_rtc_signaller::protocol::{IceServer, Mode};
use gst_rtc_signaller::rooms::Settings;
use serde_json::{Value, json};
use std::time::Duration;
use support::{Hall, OFFER, id};

#[test]
fn everybody_hears_of_a_join_and_a_leave_at_once() {
    let mut hall = Hall::new();
    let (alice, a) = hall.join("lobby", "alice");
    assert_eq!(a["participants"], json!([]));
    let (bob, b) = hall.join("lobby", "bob");
    assert_eq!(b["participants"][0]["name"], "alice");
    let joined = hall.expect(alice, "participantJoined");
    assert_eq!(joined["participant"]["id"], b["id"]);
    hall.hang_up(bob, true);
    let left = hall.expect(alice, "participantLeft");
    assert_eq!((&left["id"], &left["reason"]), (&b["id"], &json!("left")));
}

#[test]
fn a_broken_connection_is_a_leave_too() {
    let mut hall = Hall::new();
    let (alice, _) = hall.join("lobby", "alice");
    let (bob, _) = hall.join("lobby", "bob");
    hall.hang_up(bob, false);
    assert_eq!(
        hall.expect(alice, "participantLeft")["reason"],
        "connectionLost"
    );
}

#[test]
fn leave_closes_the_connection_and_tells_the_others_once() {
    let mut hall = Hall::new();
    let (alice, _) = hall.join("lobby", "alice");
    let (bob, _) = hall.join("lobby", "bob");
    hall.heard(alice);
    hall.say(bob, json!({"type": "leave"}));
    assert_eq!(hall.closed[&bob], 1000);
    hall.hang_up(bob, true);
    assert_eq!(hall.heard(alice).len(), 1);
}

#[test]
fn a_name_is_unique_in_its_room_and_free_again_afterwards() {
    let mut hall = Hall::new();
    let (alice, _) = hall.join("lobby", "alice");
    hall.join("other", "alice");
    let second = hall.open(Some("lobby"));
    hall.say(
        second,
        json!({"type": "join", "request": 5, "name": "alice"}),
    );
    assert_eq!(hall.refused(second, "nameTaken")["request"], 5);
    hall.say(second, json!({"type": "join", "name": "alice 2"}));
    hall.expect(second, "joined");
    hall.hang_up(alice, true);
    hall.join("lobby", "alice");
}

#[test]
fn bad_names_are_refused() {
    let mut hall = Hall::new();
    for name in [
        "",
        " alice",
        "alice ",
        "a\u{7}b",
        "a\u{202e}b",
        &"x".repeat(65),
    ] {
        let peer = hall.open(Some("lobby"));
        hall.say(peer, json!({"type": "join", "name": name}));
        hall.refused(peer, "badName");
    }
    let peer = hall.open(Some("lobby"));
    hall.say(peer, json!({"type": "join", "name": "ü".repeat(64)}));
    hall.expect(peer, "joined");
}

#[test]
fn what_is_no_message_gets_an_error_and_the_connection_goes_on() {
    let mut hall = Hall::new();
    let (alice, _) = hall.join("lobby", "alice");
    hall.heard(alice);
    for text in [
        "",
        "{",
        "[]",
        "null",
        "42",
        "{\"type\":7}",
        "{\"type\":\"jion\"}",
        "{\"type\":\"publish\"}",
        "{\"type\":\"mute\",\"track\":1,\"muted\":\"x\"}",
    ] {
        hall.say_text(alice, text);
        hall.refused(alice, "badMessage");
    }
    hall.say_text(alice, "{\"type\":\"publish\",\"request\":9}");
    assert_eq!(hall.refused(alice, "badMessage")["request"], 9);
    hall.say(alice, json!({"type": "join", "name": "again"}));
    hall.refused(alice, "badMessage");
    hall.join("lobby", "bob");
    hall.expect(alice, "participantJoined");
}

#[test]
fn who_says_nothing_is_closed_after_15_s() {
    let mut hall = Hall::new();
    let silent = hall.open(Some("lobby"));
    let (alice, _) = hall.join("lobby", "alice");
    hall.pass(Duration::from_secs(14));
    assert!(hall.closed.is_empty());
    hall.pass(Duration::from_secs(2));
    assert_eq!(hall.closed.get(&silent), Some(&1008));
    assert!(!hall.closed.contains_key(&alice));
}

#[test]
fn an_offer_without_a_node_says_what_to_do() {
    let mut hall = Hall::new();
    let (alice, _) = hall.join("lobby", "alice");
    assert_eq!(hall.expect(alice, "media")["available"], false);
    hall.say(
        alice,
        json!({"type": "publish", "request": 2, "sdp": OFFER}),
    );
    let error = hall.refused(alice, "noNode");
    assert_eq!(
        (&error["request"], &error["retryAfter"]),
        (&json!(2), &json!(2))
    );
    let (_node, _) = hall.node(None);
    assert_eq!(hall.expect(alice, "media")["available"], true);
}

#[test]
fn offers_go_to_the_node_and_answers_come_back() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    let opened = hall.expect(node, "roomOpened");
    assert_eq!(
        (&opened["room"], &opened["role"]),
        (&json!("lobby"), &json!("home"))
    );
    let told = hall.expect(node, "participantJoined");
    assert_eq!((&told["id"], &told["kind"]), (&a["id"], &json!("peer")));
    assert_eq!(told["resume"], a["resume"]);
    hall.say(
        alice,
        json!({"type": "publish", "request": 7, "sdp": OFFER}),
    );
    let offer = hall.expect(node, "offer");
    assert_eq!(
        (&offer["participant"], &offer["direction"]),
        (&a["id"], &json!("publish"))
    );
    hall.say(
        alice,
        json!({"type": "publish", "request": 8, "sdp": OFFER}),
    );
    hall.refused(alice, "busy");
    hall.say(alice, json!({"type": "candidate", "session": "publish", "candidate": "candidate:1 1 UDP 1 127.0.0.1 9 typ host", "mid": "0"}));
    assert_eq!(hall.expect(node, "candidate")["session"], offer["session"]);
    hall.say(
        node,
        json!({"type": "answer", "request": offer["request"], "sdp": "v=0 answer"}),
    );
    let published = hall.expect(alice, "published");
    assert_eq!(
        (&published["request"], &published["sdp"]),
        (&json!(7), &json!("v=0 answer"))
    );
    hall.say(
        node,
        json!({"type": "sessionState", "session": offer["session"], "state": "connected"}),
    );
    assert_eq!(hall.expect(alice, "sessionState")["session"], "publish");
    hall.say(alice, json!({"type": "publish", "sdp": OFFER}));
    assert_eq!(
        hall.expect(node, "offer")["session"],
        offer["session"],
        "a renegotiation keeps the session"
    );
}

#[test]
fn the_node_hears_what_is_encrypted_end_to_end() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    for (name, field, told) in [
        ("alice", json!(true), json!(true)),
        ("bob", json!(false), Value::Null),
    ] {
        let (peer, _) = hall.join("lobby", name);
        hall.say(
            peer,
            json!({"type": "publish", "sdp": OFFER, "encrypted": field}),
        );
        assert_eq!(hall.expect(node, "offer")["encrypted"], told);
    }
}

#[test]
fn a_refusal_of_the_node_reaches_the_peer() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, _) = hall.join("lobby", "alice");
    hall.say(
        alice,
        json!({"type": "subscribe", "request": 1, "sdp": OFFER}),
    );
    let offer = hall.expect(node, "offer");
    assert_eq!(offer["direction"], "receive");
    hall.say(node, json!({"type": "refused", "request": offer["request"], "code": "badSdp", "message": "m-line 3: no codec in common"}));
    assert_eq!(
        hall.refused(alice, "badSdp")["message"],
        "m-line 3: no codec in common"
    );
    hall.say(
        alice,
        json!({"type": "candidate", "session": "subscribe", "candidate": ""}),
    );
    hall.refused(alice, "notSubscribed");
}

#[test]
fn a_node_that_does_not_answer_is_not_waited_for() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, _) = hall.join("lobby", "alice");
    hall.say(
        alice,
        json!({"type": "publish", "request": 1, "sdp": OFFER}),
    );
    let offer = hall.expect(node, "offer");
    hall.pass(Duration::from_secs(9));
    hall.nothing(alice);
    hall.pass(Duration::from_secs(1));
    hall.refused(alice, "nodeTimeout");
    assert_eq!(
        hall.expect(node, "closeSession")["session"],
        offer["session"]
    );
    hall.say(
        node,
        json!({"type": "answer", "request": offer["request"], "sdp": "late"}),
    );
    hall.nothing(alice);
    hall.nothing(node);
}

#[test]
fn sdp_that_is_none_or_too_large_is_refused_here() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, _) = hall.join("lobby", "alice");
    hall.heard(node);
    for (sdp, code) in [
        ("hello".to_owned(), "badSdp"),
        ("v=0\0".to_owned(), "badSdp"),
        (format!("v=0{}", "x".repeat(256 * 1024)), "tooLarge"),
    ] {
        hall.say(alice, json!({"type": "publish", "sdp": sdp}));
        hall.refused(alice, code);
    }
    hall.nothing(node);
}

#[test]
fn tracks_and_mutes_are_told_to_the_others() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    let (bob, _) = hall.join("lobby", "bob");
    hall.heard(alice);
    let session = hall.publish(alice, node, "lobby", &id(&a));
    assert_eq!(hall.expect(bob, "trackAdded")["track"]["codec"], "VP8");
    hall.nothing(alice);
    hall.say(
        alice,
        json!({"type": "mute", "track": "video", "muted": true}),
    );
    assert_eq!(hall.expect(bob, "trackMuted")["muted"], true);
    assert_eq!(hall.expect(node, "mute")["track"], "video");
    hall.say(
        alice,
        json!({"type": "mute", "track": "screen", "muted": true}),
    );
    hall.refused(alice, "unknownTrack");
    let (_, c) = hall.join("lobby", "carol");
    assert_eq!(c["participants"][0]["tracks"][0]["muted"], true);
    hall.say(alice, json!({"type": "unpublish", "request": 3}));
    assert_eq!(hall.expect(alice, "unpublished")["request"], 3);
    assert_eq!(
        hall.expect(node, "closeSession")["session"],
        session.as_str()
    );
    assert_eq!(hall.expect(bob, "trackRemoved")["track"], "video");
}

#[test]
fn slots_speech_and_assignments_pass_through() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    let (bob, _) = hall.join("lobby", "bob");
    let publication = hall.publish(alice, node, "lobby", &id(&a));
    hall.say(
        node,
        json!({"type": "layers", "session": publication, "track": "video", "active": [true, false]}),
    );
    let layers = hall.expect(alice, "layers");
    assert_eq!(
        (&layers["track"], &layers["active"]),
        (&json!("video"), &json!([true, false]))
    );
    hall.say(
        bob,
        json!({"type": "assign", "mid": "0", "participant": a["id"], "track": "video"}),
    );
    hall.refused(bob, "notSubscribed");
    hall.say(bob, json!({"type": "subscribe", "sdp": OFFER}));
    let session = hall.answer(node);
    hall.say(node, json!({"type": "slots", "session": session, "slots": [{"mid": "0", "kind": "video", "participant": a["id"], "track": "video"}], "missing": {"audio": 0, "video": 2}}));
    assert_eq!(hall.expect(bob, "slots")["missing"]["video"], 2);
    hall.say(
        bob,
        json!({"type": "assign", "mid": "0", "participant": a["id"], "track": "video"}),
    );
    assert_eq!(hall.expect(node, "assign")["session"], session.as_str());
    hall.say(
        bob,
        json!({"type": "assign", "mid": "0", "participant": null}),
    );
    let told = hall.expect(node, "assign");
    assert_eq!(
        (&told["participant"], &told["speaker"]),
        (&json!(null), &json!(null))
    );
    hall.say(
        bob,
        json!({"type": "assign", "mid": "0", "participant": null, "speaker": true}),
    );
    assert_eq!(hall.expect(node, "assign")["speaker"], true);
    hall.say(
        bob,
        json!({"type": "assign", "mid": "0", "participant": a["id"], "track": "video", "speaker": true}),
    );
    hall.refused(bob, "badMessage");
    hall.say(
        bob,
        json!({"type": "assign", "mid": "0", "participant": "p-nobody", "track": "video"}),
    );
    hall.refused(bob, "unknownParticipant");
    hall.say(
        node,
        json!({"type": "speaking", "room": "lobby", "participant": a["id"], "speaking": true}),
    );
    hall.expect(alice, "speaking");
    hall.expect(bob, "speaking");
}

#[test]
fn wishes_and_quality_pass_through() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    let (bob, _) = hall.join("lobby", "bob");
    hall.publish(alice, node, "lobby", &id(&a));
    let wish = json!({"type": "prefer", "mid": "0", "width": 320, "priority": "pinned"});
    hall.say(bob, wish.clone());
    hall.refused(bob, "notSubscribed");
    hall.say(bob, json!({"type": "subscribe", "sdp": OFFER}));
    let session = hall.answer(node);
    hall.say(bob, wish);
    let told = hall.expect(node, "prefer");
    assert_eq!(told["session"], session.as_str());
    assert_eq!(
        (&told["width"], &told["height"], &told["priority"]),
        (&json!(320), &json!(0), &json!("pinned"))
    );
    let slot = json!({"mid": "0", "layer": null, "available": [], "reason": "bandwidth"});
    hall.say(
        node,
        json!({"type": "quality", "session": session, "estimate": 90_000, "slots": [slot]}),
    );
    let told = hall.expect(bob, "quality");
    assert_eq!(
        (&told["estimate"], &told["slots"][0]),
        (&json!(90_000), &slot)
    );
}

#[test]
fn peers_of_a_p2p_room_signal_to_each_other() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let alice = hall.open(Some("quiet"));
    hall.say(
        alice,
        json!({"type": "join", "name": "alice", "mode": "p2p"}),
    );
    let a = hall.expect(alice, "joined");
    let (bob, b) = hall.join("quiet", "bob");
    assert_eq!(b["mode"], "p2p");
    hall.say(
        bob,
        json!({"type": "signal", "to": a["id"], "description": {"type": "offer", "sdp": OFFER}}),
    );
    let signal = hall.expect(alice, "signal");
    assert_eq!(
        (&signal["from"], &signal["description"]["type"]),
        (&b["id"], &json!("offer"))
    );
    hall.say(alice, json!({"type": "signal", "to": b["id"], "candidate": {"candidate": "candidate:1 …", "sdpMid": "0", "sdpMLineIndex": 0}}));
    assert_eq!(hall.expect(bob, "signal")["candidate"]["sdpMLineIndex"], 0);
    hall.say(
        alice,
        json!({"type": "signal", "to": b["id"], "candidate": null}),
    );
    let last = hall.expect(bob, "signal");
    assert!(
        last.as_object()
            .expect("an object")
            .contains_key("candidate")
            && last["candidate"].is_null()
    );
    hall.say(
        alice,
        json!({"type": "signal", "to": "p-nobody", "candidate": null}),
    );
    hall.refused(alice, "unknownParticipant");
    hall.say(alice, json!({"type": "publish", "sdp": OFFER}));
    hall.refused(alice, "wrongMode");
    hall.nothing(node);
}

#[test]
fn signal_is_refused_in_an_sfu_room() {
    let mut hall = Hall::new();
    let (alice, _) = hall.join("lobby", "alice");
    let (_, b) = hall.join("lobby", "bob");
    hall.say(
        alice,
        json!({"type": "signal", "to": b["id"], "candidate": null}),
    );
    hall.refused(alice, "wrongMode");
}

#[test]
fn settings_reach_the_newcomer() {
    let ice = IceServer {
        urls: vec!["stun:192.0.2.1:3478".into()],
        username: None,
        credential: None,
    };
    let mut hall = Hall::with(Settings {
        default_mode: Mode::P2p,
        ice_servers: vec![ice],
        max_participants: 2,
        max_rooms: 1,
        ..Settings::default()
    });
    let (_, a) = hall.join("lobby", "alice");
    assert_eq!(
        (&a["mode"], &a["iceServers"][0]["urls"][0]),
        (&json!("p2p"), &json!("stun:192.0.2.1:3478"))
    );
    hall.join("lobby", "bob");
    for room in ["lobby", "another"] {
        let third = hall.open(Some(room));
        hall.say(third, json!({"type": "join", "name": "carol"}));
        hall.refused(third, "full");
    }
}

#[test]
fn a_live_participant_is_taken_over_by_its_secret() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (alice, a) = hall.join("lobby", "alice");
    let (bob, _) = hall.join("lobby", "bob");
    hall.publish(alice, node, "lobby", &id(&a));
    hall.heard(bob);
    let again = hall.open(Some("lobby"));
    hall.say(
        again,
        json!({"type": "join", "name": "alice", "resume": a["resume"]}),
    );
    let joined = hall.expect(again, "joined");
    assert_eq!(
        (&joined["id"], &joined["resumed"], &joined["sessions"]),
        (&a["id"], &json!(true), &json!(["publish"]))
    );
    assert_eq!(hall.closed[&alice], 4001);
    hall.hang_up(alice, false);
    hall.nothing(bob);
    hall.pass(Duration::from_secs(60));
    let thief = hall.open(Some("lobby"));
    hall.say(
        thief,
        json!({"type": "join", "name": "mallory", "resume": "0".repeat(32)}),
    );
    assert_eq!(hall.expect(thief, "joined")["resumed"], false);
}

#[test]
fn nobody_reaches_into_another_room() {
    let mut hall = Hall::new();
    let (node, _) = hall.node(None);
    let (stranger, s) = hall.join("red", "stranger");
    hall.publish(stranger, node, "red", &id(&s));
    let (alice, _) = hall.join("blue", "alice");
    hall.say(alice, json!({"type": "subscribe", "sdp": OFFER}));
    hall.answer(node);
    hall.expect(alice, "subscribed");
    hall.heard(stranger);
    hall.say(
        alice,
        json!({"type": "assign", "mid": "0", "participant": s["id"], "track": "video"}),
    );
    hall.refused(alice, "unknownParticipant");
    let bob = hall.open(Some("quiet"));
    hall.say(bob, json!({"type": "join", "name": "bob", "mode": "p2p"}));
    hall.say(
        bob,
        json!({"type": "signal", "to": s["id"], "candidate": null}),
    );
    hall.refused(bob, "unknownParticipant");
    hall.nothing(stranger);
    hall.nothing(node);
}
