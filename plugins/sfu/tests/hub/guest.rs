// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two nodes in one room: the guest dials the home node, with real media in both directions. The test relays, as a signaller does.

use crate::signaller::{Link, Signaller};
use crate::support::{Node, PATIENCE, config, feed, has_media, opus, vp8};
use gst_rtc_core::media::MediaKind;
use gstrtcsfu::hub::{HubConfig, NodeEvent};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Instant;

/// Two nodes and the relay between them.
struct Pair {
    home: Node,
    guest: Node,
    home_link: Link,
    guest_link: Link,
    /// Who made which participant, by name.
    names: HashMap<String, String>,
    /// Offers on their way: the guest's request by the home's.
    requests: HashMap<u64, Value>,
    next: u64,
    /// Until the guest's sessions of a participant may find it.
    published: Vec<Value>,
}

impl Pair {
    fn start() -> Pair {
        let signaller = Signaller::start();
        let config = HubConfig {
            room: Some("lobby".into()),
            signaller_uri: Some(signaller.uri.clone()),
            ..config()
        };
        let home = Node::start(config.clone());
        let mut home_link = signaller.accept();
        home_link.open("home");
        let guest = Node::start(config);
        let mut guest_link = signaller.accept();
        guest_link.open("guest");
        home_link.say(json!({"type": "participantJoined", "room": "lobby", "id": "hidden", "name": "guest-1", "kind": "viewer"}));
        let (names, requests, published) = (HashMap::new(), HashMap::new(), Vec::new());
        Pair {
            home,
            guest,
            home_link,
            guest_link,
            names,
            requests,
            next: 100,
            published,
        }
    }

    /// Passes on what was said, until `done`.
    fn relay(&mut self, mut done: impl FnMut(&Pair) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            let late = Instant::now() > deadline;
            assert!(
                !late,
                "not within {PATIENCE:?}; home: {:?}, guest: {:?}",
                self.home.rest(),
                self.guest.rest()
            );
            if let Some(message) = self.home_link.poll() {
                self.home_said(message);
            }
            if let Some(message) = self.guest_link.poll() {
                self.guest_said(message);
            }
        }
    }

    fn home_said(&mut self, mut message: Value) {
        match message["type"].as_str().expect("a type") {
            "join" => join(
                &mut self.home_link,
                &mut self.guest_link,
                &mut self.names,
                &message,
                "h",
            ),
            "trackAdded" | "trackRemoved" => {
                self.published.push(message.clone());
                self.guest_link.say(message);
            }
            "answer" | "refused" => {
                let request = self
                    .requests
                    .remove(&message["request"].as_u64().expect("a number"));
                message["request"] = request.expect("a request of the guest");
                if message["type"] == "refused" {
                    message["type"] = json!("error");
                }
                self.guest_link.say(message);
            }
            "slots" | "sessionState" | "closeSession" => self.guest_link.say(message),
            _ => {}
        }
    }

    fn guest_said(&mut self, mut message: Value) {
        match message["type"].as_str().expect("a type") {
            "join" => join(
                &mut self.guest_link,
                &mut self.home_link,
                &mut self.names,
                &message,
                "g",
            ),
            "offer" => {
                self.next += 1;
                self.requests.insert(self.next, message["request"].take());
                message["request"] = json!(self.next);
                if message["participant"].is_null() {
                    message["participant"] = json!("hidden");
                }
                self.home_link.say(message);
            }
            "closeSession" => self.home_link.say(message),
            "leave" => self
                .home_link
                .say(json!({"type": "participantLeft", "room": "lobby", "id": message["id"]})),
            _ => {}
        }
    }
}

fn join(
    from: &mut Link,
    other: &mut Link,
    names: &mut HashMap<String, String>,
    message: &Value,
    prefix: &str,
) {
    let name = message["name"].as_str().expect("a name").to_owned();
    let id = format!("{prefix}-{name}");
    from.say(json!({"type": "joined", "request": message["request"], "id": id}));
    other.say(json!({"type": "participantJoined", "room": "lobby", "id": id, "name": name, "kind": "local"}));
    names.insert(name, id);
}

#[test]
fn what_the_guest_publishes_is_received_at_home() {
    let mut pair = Pair::start();
    let video = pair.guest.publish("camera", "video", vp8());
    let audio = pair.guest.publish("camera", "audio", opus());
    let taps = [
        pair.home.tap("camera", MediaKind::Video),
        pair.home.tap("camera", MediaKind::Audio),
    ];
    pair.relay(|pair| {
        pair.published
            .iter()
            .filter(|m| m["type"] == "trackAdded")
            .count()
            == 2
    });
    feed(&pair.guest, video, &vp8(), || {
        has_media(&pair.home, taps[0])
    });
    feed(&pair.guest, audio, &opus(), || {
        has_media(&pair.home, taps[1])
    });
    // One of two goes: its line becomes inactive, the other stays.
    pair.guest.hub.unpublish(audio);
    pair.relay(|pair| {
        pair.published
            .iter()
            .any(|m| m["type"] == "trackRemoved" && m["track"] == "audio")
    });
    feed(&pair.guest, video, &vp8(), || {
        has_media(&pair.home, taps[0])
    });
    // The last goes, and with it the participant.
    pair.guest.hub.unpublish(video);
    pair.relay(|pair| pair.home.hub.stats().sessions == 0);
}

#[test]
fn what_the_guest_taps_comes_from_home_and_nothing_else() {
    let mut pair = Pair::start();
    let video = pair.home.publish("stage", "video", vp8());
    pair.home.publish("other", "video", vp8());
    pair.relay(|pair| pair.published.len() == 2);
    assert_eq!(
        pair.guest.hub.stats().sessions,
        0,
        "nothing is fetched that nobody taps"
    );
    let tap = pair.guest.tap("stage", MediaKind::Video);
    let mut started = false;
    pair.relay(|pair| {
        started |= pair.guest.hub.stats().tracks == 1;
        started
    });
    assert_eq!(pair.guest.tap_started(tap), "video");
    feed(&pair.home, video, &vp8(), || has_media(&pair.guest, tap));
    pair.guest.hub.untap(tap);
    pair.relay(|pair| pair.guest.hub.stats().sessions == 0 && pair.home.hub.stats().sessions == 0);
}

#[test]
fn a_keyframe_asked_for_at_the_guest_is_asked_of_the_pad_at_home() {
    let mut pair = Pair::start();
    let video = pair.home.publish("stage", "video", vp8());
    let tap = pair.guest.tap("stage", MediaKind::Video);
    pair.relay(|pair| pair.guest.hub.stats().tracks == 1);
    feed(&pair.home, video, &vp8(), || has_media(&pair.guest, tap));
    while !pair.home.hub.stats().workers.is_empty() && has_media(&pair.home, tap) {}
    pair.guest.hub.request_keyframe(tap);
    let asked = pair.home.expect("KeyframeNeeded", |event| match event {
        NodeEvent::KeyframeNeeded(track) => Some(track),
        _ => None,
    });
    assert_eq!(asked, video);
}
