// SPDX-License-Identifier: MIT OR Apache-2.0
//! To RTMP servers and SRT players.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use gst_rtc::build::root;
use gst_rtc::described::{folder, gst_rtc, listens};
use gst_rtc::media::Recording;
use gst_rtc::port::free_port;
use gst_rtc::{Browser, DEADLINE, Described, Process, Result, Server, check, my_turn, whip};
use tokio::time::Instant;

use crate::room::{BARS, Room, SMALL, comes_to_bars, has_bars_and_ticks};

/// What `ffmpeg` receives, written as it is.
fn receive(options: &[&str], url: &str, seconds: &str, path: &Path) -> Result<Process> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y"]).args(options);
    command.args([
        "-i",
        url,
        "-t",
        seconds,
        "-c",
        "copy",
        "-flush_packets",
        "1",
    ]);
    Process::start(command.arg(path))
}

#[tokio::test]
async fn a_mixed_room_goes_to_an_rtmp_server() -> Result {
    let _turn = my_turn().await;
    let path = folder("mix-rtmp")?.join("room.mkv");
    let room = Room::open().await?;
    let port = free_port()?;
    let url = format!("rtmp://127.0.0.1:{port}/live/key");
    let mut platform = receive(&["-listen", "1"], &url, "600", &path)?;
    // It takes one call.
    listens(port).await?;
    let set = [&SMALL[..], &[("url", &url)]].concat();
    let mix = Described::start("mix-to-rtmp.toml", &room.server, &set)?;
    if let Err(failure) = comes_to_bars(&path).await {
        check!(false, "{failure}\n{}\n{}", mix.output(), platform.output());
    }
    platform.interrupt();
    platform.exit().await?;
    has_bars_and_ticks(&path)
}

#[tokio::test]
async fn players_come_and_go_while_a_mixed_room_is_sent_by_srt() -> Result {
    let _turn = my_turn().await;
    let dir = folder("mix-srt")?;
    let room = Room::open().await?;
    let address = format!("srt://127.0.0.1:{}", free_port()?);
    let uri = format!("{address}?mode=listener");
    let mix = room.mixed("mix-to-srt.toml", &[("uri", &uri)]).await?;
    let until = Instant::now() + DEADLINE;
    let mut content = 0;
    for player in 0.. {
        let path = dir.join(format!("{player}.mkv"));
        let mut player = receive(&[], &address, "3", &path)?;
        check!(player.exit().await?.success(), "{}", player.output());
        // The first may have come before the participant's picture had.
        match has_bars_and_ticks(&path) {
            Ok(()) => content += 1,
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => {}
        }
        if content == 2 {
            break;
        }
    }
    mix.stop().await
}

/// What picture encoders are called.
const ENCODERS: [&str; 4] = ["x264enc", "openh264enc", "vp8enc", "vp9enc"];

#[tokio::test]
async fn room_and_broadcast_share_one_encoded_picture() -> Result {
    let _turn = my_turn().await;
    let path = folder("mix-broadcast")?.join("player.mkv");
    let server = Server::serve(&[]).await?;
    let address = format!("srt://127.0.0.1:{}", free_port()?);
    let uri = format!("{address}?mode=listener");
    let mut node = gst_rtc("run");
    node.arg(root().join("pipelines/mcu-broadcast.toml"))
        // It says which elements play.
        .env("GST_DEBUG", "GST_STATES:INFO")
        .arg(format!("--set=signaller=ws://{}", server.address()))
        .args(["--set=to=srt".to_owned(), format!("--set=address={uri}")]);
    for (key, value) in SMALL {
        node.arg(format!("--set={key}={value}"));
    }
    let node = Described::with(&mut node)?;
    node.says("connected to its signaller").await?;
    let bars = Described::start("test-picture.toml", &server, &[BARS])?;
    node.says("on.participant for lobby/bars runs").await?;

    let browser = Browser::chromium().await?;
    let page = browser
        .open(&format!("http://{}/", server.address()))
        .await?;
    whip::receive(&page, &server.whep("lobby", "mix")).await?;
    let in_room = whip::received(&page).await?;
    check!(in_room.frame_width == 320, "{in_room:?}");
    let mut player = receive(&[], &address, "600", &path)?;
    comes_to_bars(&path).await?;
    player.interrupt();
    player.exit().await?;
    let recording = Recording::read_torn(&path)?;
    let codecs =
        ["video", "audio"].map(|kind| Some(recording.only(kind).ok()?.codec_name.as_str()));
    check!(codecs == [Some("h264"), Some("opus")], "{recording:?}");

    // The page goes on with what the player had a share of.
    whip::received(&page).await?;
    let log = node.output();
    let encoders = encoders(&log);
    check!(encoders.len() == 1, "{encoders:?}");
    bars.stop().await?;
    node.stop().await
}

/// The picture encoders that went to PLAYING, of what GStreamer logs of states.
fn encoders(log: &str) -> BTreeSet<&str> {
    let plays = |line: &&str| line.contains("change to PLAYING");
    let names = log.lines().filter(plays).filter_map(|line| {
        let (_, rest) = line.split_once('<')?;
        Some(rest.split_once('>')?.0)
    });
    names
        .filter(|name| ENCODERS.iter().any(|encoder| name.contains(encoder)))
        .collect()
}
