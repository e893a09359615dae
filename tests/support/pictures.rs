// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a webrtcbin receives, decoded.

use gst::prelude::*;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::{DEADLINE, Failure, Result};

/// Decoded media of one webrtcbin.
pub struct Pictures {
    sizes: mpsc::Receiver<(u32, u32)>,
    sound: mpsc::Receiver<()>,
}

/// Pictures or pieces of sound after which media surely flows.
const ENOUGH: u32 = 10;

impl Pictures {
    /// Decodes every track that this webrtcbin gets, VP8 and Opus, in the pipeline it is in.
    pub fn of(webrtcbin: &gst::Element, pipeline: &gst::Pipeline) -> Pictures {
        let (size, sizes) = mpsc::channel(64);
        let (heard, sound) = mpsc::channel(64);
        let pipeline = pipeline.downgrade();
        webrtcbin.connect_pad_added(move |_, pad| {
            let (Some(pipeline), gst::PadDirection::Src) = (pipeline.upgrade(), pad.direction())
            else {
                return;
            };
            let (size, heard) = (size.clone(), heard.clone());
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let kind = caps
                .structure(0)
                .and_then(|s| s.get::<String>("media").ok());
            match kind.as_deref() {
                Some("audio") => decode(&pipeline, pad, "rtpopusdepay ! opusdec", move |_| {
                    // A full channel has everything that anybody asks for.
                    let _ = heard.try_send(());
                }),
                _ => decode(&pipeline, pad, "rtpvp8depay ! vp8dec", move |caps| {
                    if let Some(now) = dimensions(caps) {
                        let _ = size.try_send(now);
                    }
                }),
            }
        });
        Pictures { sizes, sound }
    }

    /// Waits for pictures that move, and returns the size of the last one.
    pub async fn seen(&mut self) -> Result<(u32, u32)> {
        let mut last = None;
        for _ in 0..ENOUGH {
            let size = timeout(DEADLINE, self.sizes.recv()).await;
            last = size.map_err(|_| Failure::new(format!("no picture within {DEADLINE:?}")))?;
        }
        last.ok_or_else(|| Failure::new("the webrtcbin is gone"))
    }

    /// Waits for sound.
    pub async fn heard(&mut self) -> Result {
        for _ in 0..ENOUGH {
            let piece = timeout(DEADLINE, self.sound.recv()).await;
            piece.map_err(|_| Failure::new(format!("no sound within {DEADLINE:?}")))?;
        }
        Ok(())
    }
}

/// Adds a decoder to a running pipeline, and calls back with the caps of each buffer.
fn decode(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    decoder: &str,
    each: impl Fn(&gst::CapsRef) + Send + Sync + 'static,
) {
    let description = format!("{decoder} ! fakesink name=out sync=false signal-handoffs=true");
    let bin = gst::parse::bin_from_description(&description, true);
    let bin = bin.expect("these elements are installed");
    let out = bin.by_name("out").expect("it was just made");
    out.connect("handoff", false, move |arguments| {
        let pad = arguments[2]
            .get::<gst::Pad>()
            .expect("the third argument is the pad");
        each(pad.current_caps()?.as_ref());
        None
    });
    pipeline.add(&bin).expect("the bin has no other parent");
    bin.sync_state_with_parent().expect("the pipeline plays");
    let sink = bin.static_pad("sink").expect("its unlinked pad");
    pad.link(&sink).expect("both are RTP of that codec");
}

fn dimensions(caps: &gst::CapsRef) -> Option<(u32, u32)> {
    let structure = caps.structure(0)?;
    let size = |key| {
        structure
            .get::<i32>(key)
            .ok()
            .and_then(|n| u32::try_from(n).ok())
    };
    Some((size("width")?, size("height")?))
}
