// SPDX-License-Identifier: MIT OR Apache-2.0
//! The home node of a room: it answers offers and speaks for all participants.

use crate::signaller::{Link, Signaller};
use crate::support::{Node, config, local, opus, vp8};
use gst_rtc_core::media::{Fingerprint, Proto, SessionDescription};
use gst_rtc_core::negotiate::{LocalTransport, OfferedTrack, offer_publish, offer_receive};
use gstrtcsfu::hub::{HubConfig, NodeEvent};
use gstrtcsfu::sdp;
use serde_json::{Value, json};

fn home(signaller: &Signaller) -> HubConfig {
    HubConfig {
        room: Some("lobby".into()),
        signaller_uri: Some(signaller.uri.clone()),
        ..config()
    }
}

fn start() -> (Signaller, Node, Link) {
    let signaller = Signaller::start();
    let node = Node::start(home(&signaller));
    let mut link = signaller.accept();
    link.open("home");
    (signaller, node, link)
}

fn transport(ufrag: &str) -> LocalTransport {
    LocalTransport {
        ufrag: ufrag.into(),
        pwd: "aaaaaaaaaaaaaaaaaaaaaaaa".into(),
        fingerprint: Fingerprint {
            algorithm: "sha-256".into(),
            bytes: vec![7; 32],
        },
        candidates: Vec::new(),
        ice_lite: false,
    }
}

fn publication(
    ufrag: &str,
    videos: usize,
    previous: Option<&SessionDescription>,
) -> SessionDescription {
    let track = |payload: gst_rtc_core::media::PayloadParams| OfferedTrack {
        kind: payload.codec.kind(),
        payloads: vec![payload],
        stream: "s".into(),
        active: true,
        rids: Vec::new(),
    };
    let tracks: Vec<_> = [track(opus())]
        .into_iter()
        .chain((0..videos).map(|_| track(vp8())))
        .collect();
    let mut ssrc = 0;
    offer_publish(&tracks, &transport(ufrag), previous, &mut || {
        ssrc += 1;
        ssrc
    })
}

fn offer(link: &mut Link, participant: &str, direction: &str, session: &str, sdp: &str) -> Value {
    link.say(json!({"type": "offer", "request": 9, "room": "lobby", "participant": participant, "direction": direction,
        "session": session, "sdp": sdp, "of": null}));
    loop {
        if let Some(reply) = link
            .poll()
            .filter(|m| m["type"] == "answer" || m["type"] == "refused")
        {
            assert_eq!(reply["request"], 9);
            return reply;
        }
    }
}

#[test]
fn a_node_with_a_room_registers_for_that_room_only() {
    let signaller = Signaller::start();
    let node = Node::start(home(&signaller));
    let mut link = signaller.accept();
    assert_eq!(link.path, "/ws/lobby");
    let message = link.open("home");
    assert_eq!(message["version"], 1);
    node.expect("SignallerConnected", |event| {
        matches!(event, NodeEvent::SignallerConnected).then_some(())
    });
    let all = Node::start(HubConfig {
        room: None,
        ..home(&signaller)
    });
    assert_eq!(signaller.accept().path, "/ws");
    drop(all);
}

#[test]
fn an_offer_to_publish_is_answered_with_candidates_of_the_participants_worker() {
    let (_signaller, node, mut link) = start();
    link.joined("p1", "alice");
    let reply = offer(
        &mut link,
        "p1",
        "publish",
        "session-1",
        &sdp::write(&publication("abcd", 1, None), 1, 1),
    );
    let answer = sdp::parse(reply["sdp"].as_str().expect("an answer")).expect("an SDP");
    assert!(answer.transport.ice_lite);
    assert_eq!(answer.media.len(), 2);
    let bound: Vec<_> = node
        .hub
        .stats()
        .workers
        .into_iter()
        .flat_map(|worker| worker.local)
        .collect();
    for proto in [Proto::Udp, Proto::Tcp] {
        assert!(
            answer
                .transport
                .candidates
                .iter()
                .any(|c| c.proto == proto && bound.contains(&c.addr)),
            "{answer:?}"
        );
    }
    assert_eq!(node.hub.stats().sessions, 1);
    // Nobody is told of a track before it can be received.
    node.expect_none("TrackAdded", |event| {
        matches!(event, NodeEvent::TrackAdded { .. })
    });
}

