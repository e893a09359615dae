// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long it takes from the click on "Join" to the first picture of somebody in the room, in Chromium. `cargo xtask bench` runs it.

use std::process::ExitCode;

use gst_rtc::{Browser, Failure, Page, Result, Server, Visitor, check};

/// Newcomers, one after the other.
const JOINS: usize = 15;
/// The budget, in milliseconds.
const BUDGET: f64 = 500.0;

#[tokio::main]
async fn main() -> ExitCode {
    match measure().await {
        Ok(mut times) => {
            times.sort_by(f64::total_cmp);
            let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
            let word = if median <= BUDGET { "within" } else { "OVER" };
            println!(
                "  first picture after the click    p50 {median:.0} ms, max {worst:.0} ms of {JOINS}; p50 {word} the budget of {BUDGET} ms"
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The times in milliseconds.
async fn measure() -> Result<Vec<f64>> {
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    alice.camera().await?;
    let mut times = Vec::new();
    for newcomer in 0..JOINS {
        let page = format!(
            "http://{}/r/lobby?name=bob{newcomer}&height=180",
            server.address()
        );
        let page = browser.open(&page).await?;
        times.push(join(&page).await?);
        page.close().await?;
    }
    check!(times.len() == JOINS, "{times:?}");
    Ok(times)
}

/// Clicks, and waits for the first picture: milliseconds.
async fn join(page: &Page) -> Result<f64> {
    const FORM: &str = "document.querySelector('#enter button.primary')";
    const PICTURE: &str = ".tile[data-participant=\"alice\"][data-track=\"video\"] video";
    let ready = "document.body.dataset.state === 'prejoin'";
    page.wait_for::<bool>("the form", ready).await?;
    let click = format!(
        "(() => {{
            const begun = performance.now();
            const look = () => {{
                const video = document.querySelector('{PICTURE}');
                if (video?.videoWidth && video.readyState >= 2) window.picture = performance.now() - begun;
                else requestAnimationFrame(look);
            }};
            {FORM}.click();
            look();
            return true;
        }})()"
    );
    let clicked: bool = page.eval(&click).await?;
    if !clicked {
        return Err(Failure::new("the form was not sent"));
    }
    page.wait_for("the picture of alice", "window.picture")
        .await
}
