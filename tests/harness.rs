// SPDX-License-Identifier: MIT OR Apache-2.0
//! The harness itself: browsers do what a test asks and say what they did.

use std::process::Command;
use std::time::{Duration, Instant};

use gst_rtc::{Browser, DEADLINE, Page, Process, Result, check, my_turn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Two connections in one page, camera to video element.
const LOOPBACK: &str = r"
(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
    a.onicecandidate = e => b.addIceCandidate(e.candidate);
    b.onicecandidate = e => a.addIceCandidate(e.candidate);
    const video = document.createElement('video');
    video.autoplay = true;
    document.body.append(video);
    b.ontrack = e => { video.srcObject = e.streams[0]; };
    for (const track of stream.getTracks()) a.addTrack(track, stream);
    await a.setLocalDescription();
    await b.setRemoteDescription(a.localDescription);
    await b.setLocalDescription();
    await a.setRemoteDescription(b.localDescription);
    window.connection = b;
    return true;
})()";

/// Decoded frames and received audio energy, once there is enough of both.
const RECEIVED: &str = r"
(async () => {
    const stats = [...(await connection.getStats()).values()];
    const of = kind => stats.find(s => s.type === 'inbound-rtp' && s.kind === kind) ?? {};
    return of('video').framesDecoded >= 10 && of('audio').totalAudioEnergy > 0
        && document.querySelector('video').videoWidth;
})()";

/// Serves an empty page: only one that came over HTTP from the loopback interface may use cameras.
async fn empty_page() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let page = "<!doctype html><title>empty</title><body></body>";
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
                let _ = stream
                    .write_all(
                        format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len())
                            .as_bytes(),
                    )
                    .await;
            });
        }
    });
    Ok(address)
}

async fn decodes_its_own_camera(page: &Page) -> Result {
    page.eval::<bool>(LOOPBACK).await?;
    let width: u32 = page.wait_for("video and audio", RECEIVED).await?;
    check!(width >= 320, "a picture {width} pixels wide");
    Ok(())
}

#[tokio::test]
async fn chromium_pages_are_apart_and_have_fake_devices() -> Result {
    let _turn = my_turn().await;
    let browser = Browser::chromium().await?;
    let one = browser.open("data:text/html,<title>one</title>").await?;
    let two = browser.open("data:text/html,<title>two</title>").await?;
    check!(
        one.eval::<String>("document.title").await? == "one",
        "tabs are mixed up"
    );
    check!(
        two.eval::<String>("document.title").await? == "two",
        "tabs are mixed up"
    );
    one.eval::<()>("void console.log('heard')").await?;
    one.wait_for::<bool>("time", "new Promise(done => setTimeout(done, 100, true))")
        .await?;
    check!(
        one.console().iter().any(|line| line.contains("heard")),
        "{:?}",
        one.console()
    );
    one.goto("http://127.0.0.1:1/")
        .await
        .expect_err("nobody listens there");
    two.close().await?;
    Ok(())
}

#[tokio::test]
async fn an_exception_in_a_page_is_a_failure_in_its_own_words() -> Result {
    let _turn = my_turn().await;
    for browser in [Browser::chromium().await?, Browser::firefox().await?] {
        let page = browser.open("data:text/html,<p>text</p>").await?;
        let failure = page
            .eval::<bool>("Promise.reject(new Error('of a kind'))")
            .await;
        let words = failure.expect_err("it was rejected").to_string();
        check!(words.contains("of a kind"), "{words}");
    }
    Ok(())
}

#[tokio::test]
async fn chromium_decodes_its_own_camera() -> Result {
    let _turn = my_turn().await;
    let browser = Browser::chromium().await?;
    let page = browser.open(&empty_page().await?).await?;
    decodes_its_own_camera(&page).await?;
    page.reload().await?;
    check!(
        page.eval::<bool>("window.connection === undefined").await?,
        "reload kept the page"
    );
    Ok(())
}

#[tokio::test]
async fn firefox_decodes_its_own_camera() -> Result {
    let _turn = my_turn().await;
    let browser = Browser::firefox().await?;
    let page = browser.open(&empty_page().await?).await?;
    decodes_its_own_camera(&page).await?;
    page.reload().await?;
    check!(
        page.eval::<bool>("window.connection === undefined").await?,
        "reload kept the page"
    );
    page.screenshot("firefox").await?;
    Ok(())
}

/// Set for the copy of this test that is going to be killed.
const VICTIM: &str = "GST_RTC_TEST_VICTIM";

/// Processes of a group, by `/proc`.
fn group(id: u32) -> Vec<u32> {
    let of_group = |entry: std::fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // After the name, which may hold anything: state, parent, group.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let (state, _, group) = (fields.next()?, fields.next()?, fields.next()?);
        (group == id.to_string() && state != "Z").then_some(process)
    };
    let entries = std::fs::read_dir("/proc").expect("procfs");
    entries.filter_map(|e| of_group(e.ok()?)).collect()
}

#[tokio::test]
async fn a_killed_test_leaves_no_browser_behind() -> Result {
    if std::env::var_os(VICTIM).is_some() {
        let browser = Browser::chromium().await?;
        println!("\nbrowser {}", browser.process().id());
        return std::future::pending().await;
    }
    let _turn = my_turn().await;
    let mut victim = Process::start(
        Command::new(std::env::current_exe()?)
            .args(["--exact", "a_killed_test_leaves_no_browser_behind"])
            .arg("--nocapture")
            .env(VICTIM, "1"),
    )?;
    let browser = victim
        .line("the browser's id", |line| {
            line.strip_prefix("browser ")?.parse::<u32>().ok()
        })
        .await?;
    check!(group(browser).len() > 1, "no browser runs");
    victim.kill();
    victim.exit().await?;
    let until = Instant::now() + DEADLINE;
    while !group(browser).is_empty() {
        check!(Instant::now() < until, "{:?} run on", group(browser));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
