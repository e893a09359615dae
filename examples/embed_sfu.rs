// SPDX-License-Identifier: MIT OR Apache-2.0
//! A conference server inside of an application: signalling, page and SFU in one process, and a word for everybody.
//!
//! ```text
//! cargo run --example embed_sfu -- 127.0.0.1:8080
//! ```
//!
//! Open the printed address in two browser windows: they see each other, and this program says who is there, what they
//! send, and who speaks.

use anyhow::{Context, Result};
use gst::prelude::*;
use gst_rtc_signaller::server::{Server, ServerConfig};

#[tokio::main]
async fn main() -> Result<()> {
    let listen = std::env::args().nth(1);
    let listen = listen.as_deref().unwrap_or("127.0.0.1:8080").parse()?;
    gst::init()?;
    // The element is linked into this program: nothing needs to be installed.
    gstrtcsfu::plugin_register_static()?;

    let config = ServerConfig {
        listen,
        ..ServerConfig::default()
    };
    let server = Server::start(config).await?;
    println!("open http://{}/r/lobby", server.address());

    let sfu = gst::ElementFactory::make("rtcsfu").build()?;
    let signaller = sfu.property::<gst::glib::Object>("signaller");
    signaller.set_property("uri", format!("ws://{}", server.address()));
    react(&sfu);
    let pipeline = gst::Pipeline::new();
    pipeline.add(&sfu)?;
    pipeline.set_state(gst::State::Playing)?;
    server.wait_for_node().await;
    println!("ready");

    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let failed = tokio::task::spawn_blocking(move || {
        bus.timed_pop_filtered(None, &[gst::MessageType::Error])
    });
    tokio::select! {
        message = failed => anyhow::bail!("{:?}", message?),
        _ = tokio::signal::ctrl_c() => {}
    }
    pipeline.set_state(gst::State::Null)?;
    server.stop().await;
    // The thread that waits for errors waits for ever.
    std::process::exit(0);
}

/// Every signal of the element is also a message on the bus; here are the signals.
fn react(sfu: &gst::Element) {
    let text = |value: &gst::glib::Value| value.get::<String>().unwrap_or_default();
    sfu.connect("participant-joined", false, move |arguments| {
        println!("{} joined {}", text(&arguments[3]), text(&arguments[1]));
        None
    });
    sfu.connect("participant-left", false, move |arguments| {
        println!("{} left {}", text(&arguments[3]), text(&arguments[1]));
        None
    });
    sfu.connect("track-added", false, move |arguments| {
        let [who, track, codec] = [2, 3, 5].map(|index| text(&arguments[index]));
        println!("{who} sends {track} in {codec}");
        None
    });
    sfu.connect("speaking", false, move |arguments| {
        if arguments[3].get().unwrap_or(false) {
            println!("{} speaks", text(&arguments[2]));
        }
        None
    });
}
