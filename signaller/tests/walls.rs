// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties over random histories: rooms have walls, and no order of messages does harm.

mod support;

use gst_rtc_signaller::rooms::{ConnectionId, Counts, HttpRequest, Resource};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::{ANSWER, Hall, OFFER, room, whep, whip};

/// A step of a history. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Open {
        room: usize,
    },
    Say {
        who: usize,
        message: usize,
        target: usize,
    },
    HangUp {
        who: usize,
        clean: bool,
    },
    Http {
        request: usize,
        room: usize,
        target: usize,
    },
    Pass {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3_usize).prop_map(|room| Step::Open { room }),
        12 => (0..64_usize, 0..40_usize, 0..64_usize).prop_map(|(who, message, target)| Step::Say { who, message, target }),
        1 => (0..64_usize, any::<bool>()).prop_map(|(who, clean)| Step::HangUp { who, clean }),
        2 => (0..6_usize, 0..2_usize, 0..64_usize).prop_map(|(request, room, target)| Step::Http { request, room, target }),
        1 => (0..7000_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

/// A history under way: which connections there are, and which words were heard.
struct World {
    hall: Hall,
    connections: Vec<(ConnectionId, Option<usize>)>,
    /// Ids, sessions and secrets that came up anywhere, with the room they came up in (or 9 for nodes of all rooms).
    words: Vec<(String, usize)>,
    requests: Vec<u64>,
}

const ROOMS: [&str; 2] = ["red", "blue"];

impl World {
    fn new() -> World {
        World {
            hall: Hall::new(),
            connections: Vec::new(),
            words: vec![("p-nobody".to_owned(), 9)],
            requests: vec![0],
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Open { room } => {
                let at = (*room < 2).then_some(*room);
                let connection = self.hall.open(at.map(|r| ROOMS[r]));
                self.connections.push((connection, at));
            }
            Step::Say {
                who,
                message,
                target,
            } if !self.connections.is_empty() => {
                let (connection, at) = self.connections[who % self.connections.len()];
                let text = self.message(*message, *target, at);
                self.hall.say(connection, text);
            }
            Step::HangUp { who, clean } if !self.connections.is_empty() => {
                let (connection, _) = self.connections.remove(who % self.connections.len());
                self.hall.hang_up(connection, *clean);
            }
            Step::Http {
                request,
                room: at,
                target,
            } => {
                let session = self.words[target % self.words.len()].0.clone();
                let resource = if target.is_multiple_of(2) {
                    Resource::Whip
                } else {
                    Resource::Whep
                };
                let request = match request {
                    0 => whip(ROOMS[*at], "whip"),
                    1 => whep(ROOMS[*at], None),
                    2 => HttpRequest::Delete {
                        resource,
                        room: room(ROOMS[*at]),
                        session,
                    },
                    3 => HttpRequest::Trickle {
                        resource,
                        room: room(ROOMS[*at]),
                        session,
                        if_match: None,
                        ufrag: None,
                        candidates: vec![(String::new(), None)],
                    },
                    4 => HttpRequest::Remove {
                        room: room(ROOMS[*at]),
                        participant: format!("name{}", target % 5),
                    },
                    _ => HttpRequest::List,
                };
                self.hall.http(request);
            }
            Step::Pass { millis } => self.hall.pass(Duration::from_millis(*millis)),
            Step::Say { .. } | Step::HangUp { .. } => {}
        }
    }

    /// One of all messages there are, about something that came up somewhere.
    fn message(&self, which: usize, target: usize, at: Option<usize>) -> Value {
        let word = &self.words[target % self.words.len()].0;
        let other = &self.words[(target / 7) % self.words.len()].0;
        let room = ROOMS[target % 2];
        let request = self.requests[target % self.requests.len()];
        let direction = if target.is_multiple_of(2) {
            "publish"
        } else {
            "subscribe"
        };
        let name = format!("name{}", target % 5);
        let kind = ["peer", "whip", "local", "viewer"][target % 4];
        match which {
            0..=3 => {
                json!({"type": "join", "name": name, "mode": if target % 3 == 1 { "p2p" } else { "sfu" }})
            }
            4 => json!({"type": "join", "name": name, "resume": word}),
            5..=7 => json!({"type": direction_word(target), "sdp": OFFER, "request": target}),
            8 => json!({"type": "unpublish"}),
            9 => json!({"type": "unsubscribe"}),
            10 => {
                json!({"type": "candidate", "session": direction, "candidate": "candidate:x", "mid": "0"})
            }
            11 => json!({"type": "assign", "mid": "0", "participant": word, "track": "video"}),
            12 => json!({"type": "mute", "track": "video", "muted": true}),
            13 => json!({"type": "signal", "to": word, "candidate": null}),
            14 => json!({"type": "leave"}),
            15 | 16 => json!({"type": "node", "version": 1}),
            17 => {
                json!({"type": "node", "version": 1, "resume": {"node": word, "rooms": [{"room": at.map_or(room, |r| ROOMS[r]), "role": if target.is_multiple_of(3) { "guest" } else { "home" },
                "participants": [{"id": word, "name": name, "kind": kind, "own": target.is_multiple_of(2), "resume": other}],
                "sessions": [{"session": other, "participant": word, "direction": "publish"}]}]}})
            }
            18 => json!({"type": "join", "request": 1, "room": room, "name": name}),
            19 => json!({"type": "leave", "room": room, "id": word}),
            20..=25 => json!({"type": "answer", "request": request, "sdp": ANSWER}),
            26 => json!({"type": "refused", "request": request, "code": "badSdp", "message": "no"}),
            27 | 28 => {
                json!({"type": "offer", "request": 1, "room": room, "participant": word, "direction": if target.is_multiple_of(2) { "publish" } else { "receive" }, "session": other, "sdp": OFFER, "of": null})
            }
            29 => json!({"type": "closeSession", "session": word}),
            30 => {
                json!({"type": "sessionState", "session": word, "state": if target.is_multiple_of(2) { "closed" } else { "connected" }})
            }
            31 => json!({"type": "slots", "session": word, "slots": [], "missing": {}}),
            32..=34 => {
                json!({"type": "trackAdded", "room": room, "participant": word, "track": {"track": "video", "kind": "video", "codec": "VP8"}})
            }
            35 => {
                json!({"type": "trackRemoved", "room": room, "participant": word, "track": "video"})
            }
            36 => json!({"type": "speaking", "room": room, "participant": word, "speaking": true}),
            37 => json!({"type": "candidate", "session": word, "candidate": ""}),
            38 => json!({"type": "nonsense"}),
            _ => json!([1, 2, 3]),
        }
    }

    /// Notes what was said to whom. Returns what each connection heard.
    fn listen(&mut self) -> Vec<(ConnectionId, Option<usize>, Value)> {
        let mut all = Vec::new();
        for (connection, at) in self.connections.clone() {
            for message in self.hall.heard(connection) {
                self.note(&message, at.unwrap_or(9));
                all.push((connection, at, message));
            }
        }
        all
    }

    fn note(&mut self, message: &Value, at: usize) {
        for field in ["id", "resume", "session", "participant", "node"] {
            for value in [&message[field], &message["participant"][field]] {
                if let Some(word) = value
                    .as_str()
                    .filter(|w| !self.words.iter().any(|(known, _)| known == w))
                {
                    self.words.push((word.to_owned(), at));
                }
            }
        }
        if let (Some("offer"), Some(request)) =
            (message["type"].as_str(), message["request"].as_u64())
        {
            self.requests.push(request);
        }
    }
}

fn direction_word(target: usize) -> &'static str {
    if target.is_multiple_of(2) {
        "publish"
    } else {
        "subscribe"
    }
}

