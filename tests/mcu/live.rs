// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bitrates and the latency change while everybody watches and listens.

use super::screen::{Screen, picture_times};
use super::speaker::{FORMAT, Speaker};
use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{DEADLINE, Failure, Result, check};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A tone of 440 Hz at 0.2 rises by at most 0.0115 from one sample to the next.
const TONE: &str = "audiotestsrc is-live=true freq=440 volume=0.2";
const CLICK: f32 = 0.03;
/// Seconds of the stream over which bytes are counted.
const WINDOW: f64 = 2.0;

/// Bytes that pass a pad, by the time that each belongs to.
struct Meter(Arc<Mutex<Vec<(f64, usize)>>>);

impl Meter {
    fn of(pipeline: &Embedded, element: &str) -> Result<Meter> {
        let passed = Arc::new(Mutex::new(Vec::new()));
        let counted = passed.clone();
        let pad = pipeline.element(element)?.static_pad("sink");
        let pad = pad.ok_or_else(|| Failure::new(format!("{element} has no sink pad")))?;
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some((at, size)) = info.buffer().and_then(|b| Some((b.pts()?, b.size()))) {
                let at = at.nseconds() as f64 / 1e9;
                counted.lock().expect("no panic").push((at, size));
            }
            gst::PadProbeReturn::Ok
        });
        Ok(Meter(passed))
    }

    /// Bits per second of the newest seconds. None: so many have not passed since `restart`.
    fn rate(&self) -> Option<f64> {
        let passed = self.0.lock().expect("no panic");
        let (first, last) = (passed.first()?.0, passed.last()?.0);
        let begin = last - WINDOW;
        let newest = passed.iter().filter(|(at, _)| (begin..last).contains(at));
        let bytes: usize = newest.map(|(_, size)| size).sum();
        (first <= begin).then(|| bytes as f64 * 8.0 / WINDOW)
    }

    fn restart(&self) {
        self.0.lock().expect("no panic").clear();
    }

    /// Waits until about that many bits pass per second.
    async fn comes_to(&self, wanted: u32) -> Result {
        self.restart();
        let until = Instant::now() + DEADLINE;
        loop {
            let rate = self.rate().map(|rate| rate / f64::from(wanted));
            if rate.is_some_and(|rate| (0.7..1.3).contains(&rate)) {
                return Ok(());
            }
            check!(Instant::now() < until, "{rate:?} times {wanted} bit/s");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn bitrates_follow_up_and_down_without_a_gap_or_a_click() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=160 height=90 framerate=15/1 names=false video-bitrate=400000 audio-bitrate=32000 latency=3000
         videotestsrc is-live=true pattern=snow ! video/x-raw,width=160,height=90,framerate=15/1 ! mcu.sink_0
         {TONE} ! mcu.sink_1
         mcu.video ! video/x-vp8 ! vp8dec name=pictures ! fakesink name=screen signal-handoffs=true
         mcu.audio ! audio/x-opus ! opusdec name=sound ! {FORMAT} ! fakesink name=all signal-handoffs=true"
    ))?;
    let (video, audio) = (
        Meter::of(&pipeline, "pictures")?,
        Meter::of(&pipeline, "sound")?,
    );
    let jumps = picture_times(&pipeline)?;
    let all = Speaker::of(&pipeline, "all")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    all.hears("the tone", |sound| (sound.tone(440.0) - 0.2).abs() < 0.02)
        .await?;
    video.comes_to(400_000).await?;
    for (pictures, sound) in [(150_000u32, 96_000u32), (400_000, 24_000)] {
        mcu.set_property("video-bitrate", pictures);
        mcu.set_property("audio-bitrate", sound);
        let click = all.listen(2.0).await?.largest_step();
        check!(click < CLICK, "a click of {click}");
        audio.comes_to(sound).await?;
        video.comes_to(pictures).await?;
    }
    let (jumps, gaps) = (jumps.lock().expect("no panic").clone(), all.gaps());
    check!(jumps.is_empty() && gaps.is_empty(), "{jumps:?} {gaps:?}");
    Ok(())
}