#[test]
fn renegotiation_keeps_transport_and_worker() {
    let (_signaller, node, mut link) = start();
    link.joined("p1", "alice");
    let first = publication("abcd", 1, None);
    let one = offer(
        &mut link,
        "p1",
        "publish",
        "session-1",
        &sdp::write(&first, 1, 1),
    );
    let two = offer(
        &mut link,
        "p1",
        "publish",
        "session-1",
        &sdp::write(&publication("abcd", 2, Some(&first)), 1, 2),
    );
    let parse =
        |reply: &Value| sdp::parse(reply["sdp"].as_str().expect("an answer")).expect("an SDP");
    let (one, two) = (parse(&one), parse(&two));
    assert_eq!(one.transport, two.transport);
    assert_eq!((one.media.len(), two.media.len()), (2, 3));
    assert_eq!(node.hub.stats().sessions, 1);
}

#[test]
fn what_cannot_be_answered_is_refused_with_the_reason_and_the_room_goes_on() {
    let (_signaller, node, mut link) = start();
    link.joined("p1", "alice");
    let good = sdp::write(&publication("abcd", 1, None), 1, 1);
    let codes = [
        offer(&mut link, "p1", "publish", "s1", "nonsense"),
        offer(&mut link, "p9", "publish", "s1", &good),
        offer(&mut link, "p1", "receive", "s1", &good),
    ];
    let codes: Vec<_> = codes
        .iter()
        .map(|reply| reply["code"].as_str().unwrap_or("answered"))
        .collect();
    assert_eq!(codes, ["badSdp", "unknownParticipant", "badSdp"]);
    assert_eq!(
        offer(&mut link, "p1", "publish", "s1", &good)["type"],
        "answer"
    );
    let restarted = sdp::write(&publication("efgh", 1, None), 1, 2);
    assert_eq!(
        offer(&mut link, "p1", "publish", "s1", &restarted)["code"],
        "badSdp"
    );
    assert_eq!(node.hub.stats().sessions, 1);
}

#[test]
fn slots_are_told_with_the_signallers_names_once_they_show_something() {
    let (_signaller, node, mut link) = start();
    link.joined("p1", "alice");
    let sdp = sdp::write(&offer_receive(1, 1, &transport("abcd"), None), 1, 1);
    assert_eq!(
        offer(&mut link, "p1", "receive", "s1", &sdp)["type"],
        "answer"
    );
    node.publish("camera", "video", vp8());
    assert_eq!(link.let_in("p7"), "camera");
    let added = link.hear("trackAdded");
    assert_eq!(
        (&added["participant"], &added["track"]["track"]),
        (&json!("p7"), &json!("video"))
    );
    loop {
        let slots = link.hear("slots");
        let video = slots["slots"]
            .as_array()
            .expect("slots")
            .iter()
            .find(|slot| slot["kind"] == "video")
            .expect("a slot");
        if video["participant"] == "p7" {
            assert_eq!(
                (&video["track"], &slots["missing"]),
                (&json!("video"), &json!({"audio": 0, "video": 0}))
            );
            assert_eq!(video["reason"], Value::Null, "the node chose");
            break;
        }
    }
    let (participant, none) = (json!("p7"), Value::Null);
    for (participant, track, speaker, reason) in [
        (&participant, json!("video"), false, json!("assigned")),
        (&none, none.clone(), true, json!("speaker")),
        (&none, none.clone(), false, none.clone()),
    ] {
        link.say(json!({"type": "assign", "session": "s1", "mid": "1", "participant": participant, "track": track, "speaker": speaker}));
        let slots = link.hear("slots");
        let video = &slots["slots"][1];
        assert_eq!(
            (&video["track"], &video["reason"]),
            (&json!("video"), &reason),
            "{slots}"
        );
    }
}

