// SPDX-License-Identifier: MIT OR Apache-2.0
//! People come and go while everybody else watches.

use super::screen::{Screen, picture_times};
use super::speaker::{FORMAT, Speaker};
use gst::glib;
use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{DEADLINE, Result, check};
use tokio::task::spawn_blocking;

const STEPS: u32 = 100;
const MOST: usize = 5;
const LAYOUTS: [&str; 5] = ["grid", "speaker", "sidebar", "pip", "single"];

/// Somebody's sources, and the pads they are linked to.
struct Guest {
    sources: gst::Bin,
    pads: Vec<gst::Pad>,
}

/// The same numbers each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }
}

impl Guest {
    fn join(pipeline: &gst::Pipeline, mcu: &gst::Element, number: u32) -> Result<Guest> {
        let tone = 90 + 10 * (number % 8);
        let description = format!(
            "videotestsrc is-live=true pattern=ball ! video/x-raw,width=160,height=90,framerate=15/1 ! queue name=v
             audiotestsrc is-live=true freq={tone} volume=0.15 ! queue name=a"
        );
        let sources = gst::parse::bin_from_description(&description, false)?;
        for name in ["v", "a"] {
            let end = sources
                .by_name(name)
                .and_then(|queue| queue.static_pad("src"));
            let ghost = gst::GhostPad::builder_with_target(&end.expect("it was just made"))?;
            sources.add_pad(&ghost.name(name).build())?;
        }
        pipeline.add(&sources)?;
        let mut pads = Vec::new();
        for name in ["v", "a"] {
            let pad = mcu.request_pad_simple("sink_%u").expect("it has such pads");
            pad.set_property("participant", format!("guest{number}"));
            sources
                .static_pad(name)
                .expect("it was just made")
                .link(&pad)?;
            pads.push(pad);
        }
        sources.sync_state_with_parent()?;
        Ok(Guest { sources, pads })
    }

    /// All that is left of them.
    fn leave(
        self,
        pipeline: &gst::Pipeline,
        mcu: &gst::Element,
    ) -> Result<Vec<glib::WeakRef<gst::Object>>> {
        self.sources.set_state(gst::State::Null)?;
        for pad in &self.pads {
            if let Some(peer) = pad.peer() {
                peer.unlink(pad)?;
            }
            mcu.release_request_pad(pad);
        }
        pipeline.remove(&self.sources)?;
        let pads = self
            .pads
            .iter()
            .map(|pad| pad.upcast_ref::<gst::Object>().downgrade());
        let sources = self.sources.upcast_ref::<gst::Object>().downgrade();
        Ok(pads.chain([sources]).collect())
    }
}

#[tokio::test]
async fn a_hundred_comings_goings_and_layouts_leave_no_gap_no_click_and_nothing_else() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=320 height=180 framerate=15/1 animation=100
         mcu.video ! fakesink name=screen signal-handoffs=true
         mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let all = Speaker::of(&pipeline, "all")?;
    let jumps = picture_times(&pipeline)?;
    let mcu = pipeline.element("mcu")?;
    let bin = mcu.clone().downcast::<gst::Bin>().expect("it is a bin");
    pipeline.play().await?;
    let before = bin.children().len();

    let (mut dice, mut guests, mut gone) = (Dice(7), Vec::new(), Vec::new());
    let mut largest = 0.0f32;
    for step in 0..STEPS {
        let choice = dice.roll(3);
        let (parent, element) = (pipeline.pipeline().clone(), mcu.clone());
        if choice == 0 || guests.is_empty() {
            guests.push(spawn_blocking(move || Guest::join(&parent, &element, step)).await??);
        } else if choice == 1 || guests.len() > MOST {
            let guest = guests.swap_remove(dice.roll(guests.len()));
            gone.extend(spawn_blocking(move || guest.leave(&parent, &element)).await??);
        } else {
            let layout = LAYOUTS[dice.roll(LAYOUTS.len())];
            let refused: Option<String> = mcu.emit_by_name("set-layout", &[&layout]);
            check!(refused.is_none(), "{layout}: {refused:?}");
        }
        screen.shows("the next picture", |_| true).await?;
        largest = largest.max(all.listen(0.05).await?.largest_step());
    }
    for guest in guests {
        gone.extend(guest.leave(pipeline.pipeline(), &mcu)?);
    }
    let sound = all.listen(0.5).await?;
    check!(sound.tone(100.0) < 1e-4, "somebody is still heard");
    check!(largest < 0.06, "a click of {largest}");
    check!(all.gaps().is_empty(), "gaps in the sound: {:?}", all.gaps());
    let jumps = jumps.lock().expect("no panic").clone();
    check!(jumps.is_empty(), "gaps in the picture: {jumps:?}");
    check!(
        bin.children().len() == before,
        "elements stay behind: {:?}",
        bin.children()
    );
    // Messages that nobody has read hold those who sent them.
    let error = pipeline.error();
    check!(error.is_none(), "{error:?}");
    let left: Vec<_> = gone.iter().filter_map(glib::WeakRef::upgrade).collect();
    check!(left.is_empty(), "objects stay behind: {left:?}");
    Ok(())
}

#[tokio::test]
async fn an_output_that_nobody_takes_any_more_is_no_error() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu sink_0::participant=alice audiotestsrc is-live=true ! mcu.sink_0
         mcu.audio_bob ! application/x-rtp ! fakesink name=gone
         mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true"
    ))?;
    let all = Speaker::of(&pipeline, "all")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    all.listen(0.2).await?;
    let pad = mcu.static_pad("audio_bob").expect("it was linked");
    let peer = pad.peer().expect("it was linked");
    pad.unlink(&peer)?;
    let gone = pipeline.element("gone")?;
    spawn_blocking(move || gone.set_state(gst::State::Null)).await??;
    pipeline.pipeline().remove(&pipeline.element("gone")?)?;
    // What comes to the open end ends there, and so does the end of the stream.
    all.listen(0.2).await?;
    mcu.send_event(gst::event::Eos::new());
    pipeline.ended(DEADLINE).await
}
