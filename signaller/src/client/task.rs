// SPDX-License-Identifier: MIT OR Apache-2.0
//! The task that owns the WebSocket: it carries messages both ways and makes the connection anew when it breaks.

use super::error::ClientError;
use super::event::Event;
use super::leg::{LegEvent, LegKey};
use super::link::{Command, Link};
use super::socket::Socket;
use super::{negotiation, slots};
use crate::protocol::peer::{
    ClientMessage, Direction, IceCandidate, Join, Joined, ServerMessage, Signal,
};
use crate::protocol::{Missing, SessionState};
use gst_rtc_core::backoff::Backoff;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The first pause before connecting again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

pub(super) struct Task {
    link: Arc<Link>,
    uri: String,
    room: String,
    join: Join,
    events: mpsc::UnboundedSender<Event>,
    pending: HashMap<u64, oneshot::Sender<Result<ServerMessage, ClientError>>>,
    next_request: u64,
    /// Slots are being added: what is missing meanwhile will be said again.
    growing: Arc<AtomicBool>,
}

/// Why the connection is not used any more.
enum End {
    Lost,
    Ours,
}

impl Task {
    pub(super) fn new(
        link: Arc<Link>,
        uri: &str,
        room: &str,
        join: Join,
        events: mpsc::UnboundedSender<Event>,
    ) -> Task {
        Task {
            link,
            uri: uri.to_owned(),
            room: room.to_owned(),
            join,
            events,
            pending: HashMap::new(),
            next_request: 1,
            growing: Arc::default(),
        }
    }

    pub(super) async fn run(
        mut self,
        mut socket: Socket,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut legs: mpsc::UnboundedReceiver<LegEvent>,
    ) {
        loop {
            match self.work(&mut socket, &mut commands, &mut legs).await {
                End::Ours => {
                    socket.close().await;
                    break;
                }
                End::Lost => {
                    if let Some(reason) = socket.ended() {
                        self.tell(Event::Ended { reason });
                        break;
                    }
                    self.tell(Event::Interrupted);
                    self.pending
                        .drain()
                        .for_each(|(_, waiting)| drop(waiting.send(Err(ClientError::Interrupted))));
                    match self.reconnect(&mut commands).await {
                        Some(again) => socket = again,
                        None => break,
                    }
                }
            }
        }
        self.link.forget_all();
    }

