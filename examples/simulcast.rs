// SPDX-License-Identifier: MIT OR Apache-2.0
//! One picture in three sizes: a `webrtcbin` that sends simulcast, so that each viewer gets what suits it.
//!
//! ```text
//! cargo run --example simulcast -- ws://127.0.0.1:8080 lobby layers
//! ```
//!
//! Start `gst-rtc dev` before, and open its page in a browser: the tile's menu offers three sizes of the picture.

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use gst_rtc_signaller::client::{Client, Event};
use gst_rtp::prelude::RTPHeaderExtensionExt;
use std::time::Duration;

/// The layers from the smallest: how each is called in RTP (RFC 8852), its size, and its bits per second.
const LAYERS: [(&str, &str, u32); 3] = [
    ("q", "width=240,height=134", 100_000),
    ("h", "width=480,height=270", 300_000),
    ("f", "width=960,height=540", 1_000_000),
];
/// The name of the m-line, which every packet carries beside the name of its layer.
const MID: &str = "picture";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let (server, room) = (argument("ws://127.0.0.1:8080"), argument("lobby"));
    let name = argument("layers");
    gst::init()?;

    let pipeline = gst::parse::launch(&description())?.downcast::<gst::Pipeline>();
    let pipeline = pipeline.ok().context("several elements are a pipeline")?;
    for (rid, ..) in LAYERS {
        let payloader = pipeline.by_name(rid).context("each layer has one")?;
        extend(&payloader, "rtphdrextmid", 1, ("mid", MID))?;
        extend(&payloader, "rtphdrextstreamid", 2, ("rid", rid))?;
    }
    let layers = pipeline
        .by_name("offer")
        .context("it is after the funnel")?;
    layers.set_property("caps", offer()?);
    let webrtcbin = pipeline.by_name("send").context("it has a webrtcbin")?;
    pipeline.set_state(gst::State::Playing)?;
    // What there is to offer is known with the first packet.
    let pad = webrtcbin
        .static_pad("sink_0")
        .context("the layers lead to it")?;
    while pad.current_caps().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let (client, mut events) = Client::connect(&server, &room, &name).await?;
    client.publish(&webrtcbin).await?;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Connected(_)) => println!("{name} sends {} layers", LAYERS.len()),
                Some(Event::Failed { leg, reason }) => bail!("{leg:?}: {reason}"),
                Some(_) => {}
                None => bail!("the server is gone"),
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.leave().await;
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}

/// One source, encoded once for each layer; all layers go into one pad.
fn description() -> String {
    let encoders = LAYERS.map(|(rid, size, bitrate)| {
        format!(
            "all. ! queue leaky=downstream max-size-buffers=2 ! videoscale ! video/x-raw,{size}
             ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=60 target-bitrate={bitrate}
             ! rtpvp8pay name={rid} pt=96 picture-id-mode=15-bit ! layers."
        )
    });
    format!(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=960,height=540,framerate=15/1 ! tee name=all
         {}
         rtpfunnel name=layers ! capssetter name=offer ! webrtcbin name=send",
        encoders.join("\n")
    )
}

/// What the layers are, for `webrtcbin` to make its offer of (RFC 8853): the funnel does not know.
fn offer() -> Result<gst::Caps> {
    let rids = LAYERS.map(|(rid, ..)| format!("rid-{rid}=(string)send"));
    let simulcast = LAYERS.map(|(rid, ..)| rid).join(";");
    let caps = format!(
        "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96,a-mid=(string){MID},
         extmap-1=(string)urn:ietf:params:rtp-hdrext:sdes:mid,
         extmap-2=(string)urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id,
         {},a-simulcast=(string)\"send {simulcast}\"",
        rids.join(",")
    );
    Ok(caps.parse()?)
}

/// Lets a payloader write a header extension: its number on the wire, and what it says.
fn extend(
    payloader: &gst::Element,
    factory: &str,
    id: u32,
    (key, text): (&str, &str),
) -> Result<()> {
    let extension = gst::ElementFactory::make(factory)
        .property(key, text)
        .build()?;
    let extension = extension.downcast::<gst_rtp::RTPHeaderExtension>();
    let extension = extension
        .ok()
        .with_context(|| format!("{factory} is a header extension"))?;
    extension.set_id(id);
    payloader.emit_by_name::<()>("add-extension", &[&extension]);
    Ok(())
}
