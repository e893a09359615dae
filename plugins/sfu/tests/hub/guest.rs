// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two nodes in one room: the guest dials the home node, with real media in both directions. The test relays, as a signaller does.

use crate::signaller::{Link, Signaller};
use crate::support::{
    Node, PATIENCE, config, feed, has_media, local, media_now, opus, packet, vp8,
};
use gst_rtc_core::media::MediaKind;
use gstrtcsfu::hub::{HubConfig, LocalTrack, LocalTrackId, NodeEvent, OwnMessage, TapId};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Sessions between two nodes that exchange no media: the one for messages.
const CHANNEL: usize = 1;

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
    /// The session in which the guest publishes.
    publication: Value,
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
        home_link.say(json!({"type": "participantJoined", "room": "lobby", "id": "hidden", "name": "guest-1", "kind": "viewer", "guest": "hidden"}));
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
            publication: Value::Null,
        }
    }

    /// Passes on what was said, until `done` and every offer has its answer: a track is told of before the answer that brings its media.
    fn relay(&mut self, mut done: impl FnMut(&Pair) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) || !self.requests.is_empty() {
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
            "slots" | "layers" | "sessionState" | "closeSession" => self.guest_link.say(message),
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
                if message["direction"] == "publish" {
                    self.publication = message["session"].clone();
                }
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
    let mut joined = json!({"type": "participantJoined", "room": "lobby", "id": id, "name": name, "kind": "local"});
    if prefix == "g" {
        joined["guest"] = json!("hidden");
    }
    other.say(joined);
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
    pair.relay(|pair| pair.home.hub.stats().sessions == CHANNEL);
}

#[test]
fn the_encodings_of_a_guest_come_one_by_one_and_rest_when_nobody_needs_them() {
    let mut pair = Pair::start();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let video = pair.guest.publish("camera", "video", vp8());
    pair.guest.hub.name_encodings(video, names(&["q", "f"]));
    let tap = pair.home.tap("camera", MediaKind::Video);
    pair.relay(|pair| !pair.published.is_empty());
    let mut source = Source::of(video, 2);
    source.feed(&pair, |pair| {
        come(pair).iter().all(|n| *n > 20) && come(pair).len() == 2
    });
    let sizes = [tap_width(&pair, tap), tap_width(&pair, tap)];
    assert!(
        sizes.contains(&Some(640)),
        "a pad at home gets the largest: {sizes:?}"
    );

    let session = pair.publication.clone();
    let say = |pair: &mut Pair, active: &[bool]| {
        let word = json!({"type": "layers", "session": session, "track": "video", "mid": "0", "active": active});
        pair.guest_link.say(word);
    };
    say(&mut pair, &[true, false]);
    source.feed(&pair, |pair| sent(pair) == [true, false]);
    let before = come(&pair);
    source.feed(&pair, |pair| come(pair)[0] > before[0] + 20);
    // What was on its way when it was said may have come.
    assert!(
        come(&pair)[1] <= before[1] + 5,
        "{before:?}, {:?}",
        come(&pair)
    );
    say(&mut pair, &[true, true]);
    source.feed(&pair, |pair| come(pair)[1] > before[1] + 20);

    // Another pad feeds the same track: it is offered too, and what came goes on.
    pair.guest
        .hub
        .name_encodings(video, names(&["q", "f", "h"]));
    let before = come(&pair);
    pair.relay(|pair| sent(pair).len() == 3);
    source.encodings = 3;
    source.feed(&pair, |pair| {
        let now = come(pair);
        now.len() == 3 && now[2] > 0 && now[0] > before[0] && now[1] > before[1]
    });
}

/// A picture in several sizes.
struct Source {
    track: LocalTrackId,
    encodings: u8,
    next: u16,
}

impl Source {
    fn of(track: LocalTrackId, encodings: u8) -> Source {
        Source {
            track,
            encodings,
            next: 0,
        }
    }

    /// Feeds the guest until `done`.
    fn feed(&mut self, pair: &Pair, done: impl Fn(&Pair) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(pair) {
            assert!(
                Instant::now() < deadline,
                "come {:?}, sent {:?}",
                come(pair),
                sent(pair)
            );
            for encoding in 0..self.encodings {
                let mut packet = packet(&vp8(), self.next);
                // The width in the frame header.
                let width = 320 * (u16::from(encoding) + 1);
                packet[19..21].copy_from_slice(&width.to_le_bytes());
                let stream = self.track.encoding(encoding);
                pair.guest.hub.push(stream, &packet, Instant::now());
            }
            self.next += 1;
            sleep(Duration::from_millis(20));
        }
    }
}

/// The packets of each encoding that the home node got, by number.
fn come(pair: &Pair) -> Vec<u64> {
    let workers = pair.home.hub.stats().workers;
    let streams = workers
        .iter()
        .flat_map(|w| &w.sessions)
        .flat_map(|s| &s.streams);
    let mut come: Vec<_> = streams
        .filter(|s| !s.repair)
        .map(|s| (s.layer, s.packets))
        .collect();
    come.sort_unstable();
    come.into_iter().map(|(_, packets)| packets).collect()
}

/// Whether the guest sends each of its encodings now.
fn sent(pair: &Pair) -> Vec<bool> {
    let workers = pair.guest.hub.stats().workers;
    let slots = workers
        .iter()
        .flat_map(|w| &w.sessions)
        .flat_map(|s| &s.slots);
    slots.map(|slot| slot.layer.is_some()).collect()
}

/// The width of the next picture of a tap at home.
fn tap_width(pair: &Pair, tap: TapId) -> Option<u16> {
    let packet = pair.home.tap_media(tap);
    let width = packet.payload().get(7..9)?;
    Some(u16::from_le_bytes([width[0], width[1]]))
}

