// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the parts of a client share: the way to the server, the PeerConnections, and what waits for them.

use super::error::ClientError;
use super::event::Event;
use super::leg::{Leg, LegEvent, LegKey};
use super::negotiation;
use super::socket::Socket;
use super::task::Task;
use crate::protocol::peer::{ClientMessage, Description, Join, Joined, ServerMessage, Signal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long the server may take to reply. It gives the node 10 s itself.
const REPLY: Duration = Duration::from_secs(15);
/// How long leaving may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Most signals kept for a peer that has no `webrtcbin` yet.
const MAX_KEPT: usize = 128;

/// What the task that owns the WebSocket is asked to do.
pub(super) enum Command {
    Send(ClientMessage),
    Request(
        ClientMessage,
        oneshot::Sender<Result<ServerMessage, ClientError>>,
    ),
    Leave(oneshot::Sender<()>),
    HangUp,
}

/// Shared by the client, its task, and what the task spawns.
pub(super) struct Link {
    commands: mpsc::UnboundedSender<Command>,
    leg_events: mpsc::UnboundedSender<LegEvent>,
    shared: Mutex<Shared>,
}

struct Shared {
    joined: Joined,
    legs: HashMap<LegKey, Arc<Leg>>,
    /// Signals of peers, until the application connects to them.
    kept: HashMap<String, Vec<Signal>>,
    /// Who waits for the answer of a peer.
    answers: HashMap<String, oneshot::Sender<Result<(), ClientError>>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

/// A reply to come.
pub(super) struct Pending(oneshot::Receiver<Result<ServerMessage, ClientError>>);

impl Pending {
    pub(super) async fn reply(self) -> Result<ServerMessage, ClientError> {
        let late = ClientError::Timeout {
            what: "the request",
            seconds: REPLY.as_secs(),
        };
        timeout(REPLY, self.0)
            .await
            .map_err(|_| late)?
            .map_err(|_| ClientError::Closed)?
    }
}

impl Link {
    /// Connects, joins, and starts the task that keeps the connection.
    pub(super) async fn open(
        uri: &str,
        room: &str,
        join: Join,
    ) -> Result<(Arc<Link>, mpsc::UnboundedReceiver<Event>), ClientError> {
        let mut socket = Socket::connect(uri, room).await?;
        let joined = socket.join(&join).await?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let (leg_events, from_legs) = mpsc::unbounded_channel();
        let (events, to_application) = mpsc::unbounded_channel();
        let shared = Shared {
            joined,
            legs: HashMap::new(),
            kept: HashMap::new(),
            answers: HashMap::new(),
        };
        let link = Arc::new(Link {
            commands,
            leg_events,
            shared: Mutex::new(shared),
        });
        let task = Task::new(link.clone(), uri, room, join, events);
        tokio::spawn(task.run(socket, inbox, from_legs));
        Ok((link, to_application))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn joined(&self) -> Joined {
        self.shared().joined.clone()
    }

    pub(super) fn set_joined(&self, joined: Joined) {
        self.shared().joined = joined;
    }

    pub(super) async fn send(&self, message: ClientMessage) -> Result<(), ClientError> {
        self.commands
            .send(Command::Send(message))
            .map_err(|_| ClientError::Closed)
    }

    /// Sends a request, and returns when it is in the queue: what is sent later arrives later.
    pub(super) async fn request_sent(
        &self,
        message: ClientMessage,
    ) -> Result<Pending, ClientError> {
        let (reply, pending) = oneshot::channel();
        self.commands
            .send(Command::Request(message, reply))
            .map_err(|_| ClientError::Closed)?;
        Ok(Pending(pending))
    }

    pub(super) async fn request(
        &self,
        message: ClientMessage,
    ) -> Result<ServerMessage, ClientError> {
        self.request_sent(message).await?.reply().await
    }

    pub(super) async fn leave(&self) {
        let (done, left) = oneshot::channel();
        if self.commands.send(Command::Leave(done)).is_ok() {
            let _ = timeout(GOODBYE, left).await;
        }
    }

    pub(super) fn hang_up(&self) {
        let _ = self.commands.send(Command::HangUp);
    }

    pub(super) fn leg_events(&self) -> mpsc::UnboundedSender<LegEvent> {
        self.leg_events.clone()
    }

    pub(super) fn leg(&self, key: &LegKey) -> Option<Arc<Leg>> {
        self.shared().legs.get(key).cloned()
    }

    pub(super) fn remember(&self, leg: Arc<Leg>) {
        self.shared().legs.insert(leg.key.clone(), leg);
    }

    /// A PeerConnection is over.
    pub(super) fn forget(&self, key: &LegKey) {
        let forgotten = {
            let mut shared = self.shared();
            if let LegKey::Peer(peer) = key {
                shared.kept.remove(peer);
                shared.answers.remove(peer);
            }
            shared.legs.remove(key)
        };
        drop(forgotten);
    }

    pub(super) fn forget_all(&self) {
        let (legs, answers) = {
            let mut shared = self.shared();
            shared.kept.clear();
            (
                std::mem::take(&mut shared.legs),
                std::mem::take(&mut shared.answers),
            )
        };
        drop((legs, answers));
    }

    /// Resolves when the answer of a peer is set.
    pub(super) fn expect_answer(&self, peer: &str) -> oneshot::Receiver<Result<(), ClientError>> {
        let (tell, answered) = oneshot::channel();
        self.shared().answers.insert(peer.to_owned(), tell);
        answered
    }

    /// Something came from another peer. Without a `webrtcbin` for it, it is kept.
    pub(super) fn signalled(self: &Arc<Self>, from: String, signal: Signal) {
        let leg = {
            let mut shared = self.shared();
            let leg = shared.legs.get(&LegKey::Peer(from.clone())).cloned();
            if leg.is_none() {
                let kept = shared.kept.entry(from.clone()).or_default();
                if kept.len() < MAX_KEPT {
                    kept.push(signal.clone());
                }
            }
            leg
        };
        let Some(leg) = leg else { return };
        match signal {
            Signal::Candidate(candidate) => add_candidate(&leg, candidate),
            Signal::Description(description) => {
                let link = self.clone();
                tokio::spawn(async move { link.described(&leg, &from, description).await });
            }
        }
    }

    async fn described(&self, leg: &Leg, peer: &str, description: Description) {
        let result = negotiation::described(self, leg, peer, &description).await;
        let waiting = if description.kind == "answer" {
            self.shared().answers.remove(peer)
        } else {
            None
        };
        match (waiting, result) {
            (Some(waiting), result) => drop(waiting.send(result)),
            (None, Err(error)) => drop(self.leg_events.send(LegEvent::Failed {
                key: leg.key.clone(),
                reason: error.to_string(),
            })),
            (None, Ok(())) => {}
        }
    }

    /// Hands out what a peer sent before the application connected to it.
    pub(super) async fn deliver_kept(&self, peer: &str) {
        let (leg, kept) = {
            let mut shared = self.shared();
            (
                shared.legs.get(&LegKey::Peer(peer.to_owned())).cloned(),
                shared.kept.remove(peer),
            )
        };
        let (Some(leg), Some(kept)) = (leg, kept) else {
            return;
        };
        for signal in kept {
            match signal {
                Signal::Candidate(candidate) => add_candidate(&leg, candidate),
                Signal::Description(description) => self.described(&leg, peer, description).await,
            }
        }
    }
}

fn add_candidate(leg: &Leg, candidate: Option<crate::protocol::peer::IceCandidate>) {
    if let Some(candidate) = candidate {
        leg.add_candidate(
            candidate.sdp_mid.as_deref(),
            candidate.sdp_m_line_index.map(u32::from),
            &candidate.candidate,
        );
    }
}
