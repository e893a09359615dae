// SPDX-License-Identifier: MIT OR Apache-2.0
//! A person in a room: the web page, joined under a name.

use serde::Deserialize;
use serde_json::json;

use crate::{Browser, Page, Result, Server};

/// Height of the fake cameras' pictures, in pixels: small, since a build server encodes in software.
const HEIGHT: u32 = 180;

/// A page in a room.
pub struct Visitor {
    /// The page, for what this type has no name for.
    pub page: Page,
    name: String,
}

/// What a visitor has received of somebody.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Decoded pictures.
    pub frames_decoded: u32,
    /// Of the last picture, in pixels.
    pub frame_width: u32,
    /// Of the last picture, in pixels.
    pub frame_height: u32,
    /// How much sound there was; grows only while there is some.
    pub audio_energy: f64,
}

/// Pictures after which the picture surely moves.
const ENOUGH_FRAMES: u32 = 10;

impl Visitor {
    /// Opens the page and joins, with camera and microphone.
    pub async fn join(browser: &Browser, server: &Server, room: &str, name: &str) -> Result<Self> {
        Visitor::join_with(browser, server, room, name, "").await
    }

    /// Joins with more parameters of the page, such as `&camera=0`.
    pub async fn join_with(
        browser: &Browser,
        server: &Server,
        room: &str,
        name: &str,
        parameters: &str,
    ) -> Result<Self> {
        let page = browser.open("about:blank").await?;
        Visitor::join_on(page, server, room, name, parameters).await
    }

    /// Joins on a page that was prepared for it.
    pub async fn join_on(
        page: Page,
        server: &Server,
        room: &str,
        name: &str,
        parameters: &str,
    ) -> Result<Self> {
        let url = format!("{}&height={HEIGHT}{parameters}", server.page(room, name));
        page.goto(&url).await?;
        let visitor = Visitor {
            page,
            name: name.to_owned(),
        };
        visitor.joined().await?;
        Ok(visitor)
    }

    /// Waits until the page says that it is in the room.
    pub async fn joined(&self) -> Result {
        let what = format!("{} joined", self.name);
        self.page
            .wait_for::<bool>(&what, "document.body.dataset.state === 'joined'")
            .await?;
        Ok(())
    }

    /// Waits until the pictures of somebody move and sound is heard, both anew.
    pub async fn sees_and_hears(&self, who: &str) -> Result<Seen> {
        self.receives(who, "row.audioEnergy > before.audioEnergy")
            .await
    }

    /// Waits until the pictures of somebody move.
    pub async fn sees(&self, who: &str) -> Result<Seen> {
        self.receives(who, "true").await
    }

    async fn receives(&self, who: &str, heard: &str) -> Result<Seen> {
        let what = format!("{} receives {who}", self.name);
        let before: Option<Seen> = self.page.eval(&row(who)).await?;
        let before = before.map_or(json!({ "framesDecoded": 0, "audioEnergy": 0 }), |seen| {
            json!({ "framesDecoded": seen.frames_decoded, "audioEnergy": seen.audio_energy })
        });
        let condition = format!(
            "(async () => {{
                const before = {before};
                const row = await {};
                const shown = document.querySelector({}) ?? {{}};
                return row && row.framesDecoded >= before.framesDecoded + {ENOUGH_FRAMES} && {heard}
                    && shown.videoWidth === row.frameWidth && row;
            }})()",
            row(who),
            tile(who, " video"),
        );
        self.page.wait_for(&what, &condition).await
    }

    /// Width and height of the own picture, as the camera gives it, in pixels.
    pub async fn camera(&self) -> Result<(u32, u32)> {
        let own = "document.querySelector('.tile[data-self][data-track=video] video')";
        let size = format!("(v => v.videoWidth > 0 && [v.videoWidth, v.videoHeight])({own})");
        self.page
            .wait_for(&format!("own picture of {}", self.name), &size)
            .await
    }

    /// Begins to watch for the moment in which the tile of somebody goes; [`gone_at`](Self::gone_at) tells it.
    pub async fn watch(&self, who: &str) -> Result {
        let watch = format!(
            "(() => {{
                const look = () => {{
                    if (!document.querySelector({})) window.goneAt ??= Date.now();
                }};
                new MutationObserver(look).observe(document.body, {{ subtree: true, childList: true }});
                return true;
            }})()",
            tile(who, ""),
        );
        self.page.eval::<bool>(&watch).await?;
        Ok(())
    }

    /// When the tile went, in milliseconds since 1970.
    pub async fn gone_at(&self) -> Result<u64> {
        self.page
            .wait_for(&format!("tile gone at {}", self.name), "window.goneAt")
            .await
    }

    /// Presses the button that leaves, and returns when that was, in milliseconds since 1970.
    pub async fn leave(&self) -> Result<u64> {
        self.page
            .eval("(document.getElementById('leave').click(), Date.now())")
            .await
    }
}

/// What the page counts of somebody's video, or null.
fn row(who: &str) -> String {
    format!(
        "window.gstRtc.room.stats().then(rows =>
            rows.find(row => row.participant === '{who}' && row.track === 'video') ?? null)"
    )
}

/// A JavaScript string that selects somebody's tile, or something in it.
fn tile(who: &str, inside: &str) -> String {
    format!("'.tile[data-participant=\"{who}\"][data-track=\"video\"]{inside}'")
}
