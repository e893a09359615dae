// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-launch-1.0` alone as a participant, with lines as the documentation has them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gst_rtc::build::scratch;
use gst_rtc::media::Recording;
use gst_rtc::{Browser, GstLaunch, Result, Server, Visitor, check, my_turn};

/// A pipeline's part that joins a room of a running server.
fn sfu(server: &Server, room: &str) -> String {
    format!(
        "rtcsfu name=sfu signaller::uri=ws://{} room={room}",
        server.address()
    )
}

fn fresh(name: &str) -> Result<PathBuf> {
    let path = scratch().join(name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(path),
    }
}

#[tokio::test]
async fn a_test_picture_and_a_tone_are_decoded_in_a_browser() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let page = Visitor::join(&browser, &server, "lobby", "page").await?;
    let pipeline = GstLaunch::start(&format!(
        "{} sink_0::participant=bars sink_1::participant=bars
         videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1
         ! vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay ! sfu.sink_0
         audiotestsrc is-live=true ! opusenc ! rtpopuspay ! sfu.sink_1",
        sfu(&server, "lobby")
    ))?;
    let seen = page.sees_and_hears("bars").await?;
    check!(
        (seen.frame_width, seen.frame_height) == (320, 240),
        "{seen:?}"
    );
    page.watch("bars").await?;
    pipeline.stop().await?;
    page.gone_at().await?;
    Ok(())
}

#[tokio::test]
async fn a_participant_is_recorded_as_sent_even_if_the_recorder_came_first() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let path = fresh("recorded-page.mkv")?;
    let pipeline = GstLaunch::start(&format!(
        "{} sfu.video_alice ! rtpvp8depay ! queue ! matroskamux name=mux ! filesink location={}
         sfu.audio_alice ! rtpopusdepay ! queue ! mux.",
        sfu(&server, "lobby"),
        path.display()
    ))?;
    pipeline.says("PLAYING").await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    let camera = alice.camera().await?;
    let bob = Visitor::join(&browser, &server, "lobby", "bob").await?;
    bob.sees_and_hears("alice").await?;
    grows(&path, 200_000).await;
    check!(pipeline.stop().await?.success(), "gst-launch-1.0 failed");
    // Only now: every frame of the recording has been counted.
    let (encoded, fps) = frames_and_rate(&alice).await?;

    let recording = Recording::read(&path)?;
    let (video, audio) = (recording.only("video")?, recording.only("audio")?);
    check!(
        video.codec_name == "vp8" && audio.codec_name == "opus",
        "encoded anew: {recording:?}"
    );
    check!(
        (video.width, video.height) == camera,
        "{video:?}, camera {camera:?}"
    );
    let (video, audio) = (recording.times(video), recording.times(audio));
    steady(&video, 1.0 / fps)?;
    steady(&audio, 0.02)?;
    check!(
        video.len() <= encoded,
        "{} frames of {encoded} sent",
        video.len()
    );
    // Sound begins at once, the picture with the first keyframe of the largest layer, which a browser sends when it trusts its path.
    let (first, last) = (video[0] - audio[0], video.last().zip(audio.last()));
    check!(
        (-0.5..3.0).contains(&first),
        "the picture begins {first} s after the sound"
    );
    let apart = last.map_or(0.0, |(video, audio)| video - audio);
    check!(
        apart.abs() < 0.5,
        "the picture ends {apart} s after the sound"
    );
    Ok(())
}

/// Frames the page has encoded, and how many a second, in the layer of which there are most: a busy machine sends fewer of others.
async fn frames_and_rate(alice: &Visitor) -> Result<(usize, f64)> {
    alice
        .page
        .wait_for(
            "what is sent",
            "(async () => {
                const stats = await gstRtc.room.transport.publisher.pc.getStats();
                const sent = [...stats.values()].filter(
                    s => s.type === 'outbound-rtp' && s.kind === 'video' && s.framesPerSecond > 0);
                const most = what => Math.max(...sent.map(s => s[what]));
                return sent.length > 0 && [most('framesEncoded'), most('framesPerSecond')];
            })()",
        )
        .await
}

/// Waits until a file has that many bytes.
async fn grows(path: &Path, bytes: u64) {
    let until = tokio::time::Instant::now() + gst_rtc::DEADLINE;
    while std::fs::metadata(path).map_or(0, |file| file.len()) < bytes {
        if tokio::time::Instant::now() > until {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn length(times: &[f64]) -> f64 {
    times
        .last()
        .zip(times.first())
        .map_or(0.0, |(last, first)| last - first)
}

/// Times rise, at about the distance given on average.
fn steady(times: &[f64], distance: f64) -> Result {
    check!(times.len() > 10, "only {} packets", times.len());
    let falls = times.windows(2).find(|pair| pair[1] < pair[0]);
    check!(falls.is_none(), "time goes back: {falls:?}");
    let mean = length(times) / (times.len() - 1) as f64;
    check!(
        (0.6..1.6).contains(&(mean / distance)),
        "{mean} s apart instead of {distance}"
    );
    Ok(())
}
