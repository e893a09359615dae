// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one task that owns the rooms, and the channels to it.

use crate::rooms::{
    Code, ConnectionId, HttpId, HttpReply, HttpRequest, IdSource, Input, Outgoing, Refusal,
    RoomName, Rooms, Settings,
};
use crate::turn::TurnHandle;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// What may wait for a connection that does not read.
const QUEUE: usize = 2048;
/// What may wait for the rooms.
const INBOX: usize = 4096;

/// What a connection is told to do.
#[derive(Debug)]
pub(super) enum Frame {
    /// Send this.
    Text {
        json: String,
        /// It is for a node, which may send as much as it likes.
        to_node: bool,
    },
    /// Say goodbye.
    Close { code: u16, reason: &'static str },
}

enum Event {
    Opened {
        connection: ConnectionId,
        room: Option<RoomName>,
        frames: mpsc::Sender<Frame>,
    },
    Message {
        connection: ConnectionId,
        text: String,
    },
    Closed {
        connection: ConnectionId,
        clean: bool,
    },
    Http {
        request: HttpRequest,
        reply: oneshot::Sender<Result<HttpReply, Refusal>>,
    },
    Stop,
}

/// A line to the rooms.
#[derive(Clone, Debug)]
pub(super) struct Switchboard {
    events: mpsc::Sender<Event>,
    connections: Arc<AtomicU64>,
}

impl Switchboard {
    /// The switchboard and the task that works it.
    pub(super) fn start(
        settings: Settings,
        relays: Option<TurnHandle>,
    ) -> (Switchboard, impl Future<Output = ()> + Send + 'static) {
        let (events, inbox) = mpsc::channel(INBOX);
        let desk = Desk {
            rooms: Rooms::new(Instant::now(), settings, IdSource::random()),
            lines: HashMap::new(),
            replies: HashMap::new(),
            next_http: 0,
            relays,
        };
        (
            Switchboard {
                events,
                connections: Arc::default(),
            },
            desk.work(inbox),
        )
    }

    /// Connects a WebSocket: its number, and what it is told.
    pub(super) async fn open(
        &self,
        room: Option<RoomName>,
    ) -> (ConnectionId, mpsc::Receiver<Frame>) {
        let connection = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
        let (frames, told) = mpsc::channel(QUEUE);
        let _ = self
            .events
            .send(Event::Opened {
                connection,
                room,
                frames,
            })
            .await;
        (connection, told)
    }

    pub(super) async fn message(&self, connection: ConnectionId, text: String) {
        let _ = self.events.send(Event::Message { connection, text }).await;
    }

    pub(super) async fn closed(&self, connection: ConnectionId, clean: bool) {
        let _ = self.events.send(Event::Closed { connection, clean }).await;
    }

    /// Asks on behalf of an HTTP client.
    pub(super) async fn ask(&self, request: HttpRequest) -> Result<HttpReply, Refusal> {
        let (reply, answer) = oneshot::channel();
        let stopping = || {
            Refusal::new(
                Code::Internal,
                "the server is stopping; try again when it is back",
            )
        };
        self.events
            .send(Event::Http { request, reply })
            .await
            .map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Ends the rooms: every connection is told 1001.
    pub(super) async fn stop(&self) {
        let _ = self.events.send(Event::Stop).await;
    }
}

struct Desk {
    rooms: Rooms,
    lines: HashMap<ConnectionId, mpsc::Sender<Frame>>,
    replies: HashMap<HttpId, oneshot::Sender<Result<HttpReply, Refusal>>>,
    next_http: u64,
    /// Where the relays of participants end when these leave.
    relays: Option<TurnHandle>,
}

impl Desk {
    async fn work(mut self, mut inbox: mpsc::Receiver<Event>) {
        loop {
            let timeout = self
                .rooms
                .poll_timeout()
                .map(tokio::time::Instant::from_std);
            let never = tokio::time::Instant::now() + std::time::Duration::from_secs(3600);
            let outgoing = tokio::select! {
                event = inbox.recv() => match event {
                    Some(Event::Stop) | None => break,
                    Some(event) => self.take(event),
                },
                () = tokio::time::sleep_until(timeout.unwrap_or(never)) => self.rooms.handle_timeout(Instant::now()),
            };
            self.carry_out(outgoing);
        }
        for line in self.lines.values() {
            let _ = line.try_send(Frame::Close {
                code: 1001,
                reason: "the server stops",
            });
        }
    }

    fn take(&mut self, event: Event) -> Vec<Outgoing> {
        let input = match event {
            Event::Opened {
                connection,
                room,
                frames,
            } => {
                self.lines.insert(connection, frames);
                Input::Opened { connection, room }
            }
            Event::Message { connection, text } => Input::Message { connection, text },
            Event::Closed { connection, clean } => {
                self.lines.remove(&connection);
                Input::Closed { connection, clean }
            }
            Event::Http { request, reply } => {
                let id = HttpId(self.next_http);
                self.next_http += 1;
                self.replies.insert(id, reply);
                Input::Http { id, request }
            }
            Event::Stop => return Vec::new(),
        };
        self.rooms.handle(Instant::now(), input)
    }

    /// Sends what is to be sent. Who does not read is cut off, which may mean more to be sent.
    fn carry_out(&mut self, mut outgoing: Vec<Outgoing>) {
        while !outgoing.is_empty() {
            let mut stuck = Vec::new();
            for one in outgoing {
                stuck.extend(self.carry_out_one(one));
            }
            outgoing = Vec::new();
            for connection in stuck {
                tracing::warn!(connection = connection.0, "cut off: it does not read");
                self.lines.remove(&connection);
                outgoing.extend(self.rooms.handle(
                    Instant::now(),
                    Input::Closed {
                        connection,
                        clean: false,
                    },
                ));
            }
        }
    }

    fn carry_out_one(&mut self, one: Outgoing) -> Option<ConnectionId> {
        match one {
            Outgoing::Peer { to, message } => self.send(to, &message, false),
            Outgoing::Node { to, message } => self.send(to, &message, true),
            Outgoing::Close { to, code, reason } => {
                if let Some(line) = self.lines.remove(&to) {
                    let _ = line.try_send(Frame::Close { code, reason });
                }
                None
            }
            Outgoing::Http { to, reply } => {
                if let Some(waiting) = self.replies.remove(&to) {
                    let _ = waiting.send(reply);
                }
                None
            }
            Outgoing::Gone { participant } => {
                if let Some(relays) = &self.relays {
                    relays.revoke(participant.as_str());
                }
                None
            }
        }
    }

    fn send(
        &self,
        to: ConnectionId,
        message: &impl Serialize,
        to_node: bool,
    ) -> Option<ConnectionId> {
        let line = self.lines.get(&to)?;
        match serde_json::to_string(message) {
            // Closed means that the connection has ended and says so itself.
            Ok(json) => match line.try_send(Frame::Text { json, to_node }) {
                Err(TrySendError::Full(_)) => Some(to),
                Ok(()) | Err(TrySendError::Closed(_)) => None,
            },
            Err(error) => {
                tracing::error!(%error, "a message could not be written");
                None
            }
        }
    }
}
