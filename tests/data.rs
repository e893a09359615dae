// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data channels between browsers, and between them and the element's application.

use std::sync::mpsc::{Receiver, channel};

use gst::glib;
use gst::prelude::*;
use gst_rtc::embedded::{Embedded, sessions};
use gst_rtc::{Browser, DEADLINE, Page, Result, Server, check, my_turn};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const TALKER: &str = include_str!("pages/talker.js");

/// Joins with data channels; the id of the participant.
async fn talk(page: &Page, name: &str, channels: &str) -> Result<String> {
    page.eval::<Option<String>>(&format!("(() => {{ {TALKER} }})()"))
        .await?;
    page.eval(&format!("talk('lobby', '{name}', {channels})"))
        .await
}

/// Waits for the last message of a channel.
async fn hears(page: &Page, label: &str, message: &str) -> Result {
    let last = format!(
        "heard('{label}').at(-1) === {}",
        serde_json::to_string(message).expect("a string")
    );
    page.wait_for::<bool>(&format!("message {message:?}"), &last)
        .await?;
    Ok(())
}

async fn say(page: &Page, label: &str, expression: &str) -> Result {
    let send = format!("talker.channels['{label}'].send({expression}) ?? true");
    page.eval::<bool>(&send).await?;
    Ok(())
}

/// Waits until an element knows of that many channels. A page may speak on a channel as soon as it has asked for it, but hears
/// nothing before that has arrived.
async fn knows_channels(element: &gst::Element, wanted: u32) -> Result {
    let until = Instant::now() + DEADLINE;
    loop {
        let stats = element.property::<gst::Structure>("stats");
        let open = data_of(&stats).filter_map(|data| data.get::<u32>("channels").ok());
        let open: u32 = open.sum();
        if open == wanted {
            return Ok(());
        }
        check!(Instant::now() < until, "{open} channels, not {wanted}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// What sessions saw of data channels.
fn data_of(stats: &gst::Structure) -> impl Iterator<Item = gst::Structure> {
    let sessions = sessions(stats).into_iter();
    sessions.filter_map(|session| session.get::<gst::Structure>("data").ok())
}

/// `data-received` of an element: room, participant, label, data, text.
fn received(element: &gst::Element) -> Receiver<(String, String, String, Vec<u8>, bool)> {
    let (sender, receiver) = channel();
    element.connect("data-received", false, move |values| {
        let text = |n: usize| values[n].get::<String>().expect("a string");
        let data = values[4].get::<glib::Bytes>().expect("bytes");
        let binary = values[5].get::<bool>().expect("a flag");
        // The test may have ended.
        let _ = sender.send((text(1), text(2), text(3), data.to_vec(), binary));
        None
    });
    receiver
}

fn send(element: &gst::Element, text: &str, options: Option<gst::Structure>) -> bool {
    let data = glib::Bytes::from(text.as_bytes());
    element.emit_by_name("send-data", &[&"chat", &data, &true, &options])
}

#[tokio::test]
async fn browsers_and_the_element_talk() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    // Without a camera at work Firefox uses the address of the default route alone, so the node must be there too.
    let node = Embedded::parse(&format!(
        "rtcsfu name=sfu listen=0.0.0.0:0 workers=2 room=lobby signaller::uri=ws://{}",
        server.address()
    ))?;
    let sfu = node.element("sfu")?;
    let received = received(&sfu);
    node.play().await?;
    let (chromium, firefox) = (Browser::chromium().await?, Browser::firefox().await?);
    let origin = format!("http://{}/healthz", server.address());
    let (alice, bob) = (chromium.open(&origin).await?, firefox.open(&origin).await?);
    let carol = chromium.open(&origin).await?;
    let game = "{ label: 'game', ordered: false, maxRetransmits: 0 }";
    let alice_id = talk(
        &alice,
        "alice",
        &format!("[{{ label: 'chat', protocol: 'gst-rtc.from' }}, {game}]"),
    )
    .await?;
    let bob_id = talk(&bob, "bob", &format!("[{{ label: 'chat' }}, {game}]")).await?;
    let carol_id = talk(
        &carol,
        "carol",
        "[{ label: 'chat', protocol: 'gst-rtc.from' }]",
    )
    .await?;

    knows_channels(&sfu, 5).await?;
    say(&alice, "chat", "'hello'").await?;
    hears(&bob, "chat", "hello").await?;
    hears(&carol, "chat", &format!("{alice_id}\nhello")).await?;
    let told = received.recv_timeout(DEADLINE)?;
    let (room, participant, label, data, text) = &told;
    check!(
        (room.as_str(), participant.as_str(), label.as_str()) == ("lobby", "alice", "chat")
            && data == b"hello"
            && *text,
        "{told:?}"
    );

    say(&bob, "chat", "new Uint8Array(200000).fill(65)").await?;
    let start = format!("{bob_id}\n");
    let bytes = 200_000 + start.len();
    let head = format!("{start:A<32}");
    hears(&alice, "chat", &format!("{bytes} bytes: {head}")).await?;
    hears(&carol, "chat", &format!("{bytes} bytes: {head}")).await?;
    let (_, participant, _, data, text) = received.recv_timeout(DEADLINE)?;
    check!(
        participant == "bob" && data.len() == 200_000 && !text,
        "{participant}, {} bytes, text: {text}",
        data.len()
    );

    say(&alice, "game", "'x:7'").await?;
    hears(&bob, "game", "x:7").await?;

    check!(send(&sfu, "welcome", None), "not sent");
    hears(&alice, "chat", "\nwelcome").await?;
    hears(&bob, "chat", "welcome").await?;
    let to_carol = gst::Structure::builder("options")
        .field("from", "bob")
        .field("to", "carol")
        .build();
    check!(send(&sfu, "only you", Some(to_carol)), "not sent");
    hears(&carol, "chat", &format!("{bob_id}\nonly you")).await?;
    let wrong = gst::Structure::builder("options").field("2", "x").build();
    check!(!send(&sfu, "x", Some(wrong)), "a wrong option was taken");
    let heard: Vec<String> = alice.eval("heard('chat').slice(1)").await?;
    check!(heard == ["\nwelcome"], "{heard:?} for {carol_id} alone");
    let stats = sfu.property::<gst::Structure>("stats");
    let received = data_of(&stats).filter_map(|data| data.get::<u64>("messages-received").ok());
    check!(received.sum::<u64>() == 3, "{stats}");
    Ok(())
}
