// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mixer without a forwarding server: webrtcbins on its pads, called peer to peer.

use std::path::Path;
use std::time::Duration;

use gst_rtc::described::folder;
use gst_rtc::media::Recording;
use gst_rtc::{DEADLINE, Described, Result, Server, check, my_turn};
use tokio::time::Instant;

use crate::room::{SMALL, are_bars, pictures};

#[tokio::test]
async fn peers_get_one_picture_of_all_without_a_forwarding_server() -> Result {
    let _turn = my_turn().await;
    let dir = folder("mix-peers")?;
    let server = Server::serve(&[]).await?;
    let mix = Described::start("mcu-peers.toml", &server, &SMALL)?;
    mix.says("joined call as mix").await?;
    let call = |name: &str| {
        let dir = dir.join(name).display().to_string();
        std::fs::create_dir(&dir)?;
        let set = [("name", name), ("dir", dir.as_str())];
        Described::start("p2p.toml", &server, &set)
    };
    let callers = [call("one")?, call("two")?];
    for name in ["one", "two"] {
        comes_to_both(&dir.join(name).join("mix.mkv")).await?;
    }
    for caller in callers {
        caller.stop().await?;
    }
    mix.says("two left call").await?;
    mix.stop().await?;
    for name in ["one", "two"] {
        let recording = Recording::read(&dir.join(name).join("mix.mkv"))?;
        let picture = recording.only("video")?;
        check!(picture.codec_name == "vp8", "{recording:?}");
    }
    Ok(())
}

/// Waits until a picture of a file that is being written shows bars on either side.
async fn comes_to_both(path: &Path) -> Result {
    let until = Instant::now() + DEADLINE;
    while !path.exists() || !pictures(path)?.chunks_exact(320 * 180).any(shows_both) {
        check!(Instant::now() < until, "{} shows not both", path.display());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

fn shows_both(picture: &[u8]) -> bool {
    let rows = || picture.chunks_exact(320);
    let left: Vec<u8> = rows().flat_map(|row| &row[..160]).copied().collect();
    let right: Vec<u8> = rows().flat_map(|row| &row[160..]).copied().collect();
    are_bars(&left) && are_bars(&right)
}
