// SPDX-License-Identifier: MIT OR Apache-2.0
//! Firefox and Chromium in one room.

use gst_rtc::{Browser, Result, Server, Visitor, check, my_turn};

#[tokio::test]
async fn firefox_and_chromium_see_and_hear_each_other() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let (firefox, chromium) = (Browser::firefox().await?, Browser::chromium().await?);
    let fox = Visitor::join(&firefox, &server, "lobby", "fox").await?;
    let chris = Visitor::join(&chromium, &server, "lobby", "chris").await?;
    chris.sees_and_hears("fox").await?;
    let seen = fox.sees_and_hears("chris").await?;
    let camera = chris.camera().await?;
    check!(
        (seen.frame_width, seen.frame_height) == camera,
        "Firefox sees {seen:?}, the camera gives {camera:?}"
    );
    Ok(())
}
