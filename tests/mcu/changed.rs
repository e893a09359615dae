// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is changed, or changes by itself, while everybody watches.

use super::picture::set_child;
use super::screen::{Frame, GREEN, OUT, RED, Screen, picture, picture_times};
use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{DEADLINE, Failure, Result, check};
use std::time::Instant;

fn tone(name: &str, hertz: u32) -> String {
    format!("audiotestsrc is-live=true freq={hertz} volume=0.3 ! volume name={name}")
}

#[tokio::test]
async fn who_speaks_is_big() -> Result {
    let (red, green) = (picture(0xffff_0000), picture(0xff00_ff00));
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 animation=0 names=false layout=speaker
         sink_0::participant=alice sink_1::participant=alice sink_2::participant=bob sink_3::participant=bob
         {red} ! mcu.sink_0 {} ! mcu.sink_1 {green} ! mcu.sink_2 {} ! mcu.sink_3
         mcu.video ! {OUT} mcu.audio ! fakesink",
        tone("alice", 300),
        tone("bob", 400)
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.element("bob")?.set_property("mute", true);
    pipeline.play().await?;
    for (name, quiet, colour) in [
        ("alice", "bob", RED),
        ("bob", "alice", GREEN),
        ("alice", "bob", RED),
    ] {
        pipeline.element(quiet)?.set_property("mute", true);
        pipeline.element(name)?.set_property("mute", false);
        let big = move |frame: &Frame| frame.is(320, 120, colour);
        screen.shows(format!("{name}, big"), big).await?;
        let speaker = mcu.property::<Option<String>>("speaker");
        check!(speaker.as_deref() == Some(name), "{speaker:?} speaks");
    }
    Ok(())
}

#[tokio::test]
async fn every_other_property_of_the_picture_takes_effect_while_it_plays() -> Result {
    let (red, green) = (picture(0xffff_0000), picture(0xff00_ff00));
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 animation=0 names=false freeze-timeout=0
         sink_0::participant=alice sink_1::participant=bob
         {red} ! valve name=valve ! mcu.sink_0 {green} ! mcu.sink_1 mcu.video ! {OUT}"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let jumps = picture_times(&pipeline)?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    let both = |frame: &Frame| frame.is(160, 180, RED) && frame.is(480, 180, GREEN);
    let wide = move |frame: &Frame| both(frame) && frame.is(10, 180, RED);
    screen.shows("both", wide).await?;
    mcu.set_property("gap", 40u32);
    let apart = move |frame: &Frame| both(frame) && !frame.is(10, 180, RED);
    screen.shows("both, apart", apart).await?;
    mcu.set_property("gap", 0u32);
    screen.shows("both again", wide).await?;

    for rate in [30, 10] {
        mcu.set_property("framerate", gst::Fraction::new(rate, 1));
        until_rate(&pipeline, &screen, rate).await?;
    }

    for pad in ["sink_0", "sink_1"] {
        set_child(&mcu, &format!("{pad}::width"), 640u32);
        set_child(&mcu, &format!("{pad}::height"), 360u32);
    }
    for (pad, order, colour) in [
        ("sink_0", 5u32, RED),
        ("sink_1", 9, GREEN),
        ("sink_0", 20, RED),
    ] {
        set_child(&mcu, &format!("{pad}::zorder"), order);
        let top = move |frame: &Frame| frame.is(320, 180, colour);
        screen.shows(format!("{pad} on top"), top).await?;
    }

    set_child(&mcu, "sink_1::participant", "carol");
    let carol = |message: &gst::StructureRef| message.get::<&str>("participant") == Ok("carol");
    pipeline.message("rtcmcu-participant-added", carol).await?;

    pipeline.element("valve")?.set_property("drop", true);
    for _ in 0..15 {
        let still = screen.shows("the next picture", |_| true).await?;
        check!(still.is(320, 20, RED), "the last picture does not stay");
    }
    mcu.set_property("freeze-timeout", 500u32);
    let named = |frame: &Frame| !frame.is(320, 20, RED) && !frame.is(320, 20, GREEN);
    screen.shows("the name", named).await?;
    let jumps = jumps.lock().expect("no panic").clone();
    check!(jumps.is_empty(), "{jumps:?}");
    Ok(())
}

/// Waits until that many pictures come a second, by what the stream says.
async fn until_rate(pipeline: &Embedded, screen: &Screen, rate: i32) -> Result {
    let sink = pipeline.element("screen")?.static_pad("sink");
    let sink = sink.ok_or_else(|| Failure::new("a sink without a pad"))?;
    let until = Instant::now() + DEADLINE;
    loop {
        screen.shows("the next picture", |_| true).await?;
        let caps = sink.current_caps();
        let now = caps.as_ref().and_then(|caps| caps.structure(0));
        let now = now.and_then(|caps| caps.get::<gst::Fraction>("framerate").ok());
        if now == Some(gst::Fraction::new(rate, 1)) {
            return Ok(());
        }
        check!(Instant::now() < until, "{now:?} instead of {rate}/1");
    }
}
