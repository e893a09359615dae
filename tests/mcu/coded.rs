// SPDX-License-Identifier: MIT OR Apache-2.0
//! Encoded and packed streams, good ones and bad ones, in and out.

use super::screen::{GREEN, OUT, RED, Screen, picture};
use super::speaker::{FORMAT, Speaker};
use gst::prelude::*;
use gst_rtc::build::scratch;
use gst_rtc::embedded::Embedded;
use gst_rtc::media::Recording;
use gst_rtc::{DEADLINE, Failure, Result, check};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[tokio::test]
async fn rtp_and_encoded_streams_are_seen_and_heard() -> Result {
    let (red, green) = (picture(0xffff_0000), picture(0xff00_ff00));
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 names=false
         {red} ! vp8enc deadline=1 ! rtpvp8pay ! mcu.sink_0
         {green} ! x264enc tune=zerolatency ! mcu.sink_1
         audiotestsrc is-live=true freq=500 volume=0.2 ! opusenc ! rtpopuspay ! mcu.sink_2
         mcu.video ! {OUT} mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let all = Speaker::of(&pipeline, "all")?;
    pipeline.play().await?;
    let both = |frame: &super::screen::Frame| frame.is(160, 90, RED) && frame.is(480, 90, GREEN);
    screen.shows("both colours", both).await?;
    let tone = |sound: &super::speaker::Sound| (sound.tone(500.0) - 0.2).abs() < 0.02;
    all.hears("the tone", tone).await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_cannot_be_decoded_is_told_with_the_name_and_ends_nothing() -> Result {
    let red = picture(0xffff_0000);
    let noise = "fakesrc do-timestamp=true format=time is-live=true filltype=random sizetype=fixed sizemax=300
                 ! identity sleep-time=20000";
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 names=false animation=0
         sink_0::participant=good sink_1::participant=noisy sink_2::participant=strange
         sink_0::width=640 sink_0::height=120 sink_1::width=640 sink_1::height=120 sink_1::ypos=120
         sink_2::width=640 sink_2::height=120 sink_2::ypos=240
         {red} ! mcu.sink_0 {noise} ! video/x-vp8 ! mcu.sink_1 {noise} ! video/mpeg,mpegversion=99 ! mcu.sink_2
         mcu.video ! {OUT}"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    pipeline.play().await?;
    for name in ["strange", "noisy"] {
        let of = move |message: &gst::StructureRef| message.get::<&str>("participant") == Ok(name);
        pipeline.message("rtcmcu-input-failed", of).await?;
    }
    let one_and_two_names = |frame: &super::screen::Frame| {
        let named = |y: usize| frame.has_white(200..440, y - 10..y + 10) && !frame.is(20, y, RED);
        frame.is(100, 60, RED) && named(180) && named(300)
    };
    for _ in 0..30 {
        screen.shows("one and two names", one_and_two_names).await?;
    }
    // However often it was tried: a pad for each of the three, and one for what is behind them.
    let bin = pipeline.element("mcu")?.downcast::<gst::Bin>();
    let children = bin.expect("it is a bin").children();
    let compositor = children.iter().find(|child| {
        let factory = child.factory();
        factory.is_some_and(|factory| factory.name() == "compositor")
    });
    let pads = compositor.map(|compositor| compositor.num_sink_pads());
    check!(pads == Some(4), "{pads:?} pads of the compositor");
    let error = pipeline.error();
    check!(error.is_none(), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_format_that_changes_in_mid_call_is_followed() -> Result {
    let (red, green) = (picture(0xffff_0000), picture(0xff00_ff00));
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 names=false
         input-selector name=one ! mcu.sink_0
         {red} ! vp8enc deadline=1 ! rtpvp8pay ! one.sink_0
         {green} ! x264enc tune=zerolatency key-int-max=15 ! video/x-h264,profile=baseline ! rtph264pay config-interval=-1 ! one.sink_1
         mcu.video ! {OUT}"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let one = pipeline.element("one")?;
    pipeline.play().await?;
    for (pad, colour) in [("sink_0", RED), ("sink_1", GREEN), ("sink_0", RED)] {
        one.set_property("active-pad", one.static_pad(pad));
        screen
            .shows(pad, move |frame| frame.is(320, 180, colour))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn frame_orders_clock_rates_and_channels_differ_and_change() -> Result {
    let red = picture(0xffff_0000);
    let tone = |hertz: u32| format!("audiotestsrc is-live=true freq={hertz} volume=0.2");
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 names=false animation=0
         {red} ! x264enc bframes=2 b-adapt=false rc-lookahead=3 sync-lookahead=0 threads=1 key-int-max=15 speed-preset=ultrafast
         ! video/x-h264,profile=main ! h264parse ! mcu.sink_0
         videotestsrc is-live=true pattern=solid-color foreground-color=0xff00ff00
         ! capsfilter name=size caps=video/x-raw,format=I420,width=320,height=180,framerate=15/1 ! mcu.sink_1
         {} ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay ! mcu.sink_2
         {} ! capsfilter name=rate caps=audio/x-raw,rate=44100,channels=1 ! mcu.sink_3
         mcu.video ! {OUT} mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true",
        tone(500),
        tone(1100)
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let all = Speaker::of(&pipeline, "all")?;
    let (size, rate) = (pipeline.element("size")?, pipeline.element("rate")?);
    pipeline.play().await?;
    let both = |frame: &super::screen::Frame| frame.is(160, 90, RED) && frame.is(480, 90, GREEN);
    let tones = |sound: &super::speaker::Sound| {
        (sound.tone(500.0) - 0.2).abs() < 0.02 && (sound.tone(1100.0) - 0.2).abs() < 0.02
    };
    for (pictures, samples) in [
        (
            "width=320,height=180,framerate=15/1",
            "rate=44100,channels=1",
        ),
        (
            "width=160,height=120,framerate=30/1",
            "rate=16000,channels=2",
        ),
        (
            "width=640,height=360,framerate=10/1",
            "rate=96000,channels=6",
        ),
    ] {
        size.set_property_from_str("caps", &format!("video/x-raw,format=I420,{pictures}"));
        rate.set_property_from_str("caps", &format!("audio/x-raw,{samples}"));
        all.hears(samples, tones).await?;
        screen.shows(pictures, both).await?;
    }
    let error = pipeline.error();
    check!(error.is_none(), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn keyframes_asked_for_at_once_are_answered_by_one() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=320 height=180 framerate=15/1 {} ! mcu.sink_0
         mcu.video ! application/x-rtp,encoding-name=VP8 ! rtpvp8depay ! fakesink name=frames signal-handoffs=true",
        picture(0xffff_0000)
    ))?;
    let frames = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    let (sender, mut next) = tokio::sync::mpsc::unbounded_channel();
    let counted = frames.clone();
    pipeline
        .element("frames")?
        .connect("handoff", false, move |args| {
            let buffer = args[1]
                .get::<gst::Buffer>()
                .expect("the second argument is the buffer");
            let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            counted.0.fetch_add(1, Ordering::Relaxed);
            counted.1.fetch_add(u32::from(is_key), Ordering::Relaxed);
            // The test may have ended.
            let _ = sender.send(());
            None
        });
    pipeline.play().await?;
    let mut frames_pass = async |count: u32| -> Result {
        for _ in 0..count {
            let frame = tokio::time::timeout(DEADLINE, next.recv()).await;
            frame.map_err(|_| Failure::new("no more frames"))?;
        }
        Ok(())
    };
    // The first keyframe has been seen; the next comes by itself after 30 frames.
    frames_pass(10).await?;
    let before = frames.1.load(Ordering::Relaxed);
    let sink = pipeline
        .element("frames")?
        .static_pad("sink")
        .expect("it has one");
    for _ in 0..20 {
        let fields = gst::Structure::builder("GstForceKeyUnit")
            .field("all-headers", true)
            .build();
        sink.push_event(gst::event::CustomUpstream::new(fields));
    }
    frames_pass(10).await?;
    let keyframes = frames.1.load(Ordering::Relaxed) - before;
    check!((1..=2).contains(&keyframes), "{keyframes} keyframes");
    Ok(())
}

#[tokio::test]
async fn a_file_of_the_mix_ends_with_its_inputs_and_is_readable() -> Result {
    let path = scratch().join("mcu-mix.mp4");
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=320 height=180 framerate=15/1
         videotestsrc is-live=true num-buffers=45 ! video/x-raw,width=320,height=180,framerate=15/1 ! mcu.sink_0
         audiotestsrc is-live=true num-buffers=130 ! mcu.sink_1
         mcu.video ! video/x-h264 ! queue ! mp4mux name=mux ! filesink location={}
         mcu.audio ! audio/mpeg ! queue ! mux.",
        path.display()
    ))?;
    pipeline.play().await?;
    pipeline.ended(DEADLINE).await?;
    pipeline.stop().await?;
    let recording = Recording::read(&path)?;
    let (video, audio) = (recording.only("video")?, recording.only("audio")?);
    check!(
        (&*video.codec_name, &*audio.codec_name) == ("h264", "aac"),
        "{:?}",
        recording.streams
    );
    let times = recording.times(video);
    let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
    check!(times.len() >= 40, "{} pictures", times.len());
    check!(
        steps.clone().all(|step| (step - 1.0 / 15.0).abs() < 0.002),
        "{:?}",
        steps.collect::<Vec<_>>()
    );
    Ok(())
}
