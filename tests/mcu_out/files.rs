// SPDX-License-Identifier: MIT OR Apache-2.0
//! To files, and to segments that a browser plays.

use std::path::Path;
use std::process::Command;

use gst_rtc::build::root;
use gst_rtc::described::{folder, grows, gst_rtc};
use gst_rtc::{Browser, Described, Page, Process, Result, check, my_turn};

use crate::room::{Room, comes_to_bars, ends_with_bars, has_bars_and_ticks};

#[tokio::test]
async fn a_mixed_room_is_recorded() -> Result {
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
    Ok(())
}

/// A mix, and something else of the same room that takes two seconds to end.
const SLOW: &str = r#"
description = "A room, mixed, to a file, and late"

[params]
signaller = { type = "string", help = "The server" }
file = { type = "string", help = "The file to write" }

[pipeline]
launch = '''
rtcsfu name=sfu signaller::uri=${signaller} room=lobby
rtcmcu name=mcu width=320 height=180 framerate=15/1 video-bitrate=300000 end-with-inputs=false
mcu.video ! h264parse ! queue ! matroskamux ! filesink location=${file}
'''

[[on.participant]]
launch = "sfu.video_${participant} ! mcu.sink_%u"

[[on.participant]]
launch = '''
sfu.audio_${participant} ! queue max-size-time=4000000000 max-size-buffers=0 max-size-bytes=0
! clocksync ts-offset=2000000000 ! fakesink async=false
'''
"#;

#[tokio::test]
async fn who_is_in_a_mix_stays_until_all_else_has_ended() -> Result {
    let _turn = my_turn().await;
    let dir = folder("mix-end")?;
    let (description, path) = (dir.join("slow.toml"), dir.join("room.mkv"));
    std::fs::write(&description, SLOW)?;
    let room = Room::open().await?;
    let mut run = gst_rtc("run");
    run.arg(&description)
        .arg(format!("--set=signaller=ws://{}", room.server.address()))
        .arg(format!("--set=file={}", path.display()));
    let mix = Described::with(&mut run)?;
    comes_to_bars(&path).await?;
    grows(&path, std::fs::metadata(&path)?.len() + 50_000).await?;
    mix.stop().await?;
    check!(ends_with_bars(&path)?, "the last picture is empty");
    Ok(())
}

#[tokio::test]
async fn a_page_of_a_browser_plays_a_mixed_room_by_hls() -> Result {
    let _turn = my_turn().await;
    let dir = folder("mix-hls")?;
    let room = Room::open().await?;
    let text = dir.display().to_string();
    let set = [("dir", text.as_str()), ("seconds", "2")];
    let mix = room.mixed("mix-to-hls.toml", &set).await?;
    std::fs::copy(root().join("examples/watch.html"), dir.join("watch.html"))?;
    let (_web, address) = web_server(&dir).await?;
    let browser = Browser::chromium().await?;
    plays(&browser.open(&format!("{address}/watch.html")).await?).await?;
    mix.stop().await?;
    has_bars_and_ticks(&dir.join("playlist.m3u8"))
}

/// The web server of which the page's first comment speaks, and its address.
async fn web_server(dir: &Path) -> Result<(Process, String)> {
    let mut command = Command::new("python3");
    command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]);
    let server = Process::start(command.arg("--directory").arg(dir))?;
    let port = |line: &str| line.split_once(" port ")?.1.split(' ').next()?.parse().ok();
    let port: u16 = server.line("port", port).await?;
    Ok((server, format!("http://127.0.0.1:{port}")))
}

/// Looks at what the page plays, and listens to it.
const WATCH: &str = "(() => {
    const video = document.querySelector('video'), audio = new AudioContext();
    const ear = new AnalyserNode(audio, { fftSize: 32_768 }), heard = new Float32Array(32_768);
    audio.createMediaElementSource(video).connect(ear);
    video.muted = false;
    const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 18 });
    const paper = canvas.getContext('2d', { willReadFrequently: true });
    window.seen = { times: new Set(), shades: 0, loudest: 0 };
    setInterval(() => {
        ear.getFloatTimeDomainData(heard);
        seen.loudest = Math.max(seen.loudest, ...heard);
        paper.drawImage(video, 0, 0, 32, 18);
        const { data } = paper.getImageData(0, 0, 32, 18);
        seen.shades = new Set(data.filter((_, i) => i % 4 === 1).map((green) => green / 24)).size;
        if (seen.shades >= 5) seen.times.add(video.currentTime);
    }, 100);
    return true;
})()";

/// Waits until the bars have been there at many times, and the ticks were heard.
async fn plays(page: &Page) -> Result {
    page.eval::<bool>(WATCH).await?;
    let condition = "(({ times, shades, loudest }) => times.size >= 20 && loudest > 0.06 && [shades, loudest])(seen)";
    page.wait_for::<[f64; 2]>("bars and ticks", condition)
        .await?;
    Ok(())
}
