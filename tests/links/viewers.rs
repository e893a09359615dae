// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page that paints three layers, and pages on narrow and wide links that look at it, in network namespaces.

use gst_rtc::access::{Access, SERVER};
use gst_rtc::browser::Kind;
use gst_rtc::{Browser, Result, Server, Visitor};

const PAINTER: &str = include_str!("../pages/painter.js");

/// What a browser needs to fill its layers, so that a link that carries one does not carry the next.
pub struct Painting {
    /// What each layer may take, in bit/s.
    pub rates: [u32; 3],
    /// Pieces of confetti in each picture.
    pub pieces: u32,
}

/// The layers, and links that carry each of them and not the next.
const LAYERS: [(&str, u64); 3] = [
    ("240 × 135", 300_000),
    ("480 × 270", 1_000_000),
    ("960 × 540", 5_000_000),
];

/// What a viewer is told of its link and its picture is on its console, for whoever wants to know why.
const TELL: &str = "(hooks => {
    const { message } = hooks;
    hooks.message = (heard) => {
        const picture = ({ layer, reason }) => `${reason}: ${JSON.stringify(layer)}`;
        if (heard.type === 'quality') console.info(performance.now() | 0, heard.estimate, ...heard.slots.map(picture));
        message(heard);
    };
    return true;
})(gstRtc.room.signalling.hooks)";

/// The tile is shown larger than the second layer, so that its size is no reason to be content with that.
const PIN: &str = "(name => name && (name.click(), true))(document.querySelector('.tile[data-participant=painter] .name'))";

/// A picture of another size may come for a moment while the width of a link is found out.
const STEADY_MS: u32 = 3_000;

/// Each gets the layer that its link carries, and another one when the link changes.
pub async fn each_gets_what_its_link_carries(publishing: Kind, painting: Painting) -> Result {
    let hosts = ["narrow", "middle", "wide"];
    let lab = Access::up(&["sender", hosts[0], hosts[1], hosts[2]])?;
    let server = Server::dev_inside(&lab.server(), SERVER.into()).await?;
    let sender = Browser::inside(publishing, &lab.host("sender")).await?;
    let painter = paint(&sender, &server, &painting).await?;
    let mut viewers = Vec::new();
    for (host, (size, rate)) in hosts.into_iter().zip(LAYERS) {
        lab.set_rate(host, rate)?;
        let browser = Browser::inside(Kind::Chromium, &lab.host(host)).await?;
        let viewer =
            Visitor::join_with(&browser, &server, "links", host, "&camera=0&microphone=0").await?;
        viewer.page.eval::<bool>(TELL).await?;
        viewer.page.wait_for::<bool>("tile to pin", PIN).await?;
        viewers.push((viewer, browser, size));
    }
    for (viewer, _, size) in &viewers {
        gets(viewer, size).await?;
    }
    let ([(small, ..), _, (large, ..)], [(least, narrow), _, (most, wide)]) =
        (&viewers[..], LAYERS)
    else {
        unreachable!("there are three of them");
    };
    lab.set_rate(hosts[2], narrow)?;
    lab.set_rate(hosts[0], wide)?;
    gets(large, least).await?;
    gets(small, most).await?;
    drop(painter);
    Ok(())
}

/// A page that publishes what it paints.
async fn paint(browser: &Browser, server: &Server, painting: &Painting) -> Result<Visitor> {
    let Painting { rates, pieces } = painting;
    let none = "&camera=0&microphone=0";
    let painter = Visitor::join_with(browser, server, "links", "painter", none).await?;
    painter
        .page
        .eval::<bool>(&format!("(() => {{ {PAINTER} return true; }})()"))
        .await?;
    painter
        .page
        .eval::<bool>(&format!("publishPaint({rates:?}, 960, 540, 12, {pieces})"))
        .await?;
    Ok(painter)
}

/// Waits until pictures of that size come, and of no other.
async fn gets(viewer: &Visitor, size: &str) -> Result {
    let steady = format!(
        "(video => {{
            const size = `${{video?.videoWidth}} × ${{video?.videoHeight}}`;
            window.other = size === '{size}' ? window.other : performance.now();
            return performance.now() - (window.other ??= performance.now()) > {STEADY_MS};
        }})(document.querySelector('.tile[data-participant=painter] video'))"
    );
    let what = format!("picture of {size} that stays");
    viewer.page.wait_for::<bool>(&what, &steady).await?;
    viewer.sees("painter").await?;
    Ok(())
}
