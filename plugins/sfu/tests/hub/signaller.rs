// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signaller, played by hand: says what the test says, and tells what the node said.

use crate::support::PATIENCE;
use async_tungstenite::tungstenite::{self, Message, WebSocket, accept_hdr};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Where nodes connect.
pub struct Signaller {
    listener: TcpListener,
    pub uri: String,
}

/// One connection of a node.
pub struct Link {
    socket: WebSocket<TcpStream>,
    /// The path it asked for.
    pub path: String,
}

impl Signaller {
    pub fn start() -> Signaller {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let uri = format!("ws://{}", listener.local_addr().expect("an address"));
        Signaller { listener, uri }
    }

    /// Waits for a node to connect.
    #[expect(
        clippy::result_large_err,
        reason = "the callback's type is the library's"
    )]
    pub fn accept(&self) -> Link {
        let deadline = Instant::now() + PATIENCE;
        self.listener.set_nonblocking(true).expect("a socket");
        let stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) => assert!(
                    Instant::now() < deadline,
                    "no connection within {PATIENCE:?}"
                ),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        stream.set_nonblocking(false).expect("a socket");
        stream
            .set_read_timeout(Some(Duration::from_millis(5)))
            .expect("a socket");
        let mut path = String::new();
        let note = |request: &tungstenite::handshake::server::Request, response| {
            path = request.uri().path().to_owned();
            Ok(response)
        };
        let mut handshake = accept_hdr(stream, note);
        let socket = loop {
            match handshake {
                Ok(socket) => break socket,
                Err(tungstenite::HandshakeError::Interrupted(middle))
                    if Instant::now() < deadline =>
                {
                    handshake = middle.handshake();
                }
                Err(error) => panic!("{error}"),
            }
        };
        Link { socket, path }
    }
}

impl Link {
    pub fn say(&mut self, message: Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .expect("a connection");
    }

    /// What the node says next, if it says anything now.
    pub fn poll(&mut self) -> Option<Value> {
        match self.socket.read() {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).expect("JSON")),
            Ok(_) => None,
            Err(tungstenite::Error::Io(e))
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for a message of a type, passing over others.
    pub fn hear(&mut self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(message) = self.poll().filter(|message| message["type"] == kind) {
                return message;
            }
        }
        panic!("no {kind} within {PATIENCE:?}");
    }

    /// The node registers and gets a room.
    pub fn open(&mut self, role: &str) -> Value {
        let node = self.hear("node");
        self.say(json!({"type": "nodeReady", "node": "n1"}));
        let mut opened = json!({"type": "roomOpened", "room": "lobby", "role": role});
        if role == "guest" {
            opened["participant"] = json!("hidden");
        }
        self.say(opened);
        node
    }

    pub fn joined(&mut self, id: &str, name: &str) {
        self.say(json!({"type": "participantJoined", "room": "lobby", "id": id, "name": name, "kind": "peer", "resume": "secret"}));
    }

    /// Answers the node's next join.
    pub fn let_in(&mut self, id: &str) -> String {
        let join = self.hear("join");
        self.say(json!({"type": "joined", "request": join["request"], "id": id, "resume": "own"}));
        join["name"].as_str().expect("a name").to_owned()
    }

    /// Whether the node took its leave; a broken connection is none.
    pub fn is_closed(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.socket.read() {
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => return true,
                Ok(_) => {}
                Err(tungstenite::Error::Io(e))
                    if matches!(
                        e.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => return false,
            }
        }
        false
    }
}
