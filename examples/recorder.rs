// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records a room: for each participant one Matroska file with picture and sound in sync, as sent.
//!
//! ```text
//! cargo run --example recorder -- ws://127.0.0.1:8080 lobby recordings
//! ```
//!
//! Matroska is written in clusters of a second: whatever kills this program, the files play up to the last one.

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use std::collections::{HashMap, HashSet};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let (server, room) = (argument("ws://127.0.0.1:8080"), argument("lobby"));
    let folder = argument(".");
    gst::init()?;
    gstrtcsfu::plugin_register_static()?;
    std::fs::create_dir_all(&folder)?;

    let sfu = gst::ElementFactory::make("rtcsfu")
        .property("room", &room)
        .build()?;
    let signaller = sfu.property::<gst::glib::Object>("signaller");
    signaller.set_property("uri", &server);
    let pipeline = gst::Pipeline::new();
    pipeline.add(&sfu)?;
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let interrupted = bus.clone();
    ctrl_c(move || {
        let structure = gst::Structure::new_empty("interrupted");
        let _ = interrupted.post(gst::message::Application::new(structure));
    })?;

    let mut tracks: HashMap<String, HashMap<String, String>> = HashMap::new();
    let mut recorded = HashSet::new();
    let mut ending = false;
    for message in bus.iter_timed(None) {
        match message.view() {
            gst::MessageView::Error(error) => bail!("{} {:?}", error.error(), error.debug()),
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Application(_) if recorded.is_empty() || ending => break,
            gst::MessageView::Application(_) => {
                ending = true;
                pipeline.send_event(gst::event::Eos::new());
            }
            gst::MessageView::Element(_) => {}
            _ => continue,
        }
        let Some(told) = message
            .structure()
            .filter(|told| told.name() == "rtcsfu-track-added")
        else {
            continue;
        };
        let [who, kind, codec] = ["participant", "kind", "encoding-name"]
            .map(|field| told.get::<String>(field).unwrap_or_default());
        let theirs = tracks.entry(who.clone()).or_default();
        theirs.insert(kind, codec);
        if let (Some(video), Some(audio)) = (theirs.get("video"), theirs.get("audio"))
            && recorded.insert(who.clone())
        {
            record(&pipeline, &sfu, &who, [video, audio], &folder)
                .with_context(|| format!("{who} is not recorded"))?;
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}

/// Puts a muxer and a file behind both tracks of a participant. After a reload of their page the file goes on.
fn record(
    pipeline: &gst::Pipeline,
    sfu: &gst::Element,
    who: &str,
    [video, audio]: [&str; 2],
    folder: &str,
) -> Result<()> {
    let (video, audio) = (depayloader(video)?, depayloader(audio)?);
    let bin = gst::parse::bin_from_description(
        &format!(
            "matroskamux name=mux offset-to-zero=true min-cluster-duration=1000000000
             ! filesink name=file async=false
             identity name=video ! {video} ! queue ! mux.
             identity name=audio ! {audio} ! queue ! mux."
        ),
        false,
    )?;
    // A name of the network is no path.
    let name = who.replace(|c: char| !c.is_alphanumeric(), "_");
    let path = format!("{folder}/{name}.mkv");
    let file = bin.by_name("file").context("it is in the bin")?;
    file.set_property("location", &path);
    bin.set_property("async-handling", true);
    pipeline.add(&bin)?;
    bin.sync_state_with_parent()?;
    for kind in ["video", "audio"] {
        let inside = bin
            .by_name(kind)
            .and_then(|element| element.static_pad("sink"));
        let inside = inside.context("an identity has a sink pad")?;
        let ghost = gst::GhostPad::builder_with_target(&inside)?
            .name(kind)
            .build();
        ghost.set_active(true)?;
        bin.add_pad(&ghost)?;
        let track = sfu.request_pad_simple(&format!("{kind}_{who}"));
        track.context("no pad for the track")?.link(&ghost)?;
    }
    println!("{who} is recorded to {path}");
    Ok(())
}

/// What takes an encoding out of RTP.
fn depayloader(codec: &str) -> Result<&'static str> {
    Ok(match codec {
        "VP8" => "rtpvp8depay",
        "VP9" => "rtpvp9depay ! vp9parse",
        "H264" => "rtph264depay ! h264parse",
        "OPUS" => "rtpopusdepay ! opusparse",
        other => bail!("this example records no {other}"),
    })
}

/// Calls back at Ctrl-C.
fn ctrl_c(called: impl Fn() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    std::thread::spawn(move || {
        while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            called();
        }
    });
    Ok(())
}