#[test]
fn a_participant_who_leaves_takes_sessions_along() {
    let (_signaller, node, mut link) = start();
    link.joined("p1", "alice");
    offer(
        &mut link,
        "p1",
        "publish",
        "s1",
        &sdp::write(&publication("abcd", 1, None), 1, 1),
    );
    link.say(json!({"type": "participantLeft", "room": "lobby", "id": "p1"}));
    node.expect("ParticipantLeft", |event| {
        matches!(event, NodeEvent::ParticipantLeft { name, .. } if name == "alice").then_some(())
    });
    let stats = node.hub.stats();
    assert_eq!((stats.participants, stats.sessions), (0, 0));
    assert!(
        stats
            .workers
            .iter()
            .all(|worker| worker.sessions.is_empty())
    );
}

#[test]
fn a_lost_signaller_is_found_again_and_told_everything() {
    let (signaller, node, mut link) = start();
    link.joined("p1", "alice");
    offer(
        &mut link,
        "p1",
        "publish",
        "s1",
        &sdp::write(&publication("abcd", 1, None), 1, 1),
    );
    node.publish("camera", "video", vp8());
    link.let_in("p7");
    link.hear("trackAdded");
    drop(link);
    node.expect("SignallerLost", |event| {
        matches!(event, NodeEvent::SignallerLost { .. }).then_some(())
    });
    let mut link = signaller.accept();
    let resume = link.hear("node")["resume"].take();
    assert_eq!(resume["node"], "n1");
    let room = &resume["rooms"][0];
    assert_eq!(
        (&room["room"], &room["role"]),
        (&json!("lobby"), &json!("home"))
    );
    assert_eq!(
        room["participants"],
        json!([
            {"id": "p1", "name": "alice", "kind": "peer", "resume": "secret", "tracks": []},
            {"id": "p7", "name": "camera", "kind": "local", "resume": "own", "own": true,
             "tracks": [{"track": "video", "kind": "video", "codec": "VP8", "muted": false}]}
        ])
    );
    assert_eq!(
        room["sessions"],
        json!([{"session": "s1", "participant": "p1", "direction": "publish", "of": null}])
    );
    link.say(json!({"type": "nodeReady", "node": "n1"}));
    link.say(json!({"type": "roomOpened", "room": "lobby", "role": "home"}));
    link.say(json!({"type": "resumed"}));
    node.expect("SignallerConnected", |event| {
        matches!(event, NodeEvent::SignallerConnected).then_some(())
    });
    assert_eq!(
        offer(&mut link, "p1", "publish", "s1", "nonsense")["code"],
        "badSdp"
    );
    assert_eq!(
        node.hub.stats().sessions,
        1,
        "the session outlived the signaller"
    );
}

#[test]
fn rooms_that_a_new_signaller_does_not_give_back_are_closed() {
    let (signaller, node, mut link) = start();
    link.joined("p1", "alice");
    node.expect("ParticipantJoined", |event| {
        matches!(event, NodeEvent::ParticipantJoined { .. }).then_some(())
    });
    drop(link);
    let mut link = signaller.accept();
    link.hear("node");
    link.say(json!({"type": "nodeReady", "node": "n2"}));
    link.say(json!({"type": "resumed"}));
    node.expect("ParticipantLeft", |event| {
        matches!(event, NodeEvent::ParticipantLeft { .. }).then_some(())
    });
    assert_eq!(node.hub.stats().rooms, 0);
}

#[test]
fn a_name_that_is_taken_is_reported_and_tried_again_when_it_is_free() {
    let (_signaller, node, mut link) = start();
    link.joined("p1", "alice");
    node.publish("camera", "video", vp8());
    let join = link.hear("join");
    link.say(json!({"type": "error", "request": join["request"], "code": "nameTaken", "message": "taken"}));
    let what = node.expect("Refused", |event| match event {
        NodeEvent::Refused { what, .. } => Some(what),
        _ => None,
    });
    assert_eq!(what, "join of camera");
    link.say(json!({"type": "participantLeft", "room": "lobby", "id": "p1"}));
    assert_eq!(link.let_in("p8"), "camera");
    assert_eq!(link.hear("trackAdded")["participant"], "p8");
}

