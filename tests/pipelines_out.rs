// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pipelines/`: what leads out of a room, read by programs nobody here wrote.

use std::path::Path;
use std::process::Command;

use gst_rtc::described::{folder, grows, listens};
use gst_rtc::media::Recording;
use gst_rtc::port::free_port;
use gst_rtc::{
    Browser, DEADLINE, Described, Failure, Process, Result, Server, check, my_turn, whip,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A participant `bars` that sends H.264, small enough for a build server.
async fn bars(server: &Server) -> Result<Described> {
    let size = ("size", "video/x-raw,width=320,height=180,framerate=15/1");
    let bars = Described::start("test-picture.toml", server, &[size, ("codec", "h264")])?;
    bars.says("playing").await?;
    Ok(bars)
}

/// What `ffmpeg` receives from an address and writes as it is.
fn receive(options: &[&str], url: &str, path: &Path) -> Result<Process> {
    Process::start(
        Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(options)
            .args(["-i", url, "-t", "4", "-c", "copy"])
            .arg(path),
    )
}

fn has(recording: &Recording, video: &str, audio: &str) -> Result {
    let (picture, sound) = (recording.only("video")?, recording.only("audio")?);
    check!(
        picture.codec_name == video && sound.codec_name == audio && picture.width == 320,
        "{:?}",
        recording.streams
    );
    for stream in [picture, sound] {
        check!(recording.times(stream).len() > 20, "little of {stream:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_participant_goes_to_rtmp_hls_and_srt_without_encoding_the_picture_again() -> Result {
    let _turn = my_turn().await;
    let dir = folder("outputs")?;
    let server = Server::dev(&[]).await?;
    let _bars = bars(&server).await?;
    let common = [("participant", "bars"), ("from", "h264")];
    // RTMP: the receiver listens, as a platform does.
    let port = free_port()?;
    let url = format!("rtmp://127.0.0.1:{port}/live/key");
    let mut platform = receive(&["-listen", "1"], &url, &dir.join("rtmp.mkv"))?;
    // It takes one call.
    listens(port).await?;
    let set = [common[0], common[1], ("url", url.as_str())];
    let rtmp = Described::start("to-rtmp.toml", &server, &set)?;
    let ended = platform.exit().await?;
    check!(ended.success(), "{}\n{}", rtmp.output(), platform.output());
    has(&Recording::read(&dir.join("rtmp.mkv"))?, "h264", "aac")?;
    check!(
        !rtmp.output().contains("live/key"),
        "the key is shown: {}",
        rtmp.output()
    );
    drop(rtmp);

    // HLS: segments and a playlist.
    let hls_dir = folder("outputs/hls")?;
    let hls_text = hls_dir.display().to_string();
    let more = [("dir", hls_text.as_str()), ("seconds", "2")];
    let hls = Described::start(
        "to-hls.toml",
        &server,
        &[common[0], common[1], more[0], more[1]],
    )?;
    grows(&hls_dir.join("segment00001.ts"), 10_000).await?;
    hls.stop().await?;
    has(
        &Recording::read(&hls_dir.join("playlist.m3u8"))?,
        "h264",
        "aac",
    )?;

    // SRT: players call, and the sound passes as it is, too.
    let address = format!("srt://127.0.0.1:{}", free_port()?);
    let uri = format!("{address}?mode=listener");
    let srt = Described::start(
        "to-srt.toml",
        &server,
        &[common[0], common[1], ("uri", &uri)],
    )?;
    srt.says("playing").await?;
    // It comes in the middle of everything, so it reads on until it has seen what it needs.
    let patient = ["-analyzeduration", "30000000"];
    let mut player = receive(&patient, &address, &dir.join("srt.mkv"))?;
    check!(player.exit().await?.success(), "{}", player.output());
    has(&Recording::read(&dir.join("srt.mkv"))?, "h264", "opus")?;
    srt.stop().await
}

#[tokio::test]
async fn a_voice_is_heard_as_raw_samples_on_a_socket() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let _bars = bars(&server).await?;
    let port = free_port()?.to_string();
    let set = [("participant", "bars"), ("port", port.as_str())];
    let tap = Described::start("speech-tap.toml", &server, &set)?;
    tap.says("playing").await?;
    let mut socket = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
    // Three seconds of ticks: most samples are silence, some are loud.
    let mut samples = vec![0; 3 * 16_000 * 2];
    let read = tokio::time::timeout(DEADLINE, socket.read_exact(&mut samples)).await;
    read.map_err(|_| Failure::new(format!("no sound: {}", tap.output())))??;
    let loud = samples
        .chunks_exact(2)
        .filter(|pair| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs() > 3_000)
        .count();
    check!((10..24_000).contains(&loud), "{loud} loud samples of 48000");
    tap.stop().await
}

#[tokio::test]
async fn a_whip_publisher_is_recorded_until_ctrl_c() -> Result {
    let _turn = my_turn().await;
    let path = folder("whip-to-file")?.join("obs.mkv");
    let server = Server::dev(&[]).await?;
    let file = path.display().to_string();
    let recorder = Described::start("whip-to-file.toml", &server, &[("file", &file)])?;
    recorder.says("connected to its signaller").await?;
    let browser = Browser::chromium().await?;
    let page = browser
        .open(&format!("http://{}/", server.address()))
        .await?;
    whip::publish(&page, &server.whip("lobby", "obs")).await?;
    grows(&path, 100_000).await?;
    recorder.stop().await?;
    let recording = Recording::read(&path)?;
    let (video, audio) = (recording.only("video")?, recording.only("audio")?);
    check!(
        video.codec_name == "vp8" && audio.codec_name == "opus",
        "{:?}",
        recording.streams
    );
    Ok(())
}
