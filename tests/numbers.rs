// SPDX-License-Identifier: MIT OR Apache-2.0
//! The numbers of `rtcsfu`: who sends, who gets what of whom, and what each path carries.

use gst::prelude::*;
use gst_rtc::embedded::{Embedded, sessions, structures};
use gst_rtc::{Browser, DEADLINE, Result, Server, Visitor, check, my_turn};
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn numbers_tell_who_gets_what_of_whom() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let (_node, sfu) = Embedded::node(&server).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    let bob = Visitor::join(&browser, &server, "lobby", "bob").await?;
    alice.sees_and_hears("bob").await?;
    bob.sees_and_hears("alice").await?;

    let until = Instant::now() + DEADLINE;
    loop {
        let stats = sfu.property::<gst::Structure>("stats");
        if sends(&stats, "alice") && gets(&stats, "bob", "alice") {
            return Ok(());
        }
        check!(Instant::now() < until, "{stats}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn is_of(session: &gst::Structure, participant: &str, publishes: bool) -> bool {
    session.get::<&str>("room") == Ok("lobby")
        && session.get::<&str>("participant") == Ok(participant)
        && session.get::<bool>("publishes") == Ok(publishes)
}

/// A participant sends sound and pictures, by its own session.
fn sends(stats: &gst::StructureRef, participant: &str) -> bool {
    let session = sessions(stats).into_iter();
    let mut streams = session
        .filter(|session| is_of(session, participant, true))
        .flat_map(|session| structures(&session, "streams"));
    streams.any(|stream| {
        stream.get::<&str>("participant") == Ok(participant)
            && stream
                .get::<&str>("track")
                .is_ok_and(|track| !track.is_empty())
            && stream
                .get::<u64>("packets")
                .is_ok_and(|packets| packets > 0)
    })
}

/// One gets the picture of another, over a path that was measured.
fn gets(stats: &gst::StructureRef, viewer: &str, of: &str) -> bool {
    let all = sessions(stats);
    let mut session = all.iter().filter(|session| is_of(session, viewer, false));
    session.any(|session| {
        let mut subscriptions = structures(session, "subscriptions").into_iter();
        session
            .get::<u64>("estimate")
            .is_ok_and(|estimate| estimate > 0)
            && session.get::<u64>("round-trip-us").is_ok()
            && subscriptions.any(|subscription| {
                subscription.get::<&str>("participant") == Ok(of)
                    && subscription.get::<&str>("kind") == Ok("video")
                    && subscription.get::<u32>("encoding").is_ok()
                    && subscription
                        .get::<u64>("packets")
                        .is_ok_and(|packets| packets > 0)
            })
    })
}
