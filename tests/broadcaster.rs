// SPDX-License-Identifier: MIT OR Apache-2.0
//! `examples/broadcaster`: an RTMP server sees whoever speaks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gst_rtc::described::{Described, folder, gst_rtc, listens};
use gst_rtc::example::{example_command, says, stop};
use gst_rtc::port::free_port;
use gst_rtc::{DEADLINE, Process, Result, Server, check, my_turn};
use tokio::time::Instant;

/// One colour, and a tone that is as loud as said.
const GUEST: &str = "
rtcsfu signaller::uri=${signaller} name=sfu room=lobby sink_0::participant=${name} sink_1::participant=${name}
videotestsrc is-live=true pattern=${color} ! video/x-raw,width=320,height=180,framerate=15/1
  ! vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay ! sfu.sink_0
audiotestsrc is-live=true volume=${volume} ! opusenc ! rtpopuspay ! sfu.sink_1
";

/// A streaming platform: writes what comes, as it is.
struct Platform {
    url: String,
    file: PathBuf,
    _ffmpeg: Process,
}

impl Platform {
    async fn open(dir: &Path) -> Result<Platform> {
        let port = free_port()?;
        let url = format!("rtmp://127.0.0.1:{port}/live/key");
        let file = dir.join("stream.mkv");
        let ffmpeg = Process::start(
            Command::new("ffmpeg")
                .args(["-v", "error", "-y", "-analyzeduration", "2000000"])
                .args(["-listen", "1", "-i", &url])
                .args(["-c", "copy", "-flush_packets", "1"])
                .arg(&file),
        )?;
        listens(port).await?;
        Ok(Platform {
            url,
            file,
            _ffmpeg: ffmpeg,
        })
    }

    /// Waits until the last picture is mostly of that colour, and has sound with it.
    async fn shows(&self, what: &str, is: impl Fn([u8; 3]) -> bool) -> Result {
        let until = Instant::now() + DEADLINE;
        loop {
            let last = last_color(&self.file)?;
            if last.is_some_and(&is) {
                return Ok(());
            }
            check!(Instant::now() < until, "not {what} but {last:?} at the end");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// The mean of the last picture that is in a file by now.
fn last_color(file: &Path) -> Result<Option<[u8; 3]>> {
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args([
            "-vf",
            "scale=1:1:flags=area",
            "-pix_fmt",
            "rgb24",
            "-f",
            "rawvideo",
            "-",
        ])
        .output()?;
    Ok(decoded.stdout.as_chunks().0.last().copied())
}

fn is_red([red, green, blue]: [u8; 3]) -> bool {
    red > 150 && green < 90 && blue < 90
}

fn is_blue([red, green, blue]: [u8; 3]) -> bool {
    blue > 150 && red < 90 && green < 90
}

fn guest(server: &Server, dir: &Path, name: &str, color: &str, volume: &str) -> Result<Described> {
    let text = GUEST
        .replace("${signaller}", &format!("ws://{}", server.address()))
        .replace("${name}", name)
        .replace("${color}", color)
        .replace("${volume}", volume);
    let file = dir.join(format!("{name}.gst"));
    std::fs::write(&file, text)?;
    Described::with(gst_rtc("run").arg(file))
}

/// Starts one of the broadcasters, with a platform that it has called.
async fn broadcast(file: &str, server: &Server, dir: &Path) -> Result<(Platform, Process)> {
    let platform = Platform::open(dir).await?;
    let uri = format!("ws://{}", server.address());
    let mut command = example_command(file)?;
    let broadcaster = Process::start(command.args([&uri, "lobby", &platform.url]))?;
    says(&broadcaster, "broadcasting lobby").await?;
    Ok((platform, broadcaster))
}

#[tokio::test]
async fn who_speaks_is_on_air() -> Result {
    let _turn = my_turn().await;
    let dir = folder("broadcaster")?;
    let server = Server::dev(&[]).await?;
    let (platform, broadcaster) = broadcast("broadcaster.rs", &server, &dir).await?;
    let quiet = guest(&server, &dir, "quiet", "green", "0")?;
    platform
        .shows("the only one there", |[_, green, _]| green > 90)
        .await?;
    let red = guest(&server, &dir, "red", "red", "0.5")?;
    platform.shows("who speaks", is_red).await?;
    red.stop().await?;
    let blue = guest(&server, &dir, "blue", "blue", "0.5")?;
    platform.shows("who speaks then", is_blue).await?;
    blue.stop().await?;
    quiet.stop().await?;
    drop(broadcaster);
    Ok(())
}

#[tokio::test]
async fn so_it_is_in_c_and_python() -> Result {
    let _turn = my_turn().await;
    for file in ["broadcaster.c", "broadcaster.py"] {
        let dir = folder(&format!("example-{file}"))?;
        let server = Server::dev(&[]).await?;
        let (platform, broadcaster) = broadcast(file, &server, &dir).await?;
        let quiet = guest(&server, &dir, "quiet", "green", "0")?;
        let red = guest(&server, &dir, "red", "red", "0.5")?;
        platform.shows("who speaks", is_red).await?;
        red.stop().await?;
        quiet.stop().await?;
        stop(broadcaster).await?;
    }
    Ok(())
}
