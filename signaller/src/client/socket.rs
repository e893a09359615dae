// SPDX-License-Identifier: MIT OR Apache-2.0
//! The WebSocket to the server, as messages.

use super::error::ClientError;
use crate::protocol::peer::{ClientMessage, Join, Joined, ServerMessage};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, connect_async_with_config};
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{Error, Message};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the server may take to let us in: it waits up to 5 s for a node that is coming back.
const JOIN: Duration = Duration::from_secs(10);
/// After how much silence the server is lost; it pings every 10 s.
const SILENCE: Duration = Duration::from_secs(30);
/// The largest message taken.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Close codes after which nobody comes back by itself: resumed elsewhere, and removed.
const FINAL: [u16; 2] = [4001, 4003];

pub(super) struct Socket {
    stream: WebSocketStream<TokioAdapter<TcpStream>>,
    /// Why the server wants us no more.
    ended: Option<String>,
}

impl Socket {
    /// Connects to `/ws/{room}` of the server.
    pub(super) async fn connect(uri: &str, room: &str) -> Result<Socket, ClientError> {
        let address = |reason: &str| ClientError::Address {
            uri: uri.to_owned(),
            reason: reason.to_owned(),
        };
        if uri.starts_with("wss://") {
            return Err(address(
                "TLS is not built in; connect to the server behind its proxy",
            ));
        }
        if !uri.starts_with("ws://") {
            return Err(address("it does not begin with ws://"));
        }
        crate::rooms::RoomName::parse(room)
            .map_err(|refusal| ClientError::Refused(refusal.to_message(None)))?;
        let url = format!("{}/ws/{room}", uri.trim_end_matches('/'));
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let unreachable = |reason: String| ClientError::Unreachable {
            uri: uri.to_owned(),
            reason,
        };
        let connecting = timeout(
            CONNECT,
            connect_async_with_config(url.as_str(), Some(config)),
        )
        .await;
        match connecting.map_err(|_| unreachable("no answer within 10 s".to_owned()))? {
            Ok((stream, _)) => Ok(Socket {
                stream,
                ended: None,
            }),
            Err(Error::Url(error)) => Err(address(&error.to_string())),
            Err(error) => Err(unreachable(error.to_string())),
        }
    }

    /// Joins the room.
    pub(super) async fn join(&mut self, join: &Join) -> Result<Joined, ClientError> {
        self.send(&ClientMessage::Join(join.clone())).await?;
        let late = ClientError::Timeout {
            what: "join",
            seconds: JOIN.as_secs(),
        };
        let reply = timeout(JOIN, async {
            loop {
                match self.next().await {
                    Some(ServerMessage::Joined(joined)) => return Ok(joined),
                    Some(ServerMessage::Error(error)) => return Err(ClientError::Refused(error)),
                    Some(_) => {}
                    None => return Err(ClientError::Closed),
                }
            }
        });
        reply.await.map_err(|_| late)?
    }

    pub(super) async fn send(&mut self, message: &ClientMessage) -> Result<(), ClientError> {
        let json = serde_json::to_string(message)
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        self.stream
            .send(Message::text(json))
            .await
            .map_err(|_| ClientError::Interrupted)
    }

    /// The next message that we know; none when the connection is lost.
    pub(super) async fn next(&mut self) -> Option<ServerMessage> {
        loop {
            match timeout(SILENCE, self.stream.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => match serde_json::from_str(text.as_str()) {
                    Ok(message) => return Some(message),
                    // Newer servers may say more than we know.
                    Err(error) => tracing::debug!(%error, "a message of the server was ignored"),
                },
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let last = frame.filter(|frame| FINAL.contains(&frame.code.into()));
                    self.ended = last.map(|frame| frame.reason.as_str().to_owned());
                    return None;
                }
                Ok(Some(Err(_)) | None) | Err(_) => return None,
                Ok(Some(Ok(_))) => {}
            }
        }
    }

    /// Why there is no coming back, if there is none.
    pub(super) fn ended(&mut self) -> Option<String> {
        self.ended.take()
    }

    pub(super) async fn close(mut self) {
        let _ = self.stream.close(None).await;
    }
}
