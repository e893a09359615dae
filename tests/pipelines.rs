// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pipelines/`: what brings something into a room, seen in a browser.

use std::path::Path;
use std::process::Command;

use gst_rtc::build::root;
use gst_rtc::described::{folder, grows, gst_rtc};
use gst_rtc::media::Recording;
use gst_rtc::own_turn::OwnTurn;
use gst_rtc::{Browser, Described, Process, Result, Server, Visitor, check, my_turn};

/// The size of pictures on build servers.
const SMALL: (&str, &str) = ("size", "video/x-raw,width=320,height=180,framerate=15/1");

#[tokio::test]
async fn sources_of_all_kinds_are_seen_in_a_browser() -> Result {
    let _turn = my_turn().await;
    let videos = folder("playlist")?;
    for number in ["1", "2"] {
        make_video(&videos.join(format!("{number}.mkv")))?;
    }
    let camera = Process::start(
        Command::new("/usr/bin/python3").arg(root().join("tests/peers/rtsp_camera.py")),
    )?;
    let url = camera
        .line("address", |line| {
            line.starts_with("rtsp://").then(|| line.to_owned())
        })
        .await?;
    let (_display, display) = virtual_display().await?;

    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let page = Visitor::join(&browser, &server, "lobby", "page").await?;

    let bars = Described::start("test-picture.toml", &server, &[SMALL])?;
    let seen = page.sees_and_hears("bars").await?;
    check!(
        (seen.frame_width, seen.frame_height) == (320, 180),
        "{seen:?}"
    );
    bars.says("page joined lobby").await?;
    bars.stop().await?;

    let hello = Described::start("hello.gst", &server, &[("pattern", "ball")])?;
    page.sees_and_hears("hello").await?;
    hello.stop().await?;

    let rtsp = Described::start("rtsp-camera.toml", &server, &[("url", &url)])?;
    rtsp.says("camera sends video (video, H264)").await?;
    page.sees("camera").await?;
    rtsp.stop().await?;

    let screen = Described::start("screen-share.toml", &server, &[("display", &display)])?;
    page.sees("screen").await?;
    screen.stop().await?;

    let files = videos.join("*.mkv").display().to_string();
    let mut playlist = Described::start("playlist.toml", &server, &[("files", &files)])?;
    page.sees_and_hears("playlist").await?;
    check!(playlist.exit().await?.success(), "{}", playlist.output());
    check!(
        playlist.output().contains("end of stream"),
        "{}",
        playlist.output()
    );
    Ok(())
}

/// Twelve seconds of picture and sound: long enough that a slow machine joins before they are over.
fn make_video(path: &Path) -> Result {
    let status = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=160x120:rate=15:duration=12",
        ])
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=440:duration=12",
            "-c:v",
            "libx264",
        ])
        .args([
            "-preset",
            "ultrafast",
            "-g",
            "15",
            "-bf",
            "0",
            "-c:a",
            "libopus",
        ])
        .arg(path)
        .status()?;
    check!(status.success(), "ffmpeg made no {}", path.display());
    Ok(())
}

/// An X server without a screen, and the name of its display.
async fn virtual_display() -> Result<(Process, String)> {
    let process = Process::start(Command::new("Xvfb").args([
        "-displayfd",
        "1",
        "-screen",
        "0",
        "320x240x24",
        "-nolisten",
        "tcp",
    ]))?;
    let number = process
        .line("display", |line| line.trim().parse::<u32>().ok())
        .await?;
    Ok((process, format!(":{number}")))
}