#[test]
fn a_node_that_stops_takes_its_leave() {
    let (_signaller, node, mut link) = start();
    node.hub.stop();
    assert!(link.is_closed());
}

/// What the video slot of a session shows, from its next `slots` on until it shows `wanted`.
fn until_shown(link: &mut Link, session: &str, wanted: Value) {
    loop {
        let slots = link.hear("slots");
        let list = slots["slots"].as_array().expect("slots");
        let video = list
            .iter()
            .find(|slot| slot["kind"] == "video")
            .expect("a video slot");
        assert_ne!(video["track"], "mix", "{slots}");
        if slots["session"] == session && video["track"] == wanted {
            return;
        }
    }
}

#[test]
fn a_track_with_an_audience_is_shown_to_nobody_else_and_not_announced() {
    let (_signaller, node, mut link) = start();
    link.joined("p1", "alice");
    let receive = |ufrag| sdp::write(&offer_receive(0, 1, &transport(ufrag), None), 1, 1);
    assert_eq!(
        offer(&mut link, "p1", "receive", "alices", &receive("abcd"))["type"],
        "answer"
    );
    let mut mix = local("mixer", "mix", vp8());
    mix.audience = Some("bob".into());
    node.hub.publish(mix).expect("valid names");
    node.publish("mixer", "video", vp8());
    link.let_in("p7");
    assert_eq!(link.hear("trackAdded")["track"]["track"], "video");
    until_shown(&mut link, "alices", json!("video"));
    // Bob comes, and what was made for him goes to him alone.
    link.joined("p2", "bob");
    let two = sdp::write(&offer_receive(0, 2, &transport("efgh"), None), 1, 1);
    assert_eq!(
        offer(&mut link, "p2", "receive", "bobs", &two)["type"],
        "answer"
    );
    loop {
        let slots = link.hear("slots");
        let tracks: Vec<_> = slots["slots"]
            .as_array()
            .expect("slots")
            .iter()
            .map(|slot| slot["track"].clone())
            .collect();
        assert!(
            slots["session"] == "bobs" || !tracks.contains(&json!("mix")),
            "{slots}"
        );
        if slots["session"] == "bobs"
            && tracks.contains(&json!("mix"))
            && tracks.contains(&json!("video"))
        {
            break;
        }
    }
    // He goes and comes back; in between it is nobody's.
    link.say(json!({"type": "participantLeft", "room": "lobby", "id": "p2"}));
    link.joined("p3", "bob");
    assert_eq!(
        offer(&mut link, "p3", "receive", "again", &receive("ijkl"))["type"],
        "answer"
    );
    until_shown_any(&mut link, "again");
}

fn until_shown_any(link: &mut Link, session: &str) {
    loop {
        let slots = link.hear("slots");
        if slots["session"] == session && !slots["slots"][0]["track"].is_null() {
            return;
        }
    }
}

#[test]
fn a_session_of_one_name_waits_for_that_participant_and_shows_no_other() {
    let (_signaller, node, mut link) = start();
    link.joined("viewer", "viewer-1");
    let sdp = sdp::write(&offer_receive(0, 1, &transport("abcd"), None), 1, 1);
    link.say(json!({"type": "offer", "request": 1, "room": "lobby", "participant": "viewer", "direction": "receive",
        "session": "s1", "sdp": sdp, "of": "late"}));
    link.hear("answer");
    node.publish("other", "video", vp8());
    link.let_in("p1");
    node.publish("late", "video", vp8());
    link.let_in("p2");
    loop {
        let slot = link.hear("slots")["slots"][0].take();
        assert_ne!(slot["participant"], "p1");
        if slot["participant"] == "p2" {
            break;
        }
    }
    let owners = node.hub.stats().owners;
    let owner = owners.values().next().expect("a session");
    assert_eq!(
        (
            owner.room.as_str(),
            owner.participant.as_str(),
            owner.publishes
        ),
        ("lobby", "viewer-1", false)
    );
}
