// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rooms in virtual time, with everything that goes out kept as JSON.
#![allow(dead_code, reason = "each test uses a part of it")]

pub mod net;

use gst_rtc_signaller::rooms::{
    ConnectionId, HttpId, HttpReply, HttpRequest, IdSource, Input, Outgoing, Refusal, Resource,
    RoomName, Rooms, Settings,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A minimal SDP: the rooms look only at its first line.
pub const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n";
/// What a fake node answers.
pub const ANSWER: &str = "v=0\r\no=- 3 4 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

/// A server without sockets.
pub struct Hall {
    pub rooms: Rooms,
    pub now: Instant,
    next: u64,
    inboxes: BTreeMap<ConnectionId, VecDeque<Value>>,
    pub closed: BTreeMap<ConnectionId, u16>,
    pub replies: BTreeMap<HttpId, Result<HttpReply, Refusal>>,
    /// Whose credentials are to be revoked.
    pub gone: Vec<String>,
}

impl Hall {
    pub fn new() -> Hall {
        Hall::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Hall {
        let now = Instant::now();
        let mut state = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834_u128;
        let ids = IdSource::from_fn(move || {
            state = state
                .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
                .wrapping_add(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f);
            state
        });
        Hall {
            rooms: Rooms::new(now, settings, ids),
            now,
            next: 0,
            inboxes: BTreeMap::new(),
            closed: BTreeMap::new(),
            replies: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    pub fn open(&mut self, room: Option<&str>) -> ConnectionId {
        let connection = ConnectionId(self.next);
        self.next += 1;
        let room = room.map(|r| RoomName::parse(r).expect("a room name"));
        self.input(Input::Opened { connection, room });
        connection
    }

    pub fn say(&mut self, connection: ConnectionId, message: Value) {
        self.say_text(connection, &message.to_string());
    }

    pub fn say_text(&mut self, connection: ConnectionId, text: &str) {
        self.input(Input::Message {
            connection,
            text: text.to_owned(),
        });
    }

    pub fn hang_up(&mut self, connection: ConnectionId, clean: bool) {
        self.input(Input::Closed { connection, clean });
    }

    pub fn http(&mut self, request: HttpRequest) -> HttpId {
        let id = HttpId(self.next);
        self.next += 1;
        self.input(Input::Http { id, request });
        id
    }

    fn input(&mut self, input: Input) {
        let outgoing = self.rooms.handle(self.now, input);
        self.keep(outgoing);
    }

    /// Lets time pass, with every timer on the way.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.rooms.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            let outgoing = self.rooms.handle_timeout(at);
            self.keep(outgoing);
        }
        self.now = end;
    }

    fn keep(&mut self, outgoing: Vec<Outgoing>) {
        for one in outgoing {
            match one {
                Outgoing::Peer { to, message } => self
                    .inbox(to)
                    .push_back(serde_json::to_value(message).expect("JSON")),
                Outgoing::Node { to, message } => self
                    .inbox(to)
                    .push_back(serde_json::to_value(message).expect("JSON")),
                Outgoing::Close { to, code, .. } => drop(self.closed.insert(to, code)),
                Outgoing::Gone { participant } => self.gone.push(participant.into()),
                Outgoing::Http { to, reply } => assert!(
                    self.replies.insert(to, reply).is_none(),
                    "two replies to one request"
                ),
            }
        }
    }

    fn inbox(&mut self, of: ConnectionId) -> &mut VecDeque<Value> {
        self.inboxes.entry(of).or_default()
    }

    /// Everything that came since the last look.
    pub fn heard(&mut self, by: ConnectionId) -> Vec<Value> {
        self.inbox(by).drain(..).collect()
    }

    /// The first message of that type; those before it are dropped.
    pub fn expect(&mut self, by: ConnectionId, kind: &str) -> Value {
        let mut before = Vec::new();
        while let Some(message) = self.inbox(by).pop_front() {
            if message["type"] == kind {
                return message;
            }
            before.push(message);
        }
        panic!("no {kind} came to {by:?}, only {before:?}");
    }

    pub fn refused(&mut self, by: ConnectionId, code: &str) -> Value {
        let error = self.expect(by, "error");
        assert_eq!(error["code"], code, "{error}");
        assert!(!error["message"].as_str().expect("a text").is_empty());
        error
    }

    pub fn nothing(&mut self, by: ConnectionId) {
        let heard = self.heard(by);
        assert!(heard.is_empty(), "{heard:?}");
    }

    /// Somebody who has joined; and the `joined`.
    pub fn join(&mut self, room: &str, name: &str) -> (ConnectionId, Value) {
        let connection = self.open(Some(room));
        self.say(connection, json!({"type": "join", "name": name}));
        let joined = self.expect(connection, "joined");
        (connection, joined)
    }

    /// A registered node, and its id.
    pub fn node(&mut self, room: Option<&str>) -> (ConnectionId, String) {
        let connection = self.open(room);
        self.say(connection, json!({"type": "node", "version": 1}));
        let ready = self.expect(connection, "nodeReady");
        (
            connection,
            ready["node"].as_str().expect("an id").to_owned(),
        )
    }

    /// The node answers the next offer, and gives the session.
    pub fn answer(&mut self, node: ConnectionId) -> String {
        let offer = self.expect(node, "offer");
        self.say(
            node,
            json!({"type": "answer", "request": offer["request"], "sdp": ANSWER}),
        );
        offer["session"].as_str().expect("a session").to_owned()
    }

    /// Publishes and has the node say that there is video.
    pub fn publish(
        &mut self,
        peer: ConnectionId,
        node: ConnectionId,
        room: &str,
        id: &str,
    ) -> String {
        self.say(peer, json!({"type": "publish", "sdp": OFFER}));
        let session = self.answer(node);
        self.expect(peer, "published");
        self.say(node, json!({"type": "trackAdded", "room": room, "participant": id, "track": {"track": "video", "kind": "video", "codec": "VP8"}}));
        session
    }
}

pub fn id(joined: &Value) -> String {
    joined["id"].as_str().expect("an id").to_owned()
}

pub fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room name")
}

pub fn whip(name: &str, participant: &str) -> HttpRequest {
    HttpRequest::Create {
        resource: Resource::Whip,
        room: room(name),
        name: Some(participant.to_owned()),
        sdp: OFFER.to_owned(),
        encrypted: false,
    }
}

pub fn whep(name: &str, participant: Option<&str>) -> HttpRequest {
    HttpRequest::Create {
        resource: Resource::Whep,
        room: room(name),
        name: participant.map(str::to_owned),
        sdp: OFFER.to_owned(),
        encrypted: false,
    }
}
