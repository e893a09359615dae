// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chromium pages in one room.

use gst_rtc::{Browser, Result, Server, Visitor, check, my_turn};

/// How long a tile may stay after its participant has left, in milliseconds.
const TILE_GONE_MS: u64 = 1000;

#[tokio::test]
async fn three_pages_see_each_other_and_notice_who_leaves_and_who_comes_back() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    let bob = Visitor::join(&browser, &server, "lobby", "bob").await?;
    let carol = Visitor::join(&browser, &server, "lobby", "carol").await?;

    let all = [(&alice, "alice"), (&bob, "bob"), (&carol, "carol")];
    for (viewer, own) in all {
        for (publisher, name) in all.iter().filter(|(_, name)| *name != own) {
            let seen = viewer.sees_and_hears(name).await?;
            let camera = publisher.camera().await?;
            check!(
                (seen.frame_width, seen.frame_height) == camera,
                "{own} sees {name} as {seen:?}, the camera gives {camera:?}"
            );
        }
    }

    alice.watch("carol").await?;
    bob.watch("carol").await?;
    let left = carol.leave().await?;
    for viewer in [&alice, &bob] {
        let took = viewer.gone_at().await?.saturating_sub(left);
        check!(took <= TILE_GONE_MS, "the tile stayed for {took} ms");
    }

    bob.page.reload().await?;
    bob.joined().await?;
    bob.sees_and_hears("alice").await?;
    alice.sees_and_hears("bob").await?;
    Ok(())
}

#[tokio::test]
async fn a_closed_tab_leaves_the_room_at_once() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    let bob = Visitor::join(&browser, &server, "lobby", "bob").await?;
    alice.sees("bob").await?;
    alice.watch("bob").await?;
    let closed: u64 = alice.page.eval("Date.now()").await?;
    bob.page.close().await?;
    let took = alice.gone_at().await?.saturating_sub(closed);
    check!(took <= TILE_GONE_MS, "the tile stayed for {took} ms");
    Ok(())
}

#[tokio::test]
async fn one_who_only_listens_sees_and_hears() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    let none = "&camera=0&microphone=0";
    let guest = Visitor::join_with(&browser, &server, "lobby", "guest", none).await?;
    guest.sees_and_hears("alice").await?;
    drop(alice);
    Ok(())
}
