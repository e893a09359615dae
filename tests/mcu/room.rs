// SPDX-License-Identifier: MIT OR Apache-2.0
//! A room whose participants are mixed, and get the mix back, in one pipeline.

use super::screen::{Frame, Screen};
use super::speaker::{FORMAT, Sound, Speaker};
use gst_rtc::embedded::Embedded;
use gst_rtc::{DEADLINE, Failure, Result};

/// Somebody's picture of one colour and their tone, on two pads of the SFU.
fn person(pads: [u32; 2], colour: u32, tone: u32) -> String {
    let [video, audio] = pads;
    format!(
        "videotestsrc is-live=true pattern=solid-color foreground-color={colour}
         ! video/x-raw,format=I420,width=320,height=180,framerate=15/1
         ! vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay ! sfu.sink_{video}
         audiotestsrc is-live=true freq={tone} volume=0.2 ! opusenc ! rtpopuspay ! sfu.sink_{audio} "
    )
}

#[tokio::test]
async fn a_room_gets_its_own_mix_back() -> Result {
    let (alice, bob) = (
        person([0, 1], 0xffff_0000, 400),
        person([2, 3], 0xff00_ff00, 700),
    );
    let pipeline = Embedded::parse(&format!(
        "rtcsfu name=sfu sink_0::participant=alice sink_1::participant=alice
         sink_2::participant=bob sink_3::participant=bob
         sink_4::participant=mix sink_5::participant=mix
         {alice} {bob} rtcmcu name=mcu width=640 height=360 framerate=15/1 names=false
         sfu.video_alice ! mcu.sink_0 sfu.audio_alice ! mcu.sink_1
         sfu.video_bob ! mcu.sink_2 sfu.audio_bob ! mcu.sink_3
         mcu.video ! application/x-rtp,encoding-name=VP8 ! sfu.sink_4
         mcu.audio_alice ! application/x-rtp ! sfu.sink_5
         sfu.video_mix ! rtpvp8depay ! vp8dec ! video/x-raw,format=I420
         ! fakesink name=screen signal-handoffs=true async=false
         sfu.audio_mix ! rtpopusdepay ! opusdec ! {FORMAT}
         ! fakesink name=alice signal-handoffs=true async=false"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let heard = Speaker::of(&pipeline, "alice")?;
    pipeline.play().await?;
    screen.shows("both, as the room has them", both).await?;
    let others =
        |sound: &Sound| sound.decibels(700.0, 0.2) > -2.0 && sound.decibels(400.0, 0.2) < -40.0;
    heard.hears("bob, and not alice", others).await?;
    // Streams in a circle neither hold each other when they stop, nor miss each other when they start again.
    for round in 0..3 {
        let stopped = tokio::time::timeout(DEADLINE, pipeline.stop()).await;
        stopped.map_err(|_| Failure::new(format!("stopping hangs in round {round}")))??;
        pipeline.play().await?;
        screen.shows(format!("both in round {round}"), both).await?;
    }
    let stopped = tokio::time::timeout(DEADLINE, pipeline.stop()).await;
    stopped.map_err(|_| Failure::new("stopping hangs"))?
}

/// Red beside green: who comes first has the first tile.
fn both(frame: &Frame) -> bool {
    let (red, green) = ([81, 90, 240], [145, 54, 34]);
    let sides = [(160, red, green), (160, green, red)];
    let mut sides = sides.into_iter();
    sides.any(|(x, left, right)| frame.is(x, 180, left) && frame.is(640 - x, 180, right))
}
