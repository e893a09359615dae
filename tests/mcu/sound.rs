// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who hears whom.

use super::speaker::{FORMAT, Speaker};
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
    let own: Vec<_> = PEOPLE
        .iter()
        .map(|(name, ..)| Speaker::of(&pipeline, name))
        .collect::<Result<_>>()?;
    pipeline.play().await?;
    // Until all have come.
    all.listen(1.0).await?;
    let heard = all.listen(1.0).await?;
    for (name, tone, _) in PEOPLE {
        let amplitude = heard.tone(tone);
        check!((amplitude - 0.2).abs() < 0.02, "{name} at {amplitude}");
    }
    for ((name, own_tone, _), speaker) in PEOPLE.iter().zip(&own) {
        let heard = speaker.listen(1.0).await?;
        for (_, tone, _) in PEOPLE {
            let level = heard.decibels(tone, 0.2);
            let is_own = tone == *own_tone;
            check!(
                if is_own { level < -40.0 } else { level > -1.0 },
                "{name} hears {tone} Hz at {level} dB"
            );
        }
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
    // What is on its way already, and the fade.
    all.listen(1.0).await?;
    let heard = all.listen(1.0).await?;
    let levels = PEOPLE.map(|(_, tone, _)| heard.tone(tone));
    check!((levels[0] - 0.1).abs() < 0.01, "half: {levels:?}");
    check!(levels[1] < 0.001, "muted: {levels:?}");
    check!((levels[2] - 0.2).abs() < 0.02, "as before: {levels:?}");
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
    all.listen(1.0).await?;
    let heard = all.listen(1.0).await?;
    let peak = heard
        .0
        .iter()
        .fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    check!((0.5..=0.95).contains(&peak), "a peak of {peak}");
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
