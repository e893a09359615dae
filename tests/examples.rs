// SPDX-License-Identifier: MIT OR Apache-2.0
//! `examples/`, each run as its first comment says.

use std::path::{Path, PathBuf};

use gst_rtc::build::root;
use gst_rtc::described::{folder, grows};
use gst_rtc::example::{example_command, says, stop};
use gst_rtc::media::Recording;
use gst_rtc::{Browser, Described, Process, Result, Server, check, my_turn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SMALL: (&str, &str) = ("size", "video/x-raw,width=320,height=180,framerate=15/1");

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
    let app = Process::start(example_command("embed_sfu.rs")?.arg("127.0.0.1:0"))?;
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
async fn applications_in_c_and_python_react_to_joins() -> Result {
    let _turn = my_turn().await;
    for file in ["embed_sfu.c", "embed_sfu.py"] {
        let server = Server::serve(&[]).await?;
        let uri = format!("ws://{}", server.address());
        let app = Process::start(example_command(file)?.args([&uri, "lobby"]))?;
        says(&app, "ready").await?;
        let bars = Described::start("test-picture.toml", &server, &[SMALL])?;
        says(&app, "bars joined lobby").await?;
        says(&app, "bars sends video in VP8").await?;
        bars.stop().await?;
        says(&app, "bars left lobby").await?;
        stop(app).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_recording_plays_at_whatever_moment_its_recorder_is_killed() -> Result {
    let _turn = my_turn().await;
    let dir = folder("example-recorder")?;
    let server = Server::dev(&[]).await?;
    let (recorder, bars) = recorder_at_work("recorder.rs", &server, &dir, 150_000).await?;
    // SIGKILL: no chance to write anything more.
    drop(recorder);
    bars.stop().await?;
    let whole = std::fs::read(dir.join("bars.mkv"))?;
    let cut = dir.join("cut.mkv");
    let mut before = 0;
    // The file only ever grows, so killed earlier it would have been the beginning of this one.
    for eighths in 1..=8 {
        std::fs::write(&cut, &whole[..whole.len() * eighths / 8])?;
        let packets = Recording::read_torn(&cut)?.packets.len();
        check!(packets > before, "{packets} packets in {eighths} eighths");
        before = packets;
    }
    plays(&Recording::read_torn(&cut)?)
}

/// Starts a recorder, and a participant whose file is that long on return.
async fn recorder_at_work(
    file: &str,
    server: &Server,
    dir: &Path,
    bytes: u64,
) -> Result<(Process, Described)> {
    let uri = format!("ws://{}", server.address());
    let recorder = Process::start(example_command(file)?.args([&uri, "lobby"]).arg(dir))?;
    let bars = Described::start("test-picture.toml", server, &[SMALL])?;
    says(&recorder, "bars is recorded to").await?;
    grows(&dir.join("bars.mkv"), bytes).await?;
    Ok((recorder, bars))
}

/// Picture and sound are both there.
fn plays(recording: &Recording) -> Result {
    for (kind, codec) in [("video", "vp8"), ("audio", "opus")] {
        let stream = recording.only(kind)?;
        check!(
            stream.codec_name == codec && recording.times(stream).len() > 15,
            "little {kind}: {:?}",
            recording.streams
        );
    }
    Ok(())
}

#[tokio::test]
async fn recorders_in_c_and_python_finish_their_files() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    for file in ["recorder.c", "recorder.py"] {
        let dir = folder(&format!("example-{file}"))?;
        let (recorder, bars) = recorder_at_work(file, &server, &dir, 60_000).await?;
        stop(recorder).await?;
        bars.stop().await?;
        plays(&Recording::read(&dir.join("bars.mkv"))?)?;
    }
    Ok(())
}

#[tokio::test]
async fn directors_change_the_layout_as_people_come_and_go() -> Result {
    let _turn = my_turn().await;
    for file in ["director.rs", "director.py"] {
        let server = Server::dev(&[]).await?;
        let uri = format!("ws://{}", server.address());
        let mut director = Process::start(example_command(file)?.args([&uri, "lobby"]))?;
        says(&director, "directing lobby").await?;
        let bars = Described::start("test-picture.toml", &server, &[SMALL])?;
        let is_alone = |line: &str| line == "layout: one alone";
        director.next_line("one alone", is_alone).await?;
        bars.says("mix sends").await?;
        let set = [SMALL, ("name", "ball"), ("pattern", "ball")];
        let ball = Described::start("test-picture.toml", &server, &set)?;
        let are_two = |line: &str| line == "layout: two halves";
        director.next_line("two halves", are_two).await?;
        bars.stop().await?;
        director.next_line("one alone again", is_alone).await?;
        stop(director).await?;
        ball.stop().await?;
    }
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

#[test]
fn examples_are_short_and_begin_with_their_command() {
    for file in std::fs::read_dir(root().join("examples")).expect("there are examples") {
        let path = file.expect("it can be read").path();
        let text = std::fs::read_to_string(&path).expect("it is text");
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.expect("it has a name");
        let command = match path.extension().and_then(|ending| ending.to_str()) {
            Some("rs") => format!("cargo run --example {name} -- "),
            Some("py") => format!("python3 examples/{name}.py "),
            Some("c") => format!("cc examples/{name}.c "),
            Some("html") => "gst-rtc ".to_owned(),
            ending => panic!("{}: no example ends in {ending:?}", path.display()),
        };
        assert!(text.lines().count() <= 150, "{} is long", path.display());
        let first = text.lines().take(10).any(|line| line.contains(&command));
        assert!(first, "{}: \"{command}\" is not above", path.display());
    }
}

#[test]
fn a_page_of_ones_own_needs_ten_lines() {
    let page = std::fs::read_to_string(root().join("examples/page.html")).expect("it is there");
    let script = page.split_once("<script type=\"module\">\n");
    let (_, script) = script.expect("it has a script");
    let (script, _) = script.split_once("</script>").expect("which ends");
    assert!(script.lines().count() <= 10, "{script}");
}

#[test]
fn every_description_says_what_it_does_and_is_run_by_a_test() {
    let files = |folder: &Path| -> Vec<PathBuf> {
        let files = std::fs::read_dir(folder).expect("the folder is there");
        let paths = files.map(|file| file.expect("it can be read").path());
        paths.collect()
    };
    let mut tests = String::new();
    let mut sources = files(&root().join("tests"));
    while let Some(path) = sources.pop() {
        if path.is_dir() {
            sources.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            tests += &std::fs::read_to_string(path).expect("it is text");
        }
    }
    for path in files(&root().join("pipelines")) {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("it has a name");
        assert!(
            tests.contains(&format!("\"{name}\"")) || tests.contains(&format!("pipelines/{name}")),
            "nobody runs {name}"
        );
        let text = std::fs::read_to_string(&path).expect("it is text");
        let header = text
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with("# "));
        assert!(header.count() >= 1, "{name} does not say what it does");
    }
}
