// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pipelines/mcu-room.toml`: pages in a room that is mixed.

use gst_rtc::{Browser, Described, Result, Server, Visitor, check, my_turn};

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

/// Waits until a track of the mix has the tones that are wanted, and not the one that is not.
async fn hears(visitor: &Visitor, track: &str, without: Option<u32>) -> Result {
    let tones = PEOPLE.map(|(_, _, hertz)| hertz);
    let has = |wanted: bool| {
        let is = tones.map(|hertz| Some(hertz) != without);
        (0..tones.len())
            .filter(|n| is[*n] == wanted)
            .collect::<Vec<_>>()
    };
    let (others, own) = (has(true), has(false));
    let what = format!("{track} of the mix without {without:?}");
    let condition = format!(
        "hear('{track}', {tones:?}).then((heard) => {{
            const least = heard && Math.min(...{others:?}.map((n) => heard[n]));
            return least > -50 && {own:?}.every((n) => heard[n] < least - {APART}) && heard;
        }})"
    );
    visitor.page.wait_for::<Vec<f64>>(&what, &condition).await?;
    Ok(())
}

#[tokio::test]
async fn each_page_sees_everybody_in_the_mix_and_hears_all_but_itself() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let node = Described::start("mcu-room.toml", &server, &SMALL)?;
    node.says("connected to its signaller").await?;
    let browser = Browser::chromium().await?;
    let mut pages = Vec::new();
    for one in PEOPLE {
        pages.push((person(&browser, &server, one).await?, one.2));
    }
    for (visitor, own) in &pages {
        let all = "(all => all.length === 3 && all)(colours())";
        visitor
            .page
            .wait_for::<Vec<String>>("all colours in the mix", all)
            .await?;
        // Besides everybody's sound one more, which nobody else gets.
        let tracks: Vec<String> = visitor
            .page
            .wait_for("sounds", "mixes().length >= 2 && mixes()")
            .await?;
        let for_this = tracks.iter().filter(|track| *track != "audio");
        let for_this: Vec<_> = for_this.collect();
        check!(for_this.len() == 1, "{tracks:?}");
        hears(visitor, "audio", None).await?;
        hears(visitor, for_this[0], Some(*own)).await?;
    }
    node.stop().await
}
