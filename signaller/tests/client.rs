// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client with real `webrtcbin`: two of them in a peer-to-peer room.

use async_tungstenite::tokio::connect_async;
use async_tungstenite::tungstenite::Message;
use futures_util::StreamExt;
use gst::prelude::*;
use gst_rtc_signaller::client::{Client, ClientError, ConnectOptions, Event, Events};
use gst_rtc_signaller::protocol::Mode;
use gst_rtc_signaller::server::{Server, ServerConfig};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(20);
const MEDIA: &str = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! vp8enc deadline=1 keyframe-max-dist=30 \
    ! rtpvp8pay ! webrtcbin name=rtc audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97 ! rtc.";

async fn server() -> Server {
    gst::init().expect("GStreamer");
    let config = ServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ServerConfig::default()
    };
    Server::start(config).await.expect("a server")
}

fn uri(server: &Server) -> String {
    format!("ws://{}", server.address())
}

async fn join(server: &Server, room: &str, name: &str, keep_certificate: bool) -> (Client, Events) {
    let options = ConnectOptions {
        mode: Some(Mode::P2p),
        keep_certificate,
        ..ConnectOptions::default()
    };
    Client::connect_with(&uri(server), room, name, options)
        .await
        .expect("joined")
}

/// A running `webrtcbin` with a picture and a tone, and what comes out of it.
struct Station {
    pipeline: gst::Pipeline,
    webrtcbin: gst::Element,
    packets: Arc<AtomicU32>,
    frames: Arc<AtomicU32>,
}