    async fn work(
        &mut self,
        socket: &mut Socket,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        legs: &mut mpsc::UnboundedReceiver<LegEvent>,
    ) -> End {
        loop {
            // In this order: an offer was asked to be sent before the candidates that follow from it appeared.
            let sent = tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Send(message)) => socket.send(&message).await,
                    Some(Command::Request(message, reply)) => self.request(socket, message, reply).await,
                    Some(Command::Leave(done)) => {
                        let _ = socket.send(&ClientMessage::Leave { request: None }).await;
                        // The server closes when the others know.
                        while socket.next().await.is_some() {}
                        let _ = done.send(());
                        return End::Ours;
                    }
                    Some(Command::HangUp) | None => return End::Ours,
                },
                Some(event) = legs.recv() => self.leg_event(socket, event).await,
                message = socket.next() => match message {
                    Some(message) => {
                        self.message(message);
                        Ok(())
                    }
                    None => return End::Lost,
                },
            };
            if sent.is_err() {
                return End::Lost;
            }
        }
    }

    async fn request(
        &mut self,
        socket: &mut Socket,
        message: ClientMessage,
        reply: oneshot::Sender<Result<ServerMessage, ClientError>>,
    ) -> Result<(), ClientError> {
        let number = self.next_request;
        self.next_request += 1;
        let numbered = match message {
            ClientMessage::Publish { sdp, encrypted, .. } => ClientMessage::Publish {
                request: Some(number),
                sdp,
                encrypted,
            },
            ClientMessage::Subscribe { sdp, .. } => ClientMessage::Subscribe {
                request: Some(number),
                sdp,
            },
            ClientMessage::Unpublish { .. } => ClientMessage::Unpublish {
                request: Some(number),
            },
            ClientMessage::Unsubscribe { .. } => ClientMessage::Unsubscribe {
                request: Some(number),
            },
            other => {
                let _ = reply.send(Err(ClientError::Protocol(
                    "this message has no reply".to_owned(),
                )));
                return socket.send(&other).await;
            }
        };
        self.pending.insert(number, reply);
        socket.send(&numbered).await
    }

    async fn leg_event(&mut self, socket: &mut Socket, event: LegEvent) -> Result<(), ClientError> {
        match event {
            LegEvent::Candidate {
                key,
                line,
                candidate,
            } => {
                let Some(leg) = self.link.leg(&key) else {
                    return Ok(());
                };
                let mid = leg.mid(line);
                let message = match key {
                    LegKey::Publish => ClientMessage::Candidate {
                        session: Direction::Publish,
                        candidate,
                        mid,
                    },
                    LegKey::Subscribe => ClientMessage::Candidate {
                        session: Direction::Subscribe,
                        candidate,
                        mid,
                    },
                    LegKey::Peer(to) => {
                        let candidate = IceCandidate {
                            candidate,
                            sdp_mid: mid,
                            sdp_m_line_index: u16::try_from(line).ok(),
                        };
                        ClientMessage::Signal {
                            request: None,
                            to,
                            payload: Signal::Candidate(Some(candidate)),
                        }
                    }
                };
                socket.send(&message).await
            }
            LegEvent::Verified(key) => {
                self.tell(Event::Verified(key.public()));
                Ok(())
            }
            LegEvent::Failed { key, reason } => {
                self.tell(Event::Failed {
                    leg: key.public(),
                    reason,
                });
                self.link.forget(&key);
                match key {
                    LegKey::Publish => {
                        socket
                            .send(&ClientMessage::Unpublish { request: None })
                            .await
                    }
                    LegKey::Subscribe => {
                        socket
                            .send(&ClientMessage::Unsubscribe { request: None })
                            .await
                    }
                    LegKey::Peer(_) => Ok(()),
                }
            }
        }
    }

    fn message(&mut self, message: ServerMessage) {
        let Some(message) = self.reply(message) else {
            return;
        };
        let event = match message {
            ServerMessage::ParticipantJoined { participant } => Event::Joined(participant),
            ServerMessage::ParticipantLeft { id, reason } => {
                self.link.forget(&LegKey::Peer(id.clone()));
                Event::Left {
                    participant: id,
                    reason,
                }
            }
            ServerMessage::TrackAdded { participant, track } => {
                Event::TrackAdded { participant, track }
            }
            ServerMessage::TrackRemoved { participant, track } => {
                Event::TrackRemoved { participant, track }
            }
            ServerMessage::TrackMuted {
                participant,
                track,
                muted,
            } => Event::TrackMuted {
                participant,
                track,
                muted,
            },
            ServerMessage::Speaking {
                participant,
                speaking,
            } => Event::Speaking {
                participant,
                speaking,
            },
            ServerMessage::Media { available, .. } => Event::Media { available },
            ServerMessage::Slots { slots, missing } => {
                self.grow(missing);
                Event::Slots { slots, missing }
            }
            ServerMessage::Quality { estimate, slots } => Event::Quality { estimate, slots },
            ServerMessage::Layers { track, active } => Event::Layers { track, active },
            ServerMessage::SessionState {
                session,
                state: SessionState::Connected,
                ..
            } => Event::Connected(session),
            ServerMessage::SessionState {
                session,
                state: SessionState::Closed,
                reason,
            } => {
                self.link.forget(&key_of(session));
                Event::Closed {
                    direction: session,
                    reason: reason.unwrap_or_default(),
                }
            }
            ServerMessage::Candidate {
                session,
                candidate,
                mid,
            } => {
                if let Some(leg) = self.link.leg(&key_of(session)) {
                    leg.add_candidate(mid.as_deref(), None, &candidate);
                }
                return;
            }
            ServerMessage::Signal { from, payload } => return self.link.signalled(from, payload),
            ServerMessage::Error(error) => Event::Error(error),
            ServerMessage::Joined(_)
            | ServerMessage::Published { .. }
            | ServerMessage::Subscribed { .. }
            | ServerMessage::Unpublished { .. }
            | ServerMessage::Unsubscribed { .. } => return,
        };
        self.tell(event);
    }

    /// Hands a reply to who waits for it; gives back what is none.
    fn reply(&mut self, message: ServerMessage) -> Option<ServerMessage> {
        let number = match &message {
            ServerMessage::Published { request, .. }
            | ServerMessage::Subscribed { request, .. }
            | ServerMessage::Unpublished { request }
            | ServerMessage::Unsubscribed { request } => *request,
            ServerMessage::Error(error) => error.request,
            _ => None,
        };
        let Some(waiting) = number.and_then(|number| self.pending.remove(&number)) else {
            return Some(message);
        };
        let _ = waiting.send(match message {
            ServerMessage::Error(error) => Err(ClientError::Refused(error)),
            reply => Ok(reply),
        });
        None
    }

    /// Offers more slots when tracks found none.
    fn grow(&self, missing: Missing) {
        let Some(leg) = self
            .link
            .leg(&LegKey::Subscribe)
            .filter(|_| missing != Missing::default())
        else {
            return;
        };
        if self.growing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (link, growing) = (self.link.clone(), self.growing.clone());
        tokio::spawn(async move {
            let result = match slots::add_missing(&leg, missing) {
                Ok(true) => negotiation::subscribe(&link, &leg).await,
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            growing.store(false, Ordering::Release);
            if let Err(error) = result {
                tracing::warn!(%error, "more slots could not be offered");
            }
        });
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Tries until the server is back, or the application goes.
    async fn reconnect(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> Option<Socket> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let pause = backoff.next_wait(rand::random());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = refuse_all(commands) => return None,
            }
            self.join.resume = Some(self.link.joined().resume);
            let attempt = async {
                let mut socket = Socket::connect(&self.uri, &self.room).await?;
                let joined = socket.join(&self.join).await?;
                Ok::<_, ClientError>((socket, joined))
            };
            match attempt.await {
                Ok((socket, joined)) => {
                    self.rejoined(joined);
                    return Some(socket);
                }
                Err(ClientError::Refused(error)) => self.tell(Event::Error(error)),
                Err(error) => tracing::debug!(%error, "the server is not back yet"),
            }
        }
    }

    fn rejoined(&self, joined: Joined) {
        if !joined.resumed {
            self.link.forget_all();
        }
        self.link.set_joined(joined.clone());
        let both = [Direction::Publish, Direction::Subscribe];
        let dead = both.into_iter().filter(|d| {
            joined.resumed && !joined.sessions.contains(d) && self.link.leg(&key_of(*d)).is_some()
        });
        let dead: Vec<Direction> = dead.collect();
        self.tell(Event::Reconnected(Box::new(joined)));
        for direction in dead {
            self.link.forget(&key_of(direction));
            self.tell(Event::Closed {
                direction,
                reason: "the server has lost it".to_owned(),
            });
        }
    }
}

fn key_of(direction: Direction) -> LegKey {
    match direction {
        Direction::Publish => LegKey::Publish,
        Direction::Subscribe => LegKey::Subscribe,
    }
}

/// While there is no server, requests fail. Returns when the application goes.
async fn refuse_all(commands: &mut mpsc::UnboundedReceiver<Command>) {
    loop {
        match commands.recv().await {
            Some(Command::Request(_, reply)) => drop(reply.send(Err(ClientError::Interrupted))),
            Some(Command::Send(_)) => {}
            Some(Command::Leave(done)) => {
                let _ = done.send(());
                return;
            }
            Some(Command::HangUp) | None => return,
        }
    }
}
