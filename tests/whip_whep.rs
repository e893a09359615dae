// SPDX-License-Identifier: MIT OR Apache-2.0
//! WHIP and WHEP with clients that know nothing of this project.

use gst_rtc::aiortc::Aiortc;
use gst_rtc::{Browser, Result, Server, Visitor, check, my_turn, whip};

#[tokio::test]
async fn a_browser_publishes_by_whip_and_another_watches_by_whep() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let origin = format!("http://{}/", server.address());
    let publisher = browser.open(&origin).await?;
    whip::publish(&publisher, &server.whip("studio", "camera")).await?;
    let viewer = browser.open(&origin).await?;
    whip::receive(&viewer, &server.whep("studio", "camera")).await?;
    let received = whip::received(&viewer).await?;
    check!(received.frame_width == 320, "{received:?}");

    let page = Visitor::join(&browser, &server, "studio", "page").await?;
    page.sees_and_hears("camera").await?;
    page.watch("camera").await?;
    let status = whip::delete(&publisher).await?;
    check!(
        (200..300).contains(&status),
        "DELETE was answered by {status}"
    );
    page.gone_at().await?;
    Ok(())
}

#[tokio::test]
async fn aiortc_publishes_and_a_page_decodes() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let page = Visitor::join(&browser, &server, "lab", "page").await?;
    let peer = Aiortc::publish(&server.whip("lab", "python")).await?;
    peer.connected().await?;
    page.sees_and_hears("python").await?;
    page.watch("python").await?;
    peer.stop().await?;
    page.gone_at().await?;
    Ok(())
}

#[tokio::test]
async fn aiortc_decodes_what_a_page_publishes() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let page = Visitor::join(&browser, &server, "lab", "page").await?;
    let (width, height) = page.camera().await?;
    let peer = Aiortc::receive(&server.whep("lab", "page")).await?;
    peer.connected().await?;
    let received = peer
        .received(|got| got.frames >= 10 && got.samples >= 48_000)
        .await?;
    check!(
        (received.width, received.height) == (width, height),
        "{received:?}"
    );
    peer.stop().await
}
