// SPDX-License-Identifier: MIT OR Apache-2.0
//! Broadcasts a room: the picture of whoever speaks, and the sound of all, to an RTMP server.
//!
//! ```text
//! cargo run --example broadcaster -- ws://127.0.0.1:8080 lobby rtmp://127.0.0.1/live/key
//! ```
//!
//! Join the room with two browsers and talk in turns: the stream shows who talks. While nobody is there it shows that, too.

use anyhow::{Context, Result, bail};
use gst::prelude::*;

/// What comes of the room: one picture, one sound, encoded once, as streaming platforms take them.
const STUDIO: &str = "
    rtcsfu name=room expose=all
    rtcmcu name=mix layout=single width=640 height=360 video-bitrate=1500000 audio-bitrate=128000 end-with-inputs=false
    mix.video ! h264parse config-interval=-1 ! queue ! mux.
    mix.audio ! aacparse ! queue ! mux.
    flvmux name=mux streamable=true ! rtmp2sink name=platform async=false";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let (server, room) = (argument("ws://127.0.0.1:8080"), argument("lobby"));
    let platform = argument("rtmp://127.0.0.1/live/key");
    gst::init()?;
    // The elements are linked into this program: nothing needs to be installed.
    gstrtcsfu::plugin_register_static()?;
    gstrtcmcu::plugin_register_static()?;

    let studio = gst::parse::launch(STUDIO)?.downcast::<gst::Pipeline>();
    let pipeline = studio.ok().context("several elements are a pipeline")?;
    let element = |name| pipeline.by_name(name).context("it is in the studio");
    let (sfu, mix) = (element("room")?, element("mix")?);
    element("platform")?.set_property("location", &platform);
    sfu.set_property("room", &room);
    let signaller = sfu.property::<gst::glib::Object>("signaller");
    signaller.set_property("uri", &server);

    // Every track of the room is mixed as long as it is there; the mixer itself sees whose is whose, and who speaks.
    sfu.connect_pad_added(move |_, track| {
        if let Err(error) = take_in(&mix, track) {
            eprintln!("{}: {error}", track.name());
        }
    });
    pipeline.set_state(gst::State::Playing)?;
    println!("broadcasting {room}");
    let ended = until_the_end(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    ended
}

fn take_in(mix: &gst::Element, track: &gst::Pad) -> Result<()> {
    let into = mix.request_pad_simple("sink_%u");
    track.link(&into.context("it takes any number")?)?;
    let mix = mix.downgrade();
    track.connect_unlinked(move |_, into| {
        if let Some(mix) = mix.upgrade() {
            mix.release_request_pad(into);
        }
    });
    Ok(())
}

/// Says who speaks, until something fails or Ctrl-C ends the program.
fn until_the_end(pipeline: &gst::Pipeline) -> Result<()> {
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    for message in bus.iter_timed(None) {
        match message.view() {
            gst::MessageView::Error(error) => bail!("{} {:?}", error.error(), error.debug()),
            // Where it fails an element is just coming or going, and asks again.
            gst::MessageView::Latency(_) => drop(pipeline.recalculate_latency()),
            gst::MessageView::Element(told) => {
                let told = told.structure().filter(|told| {
                    told.name() == "rtcsfu-speaking" && told.get("speaking").unwrap_or(false)
                });
                if let Some(who) = told.and_then(|told| told.get::<String>("participant").ok()) {
                    println!("{who} speaks");
                }
            }
            _ => {}
        }
    }
    Ok(())
}
