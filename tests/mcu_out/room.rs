// SPDX-License-Identifier: MIT OR Apache-2.0
//! A room with somebody in it, and whether a mix of it shows and sounds so.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gst_rtc::media::Recording;
use gst_rtc::{DEADLINE, Described, Result, Server, check};
use tokio::time::Instant;

/// The mix, small enough for a build server.
pub(crate) const SMALL: [(&str, &str); 4] = [
    ("width", "320"),
    ("height", "180"),
    ("framerate", "15/1"),
    ("bitrate", "300000"),
];

/// The size of the participant's pictures.
pub(crate) const BARS: (&str, &str) = ("size", "video/x-raw,width=320,height=180,framerate=15/1");

/// A room with one participant, who shows bars and ticks.
pub(crate) struct Room {
    pub(crate) server: Server,
    _bars: Described,
}

impl Room {
    pub(crate) async fn open() -> Result<Room> {
        let server = Server::dev(&[]).await?;
        let bars = Described::start("test-picture.toml", &server, &[BARS])?;
        bars.says("playing").await?;
        Ok(Room {
            server,
            _bars: bars,
        })
    }

    /// Runs a description, until it has taken in the participant.
    pub(crate) async fn mixed(&self, name: &str, set: &[(&str, &str)]) -> Result<Described> {
        let all = [&SMALL, set].concat();
        let mix = Described::start(name, &self.server, &all)?;
        mix.says("on.participant for lobby/bars runs").await?;
        Ok(mix)
    }
}

/// H.264 and AAC, as long as one another, with the bars and the ticks in them.
pub(crate) fn has_bars_and_ticks(path: &Path) -> Result {
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
pub(crate) fn shows_bars(path: &Path) -> Result<bool> {
    Ok(pictures(path)?.chunks_exact(320 * 180).any(are_bars))
}

/// Whether the last one is as bright as any: the participant was in the mix until the file was finished, and not about to go.
pub(crate) fn ends_with_bars(path: &Path) -> Result<bool> {
    let pictures = pictures(path)?;
    let light = |picture: &[u8]| picture.iter().copied().map(u64::from).sum::<u64>();
    let lights: Vec<u64> = pictures.chunks_exact(320 * 180).map(light).collect();
    let (brightest, last) = (lights.iter().max(), lights.last());
    Ok(brightest
        .zip(last)
        .is_some_and(|(brightest, last)| 20 * last > 19 * brightest))
}

/// The pictures of a file, a byte for each pixel.
pub(crate) fn pictures(path: &Path) -> Result<Vec<u8>> {
    decoded(path, &["-pix_fmt", "gray", "-f", "rawvideo"])
}

pub(crate) fn are_bars(picture: &[u8]) -> bool {
    let shades: BTreeSet<u8> = picture.iter().map(|luma| luma / 24).collect();
    shades.len() >= 5
}

/// Waits until a file that is being written has come to the bars.
pub(crate) async fn comes_to_bars(path: &Path) -> Result {
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
