// SPDX-License-Identifier: MIT OR Apache-2.0
//! Directs a room: everybody is in one picture, which the room gets back as a participant named "mix", and whose layout
//! follows who is there and who speaks. Open the room in two browsers, then in a third, and look at "mix".
//!
//! ```text
//! cargo run --example director -- ws://127.0.0.1:8080 lobby
//! ```

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use std::collections::HashMap;

/// The room's tracks go into the mixer as they come; picture and sound of all come back.
const STUDIO: &str = "rtcsfu name=sfu sink_0::participant=mix sink_1::participant=mix
    rtcmcu name=mcu width=1280 height=720 end-with-inputs=false
    mcu.video ! application/x-rtp,encoding-name=VP8 ! sfu.sink_0
    mcu.audio ! application/x-rtp,encoding-name=OPUS ! sfu.sink_1";

/// Two beside each other, whatever their shape. Rectangles are in pixels of the canvas.
const TWO: &str = r#"[{"x": 20, "y": 120, "width": 610, "height": 480},
                      {"x": 650, "y": 120, "width": 610, "height": 480}]"#;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let (server, room) = (argument("ws://127.0.0.1:8080"), argument("lobby"));
    gst::init()?;
    gstrtcsfu::plugin_register_static()?;
    gstrtcmcu::plugin_register_static()?;

    let studio = gst::parse::launch(STUDIO)?;
    let pipeline = studio
        .downcast::<gst::Pipeline>()
        .ok()
        .context("no pipeline")?;
    let element = |name| pipeline.by_name(name).context("it is in the text");
    let mut director = Director {
        sfu: element("sfu")?,
        mcu: element("mcu")?,
        cast: HashMap::new(),
    };
    let signaller = director.sfu.property::<gst::glib::Object>("signaller");
    signaller.set_property("uri", &server);
    director.sfu.set_property("room", &room);
    pipeline.set_state(gst::State::Playing)?;
    println!("directing {room}");

    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let interrupted = bus.clone();
    ctrl_c(move || {
        let structure = gst::Structure::new_empty("interrupted");
        let _ = interrupted.post(gst::message::Application::new(structure));
    })?;
    for message in bus.iter_timed(None) {
        match message.view() {
            gst::MessageView::Error(error) => bail!("{} {:?}", error.error(), error.debug()),
            gst::MessageView::Application(_) => break,
            gst::MessageView::Element(told) => {
                if let Some(told) = told.structure() {
                    director.hear(told)?;
                }
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}

/// Who is in the picture, with the pads from the room and into the mixer.
struct Director {
    sfu: gst::Element,
    mcu: gst::Element,
    cast: HashMap<String, Vec<(gst::Pad, gst::Pad)>>,
}

impl Director {
    fn hear(&mut self, told: &gst::StructureRef) -> Result<()> {
        let field = |name: &str| told.get::<String>(name).unwrap_or_default();
        match told.name().as_str() {
            "rtcsfu-track-added" if field("participant") != "mix" => {
                self.take(&field("participant"), &field("kind"))?;
            }
            "rtcsfu-participant-left" => self.dismiss(&field("name")),
            "rtcmcu-speaker-changed" => println!("{} speaks", field("participant")),
            _ => return Ok(()),
        }
        self.arrange();
        Ok(())
    }

    /// Of each participant one picture and one voice.
    fn take(&mut self, who: &str, kind: &str) -> Result<()> {
        let name = format!("{kind}_{who}");
        if self.sfu.static_pad(&name).is_some() {
            return Ok(());
        }
        let track = self.sfu.request_pad_simple(&name);
        let track = track.context("no pad for the track")?;
        let seat = self.mcu.request_pad_simple("sink_%u");
        let seat = seat.context("no pad for the picture")?;
        seat.set_property("participant", who);
        track.link(&seat)?;
        let theirs = self.cast.entry(who.to_owned()).or_default();
        theirs.push((track, seat));
        Ok(())
    }

    fn dismiss(&mut self, who: &str) {
        for (track, seat) in self.cast.remove(who).into_iter().flatten() {
            let _ = track.unlink(&seat);
            self.sfu.release_request_pad(&track);
            self.mcu.release_request_pad(&seat);
        }
    }

    /// One has it all; two have halves; of more, who speaks is big.
    fn arrange(&self) {
        let (name, layout) = match self.cast.len() {
            0 => return,
            1 => ("one alone", "single"),
            2 => ("two halves", TWO),
            _ => ("who speaks is big", "speaker"),
        };
        // Nothing, or why not; then the layout before stays.
        match self.mcu.emit_by_name("set-layout", &[&layout]) {
            None::<String> => println!("layout: {name}"),
            Some(reason) => println!("{name} is refused: {reason}"),
        }
    }
}

/// Calls back at Ctrl-C.
fn ctrl_c(called: impl Fn() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            called();
        }
    });
    Ok(())
}