/// Who belongs to which room, as it was heard.
#[derive(Default)]
struct Walls {
    homes: BTreeMap<String, String>,
    sessions: BTreeMap<String, String>,
    nodes: BTreeSet<ConnectionId>,
}

impl Walls {
    /// Checks that a message speaks only of participants of the room it is about.
    fn check(
        &mut self,
        by: ConnectionId,
        at: Option<usize>,
        message: &Value,
    ) -> Result<(), TestCaseError> {
        if message["type"] == "nodeReady" {
            self.nodes.insert(by);
        }
        let text = |field: &str| message[field].as_str().map(str::to_owned);
        if let (Some(room), Some(session)) = (text("room"), text("session")) {
            self.sessions.insert(session, room);
        }
        let of_session = text("session").and_then(|session| self.sessions.get(&session).cloned());
        let path = at.map(|at| ROOMS[at].to_owned());
        let Some(room) = text("room").or(of_session).or(path.clone()) else {
            return Ok(());
        };
        if let Some(path) = path {
            prop_assert_eq!(&room, &path, "{} reached {}", message, path);
        }
        for id in spoken_of(message) {
            let home = self
                .homes
                .entry(id.to_owned())
                .or_insert_with(|| room.clone());
            prop_assert_eq!(
                &*home,
                &room,
                "{} was heard of in {}: {}",
                id,
                room,
                message
            );
        }
        Ok(())
    }
}

/// The participants a message speaks of.
fn spoken_of(message: &Value) -> Vec<&str> {
    let list = message["participants"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| &p["id"]);
    let slots = message["slots"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|s| &s["participant"]);
    let single = [
        &message["participant"],
        &message["participant"]["id"],
        &message["id"],
        &message["from"],
    ];
    let all = single
        .into_iter()
        .chain(list)
        .chain(slots)
        .filter_map(Value::as_str);
    all.filter(|id| id.starts_with('p') && id.len() == 13)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Every message in every order: no panic, every HTTP request is answered in the end, nothing is left behind.
    #[test]
    fn no_order_of_messages_does_harm(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.listen();
        }
        let connections: Vec<ConnectionId> = world.connections.drain(..).map(|(c, _)| c).collect();
        for connection in connections {
            world.hall.hang_up(connection, true);
        }
        world.hall.pass(Duration::from_secs(200));
        prop_assert_eq!(world.hall.rooms.poll_timeout(), None);
        prop_assert_eq!(world.hall.rooms.counts(), Counts::default());
    }

    /// Nobody in a room ever hears of anybody in another one.
    #[test]
    fn rooms_have_walls(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        let mut walls = Walls::default();
        for step in &steps {
            // A node that resumes brings ids of its own making: it is believed, and may name anything.
            if matches!(step, Step::Say { message: 17, .. }) {
                continue;
            }
            world.take(step);
            for (connection, at, message) in world.listen() {
                walls.check(connection, at, &message)?;
            }
        }
    }
}
