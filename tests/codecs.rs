// SPDX-License-Identifier: MIT OR Apache-2.0
//! Video of every kind through a room: a foreign peer sends it, another decodes it, and it is taken out into a file as it was sent.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gst_rtc::build::scratch;
use gst_rtc::embedded::Embedded;
use gst_rtc::media::Recording;
use gst_rtc::own_peer::OwnPeer;
use gst_rtc::{Browser, DEADLINE, GstLaunch, Result, Server, check, my_turn};
use gst_rtc_signaller::client::Client;
use tokio::time::{Instant, sleep};

/// Enough of a file to hold some seconds of a small picture.
const ENOUGH: u64 = 60_000;

/// Records the video of alice into a fresh file.
fn recorder(server: &Server, name: &str, depay: &str) -> Result<(GstLaunch, PathBuf)> {
    let path = scratch().join(format!("codec-{name}.mkv"));
    let _ = std::fs::remove_file(&path);
    let pipeline = GstLaunch::start(&format!(
        "rtcsfu name=sfu signaller::uri=ws://{} room=lobby
         sfu.video_alice ! {depay} ! queue ! matroskamux ! filesink location={}",
        server.address(),
        path.display()
    ))?;
    Ok((pipeline, path))
}

async fn grows(path: &Path) {
    let until = Instant::now() + DEADLINE;
    while std::fs::metadata(path).map_or(0, |file| file.len()) < ENOUGH && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
    }
}

/// The file holds that codec and begins with a keyframe.
async fn recorded(recorder: GstLaunch, path: &Path, codec: &str) -> Result {
    grows(path).await;
    check!(recorder.stop().await?.success(), "gst-launch-1.0 failed");
    let recording = Recording::read(path)?;
    let video = recording.only("video")?;
    check!(video.codec_name == codec, "{video:?}");
    let first = recording.packets.first();
    check!(first.is_some_and(|p| p.is_key()), "{first:?} comes first");
    Ok(())
}

/// The file holds that codec and begins with a keyframe, and all of it can be decoded.
async fn whole(recorder: GstLaunch, path: &Path, codec: &str) -> Result {
    recorded(recorder, path, codec).await?;
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-y", "-f", "rawvideo", "/dev/null"])
        .output()?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    check!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    Ok(())
}

async fn browsers(codec: &str) -> Result<(Server, Browser, OwnPeer)> {
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let options = format!("{{ codec: '{codec}' }}");
    let alice = OwnPeer::join(&browser, &server, "lobby", "alice", &options).await?;
    alice.publish().await?;
    let bob = OwnPeer::join(&browser, &server, "lobby", "bob", "{}").await?;
    bob.subscribe().await?;
    let (sent, received) = (alice.sends().await?, bob.receives().await?);
    check!(
        sent.codec == codec && received.codec == codec,
        "sent {sent:?}, received {received:?}"
    );
    Ok((server, browser, alice))
}

#[tokio::test]
async fn vp9_between_browsers_and_into_a_file() -> Result {
    let _turn = my_turn().await;
    let (server, _browser, _alice) = browsers("video/VP9").await?;
    let (recorder, path) = recorder(&server, "vp9", "rtpvp9depay")?;
    whole(recorder, &path, "vp9").await
}

#[tokio::test]
async fn h264_between_browsers_and_into_a_file() -> Result {
    let _turn = my_turn().await;
    let (server, _browser, _alice) = browsers("video/H264").await?;
    let (recorder, path) = recorder(&server, "h264", "rtph264depay ! h264parse")?;
    whole(recorder, &path, "h264").await
}

/// GStreamer before 1.24 has no depayloader for AV1 that Debian ships, so it stays between browsers.
#[tokio::test]
async fn av1_between_browsers() -> Result {
    let _turn = my_turn().await;
    browsers("video/AV1").await.map(drop)
}

/// No browser here sends H.265; webrtcbin does. It gets through and begins with a keyframe; that no frame is missing after it is
/// not checked here.
#[tokio::test]
async fn h265_from_webrtcbin_into_a_file() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let (recorder, path) = recorder(&server, "h265", "rtph265depay ! h265parse")?;
    recorder.says("PLAYING").await?;
    let pipeline = Embedded::parse(
        "webrtcbin name=send bundle-policy=max-bundle
         videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1
         ! x265enc speed-preset=ultrafast tune=zerolatency key-int-max=15 option-string=open-gop=0:bframes=0:ref=1 ! h265parse config-interval=-1
         ! rtph265pay pt=96 config-interval=-1 ! application/x-rtp,media=video,encoding-name=H265,payload=96 ! send.",
    )?;
    let (client, mut events) =
        Client::connect(&format!("ws://{}", server.address()), "lobby", "alice").await?;
    tokio::spawn(async move { while events.next().await.is_some() {} });
    pipeline.play().await?;
    client.publish(&pipeline.element("send")?).await?;
    whole(recorder, &path, "hevc").await?;
    client.leave().await;
    pipeline.stop().await
}