/// Does as applications do: distributes the latency anew when an element asks for it, until it is as wanted. In how
/// many steps it came there.
async fn latency_comes_to(pipeline: &Embedded, wanted: gst::ClockTime) -> Result<usize> {
    let pipeline = pipeline.pipeline().clone();
    let wait = move || {
        let bus = pipeline.bus().expect("a pipeline has one");
        let until = Instant::now() + DEADLINE;
        let mut steps = Vec::new();
        loop {
            let types = [gst::MessageType::Latency, gst::MessageType::Error];
            let message = bus.timed_pop_filtered(gst::ClockTime::SECOND, &types);
            if let Some(gst::MessageView::Error(error)) = message.as_ref().map(|m| m.view()) {
                return Err(Failure::new(error.error().to_string()));
            }
            if message.is_some() {
                pipeline.recalculate_latency()?;
            }
            let latency = latency(&pipeline);
            steps.push(latency);
            steps.dedup();
            if latency == Some(wanted) {
                return Ok(steps.len());
            }
            check!(Instant::now() < until, "{latency:?} instead of {wanted}");
        }
    };
    tokio::task::spawn_blocking(wait).await?
}

/// What the pipeline answers.
fn latency(pipeline: &gst::Pipeline) -> Option<gst::ClockTime> {
    let mut query = gst::query::Latency::new();
    pipeline.query(&mut query).then(|| query.result().1)
}

#[tokio::test]
async fn latency_follows_up_and_down_without_a_gap_or_a_click() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=160 height=90 framerate=15/1 names=false latency=2000
         videotestsrc is-live=true ! video/x-raw,width=160,height=90,framerate=15/1 ! mcu.sink_0
         {TONE} ! mcu.sink_1
         videotestsrc is-live=true ! video/x-raw,width=160,height=90,framerate=15/1 ! valve name=camera ! mcu.sink_2
         audiotestsrc is-live=true wave=silence ! valve name=voice ! mcu.sink_3
         mcu.video ! fakesink name=screen sync=true signal-handoffs=true
         mcu.audio ! {FORMAT} ! fakesink name=all sync=true signal-handoffs=true"
    ))?;
    let (screen, all) = (
        Screen::of(&pipeline, "screen")?,
        Speaker::of(&pipeline, "all")?,
    );
    let jumps = picture_times(&pipeline)?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    let tone = |sound: &super::speaker::Sound| (sound.tone(440.0) - 0.2).abs() < 0.02;
    all.hears("the tone", tone).await?;
    let before = latency(pipeline.pipeline()).ok_or_else(|| Failure::new("no latency"))?;
    // From now on all is mixed as late as it may be, for these two could still come.
    for name in ["camera", "voice"] {
        pipeline.element(name)?.set_property("drop", true);
    }
    all.listen(2.5).await?;
    // Longer at once, but shorter bit by bit, so that what is still on its way through decoders comes in time.
    for (milliseconds, seconds, least) in [(3500u32, 2.0, 1), (2500, 6.0, 3)] {
        let more = gst::ClockTime::from_mseconds(u64::from(milliseconds) - 2000);
        let change = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            mcu.set_property("latency", milliseconds);
            latency_comes_to(&pipeline, before + more).await
        };
        let (sound, changed) = tokio::join!(all.listen(seconds), change);
        let (steps, sound) = (changed?, sound?);
        check!(steps >= least, "{steps} steps to {milliseconds} ms");
        let (click, quietest) = (sound.largest_step(), sound.quietest());
        check!(click < CLICK, "a click of {click}");
        check!(quietest > 0.15, "the tone breaks off: {quietest}");
    }
    screen.shows("the next picture", |_| true).await?;
    let (jumps, gaps) = (jumps.lock().expect("no panic").clone(), all.gaps());
    check!(jumps.is_empty() && gaps.is_empty(), "{jumps:?} {gaps:?}");
    Ok(())
}
