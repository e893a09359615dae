// SPDX-License-Identifier: MIT OR Apache-2.0
//! `examples/`, each run as its first comment says.

use std::process::Command;

use gst_rtc::build::{example, plugin_path, root, scratch};
use gst_rtc::described::{folder, grows};
use gst_rtc::media::Recording;
use gst_rtc::{Browser, Described, Process, Result, Server, check, my_turn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SMALL: (&str, &str) = ("size", "video/x-raw,width=320,height=180,framerate=15/1");

/// Starts an example that finds the plugin under test.
fn start(command: &mut Command) -> Result<Process> {
    Process::start(
        command
            .env("GST_PLUGIN_PATH", plugin_path())
            .env("GST_REGISTRY", scratch().join("launch.registry")),
    )
}

async fn says(process: &Process, text: &str) -> Result<String> {
    process
        .line(text, |line| line.contains(text).then(|| line.to_owned()))
        .await
}

/// Ctrl-C, and a good end.
async fn stop(mut process: Process) -> Result {
    process.interrupt();
    let status = process.exit().await?;
    if status.success() {
        return Ok(());
    }
    Err(process.failure(format!("ended with {status}")))
}

/// A test picture as a participant of a server that is an example.
fn bars_at(address: &str) -> Result<Described> {
    let mut command = gst_rtc::described::gst_rtc("run");
    command
        .arg(root().join("pipelines/test-picture.toml"))
        .arg(format!("--set=signaller=ws://{address}"))
        .arg(format!("--set={}={}", SMALL.0, SMALL.1));
    Described::with(&mut command)
}

#[tokio::test]
async fn an_application_has_a_server_inside_and_reacts_to_joins() -> Result {
    let _turn = my_turn().await;
    let app = start(Command::new(example("embed_sfu")).arg("127.0.0.1:0"))?;
    let address = app
        .line("address", |line| {
            let rest = line.strip_prefix("open http://")?;
            Some(rest.strip_suffix("/r/lobby")?.to_owned())
        })
        .await?;
    says(&app, "ready").await?;
    let bars = bars_at(&address)?;
    says(&app, "bars joined lobby").await?;
    says(&app, "bars sends video in VP8").await?;
    bars.stop().await?;
    says(&app, "bars left lobby").await?;
    stop(app).await
}

#[tokio::test]
async fn an_application_in_c_reacts_to_joins() -> Result {
    let _turn = my_turn().await;
    let program = folder("example-c")?.join("embed_sfu");
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "gstreamer-1.0"])
        .output()?;
    let flags = String::from_utf8(flags.stdout)?;
    let compiled = Command::new("cc")
        .args(["-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(root().join("examples/embed_sfu.c"))
        .args(flags.split_whitespace())
        .status()?;
    check!(compiled.success(), "cc does not like it");
    let server = Server::serve(&[]).await?;
    let uri = format!("ws://{}", server.address());
    let app = start(Command::new(program).args([&uri, "lobby"]))?;
    says(&app, "ready").await?;
    let bars = Described::start("test-picture.toml", &server, &[SMALL])?;
    says(&app, "bars joined lobby").await?;
    says(&app, "bars sends video in VP8").await?;
    bars.stop().await?;
    says(&app, "bars left lobby").await?;
    stop(app).await
}

#[tokio::test]
async fn a_recording_plays_though_its_recorder_was_killed() -> Result {
    let _turn = my_turn().await;
    let dir = folder("example-recorder")?;
    let server = Server::dev(&[]).await?;
    let uri = format!("ws://{}", server.address());
    let mut command = Command::new(example("recorder"));
    let recorder = start(command.args([&uri, "lobby"]).arg(&dir))?;
    let bars = Described::start("test-picture.toml", &server, &[SMALL])?;
    says(&recorder, "bars is recorded to").await?;
    let path = dir.join("bars.mkv");
    grows(&path, 150_000).await?;
    // SIGKILL: no chance to write anything more.
    drop(recorder);
    bars.stop().await?;
    let recording = Recording::read_torn(&path)?;
    for kind in ["video", "audio"] {
        let stream = recording.only(kind)?;
        check!(recording.times(stream).len() > 15, "little {kind} in it");
    }
    Ok(())
}

#[tokio::test]
async fn the_recorder_in_python_finishes_its_files() -> Result {
    let _turn = my_turn().await;
    let dir = folder("example-python")?;
    let server = Server::dev(&[]).await?;
    let uri = format!("ws://{}", server.address());
    let mut command = Command::new("/usr/bin/python3");
    command.arg(root().join("examples/recorder.py"));
    let recorder = start(command.args([&uri, "lobby"]).arg(&dir))?;
    says(&recorder, "waiting").await?;
    let bars = Described::start("test-picture.toml", &server, &[SMALL])?;
    says(&recorder, "bars is recorded to").await?;
    grows(&dir.join("bars.mkv"), 60_000).await?;
    stop(recorder).await?;
    bars.stop().await?;
    let recording = Recording::read(&dir.join("bars.mkv"))?;
    check!(
        recording.only("video")?.codec_name == "vp8"
            && recording.only("audio")?.codec_name == "opus",
        "{:?}",
        recording.streams
    );
    Ok(())
}

#[tokio::test]
async fn a_page_of_ones_own_sees_the_room() -> Result {
    let _turn = my_turn().await;
    let page = std::fs::read_to_string(root().join("examples/page.html"))?;
    let origin = serve(page).await?;
    let server = Server::dev(&["--allow-origin", &origin]).await?;
    let bars = Described::start("test-picture.toml", &server, &[SMALL])?;
    let browser = Browser::chromium().await?;
    let room = format!("http://{}/ws/lobby", server.address());
    let page = browser.open(&format!("{origin}/page.html#{room}")).await?;
    page.wait_for::<u32>("a picture", "document.querySelector('video')?.videoWidth")
        .await?;
    bars.says("guest sends").await?;
    bars.stop().await
}

/// Serves one page on a free port; returns its origin.
async fn serve(page: String) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
            let response = format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
            let _ = stream.write_all(response.as_bytes()).await;
        }
    });
    Ok(origin)
}
