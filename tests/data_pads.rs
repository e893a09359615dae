// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of data channels on the pads of `rtcsfu`: a chat as a stream of buffers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gst::prelude::*;
use gst_rtc::build::scratch;
use gst_rtc::embedded::Embedded;
use gst_rtc::{Browser, DEADLINE, GstLaunch, Page, Result, Server, check, fail, my_turn};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

const TALKER: &str = include_str!("pages/talker.js");

/// The meta of a buffer that was a message.
const META: &str = "GstRtcSfuMessageMeta";

/// A page in the room with a channel called chat.
async fn talker(browser: &Browser, server: &Server, name: &str) -> Result<Page> {
    let page = browser
        .open(&format!("http://{}/healthz", server.address()))
        .await?;
    page.eval::<Option<String>>(&format!("(() => {{ {TALKER} }})()"))
        .await?;
    page.eval::<String>(&format!("talk('lobby', '{name}', [{{ label: 'chat' }}])"))
        .await?;
    Ok(page)
}

async fn say(page: &Page, expression: &str) -> Result {
    let send = format!("talker.channels.chat.send({expression}) ?? true");
    page.eval::<bool>(&send).await?;
    Ok(())
}

async fn hears(page: &Page, message: &str) -> Result {
    let last = format!("heard('chat').at(-1) === {message:?}");
    page.wait_for::<bool>(&format!("message {message:?}"), &last)
        .await?;
    Ok(())
}

/// The part of a pipeline that serves the room.
fn sfu(server: &Server) -> String {
    format!(
        "rtcsfu name=sfu listen=0.0.0.0:0 workers=2 room=lobby signaller::uri=ws://{}",
        server.address()
    )
}

/// Waits until a file holds that and nothing else.
async fn holds(path: &Path, wanted: &[u8]) -> Result {
    let until = Instant::now() + DEADLINE;
    loop {
        let found = std::fs::read(path).unwrap_or_default();
        if found == wanted {
            return Ok(());
        }
        if Instant::now() > until {
            fail!("{} holds {found:?}", path.display());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn fresh(name: &str) -> Result<PathBuf> {
    let path = scratch().join(name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(path),
    }
}

/// The next buffer.
async fn pull(sink: &gst::Element) -> Result<gst::Sample> {
    let sink = sink.clone();
    let pull = move || {
        let limit = DEADLINE.as_nanos() as u64;
        sink.emit_by_name::<Option<gst::Sample>>("try-pull-sample", &[&limit])
    };
    match spawn_blocking(pull).await? {
        Some(sample) => Ok(sample),
        None => fail!("no buffer within {DEADLINE:?}"),
    }
}

#[tokio::test]
async fn lines_go_to_the_chat_and_the_chat_to_a_file() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let path = fresh("chat.txt")?;
    let mut pipeline = GstLaunch::start_talking(&format!(
        "{} fdsrc ! text/x-raw,format=utf8 ! sfu.data_sink_chat
         sfu.data_src_chat ! filesink location={} async=false buffer-mode=unbuffered",
        sfu(&server),
        path.display()
    ))?;
    let browser = Browser::chromium().await?;
    let alice = talker(&browser, &server, "alice").await?;
    // A page may speak at once, but hears nothing before the element knows of its channel.
    say(&alice, "'hello, '").await?;
    holds(&path, b"hello, ").await?;
    pipeline.process().say("good morning")?;
    hears(&alice, "good morning\n").await?;
    say(&alice, "new Uint8Array([119, 111, 114, 108, 100])").await?;
    holds(&path, b"hello, world").await?;
    pipeline.process().say("bye")?;
    hears(&alice, "bye\n").await?;
    check!(pipeline.stop().await?.success(), "gst-launch-1.0 failed");
    Ok(())
}

#[tokio::test]
async fn buffers_tell_who_spoke_and_say_who_shall_hear() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let node = Embedded::parse(&format!(
        "{} sfu.data_src_chat ! appsink name=out sync=false async=false
         appsrc name=in format=time is-live=true caps=text/x-raw,format=utf8 ! sfu.data_sink_chat",
        sfu(&server)
    ))?;
    let (sfu, source) = (node.element("sfu")?, node.element("in")?);
    let pad = |name: &str| sfu.static_pad(name).expect("it was requested");
    pad("data_src_chat").set_property("participant", "bob");
    pad("data_sink_chat").set_property("audience", "alice");
    pad("data_sink_chat").set_property("participant", "bob");
    node.play().await?;
    let browser = Browser::chromium().await?;
    let alice = talker(&browser, &server, "alice").await?;
    let bob = talker(&browser, &server, "bob").await?;

    let out = node.element("out")?;
    say(&bob, "'here I am'").await?;
    pull(&out).await?;
    say(&alice, "'not for the pad'").await?;
    hears(&bob, "not for the pad").await?;
    say(&bob, "'for the pad'").await?;
    let sample = pull(&out).await?;
    let caps = sample.caps().expect("a sample has caps").to_string();
    check!(caps == "text/x-raw, format=(string)utf8", "{caps}");
    let buffer = sample.buffer().expect("a sample has a buffer");
    check!(
        buffer.map_readable()?.as_slice() == b"for the pad",
        "{buffer:?}"
    );
    let meta = gst::meta::CustomMeta::from_buffer(buffer, META)?;
    for (field, value) in [("participant", "bob"), ("room", "lobby"), ("label", "chat")] {
        let said = meta.structure().get::<&str>(field)?;
        check!(said == value, "{field} is {said}");
    }
    check!(buffer.pts().is_some(), "{buffer:?}");

    hears(&alice, "for the pad").await?;
    let flow: gst::FlowReturn =
        source.emit_by_name("push-buffer", &[&gst::Buffer::from_slice(b"psst")]);
    check!(flow == gst::FlowReturn::Ok, "{flow:?}");
    hears(&alice, "psst").await?;
    say(&alice, "'now you'").await?;
    hears(&bob, "now you").await?;
    let heard: Vec<String> = bob.eval("heard('chat')").await?;
    check!(heard == ["not for the pad", "now you"], "{heard:?}");
    node.stop().await
}

#[tokio::test]
async fn in_a_room_of_another_node_lines_go_to_the_chat_and_the_chat_to_a_file() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let path = fresh("guest-chat.txt")?;
    let mut pipeline = GstLaunch::start_talking(&format!(
        "{} fdsrc ! text/x-raw,format=utf8 ! sfu.data_sink_chat
         sfu.data_src_chat ! filesink location={} async=false buffer-mode=unbuffered",
        sfu(&server),
        path.display()
    ))?;
    let browser = Browser::chromium().await?;
    let alice = talker(&browser, &server, "alice").await?;
    let until = Instant::now() + DEADLINE;
    // What is said before either of them is connected is for nobody.
    while alice.eval::<bool>("heard('chat').length === 0").await? {
        check!(Instant::now() < until, "nothing heard within {DEADLINE:?}");
        pipeline.process().say("anybody?")?;
        sleep(Duration::from_millis(100)).await;
    }
    say(&alice, "'hello, '").await?;
    holds(&path, b"hello, ").await?;
    pipeline.process().say("good morning")?;
    hears(&alice, "good morning\n").await?;
    say(&alice, "new Uint8Array([119, 111, 114, 108, 100])").await?;
    holds(&path, b"hello, world").await?;
    check!(pipeline.stop().await?.success(), "gst-launch-1.0 failed");
    Ok(())
}
