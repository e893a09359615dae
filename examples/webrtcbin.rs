// SPDX-License-Identifier: MIT OR Apache-2.0
//! A participant made of two `webrtcbin`: one publishes a test picture and a tone, the other receives everybody else.
//!
//! ```text
//! cargo run --example webrtcbin -- ws://127.0.0.1:8080 lobby robot
//! ```
//!
//! Start `gst-rtc dev` before, and open its page in a browser: it shows the test picture, and this program counts the
//! frames and sounds that it decodes from the browser.

use anyhow::{Context, Result};
use gst::prelude::*;
use gst_rtc_signaller::client::{Client, Event, mid_of};
use gst_rtc_signaller::protocol::Slot;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SEND: &str = "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 \
    ! vp8enc deadline=1 keyframe-max-dist=60 ! rtpvp8pay ! webrtcbin name=send \
    audiotestsrc is-live=true wave=ticks ! opusenc ! rtpopuspay pt=97 ! send.";

/// How many decoded buffers each slot has had, by mid.
type Counts = Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments
        .next()
        .unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    let room = arguments.next().unwrap_or_else(|| "lobby".to_owned());
    let name = arguments.next().unwrap_or_else(|| "robot".to_owned());
    gst::init()?;

    let (client, mut events) = Client::connect(&server, &room, &name).await?;
    println!(
        "{name} is in {room} with {} others",
        client.joined().participants.len()
    );

    let sending = gst::parse::launch(SEND)?
        .downcast::<gst::Pipeline>()
        .ok()
        .context("several elements are a pipeline")?;
    let send = sending.by_name("send").context("it has a webrtcbin")?;
    sending.set_state(gst::State::Playing)?;
    client.publish(&send).await?;

    let receiving = gst::Pipeline::new();
    let receive = gst::ElementFactory::make("webrtcbin").build()?;
    receiving.add(&receive)?;
    let counts = Counts::default();
    decode_all(&receiving, &receive, counts.clone());
    receiving.set_state(gst::State::Playing)?;
    client.receive(&receive).await?;

    let mut slots = Vec::new();
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Slots { slots: shown, .. }) => slots = shown,
                Some(Event::Failed { leg, reason }) => anyhow::bail!("{leg:?}: {reason}"),
                Some(event) => println!("{event:?}"),
                None => break,
            },
            _ = every_second.tick() => print(&slots, &counts),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.leave().await;
    sending.set_state(gst::State::Null)?;
    receiving.set_state(gst::State::Null)?;
    Ok(())
}

/// Puts a decoder and a counting sink behind every pad that appears.
fn decode_all(pipeline: &gst::Pipeline, receive: &gst::Element, counts: Counts) {
    let pipeline = pipeline.downgrade();
    receive.connect_pad_added(move |_, pad| {
        let Some(pipeline) = pipeline
            .upgrade()
            .filter(|_| pad.direction() == gst::PadDirection::Src)
        else {
            return;
        };
        let mid = mid_of(pad).unwrap_or_else(|| pad.name().into());
        let count = counts
            .lock()
            .expect("no panic while held")
            .entry(mid)
            .or_default()
            .clone();
        if let Err(error) = decode(&pipeline, pad, count) {
            eprintln!("{}: {error}", pad.name());
        }
    });
}

fn decode(pipeline: &gst::Pipeline, pad: &gst::Pad, count: Arc<AtomicU64>) -> Result<()> {
    let decoder = gst::ElementFactory::make("decodebin").build()?;
    pipeline.add(&decoder)?;
    let weak = pipeline.downgrade();
    decoder.connect_pad_added(move |_, decoded| {
        let Some(pipeline) = weak.upgrade() else {
            return;
        };
        if let Err(error) = count_buffers(&pipeline, decoded, count.clone()) {
            eprintln!("{}: {error}", decoded.name());
        }
    });
    let sink = decoder.static_pad("sink").context("no sink pad")?;
    pad.link(&sink)?;
    Ok(decoder.sync_state_with_parent()?)
}

fn count_buffers(pipeline: &gst::Pipeline, pad: &gst::Pad, count: Arc<AtomicU64>) -> Result<()> {
    let fakesink = gst::ElementFactory::make("fakesink").property("async", false);
    let fakesink = fakesink.property("sync", false).build()?;
    pipeline.add(&fakesink)?;
    let sink = fakesink.static_pad("sink").context("no sink pad")?;
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    pad.link(&sink)?;
    Ok(fakesink.sync_state_with_parent()?)
}

fn print(slots: &[Slot], counts: &Counts) {
    let counts = counts.lock().expect("no panic while held");
    for slot in slots {
        let Some(participant) = &slot.participant else {
            continue;
        };
        let number = counts
            .get(&slot.mid)
            .map_or(0, |count| count.load(Ordering::Relaxed));
        println!(
            "slot {} shows {:?} of {participant}: {number} decoded",
            slot.mid, slot.kind
        );
    }
}
