// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who hears whom.

use super::speaker::{FORMAT, Sound, Speaker};
use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{Result, check};

/// Participants, their tones, and the format they send.
const PEOPLE: [(&str, f64, &str); 3] = [
    ("alice", 400.0, "format=S16LE,rate=44100,channels=1"),
    ("bob", 700.0, "format=F32LE,rate=48000,channels=2"),
    ("carol", 1100.0, "format=S16LE,rate=16000,channels=1"),
];

fn three() -> String {
    let names = (0..)
        .zip(PEOPLE)
        .map(|(n, (name, ..))| format!("sink_{n}::participant={name} "));
    let sources = (0..).zip(PEOPLE).map(|(n, (name, tone, format))| {
        format!(
            "audiotestsrc is-live=true freq={tone} volume=0.2 ! audio/x-raw,{format} ! mcu.sink_{n}
             mcu.audio_{name} ! {FORMAT} ! fakesink name={name} signal-handoffs=true "
        )
    });
    format!(
        "rtcmcu name=mcu {} {} mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true",
        names.collect::<String>(),
        sources.collect::<String>()
    )
}

#[tokio::test]
async fn everybody_hears_every_tone_but_their_own() -> Result {
    let pipeline = Embedded::parse(&three())?;
    let all = Speaker::of(&pipeline, "all")?;
    let own_pads: Vec<_> = PEOPLE
        .iter()
        .map(|(name, ..)| Speaker::of(&pipeline, name))
        .collect::<Result<_>>()?;
    pipeline.play().await?;
    let is_whole = |sound: &Sound| {
        PEOPLE
            .iter()
            .all(|(_, tone, _)| (sound.tone(*tone) - 0.2).abs() < 0.02)
    };
    all.hears("every tone", is_whole).await?;
    for ((name, own, _), speaker) in PEOPLE.iter().zip(&own_pads) {
        let is_minus = |sound: &Sound| {
            PEOPLE
                .iter()
                .all(|(_, tone, _)| match sound.decibels(*tone, 0.2) {
                    level if tone == own => level < -40.0,
                    level => level > -1.0,
                })
        };
        speaker
            .hears(&format!("all but {own} Hz by {name}"), is_minus)
            .await?;
        check!(speaker.gaps().is_empty(), "{name}: {:?}", speaker.gaps());
    }
    let error = pipeline.error();
    check!(error.is_none(), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn volume_and_mute_of_a_pad_change_what_all_hear() -> Result {
    let pipeline = Embedded::parse(&three())?;
    let all = Speaker::of(&pipeline, "all")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    all.listen(1.0).await?;
    mcu.static_pad("sink_0")
        .expect("linked")
        .set_property("volume", 0.5f64);
    mcu.static_pad("sink_1")
        .expect("linked")
        .set_property("mute", true);
    let is_changed = |sound: &Sound| {
        let [half, muted, same] = PEOPLE.map(|(_, tone, _)| sound.tone(tone));
        (half - 0.1).abs() < 0.01 && muted < 0.001 && (same - 0.2).abs() < 0.02
    };
    all.hears("half, nothing, and as before", is_changed)
        .await?;
    Ok(())
}

#[tokio::test]
async fn quiet_and_loud_are_alike_with_automatic_level() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu auto-level=true
         audiotestsrc is-live=true freq=400 volume=0.03 ! mcu.sink_0
         audiotestsrc is-live=true freq=700 volume=0.4 ! mcu.sink_1
         mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true"
    ))?;
    let all = Speaker::of(&pipeline, "all")?;
    pipeline.play().await?;
    let are = |expected: [f64; 2]| {
        move |sound: &Sound| {
            let tones = [400.0, 700.0].map(|tone| sound.tone(tone));
            (tones.iter().zip(expected)).all(|(is, wanted)| (is - wanted).abs() < 0.02)
        }
    };
    all.hears("both at -20 dBFS", are([0.141, 0.141])).await?;
    let mcu = pipeline.element("mcu")?;
    mcu.set_property("auto-level", false);
    all.hears("both as they come", are([0.03, 0.4])).await?;
    Ok(())
}

#[tokio::test]
async fn the_sum_of_many_does_not_clip() -> Result {
    let sources = (0..8).map(|n| {
        format!(
            "audiotestsrc is-live=true freq={} volume=0.5 ! mcu.sink_{n} ",
            300 + 110 * n
        )
    });
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu {} mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true",
        sources.collect::<String>()
    ))?;
    let all = Speaker::of(&pipeline, "all")?;
    pipeline.play().await?;
    let peak = |sound: &Sound| {
        sound
            .0
            .iter()
            .fold(0.0f32, |peak, sample| peak.max(sample.abs()))
    };
    let loud = all.hears("many at once", |sound| peak(sound) > 0.9).await?;
    check!(peak(&loud) <= 0.95, "a peak of {}", peak(&loud));
    Ok(())
}

#[tokio::test]
async fn without_anybody_there_is_silence() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true"
    ))?;
    let all = Speaker::of(&pipeline, "all")?;
    pipeline.play().await?;
    let heard = all.listen(1.0).await?;
    check!(
        heard.0.iter().all(|sample| *sample == 0.0),
        "it is not silent"
    );
    check!(
        heard.largest_step() == 0.0 && all.gaps().is_empty(),
        "{:?}",
        all.gaps()
    );
    Ok(())
}
