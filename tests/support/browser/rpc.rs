// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands, replies and events over a WebSocket, as both browser protocols have them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_tungstenite::tokio::client_async;
use async_tungstenite::tungstenite::Message;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::spaces::Space;
use crate::{DEADLINE, Failure, Result};

/// One connection to a browser.
pub(super) struct Rpc {
    outgoing: mpsc::UnboundedSender<Message>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
}

/// Commands sent and not yet answered, by their id.
type Waiting = Mutex<HashMap<u64, oneshot::Sender<Value>>>;

/// Something the browser says unasked.
pub(super) struct Event {
    /// Its name in the protocol.
    pub(super) method: String,
    /// What it says.
    pub(super) params: Value,
    /// The target it is about, in the Chrome DevTools Protocol.
    pub(super) session: Option<String>,
}

impl Rpc {
    /// Connects, from inside a network namespace if one is given, and calls `on_event` for every event from then on.
    pub(super) async fn connect(
        address: &str,
        space: Option<&Space>,
        on_event: impl Fn(Event) + Send + 'static,
    ) -> Result<Rpc> {
        let stream = dial(address, space)?;
        let (socket, _) = timeout(DEADLINE, client_async(address, stream))
            .await
            .map_err(|_| Failure::new(format!("{address} does not answer")))??;
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut queue) = mpsc::unbounded_channel();
        let waiting: Arc<Waiting> = Arc::default();
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        let answered = waiting.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let Ok(text) = message.to_text() else {
                    continue;
                };
                let Ok(value) = serde_json::from_str(text) else {
                    continue;
                };
                dispatch(value, &answered, &on_event);
            }
            // The browser is gone: dropping the senders tells all who wait.
            lock(&answered).clear();
        });
        Ok(Rpc {
            outgoing,
            waiting,
            next: AtomicU64::new(1),
        })
    }

    /// Sends a command and waits for its result.
    pub(super) async fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let (sender, reply) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        let gone = || Failure::new(format!("{method}: the browser is gone"));
        self.outgoing
            .send(Message::text(command.to_string()))
            .map_err(|_| gone())?;
        let mut reply = timeout(DEADLINE * 2, reply)
            .await
            .map_err(|_| Failure::new(format!("{method}: no reply")))?
            .map_err(|_| gone())?;
        match reply.get("error") {
            Some(error) => Err(Failure::new(format!(
                "{method}: {error} {}",
                reply["message"]
            ))),
            None => Ok(reply["result"].take()),
        }
    }
}

/// Connects to the host and port of a WebSocket's address.
fn dial(address: &str, space: Option<&Space>) -> Result<TcpStream> {
    let host = address.split('/').nth(2).unwrap_or_default();
    let to: SocketAddr = host
        .parse()
        .map_err(|_| Failure::new(format!("{address} is not at a numeric address and port")))?;
    let stream = match space {
        Some(space) => space.connect(to)?,
        None => std::net::TcpStream::connect(to)?,
    };
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream)?)
}

fn dispatch(mut value: Value, waiting: &Waiting, on_event: &impl Fn(Event)) {
    if let Some(id) = value["id"].as_u64() {
        if let Some(sender) = lock(waiting).remove(&id) {
            // Whoever asked may have given up.
            let _ = sender.send(value);
        }
    } else if let Some(method) = value["method"].as_str() {
        on_event(Event {
            method: method.to_owned(),
            session: value["sessionId"].as_str().map(str::to_owned),
            params: value["params"].take(),
        });
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Value>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
