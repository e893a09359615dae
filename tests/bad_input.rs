// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a person or a program can get wrong is answered in words, and the room goes on.

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{ConnectStream, connect_async};
use async_tungstenite::tungstenite::Message;
use futures_util::StreamExt;
use gst_rtc::build::program;
use gst_rtc::embedded::Embedded;
use gst_rtc::http::{Response, request};
use gst_rtc::raw_peer::{Lies, RawPeer};
use gst_rtc::{DEADLINE, Failure, Result, Server, check};
use serde_json::{Value, json};
use tokio::time::timeout;

async fn post(server: &Server, path: &str, content_type: &str, body: &str) -> Result<Response> {
    request(server.address(), "POST", path, content_type, body).await
}

/// The status and the code that a request must be answered with, and that there are words to go by.
fn refused(answer: &Response, status: u16, code: &str) -> Result {
    check!(answer.status == status, "{status} was expected: {answer:?}");
    let error: Value = serde_json::from_str(&answer.body)?;
    check!(error["code"] == code, "{code} was expected: {answer:?}");
    let words = error["message"].as_str().unwrap_or_default();
    check!(words.len() > 20, "nobody can go by \"{words}\"");
    Ok(())
}

#[tokio::test]
async fn wrong_whip_and_whep_requests_are_refused_and_the_room_goes_on() -> Result {
    let server = Server::dev(&[]).await?;
    let mut alice = RawPeer::offer(&server, "lobby", "alice", Lies::NONE).await?;
    alice.connected().await?;

    let sdp = "application/sdp";
    for junk in [
        "",
        "junk",
        "v=0\r\n",
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
    ] {
        refused(
            &post(&server, "/whip/lobby?name=bob", sdp, junk).await?,
            400,
            "badSdp",
        )?;
    }
    let no_dtls = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\n\
                   a=rtpmap:96 VP8/90000\r\n";
    refused(
        &post(&server, "/whip/lobby?name=bob", sdp, no_dtls).await?,
        400,
        "badSdp",
    )?;
    let large = "a".repeat(300 * 1024);
    let answer = post(&server, "/whip/lobby?name=bob", sdp, &large).await?;
    check!(answer.status == 413, "{answer:?}");
    let answer = post(&server, "/whip/lobby?name=bob", "text/html", "v=0").await?;
    check!(answer.status == 415, "{answer:?}");
    refused(
        &post(&server, "/whip/a%20room?name=bob", sdp, "v=0").await?,
        400,
        "badRoom",
    )?;
    refused(
        &post(&server, "/whep/nowhere", sdp, no_dtls).await?,
        404,
        "unknownRoom",
    )?;
    let nobody = post(&server, "/whep/lobby?participant=nobody", sdp, no_dtls).await?;
    refused(&nobody, 404, "unknownParticipant")?;
    for method in ["DELETE", "PATCH"] {
        let gone = request(server.address(), method, "/whip/lobby/0000", sdp, "").await?;
        check!((400..500).contains(&gone.status), "{gone:?}");
    }
    let Err(second) = RawPeer::offer(&server, "lobby", "alice", Lies::NONE).await else {
        gst_rtc::fail!("a second alice was let in");
    };
    check!(second.to_string().contains("409"), "{second}");

    let mut bob = RawPeer::offer(&server, "lobby", "bob", Lies::NONE).await?;
    bob.connected().await
}

#[tokio::test]
async fn wrong_messages_are_answered_and_the_connection_goes_on() -> Result {
    let server = Server::dev(&[]).await?;
    let (mut socket, _) = connect_async(server.websocket("lobby")).await?;
    for (sent, code) in [
        ("{", "badMessage"),
        ("[]", "badMessage"),
        (r#"{"type":"jion","name":"alice"}"#, "badMessage"),
        (r#"{"type":"join","name":7}"#, "badMessage"),
        (r#"{"type":"publish","sdp":"v=0"}"#, "badMessage"),
        (r#"{"type":"join","name":""}"#, "badName"),
    ] {
        socket.send(Message::text(sent)).await?;
        let answer = next(&mut socket, "error").await?;
        check!(answer["code"] == code, "{sent} was answered by {answer}");
    }
    socket
        .send(Message::text(
            json!({ "type": "join", "name": "alice" }).to_string(),
        ))
        .await?;
    next(&mut socket, "joined").await?;
    let publish = json!({ "type": "publish", "request": 7, "sdp": "junk" });
    socket.send(Message::text(publish.to_string())).await?;
    let answer = next(&mut socket, "error").await?;
    check!(
        answer["code"] == "badSdp" && answer["request"] == 7,
        "{answer}"
    );
    Ok(())
}

/// The next message of that type.
async fn next(socket: &mut WebSocketStream<ConnectStream>, kind: &str) -> Result<Value> {
    let read = async {
        while let Some(message) = socket.next().await {
            let value: Value = serde_json::from_str(message?.to_text()?).unwrap_or_default();
            if value["type"] == kind {
                return Ok(value);
            }
        }
        Err(Failure::new(format!("the server closed before {kind}")))
    };
    let late = |_| Failure::new(format!("no {kind} within {DEADLINE:?}"));
    timeout(DEADLINE, read).await.map_err(late)?
}

#[tokio::test]
async fn a_taken_port_is_named_by_the_server_with_what_to_do() -> Result {
    let server = Server::serve(&[]).await?;
    let listen = server.address().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new(program())
            .args(["serve", "--listen", &listen])
            .output()
    });
    let output = timeout(DEADLINE, output).await???;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    check!(!output.status.success(), "it started: {words}");
    check!(
        words.contains(server.address()) && words.contains("--listen"),
        "{words}"
    );
    Ok(())
}

#[tokio::test]
async fn wrong_properties_of_the_element_are_named_in_its_error() -> Result {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.to_string();
    for (property, value) in [
        ("listen", "nowhere"),
        ("listen", taken.as_str()),
        ("public-address", "nowhere"),
        ("signaller::uri", "gopher://127.0.0.1"),
    ] {
        let pipeline = Embedded::parse(&format!("rtcsfu room=lobby workers=1 {property}={value}"))?;
        let Err(failure) = pipeline.play().await else {
            gst_rtc::fail!("{property}={value} was taken");
        };
        let (words, name) = (
            failure.to_string(),
            property.rsplit(':').next().unwrap_or(property),
        );
        check!(words.contains(name), "{property}={value}: {words}");
    }
    Ok(())
}
