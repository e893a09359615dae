// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pipelines/mcu-room.toml`: pages in a room that is mixed.

use gst_rtc::{Browser, Described, Page, Result, Server, Visitor, check, my_turn, whip};

const TONE: &str = include_str!("pages/tone.js");

/// Who sends what: name, colour and tone in Hz, none a multiple of another.
const PEOPLE: [(&str, &str, u32); 3] = [
    ("alice", "#c00000", 500),
    ("bob", "#00a000", 1_130),
    ("carol", "#0000d0", 1_870),
];

/// How much softer one's own tone is than those of the others, in decibels.
const APART: f64 = 40.0;

/// The mix, small enough for a build server.
const SMALL: [(&str, &str); 4] = [
    ("width", "640"),
    ("height", "360"),
    ("framerate", "15/1"),
    ("bitrate", "600000"),
];

/// A page that sends a colour and a tone.
async fn person(
    browser: &Browser,
    server: &Server,
    (name, colour, hertz): (&str, &str, u32),
) -> Result<Visitor> {
    let bare = "&camera=0&microphone=0";
    let visitor = Visitor::join_with(browser, server, "lobby", name, bare).await?;
    let send = format!("(() => {{ {TONE}; return sendTone('{colour}', {hertz}); }})()");
    visitor.page.eval::<bool>(&send).await?;
    Ok(visitor)
}

/// Waits until a sound has the tones that are wanted, and not the one that is not. Without a track: that of a WHEP session.
async fn hears(page: &Page, track: Option<&str>, without: Option<u32>) -> Result {
    let tones = PEOPLE.map(|(_, _, hertz)| hertz);
    let pick = |own: bool| {
        let of = tones.iter().enumerate();
        let picked = of.filter(|(_, hertz)| (without == Some(**hertz)) == own);
        picked.map(|(n, _)| n).collect::<Vec<_>>()
    };
    let (own, others) = (pick(true), pick(false));
    let name = track.map_or("null".to_owned(), |name| format!("'{name}'"));
    let what = format!("sound of the mix without {without:?}");
    let condition = format!(
        "hear({name}, {tones:?}).then((heard) => {{
            const least = heard && Math.min(...{others:?}.map((n) => heard[n]));
            return least > -50 && {own:?}.every((n) => heard[n] < least - {APART}) && heard;
        }})"
    );
    page.wait_for::<Vec<f64>>(&what, &condition).await?;
    Ok(())
}

/// Waits until the picture of the mix has these colours and no other.
async fn shows(page: &Page, colours: &[&str]) -> Result {
    let what = format!("{colours:?} in the mix");
    let condition = format!(
        "(all => all.join() === {:?} && all)(colours())",
        colours.join(",")
    );
    page.wait_for::<Vec<String>>(&what, &condition).await?;
    Ok(())
}

/// Presses the button that changes between the mix and the others.
async fn switch(page: &Page) -> Result {
    page.wait_for::<bool>("a switch", "!document.getElementById('mix').hidden")
        .await?;
    page.eval::<bool>("(document.getElementById('mix').click(), true)")
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_page_switches_between_the_others_and_their_mix_without_itself() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let node = Described::start("mcu-room.toml", &server, &SMALL)?;
    node.says("connected to its signaller").await?;
    let browser = Browser::chromium().await?;
    let mut pages = Vec::new();
    for one in PEOPLE {
        pages.push((person(&browser, &server, one).await?, one.2));
    }
    pages[0].0.sees("carol").await?;
    for (Visitor { page, .. }, own) in &pages {
        switch(page).await?;
        shows(page, &["blue", "green", "red"]).await?;
        // Besides everybody's sound one more, which nobody else gets.
        let sounds = "mixes().length >= 2 && mixes()";
        let tracks: Vec<String> = page.wait_for("sounds of the mix", sounds).await?;
        let for_this: Vec<_> = tracks.iter().filter(|track| *track != "audio").collect();
        check!(for_this.len() == 1, "{tracks:?}");
        hears(page, Some(for_this[0]), Some(*own)).await?;
        page.wait_for::<bool>("nothing but the mix", "rests()")
            .await?;
    }
    switch(&pages[0].0.page).await?;
    pages[0].0.sees("carol").await?;

    // Who leaves makes room, and who comes back is there again.
    let (carol, _) = pages.pop().expect("she is the last");
    carol.leave().await?;
    let bob = &pages[1].0.page;
    shows(bob, &["green", "red"]).await?;
    let _carol = person(&browser, &server, PEOPLE[2]).await?;
    shows(bob, &["blue", "green", "red"]).await?;

    // A player needs no more than the mix.
    let player = browser
        .open(&format!("http://{}/", server.address()))
        .await?;
    whip::receive(&player, &server.whep("lobby", "mix")).await?;
    player
        .eval::<bool>(&format!("(() => {{ {TONE}; return true; }})()"))
        .await?;
    hears(&player, None, None).await?;
    node.stop().await
}
