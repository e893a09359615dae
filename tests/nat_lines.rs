// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the elements' documentation says of NATs, done behind NATs, with our own server in the middle.

use std::process::Command;

use gst_rtc::build::root;
use gst_rtc::coturn::{PASSWORD, USER};
use gst_rtc::media::Recording;
use gst_rtc::natlab::{Kind, Lab, Peer, SERVER, Side};
use gst_rtc::own_turn::OwnTurn;
use gst_rtc::{Failure, GstLaunch, Result, check, my_turn};

const AGENT: &str = env!("CARGO_BIN_EXE_natlab");

/// Frames after which a file is worth to be kept.
const FRAMES: usize = 30;

#[tokio::test]
async fn stunsrc_knows_what_nat_it_is_behind() -> Result {
    let _turn = my_turn().await;
    if !Lab::is_here()? {
        return Ok(());
    }
    let (any, address, both) = (
        "endpoint-independent",
        "address-dependent",
        "address-and-port-dependent",
    );
    for kinds in [
        [(Kind::Open, "none", any), (Kind::Port, any, both)],
        [
            (Kind::FullConeOtherPort, any, any),
            (Kind::Address, any, address),
        ],
        [
            (Kind::AddressSymmetric, address, both),
            (Kind::Symmetric, both, both),
        ],
    ] {
        let lab = Lab::up(kinds[0].0, kinds[1].0)?;
        let _server = OwnTurn::inside(&lab).await?;
        for (side, (kind, mapping, filtering)) in [Side::A, Side::B].into_iter().zip(kinds) {
            let server = format!("stun-server=stun://{SERVER}:3478");
            let peer = Peer::start(&lab, side, AGENT, &[server])?;
            let nat = peer.nat().await?;
            check!(nat == format!("{mapping} {filtering}"), "{kind}: {nat}");
        }
    }
    Ok(())
}

/// The lines of `turnsink`'s documentation; the camera is a test picture.
#[tokio::test]
async fn a_camera_behind_one_nat_is_recorded_behind_another() -> Result {
    let _turn = my_turn().await;
    if !Lab::is_here()? {
        return Ok(());
    }
    let text = std::fs::read_to_string(root().join("plugins/turn/src/turnsink/mod.rs"))?;
    let (camera, recorder) = (line_with(&text, "v4l2src")?, line_with(&text, "filesink")?);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("camera.mkv");
    let here = |line: &str, relay: &str| {
        line.replace("v4l2src ! videoconvert", "videotestsrc is-live=true")
            .replace("user:password", &format!("{USER}:{PASSWORD}"))
            .replace("turn.example.org", &SERVER.to_string())
            .replace("permissions=198.51.100.1", &format!("permissions={SERVER}"))
            .replace("198.51.100.1 port=50123", relay)
            .replace("camera.mkv", &file.to_string_lossy())
    };
    let lab = Lab::up(Kind::Port, Kind::Symmetric)?;
    let _server = OwnTurn::inside(&lab).await?;
    // Its progress tells when there is something in the file.
    let counted = here(&recorder, "").replace(
        "rtpvp8depay !",
        "rtpvp8depay ! identity silent=false name=frames !",
    );
    let mut recorder = typed(&lab, Side::B, &counted.replace("-e -m", "-e -m -v"))?;
    let told = recorder.says("turnsrc-relayed-address-changed").await?;
    let relay = relay_in(&told)?;
    let camera = typed(&lab, Side::A, &here(&camera, &relay))?;
    let frame = |line: &str| line.contains("frames: last-message = chain");
    for _ in 0..FRAMES {
        recorder.process().next_line("a frame", frame).await?;
    }
    check!(recorder.stop().await?.success(), "the recorder failed");
    drop(camera);
    let recording = Recording::read(&file)?;
    let video = recording.only("video")?;
    let frames = recording.times(video).len();
    check!(
        video.codec_name == "vp8" && frames >= FRAMES,
        "{frames} frames"
    );
    Ok(())
}

/// The command of a documentation that has this word, in one line.
fn line_with(text: &str, word: &str) -> Result<String> {
    let plain: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    let joined = plain.replace("\\\n", "");
    let mut lines = joined.lines();
    let found = lines.find(|line| line.starts_with("gst-launch-1.0") && line.contains(word));
    let found = found.map(str::to_owned);
    found.ok_or_else(|| Failure::new(format!("no line with {word}")))
}

/// Runs a line on a host as a shell does.
fn typed(lab: &Lab, side: Side, line: &str) -> Result<GstLaunch> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {line}")]);
    GstLaunch::with(&mut lab.host_space(side).wrap(&shell))
}

/// `ADDRESS port=PORT` of an element message.
fn relay_in(message: &str) -> Result<String> {
    let (_, rest) = message
        .split_once("address=(string)")
        .ok_or_else(|| Failure::new(format!("no address in {message}")))?;
    let address = rest.split([',', ';']).next().unwrap_or_default();
    Ok(address.trim_matches('"').replace(':', " port="))
}
