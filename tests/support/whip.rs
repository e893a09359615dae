// SPDX-License-Identifier: MIT OR Apache-2.0
//! WHIP and WHEP by a browser's own means, without any script of this project.

use serde::Deserialize;

use crate::{Page, Result};

/// Publishes a camera and a microphone; keeps the session's address.
const PUBLISH: &str = r"
async url => {
    const stream = await navigator.mediaDevices.getUserMedia(
        { audio: true, video: { width: 320, height: 180 } });
    const pc = window.pc = new RTCPeerConnection();
    for (const track of stream.getTracks()) pc.addTransceiver(track, { direction: 'sendonly' });
    return window.exchange(url);
}";

/// Receives one video and one audio track; keeps the session's address.
const RECEIVE: &str = r"
async url => {
    const pc = window.pc = new RTCPeerConnection();
    for (const kind of ['video', 'audio']) pc.addTransceiver(kind, { direction: 'recvonly' });
    const stream = new MediaStream();
    pc.ontrack = ({ track }) => {
        stream.addTrack(track);
        const player = document.createElement(track.kind);
        Object.assign(player, { autoplay: true, srcObject: new MediaStream([track]) });
        document.body.append(player);
    };
    return window.exchange(url);
}";

/// Offer, POST, answer (RFC 9725 §4.2).
const EXCHANGE: &str = r"
window.exchange = async url => {
    await pc.setLocalDescription();
    const response = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/sdp' },
        body: pc.localDescription.sdp,
    });
    const body = await response.text();
    if (response.status !== 201) throw new Error(`${response.status}: ${body}`);
    window.session = new URL(response.headers.get('Location'), url).href;
    await pc.setRemoteDescription({ type: 'answer', sdp: body });
    return true;
}";

const RECEIVED: &str = r"
(async () => {
    const stats = [...(await pc.getStats()).values()].filter(s => s.type === 'inbound-rtp');
    const of = kind => stats.find(s => s.kind === kind) ?? {};
    const { framesDecoded, frameWidth } = of('video');
    return framesDecoded >= 10 && of('audio').totalAudioEnergy > 0 && { framesDecoded, frameWidth };
})()";

/// What a page received by WHEP.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// Decoded pictures.
    pub frames_decoded: u32,
    /// Of the last picture, in pixels.
    pub frame_width: u32,
}

/// Publishes the page's camera and microphone.
pub async fn publish(page: &Page, url: &str) -> Result {
    start(page, PUBLISH, url).await
}

/// Receives into the page.
pub async fn receive(page: &Page, url: &str) -> Result {
    start(page, RECEIVE, url).await
}

async fn start(page: &Page, client: &str, url: &str) -> Result {
    page.eval::<bool>(&format!("({EXCHANGE}, true)")).await?;
    page.eval::<bool>(&format!("({client})('{url}')")).await?;
    page.wait_for::<bool>("connection", "pc.connectionState === 'connected'")
        .await?;
    Ok(())
}

/// Waits until pictures move and sound is heard.
pub async fn received(page: &Page) -> Result<Received> {
    page.wait_for("media by WHEP", RECEIVED).await
}

/// Ends the session and returns the status of the reply (RFC 9725 §4.3.1).
pub async fn delete(page: &Page) -> Result<u16> {
    let status = "fetch(session, { method: 'DELETE' }).then(response => response.status)";
    let status = page.eval(status).await?;
    page.eval::<()>("pc.close()").await?;
    Ok(status)
}