impl Station {
    fn new() -> Station {
        let pipeline = gst::parse::launch(MEDIA)
            .expect("a pipeline")
            .downcast::<gst::Pipeline>()
            .expect("a pipeline");
        let webrtcbin = pipeline.by_name("rtc").expect("webrtcbin");
        let (packets, frames) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let (weak, seen, decoded) = (pipeline.downgrade(), packets.clone(), frames.clone());
        webrtcbin.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak
                .upgrade()
                .filter(|_| pad.direction() == gst::PadDirection::Src)
            else {
                return;
            };
            decode(&pipeline, pad, seen.clone(), decoded.clone());
        });
        pipeline.set_state(gst::State::Playing).expect("playing");
        Station {
            pipeline,
            webrtcbin,
            packets,
            frames,
        }
    }

    async fn decodes(&self) {
        let enough = async {
            while self.frames.load(Ordering::Relaxed) < 30 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, enough).await.unwrap_or_else(|_| {
            panic!(
                "{} frames of {} packets",
                self.frames.load(Ordering::Relaxed),
                self.packets.load(Ordering::Relaxed)
            )
        });
    }

    /// The certificate in our own description's DTLS, as text.
    fn certificate(&self) -> String {
        let transceiver = self
            .webrtcbin
            .emit_by_name::<Option<gst_webrtc::WebRTCRTPTransceiver>>("get-transceiver", &[&0_i32])
            .expect("a transceiver");
        let transport = transceiver
            .sender()
            .and_then(|s| s.transport())
            .expect("a transport");
        transport.certificate().expect("a certificate").to_string()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn decode(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    packets: Arc<AtomicU32>,
    frames: Arc<AtomicU32>,
) {
    let decoder = gst::ElementFactory::make("decodebin")
        .build()
        .expect("decodebin");
    pipeline.add(&decoder).expect("added");
    let sink = decoder.static_pad("sink").expect("a pad");
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        packets.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let weak = pipeline.downgrade();
    decoder.connect_pad_added(move |_, decoded| {
        let Some(pipeline) = weak.upgrade() else {
            return;
        };
        let sink = gst::ElementFactory::make("fakesink")
            .property("async", false)
            .property("sync", false)
            .build()
            .expect("fakesink");
        pipeline.add(&sink).expect("added");
        let video = decoded
            .current_caps()
            .is_some_and(|caps| caps.to_string().starts_with("video"));
        let frames = frames.clone();
        decoded.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            frames.fetch_add(u32::from(video), Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
        decoded
            .link(&sink.static_pad("sink").expect("a pad"))
            .expect("linked");
        sink.sync_state_with_parent().expect("playing");
    });
    pad.link(&sink).expect("linked");
    decoder.sync_state_with_parent().expect("playing");
}

async fn expect(events: &mut Events, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
    let found = timeout(SOON, async {
        loop {
            let event = events.next().await.expect("the client goes on");
            if wanted(&event) {
                return event;
            }
        }
    });
    found
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Connects both and returns when each has decoded the other.
async fn meet(server: &Server, room: &str, keep: bool) -> (Station, Station) {
    let (alice, mut of_alice) = join(server, room, "alice", keep).await;
    let (bob, mut of_bob) = join(server, room, "bob", keep).await;
    let (a, b) = (Station::new(), Station::new());
    let Event::Joined(newcomer) =
        expect(&mut of_alice, "the join", |e| matches!(e, Event::Joined(_))).await
    else {
        unreachable!()
    };
    alice
        .connect_to(&newcomer.id, &a.webrtcbin)
        .await
        .expect("waiting for the offer");
    bob.connect_to(&alice.id(), &b.webrtcbin)
        .await
        .expect("answered");
    for events in [&mut of_alice, &mut of_bob] {
        expect(events, "the verification", |e| {
            matches!(e, Event::Verified(_))
        })
        .await;
    }
    a.decodes().await;
    b.decodes().await;
    alice.leave().await;
    expect(&mut of_bob, "the leave", |e| {
        matches!(e, Event::Left { .. })
    })
    .await;
    (a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_webrtcbin_see_each_other_with_ecdsa_certificates() {
    let server = server().await;
    let (a, _b) = meet(&server, "ecdsa", false).await;
    let x509 = openssl::x509::X509::from_pem(a.certificate().as_bytes()).expect("a certificate");
    let key = x509.public_key().expect("a key");
    assert_eq!(
        key.ec_key().expect("an EC key").group().curve_name(),
        Some(openssl::nid::Nid::X9_62_PRIME256V1)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_webrtcbin_see_each_other_with_their_own_certificates() {
    let server = server().await;
    meet(&server, "own", true).await;
    server.stop().await;
}

/// A peer in two rooms that hands on what it hears in one to the other, with the fingerprints of `from` forged.
async fn forger(server: &Server, rooms: [&str; 2]) {
    let (mut sockets, mut peers) = (Vec::new(), Vec::new());
    for room in rooms {
        let (mut socket, _) = connect_async(format!("{}/ws/{room}", uri(server)))
            .await
            .expect("a WebSocket");
        socket
            .send(Message::text(
                json!({"type": "join", "name": "forger", "mode": "p2p"}).to_string(),
            ))
            .await
            .expect("sent");
        let joined = loop {
            if let Message::Text(text) = socket.next().await.expect("a message").expect("a message")
            {
                break serde_json::from_str::<Value>(text.as_str()).expect("JSON");
            }
        };
        peers.push(joined["participants"].get(0).map(|p| p["id"].clone()));
        sockets.push(socket);
    }
    let mut second = sockets.pop().expect("two");
    let mut first = sockets.pop().expect("two");
    tokio::spawn(async move {
        loop {
            let (at, message) = tokio::select! {
                message = first.next() => (0, message),
                message = second.next() => (1, message),
            };
            let Some(Ok(message)) = message else { return };
            let Message::Text(text) = message else {
                continue;
            };
            let mut value: Value = serde_json::from_str(text.as_str()).expect("JSON");
            match value["type"].as_str() {
                Some("participantJoined") => peers[at] = Some(value["participant"]["id"].clone()),
                Some("signal") => {
                    if at == 0
                        && let Some(sdp) = value["description"]["sdp"].as_str()
                    {
                        value["description"]["sdp"] = json!(forged(sdp));
                    }
                    value["to"] = peers[1 - at].clone().expect("a peer in the other room");
                    let other = if at == 0 { &mut second } else { &mut first };
                    let _ = other.send(Message::text(value.to_string())).await;
                }
                _ => {}
            }
        }
    });
}

fn forged(sdp: &str) -> String {
    let line = format!("a=fingerprint:sha-256 {}", ["AB"; 32].join(":"));
    sdp.lines()
        .map(|l| {
            if l.starts_with("a=fingerprint:") {
                line.clone()
            } else {
                l.to_owned()
            }
        })
        .map(|l| l + "\r\n")
        .collect()
}

/// The forged description goes to whom? The offerer's or the answerer's is forged: both DTLS roles are tried.
async fn nothing_passes(server: &Server, forge_offer: bool) {
    let rooms = if forge_offer {
        ["offers", "answers"]
    } else {
        ["answers2", "offers2"]
    };
    let (offer_room, answer_room) = if forge_offer {
        (rooms[0], rooms[1])
    } else {
        (rooms[1], rooms[0])
    };
    // The answerer is there before the forger, the offerer after it.
    let (answerer, mut of_answerer) = join(server, answer_room, "answerer", false).await;
    forger(server, rooms).await;
    let Event::Joined(forger) = expect(&mut of_answerer, "the forger", |e| {
        matches!(e, Event::Joined(_))
    })
    .await
    else {
        unreachable!()
    };
    let (b, a) = (Station::new(), Station::new());
    answerer
        .connect_to(&forger.id, &b.webrtcbin)
        .await
        .expect("waiting");
    let (offerer, mut of_offerer) = join(server, offer_room, "offerer", false).await;
    let other = offerer.joined().participants[0].id.clone();
    offerer
        .connect_to(&other, &a.webrtcbin)
        .await
        .expect("answered");
    let (deceived, events) = if forge_offer {
        (&b, &mut of_answerer)
    } else {
        (&a, &mut of_offerer)
    };
    let Event::Failed { reason, .. } =
        expect(events, "the alarm", |e| matches!(e, Event::Failed { .. })).await
    else {
        unreachable!()
    };
    assert!(
        reason.contains("certificate") && reason.contains("AB:AB"),
        "{reason}"
    );
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        deceived.packets.load(Ordering::Relaxed),
        0,
        "received from a forged peer"
    );
    let other = if forge_offer { &a } else { &b };
    assert_eq!(
        other.packets.load(Ordering::Relaxed),
        0,
        "sent to a forged peer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_fingerprint_in_the_offer_lets_nothing_pass() {
    let server = server().await;
    nothing_passes(&server, true).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_fingerprint_in_the_answer_lets_nothing_pass() {
    let server = server().await;
    nothing_passes(&server, false).await;
    server.stop().await;
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let server = server().await;
    let error =
        |result: Result<(Client, Events), ClientError>| result.expect_err("an error").to_string();
    assert!(error(Client::connect("http://x", "lobby", "a").await).contains("ws://"));
    assert!(
        error(Client::connect("ws://127.0.0.1:1", "lobby", "a").await)
            .contains("is the server running")
    );
    assert!(error(Client::connect(&uri(&server), "b d", "a").await).contains("badRoom"));
    let (client, _events) = Client::connect(&uri(&server), "lobby", "a")
        .await
        .expect("joined");
    assert!(error(Client::connect(&uri(&server), "lobby", "a").await).contains("nameTaken"));
    let identity = gst::ElementFactory::make("identity")
        .build()
        .expect("identity");
    assert!(matches!(
        client.publish(&identity).await,
        Err(ClientError::Element { .. })
    ));
    assert!(matches!(
        client.connect_to("p1", &identity).await,
        Err(ClientError::WrongMode)
    ));
    let webrtcbin = gst::ElementFactory::make("webrtcbin")
        .build()
        .expect("webrtcbin");
    webrtcbin.set_state(gst::State::Ready).expect("ready");
    let refused = client.receive(&webrtcbin).await;
    assert!(
        matches!(&refused, Err(ClientError::Refused(error)) if error.code == "noNode"),
        "{refused:?}"
    );
    webrtcbin.set_state(gst::State::Null).expect("null");
    server.stop().await;
}

#[tokio::test]
async fn a_client_finds_a_server_that_comes_back() {
    let first = server().await;
    let address = first.address();
    let (_client, mut events) = Client::connect(&uri(&first), "lobby", "alice")
        .await
        .expect("joined");
    first.stop().await;
    expect(&mut events, "the interruption", |e| {
        *e == Event::Interrupted
    })
    .await;
    let second = Server::start(ServerConfig {
        listen: address,
        ..ServerConfig::default()
    })
    .await
    .expect("a server");
    let Event::Reconnected(joined) = expect(&mut events, "the return", |e| {
        matches!(e, Event::Reconnected(_))
    })
    .await
    else {
        unreachable!()
    };
    assert!(!joined.resumed);
    second.stop().await;
}
