// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pipelines/mix-to-….toml`: a mixed room in files and broadcasts, read back by programs nobody here wrote.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gst_rtc::described::{folder, free_port, grows};
use gst_rtc::media::Recording;
use gst_rtc::{DEADLINE, Described, Process, Result, Server, check, my_turn};
use tokio::time::Instant;

/// The mix, small enough for a build server.
const SMALL: [(&str, &str); 4] = [
    ("width", "320"),
    ("height", "180"),
    ("framerate", "15/1"),
    ("bitrate", "300000"),
];

/// A room with one participant, who shows bars and ticks.
struct Room {
    server: Server,
    _bars: Described,
}

impl Room {
    async fn open() -> Result<Room> {
        let server = Server::dev(&[]).await?;
        let size = ("size", "video/x-raw,width=320,height=180,framerate=15/1");
        let bars = Described::start("test-picture.toml", &server, &[size])?;
        bars.says("playing").await?;
        Ok(Room {
            server,
            _bars: bars,
        })
    }

    /// Runs a description, until it has taken in the participant.
    async fn mixed(&self, name: &str, set: &[(&str, &str)]) -> Result<Described> {
        let all = [&SMALL, set].concat();
        let mix = Described::start(name, &self.server, &all)?;
        mix.says("on.participant for lobby/bars runs").await?;
        Ok(mix)
    }
}

/// H.264 and AAC, as long as one another, with the bars and the ticks in them.
fn has_bars_and_ticks(path: &Path) -> Result {
    let recording = Recording::read(path)?;
    let (picture, sound) = (recording.only("video")?, recording.only("audio")?);
    check!(
        (picture.codec_name.as_str(), sound.codec_name.as_str()) == ("h264", "aac")
            && (picture.width, picture.height) == (320, 180),
        "{:?}",
        recording.streams
    );
    for stream in [picture, sound] {
        check!(recording.times(stream).len() > 20, "little of {stream:?}");
    }
    check!(shows_bars(path)?, "no bars in {}", path.display());
    let samples = decoded(path, &["-ac", "1", "-f", "s16le"])?;
    let loudest = samples
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs())
        .max();
    check!(loudest > Some(2_000), "no tick is louder than {loudest:?}");
    Ok(())
}

/// Whether any picture that can be read of a file has the shades of the bars. The first need not: the mix is there before a
/// participant is in it.
fn shows_bars(path: &Path) -> Result<bool> {
    Ok(pictures(path)?.chunks_exact(320 * 180).any(are_bars))
}

/// Whether the last one is as bright as any: the participant was in the mix until the file was finished, and not about to go.
fn ends_with_bars(path: &Path) -> Result<bool> {
    let pictures = pictures(path)?;
    let light = |picture: &[u8]| picture.iter().copied().map(u64::from).sum::<u64>();
    let lights: Vec<u64> = pictures.chunks_exact(320 * 180).map(light).collect();
    let (brightest, last) = (lights.iter().max(), lights.last());
    Ok(brightest
        .zip(last)
        .is_some_and(|(brightest, last)| 20 * last > 19 * brightest))
}

/// The pictures of a file, a byte for each pixel.
fn pictures(path: &Path) -> Result<Vec<u8>> {
    decoded(path, &["-pix_fmt", "gray", "-f", "rawvideo"])
}

fn are_bars(picture: &[u8]) -> bool {
    let shades: BTreeSet<u8> = picture.iter().map(|luma| luma / 24).collect();
    shades.len() >= 5
}

/// Waits until a file that is being written has come to the bars.
async fn comes_to_bars(path: &Path) -> Result {
    let until = Instant::now() + DEADLINE;
    while !path.exists() || !shows_bars(path)? {
        check!(Instant::now() < until, "no bars in {}", path.display());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// What `ffmpeg` makes of a file, as far as there is anything.
fn decoded(path: &Path, format: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path);
    Ok(command.args(format).arg("-").output()?.stdout)
}

#[tokio::test]
async fn a_mixed_room_is_recorded_and_cut_into_segments() -> Result {
    let _turn = my_turn().await;
    let dir = folder("mix-files")?;
    let room = Room::open().await?;
    for format in ["mkv", "mp4"] {
        let path = dir.join(format!("room.{format}"));
        let file = path.display().to_string();
        let set = [("format", format), ("file", file.as_str())];
        let mix = room.mixed("mix-to-file.toml", &set).await?;
        comes_to_bars(&path).await?;
        grows(&path, std::fs::metadata(&path)?.len() + 50_000).await?;
        mix.stop().await?;
        has_bars_and_ticks(&path)?;
        check!(ends_with_bars(&path)?, "the last picture is empty");
    }
    let segments = folder("mix-files/hls")?;
    let text = segments.display().to_string();
    let set = [("dir", text.as_str()), ("seconds", "2")];
    let mix = room.mixed("mix-to-hls.toml", &set).await?;
    let until = Instant::now() + DEADLINE;
    for n in 0.. {
        let segment = |n: u32| segments.join(format!("segment{n:05}.ts"));
        // The next one has begun, so this one is whole.
        grows(&segment(n + 1), 1).await?;
        if n > 0 && shows_bars(&segment(n))? {
            break;
        }
        check!(Instant::now() < until, "no bars in {n} segments");
    }
    mix.stop().await?;
    has_bars_and_ticks(&segments.join("playlist.m3u8"))
}

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
    let url = format!("rtmp://127.0.0.1:{}/live/key", free_port()?);
    let mut platform = receive(&["-listen", "1"], &url, "600", &path)?;
    // ffmpeg says nothing when it listens, so whoever calls tries again.
    let until = Instant::now() + DEADLINE;
    let _mix = loop {
        let set = [&SMALL[..], &[("url", &url)]].concat();
        let mut mix = Described::start("mix-to-rtmp.toml", &room.server, &set)?;
        let ended = tokio::time::timeout(Duration::from_secs(3), mix.exit()).await;
        if ended.is_err() {
            break mix;
        }
        check!(Instant::now() < until, "{}", mix.output());
    };
    comes_to_bars(&path).await?;
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