#[tokio::test]
async fn a_camera_behind_a_nat_is_seen_through_relays() -> Result {
    let _turn = my_turn().await;
    let relays = OwnTurn::start(&[]).await?;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let page = Visitor::join(&browser, &server, "lobby", "page").await?;
    let [by_udp, by_tcp, _] = relays.ways();
    for way in [by_udp, by_tcp] {
        let uri = way.trim_start_matches("turn-server=");
        let (turn, from) = (("turn-server", uri), ("from", "127.0.0.1"));
        let room = Described::start("from-relay.toml", &server, &[turn, from])?;
        let told = room.says("relay is reached at ").await?;
        let address = told.rsplit(' ').next().unwrap_or_default();
        let (to, port) = address.rsplit_once(':').unwrap_or_default();
        let mut camera = gst_rtc("run");
        camera.arg(root().join("pipelines/nat-camera.toml"));
        for (key, value) in [turn, ("to", to), ("port", port)] {
            camera.arg(format!("--set={key}={value}"));
        }
        let camera = Described::with(&mut camera)?;
        room.says("camera sends video (video, H264)").await?;
        page.sees("camera").await?;
        camera.stop().await?;
        room.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_node_serves_rooms_and_records_whoever_sends_picture_and_sound() -> Result {
    let _turn = my_turn().await;
    let dir = folder("sfu-record")?;
    let server = Server::serve(&[]).await?;
    let dir_text = dir.display().to_string();
    let recorder = Described::start("sfu-record.toml", &server, &[("dir", &dir_text)])?;
    recorder.says("connected to its signaller").await?;
    let names = ["one", "two"];
    let mut sending = Vec::new();
    for name in names {
        let name = ("name", name);
        sending.push(Described::start(
            "test-picture.toml",
            &server,
            &[SMALL, name],
        )?);
    }
    for name in names {
        recorder
            .says(&format!("on.participant for lobby/{name} runs"))
            .await?;
        grows(&dir.join(format!("{name}.mkv")), 40_000).await?;
    }
    let mut sending = sending.into_iter();
    // One leaves, the other is there to the end.
    sending.next().expect("two").stop().await?;
    recorder.says("on.participant for lobby/one ends").await?;
    recorder.stop().await?;
    for name in names {
        in_sync(&Recording::read(&dir.join(format!("{name}.mkv")))?)?;
    }
    Ok(())
}

/// Both streams are there, from the same moment to the same moment.
fn in_sync(recording: &Recording) -> Result {
    let ends = |kind: &str| -> Result<(f64, f64)> {
        let times = recording.times(recording.only(kind)?);
        let (first, last) = (times.first(), times.last());
        first
            .zip(last)
            .map(|(first, last)| (*first, *last))
            .ok_or_else(|| gst_rtc::Failure::new(format!("no {kind} in it")))
    };
    let (video, audio) = (ends("video")?, ends("audio")?);
    check!(
        (video.0 - audio.0).abs() < 1.5 && (video.1 - audio.1).abs() < 1.5,
        "video from {video:?}, audio from {audio:?}"
    );
    Ok(())
}

#[tokio::test]
async fn rooms_of_a_described_node_work_and_one_is_bridged_into_another() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let node = Described::start("sfu-room.toml", &server, &[])?;
    node.says("connected to its signaller").await?;
    let browser = Browser::chromium().await?;
    let page = Visitor::join(&browser, &server, "main", "page").await?;
    let bars = Described::start("test-picture.toml", &server, &[SMALL, ("room", "stage")])?;
    node.says("bars sends video").await?;
    let rooms = [("from", "stage"), ("into", "main")];
    let bridge = Described::start("room-bridge.toml", &server, &rooms)?;
    page.sees_and_hears("bridge").await?;
    bridge.stop().await?;
    bars.stop().await?;
    node.stop().await
}

#[tokio::test]
async fn two_callers_record_each_other_without_any_media_server() -> Result {
    let _turn = my_turn().await;
    let dir = folder("p2p")?;
    let server = Server::serve(&[]).await?;
    let dir_text = dir.display().to_string();
    let call = |name| {
        let set = [("name", name), ("dir", dir_text.as_str())];
        Described::start("p2p.toml", &server, &set)
    };
    let one = call("one")?;
    one.says("joined call as one").await?;
    let two = call("two")?;
    for (caller, other) in [(&one, "two"), (&two, "one")] {
        caller
            .says("the certificate of the other side is right")
            .await?;
        grows(&dir.join(format!("{other}.mkv")), 20_000).await?;
    }
    one.stop().await?;
    two.stop().await?;
    for name in ["one", "two"] {
        let recording = Recording::read(&dir.join(format!("{name}.mkv")))?;
        let video = recording.only("video")?;
        check!(
            video.codec_name == "vp8" && video.width == 320,
            "{recording:?}"
        );
    }
    Ok(())
}
