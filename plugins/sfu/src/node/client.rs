// SPDX-License-Identifier: MIT OR Apache-2.0
//! The WebSocket client: connects, reads, writes, notices silence, and begins again.

use super::{FromSignaller, SignallerAddress, ToSignaller};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, client_async_with_config};
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{Error as WsError, Message};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use gst_rtc_core::backoff::Backoff;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

/// How long one attempt may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The signaller pings every 10 s; when nothing comes for so long, the connection is dead.
const SILENCE: Duration = Duration::from_secs(30);
/// The wait after the first loss; it doubles with each that follows.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The largest message taken: an SDP of 256 KiB, escaped.
const MAX_MESSAGE: usize = 1 << 20;

type Socket = WebSocketStream<TokioAdapter<TcpStream>>;

/// What the client tells its owner.
pub(crate) enum Connection {
    /// Connected; what is to be said goes into the sender, `node` first. The sender of a lost connection leads nowhere. Dropping it
    /// closes the connection in an orderly way and ends the client.
    Up(UnboundedSender<ToSignaller>),
    /// Something came.
    Message(FromSignaller),
    /// Not connected, for the reason given; it is tried again.
    Down(String),
}

/// How a connection ended.
enum End {
    /// The owner wants no connection any more.
    Wanted,
    Lost(String),
}

/// Keeps a connection to the signaller until the owner drops the sender of [`Connection::Up`], or everything it passes to `tell` is
/// refused (`false`).
pub(crate) async fn run(address: SignallerAddress, tell: impl Fn(Connection) -> bool + Sync) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let error = match connect(&address).await {
            Ok(socket) => match converse(socket, &tell, &mut backoff).await {
                End::Wanted => return,
                End::Lost(error) => error,
            },
            Err(error) => error,
        };
        if !tell(Connection::Down(error)) {
            return;
        }
        sleep(backoff.next_wait(rand::random())).await;
    }
}

async fn connect(address: &SignallerAddress) -> Result<Socket, String> {
    let attempt = async {
        let stream = TcpStream::connect(&address.authority)
            .await
            .map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let (socket, _) = client_async_with_config(address.url.as_str(), stream, Some(config))
            .await
            .map_err(|e| describe(&e))?;
        Ok(socket)
    };
    timeout(CONNECT, attempt)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", CONNECT.as_secs())))
        .map_err(|error| format!("{}: {error}", address.url))
}

fn describe(error: &WsError) -> String {
    match error {
        WsError::Http(response) => format!(
            "HTTP {}; is this the address of a gst-rtc signaller?",
            response.status()
        ),
        other => other.to_string(),
    }
}

async fn converse(
    socket: Socket,
    tell: &(impl Fn(Connection) -> bool + Sync),
    backoff: &mut Backoff,
) -> End {
    let (mut writer, mut reader) = socket.split();
    let (sender, mut queue) = unbounded_channel();
    if !tell(Connection::Up(sender)) {
        return End::Wanted;
    }
    let end = tokio::select! {
        end = read(&mut reader, tell, backoff) => end,
        end = write(&mut writer, &mut queue) => end,
    };
    // Say goodbye, but wait for nobody: a close frame tells the signaller that this is no accident.
    let _ = timeout(Duration::from_secs(1), writer.close(None)).await;
    end
}

async fn read(
    reader: &mut (impl Stream<Item = Result<Message, WsError>> + Unpin),
    tell: &(impl Fn(Connection) -> bool + Sync),
    backoff: &mut Backoff,
) -> End {
    loop {
        let message = match timeout(SILENCE, reader.next()).await {
            Err(_) => return End::Lost(format!("nothing heard for {} s", SILENCE.as_secs())),
            Ok(None) => return End::Lost("closed by the signaller".into()),
            Ok(Some(Err(error))) => return End::Lost(error.to_string()),
            Ok(Some(Ok(message))) => message,
        };
        let text = match message {
            Message::Text(text) => text,
            Message::Close(Some(frame)) => {
                return End::Lost(format!(
                    "closed by the signaller: {} {}",
                    frame.code, frame.reason
                ));
            }
            _ => continue,
        };
        let told = match serde_json::from_str(&text) {
            Ok(message) => {
                if matches!(message, FromSignaller::NodeReady { .. }) {
                    backoff.reset();
                }
                message
            }
            Err(error) => FromSignaller::Error {
                request: None,
                code: "badMessage".into(),
                message: format!("a message of the signaller was not understood: {error}"),
            },
        };
        if !tell(Connection::Message(told)) {
            return End::Wanted;
        }
    }
}

async fn write(
    writer: &mut (impl Sink<Message, Error = WsError> + Unpin),
    queue: &mut UnboundedReceiver<ToSignaller>,
) -> End {
    while let Some(message) = queue.recv().await {
        // Plain data of our own: turning it into JSON cannot fail, and if it did, only this message would be lost.
        let Ok(text) = serde_json::to_string(&message) else {
            continue;
        };
        if let Err(error) = writer.send(Message::text(text)).await {
            return End::Lost(error.to_string());
        }
    }
    End::Wanted
}
