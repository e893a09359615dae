// SPDX-License-Identifier: MIT OR Apache-2.0
//! A browser as a participant of its own kind: without the web page, with the codec and transport that a test asks for.

use serde::Deserialize;

use crate::{Browser, Page, Result, Server};

const PEER: &str = include_str!("../pages/peer.js");

/// A participant in a browser tab.
pub struct OwnPeer {
    /// Where it runs; `peer` is the participant there.
    pub page: Page,
}

/// What goes over one of its connections.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// `udp` or `tcp`, of its own end.
    pub protocol: String,
    /// MIME type of the video.
    pub codec: String,
    /// Pictures decoded.
    pub frames_decoded: u32,
    /// How much sound there was.
    pub audio_energy: f64,
}

impl OwnPeer {
    /// Joins a room. `options` is the object that the script takes.
    pub async fn join(
        browser: &Browser,
        server: &Server,
        room: &str,
        name: &str,
        options: &str,
    ) -> Result<OwnPeer> {
        // Any address of the server gives the right origin.
        let page = browser
            .open(&format!("http://{}/healthz", server.address()))
            .await?;
        let join = format!(
            "(async () => {{ {PEER}
                globalThis.peer = await Peer.join('{room}', '{name}', {options});
                return true;
            }})()"
        );
        page.eval::<bool>(&join).await?;
        Ok(OwnPeer { page })
    }

    /// Publishes camera and microphone.
    pub async fn publish(&self) -> Result {
        self.page
            .eval::<Option<()>>("peer.publish()")
            .await
            .map(drop)
    }

    /// Receives one participant.
    pub async fn subscribe(&self) -> Result {
        self.page
            .eval::<Option<()>>("peer.subscribe()")
            .await
            .map(drop)
    }

    /// Waits until it decodes pictures and hears something.
    pub async fn receives(&self) -> Result<Flow> {
        self.flow("subscribe", "s.framesDecoded >= 10 && s.audioEnergy > 0")
            .await
    }

    /// Waits until it sends pictures.
    pub async fn sends(&self) -> Result<Flow> {
        self.flow("publish", "s.framesEncoded >= 10").await
    }

    async fn flow(&self, session: &str, enough: &str) -> Result<Flow> {
        let stats =
            format!("peer.stats('{session}').then(s => s.codec && s.protocol && {enough} && s)");
        self.page
            .wait_for(&format!("media on {session}"), &stats)
            .await
    }
}