#[test]
fn what_the_guest_taps_comes_from_home_and_nothing_else() {
    let mut pair = Pair::start();
    let video = pair.home.publish("stage", "video", vp8());
    pair.home.publish("other", "video", vp8());
    pair.relay(|pair| pair.published.len() == 2);
    assert!(
        pair.guest.hub.stats().sessions <= CHANNEL,
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
    let is_over = |node: &Node| node.hub.stats().sessions == CHANNEL;
    pair.relay(|pair| is_over(&pair.guest) && is_over(&pair.home));
}

#[test]
fn what_comes_from_more_participants_than_there_are_workers_is_not_mixed_up() {
    let mut pair = Pair::start();
    let names = ["one", "two", "three", "four", "five"];
    let tracks = names.map(|name| pair.home.publish(name, "audio", opus()));
    let taps = names.map(|name| pair.guest.tap(name, MediaKind::Audio));
    pair.relay(|pair| pair.guest.hub.stats().tracks == names.len());
    for (track, tap) in tracks.into_iter().zip(taps) {
        feed(&pair.home, track, &opus(), || has_media(&pair.guest, tap));
    }
    // And again, for those that others may have driven out.
    for (track, tap) in tracks.into_iter().zip(taps) {
        feed(&pair.home, track, &opus(), || has_media(&pair.guest, tap));
    }
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

/// A track of a node, encrypted end to end.
fn publish_encrypted(node: &Node, participant: &str) -> LocalTrackId {
    let track = LocalTrack {
        encrypted: true,
        ..local(participant, "video", vp8())
    };
    node.hub.publish(track).expect("valid names")
}

#[test]
fn what_is_encrypted_end_to_end_stays_so_in_both_directions() {
    let mut pair = Pair::start();
    let stage = publish_encrypted(&pair.home, "stage");
    let camera = publish_encrypted(&pair.guest, "camera");
    let sound = pair.guest.publish("camera", "audio", opus());
    let from_home = pair.guest.tap("stage", MediaKind::Video);
    let from_guest = [MediaKind::Video, MediaKind::Audio].map(|kind| pair.home.tap("camera", kind));
    // Of the guest's only the track at home counts, which is made of what comes.
    pair.relay(|pair| pair.published.len() == 3 && pair.guest.hub.stats().tracks == 3);
    let told = |participant: &str, track: &str| {
        let mut told = pair.published.iter();
        let told = told.find(|m| m["participant"] == participant && m["track"]["track"] == track);
        told.expect("it was published")["track"]["encrypted"].clone()
    };
    assert_eq!(told("h-stage", "video"), true);
    assert_eq!(told("g-camera", "video"), true);
    assert_eq!(
        told("g-camera", "audio"),
        Value::Null,
        "said only where true"
    );
    assert!(pair.guest.tap_found(from_home).1);
    assert!(pair.home.tap_found(from_guest[0]).1);
    assert!(!pair.home.tap_found(from_guest[1]).1);
    feed(&pair.home, stage, &vp8(), || {
        media_now(&pair.guest, from_home).is_some_and(|p| p.encrypted)
    });
    feed(&pair.guest, camera, &vp8(), || {
        media_now(&pair.home, from_guest[0]).is_some_and(|p| p.encrypted)
    });
    feed(&pair.guest, sound, &opus(), || {
        media_now(&pair.home, from_guest[1]).is_some_and(|p| !p.encrypted)
    });
}

fn say(node: &Node, from: Option<&str>, to: Option<&str>, text: &str) {
    let message = OwnMessage {
        room: None,
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        label: "chat".into(),
        text: true,
        payload: text.as_bytes().into(),
    };
    node.hub.send_data(message).expect("a valid message");
}

/// The next message that a node hears: who spoke, and what.
fn heard(node: &Node) -> (String, String) {
    node.expect("Data", |event| match event {
        NodeEvent::Data {
            participant,
            label,
            text,
            payload,
            ..
        } => {
            assert!(label == "chat" && text);
            Some((
                participant,
                String::from_utf8(payload.to_vec()).expect("text"),
            ))
        }
        _ => None,
    })
}

#[test]
fn messages_go_between_guest_and_home() {
    let mut pair = Pair::start();
    pair.home.publish("stage", "video", vp8());
    pair.guest.publish("camera", "video", vp8());
    pair.relay(|pair| pair.published.len() == 2);
    let told = |from: &str, text: &str| (from.to_owned(), text.to_owned());
    // The first ones wait until the nodes are connected, which they may not be yet.
    say(&pair.guest, Some("camera"), None, "from the camera");
    say(&pair.guest, None, None, "from the guest");
    assert_eq!(heard(&pair.home), told("camera", "from the camera"));
    assert_eq!(heard(&pair.home), told("", "from the guest"));
    say(&pair.home, Some("stage"), None, "from the stage");
    say(&pair.home, None, None, "from home");
    assert_eq!(heard(&pair.guest), told("stage", "from the stage"));
    assert_eq!(heard(&pair.guest), told("", "from home"));
    // What is for one participant goes to the node that has it.
    say(&pair.home, None, Some("stage"), "not for the guest");
    say(&pair.home, None, Some("camera"), "for the camera");
    assert_eq!(heard(&pair.guest), told("", "for the camera"));
    say(&pair.guest, None, Some("stage"), "for the stage");
    assert_eq!(heard(&pair.home), told("", "for the stage"));
    // Nobody speaks for others.
    say(&pair.guest, Some("stage"), None, "as if");
    let refused = |event| match event {
        NodeEvent::Refused { message, .. } => Some(message),
        _ => None,
    };
    let why = pair.guest.expect("Refused", refused);
    assert!(why.contains("stage"), "{why}");
}
