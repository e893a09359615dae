// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that encrypt end to end by an encoded transform: what the server cannot read is shown, in each of its layers.

use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{Browser, Result, Server, Visitor, check, my_turn};

/// What a page that encrypts and one that decrypts do alike: all but the ten bytes which Chromium itself reads of a VP8 frame
/// (RFC 6386 §9.1) is mixed with a key. The worker tells how many frames it has seen.
const TRANSFORM: &str = "window.encrypted = (() => {
    const source = `
        let frames = 0;
        const mix = (frame, controller) => {
            const data = new Uint8Array(frame.data);
            for (let i = 10; i < data.length; i++) data[i] ^= 0x5a ^ i;
            frame.data = data.buffer;
            controller.enqueue(frame);
            postMessage(++frames);
        };
        onrtctransform = ({ transformer: { readable, writable } }) =>
            readable.pipeThrough(new TransformStream({ transform: mix })).pipeTo(writable);`;
    const worker = new Worker(URL.createObjectURL(new Blob([source])));
    worker.onmessage = ({ data }) => { window.frames_ = data; };
    return () => new RTCRtpScriptTransform(worker, {});
})()";

/// Publishes four fields of colour, encrypted, in two layers.
const PUBLISH: &str = "(async () => {
    const { room } = gstRtc, { signalling } = room, { request } = signalling;
    signalling.request = (message) => request.call(signalling, message.type === 'publish' ? { ...message, encrypted: true } : message);
    const { addTransceiver } = RTCPeerConnection.prototype;
    const { codecs } = RTCRtpReceiver.getCapabilities('video');
    RTCPeerConnection.prototype.addTransceiver = function (what, init) {
        const transceiver = addTransceiver.call(this, what, init);
        if ((what.kind ?? what) !== 'video') return transceiver;
        transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === 'video/VP8'));
        const extensions = transceiver.getHeaderExtensionsToNegotiate();
        for (const extension of extensions) if (extension.uri.includes('dependency-descriptor')) extension.direction = 'sendrecv';
        transceiver.setHeaderExtensionsToNegotiate(extensions);
        transceiver.sender.transform = encrypted();
        return transceiver;
    };
    const canvas = Object.assign(document.createElement('canvas'), { width: 480, height: 270 });
    const context = canvas.getContext('2d');
    let step = 0;
    setInterval(() => {
        ['#c02020', '#20c020', '#2020c0', '#c0c020'].forEach((color, i) => {
            context.fillStyle = color;
            context.fillRect(i % 2 * 240, (i >> 1) * 135, 240, 135);
        });
        context.fillStyle = 'white';
        context.fillRect(step = (step + 7) % 480, 120, 30, 30);
    }, 60);
    await room.publish({ video: canvas.captureStream().getVideoTracks()[0] });
    return true;
})()";

/// Whatever comes is decrypted. A transform that is set later, when the connection stands, would get no frames.
const DECRYPT: &str = "{
    const { addTransceiver } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.addTransceiver = function (what, init) {
        const transceiver = addTransceiver.call(this, what, init);
        if (what === 'video') transceiver.receiver.transform = encrypted();
        return transceiver;
    };
}";

/// The colours in the middle of the four fields; nothing while there is no picture.
const FIELDS: &str = "window.fields = (name = 'alice') => {
    const video = document.querySelector(`.tile[data-participant=${name}] video`);
    if (!video?.videoWidth) return null;
    const [width, height] = [video.videoWidth, video.videoHeight];
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    return [0, 1, 2, 3].map((i) => [...context.getImageData(width * (1 + 2 * (i % 2)) / 4, height * (1 + 2 * (i >> 1)) / 4, 1, 1).data.slice(0, 3)]);
}";

/// Nothing but what the test publishes.
const NONE: &str = "&camera=0&microphone=0";

/// A page on which a worker of the test's runs.
async fn prepared(browser: &Browser, server: &Server, name: &str, more: &str) -> Result<Visitor> {
    let page = browser.open("about:blank").await?;
    page.bypass_policy().await?;
    page.begin_with(&format!("{TRANSFORM}; {more}")).await?;
    Visitor::join_on(page, server, "secret", name, NONE).await
}

#[tokio::test]
async fn a_page_sees_in_all_layers_what_the_server_cannot_read() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let (alice, bob) = (
        prepared(&browser, &server, "alice", "").await?,
        prepared(&browser, &server, "bob", DECRYPT).await?,
    );
    let eve = Visitor::join_with(&browser, &server, "secret", "eve", NONE).await?;
    bob.page.eval::<bool>(&format!("({FIELDS}, true)")).await?;
    alice.page.eval::<bool>(PUBLISH).await?;
    bob.sees("alice").await?;
    for (encoding, width) in [(1, 480), (0, 240), (1, 480), (0, 240)] {
        let choose = format!(
            "(({{ participant, track }}) => (gstRtc.room.prefer(participant, track,
                {{ width: 0, height: 0, priority: 'normal', layer: {{ encoding: {encoding}, spatial: 9, temporal: 9 }} }}), true))
            ([...gstRtc.room.received.values()].find(({{ track }}) => track === 'video'))"
        );
        bob.page.eval::<bool>(&choose).await?;
        let shown = format!(
            "document.querySelector('.tile[data-participant=alice] video').videoWidth === {width}"
        );
        let what = format!("encoding {encoding}");
        bob.page.wait_for::<bool>(&what, &shown).await?;
        bob.sees("alice").await?;
        let fields: [[u8; 3]; 4] = bob.page.eval("fields()").await?;
        check!(are_right(&fields), "{what} looks like {fields:?}");
    }
    // To who has no key it is noise, or nothing.
    let known = "[...gstRtc.room.received.values()].some(({ track }) => track === 'video')";
    eve.page.wait_for::<bool>("track of alice", known).await?;
    let picture: Option<[[u8; 3]; 4]> = eve.page.eval(&format!("({FIELDS}, fields())")).await?;
    check!(
        !picture.is_some_and(|fields| are_right(&fields)),
        "eve sees {picture:?}"
    );
    for (page, what) in [(&alice.page, "encrypted"), (&bob.page, "decrypted")] {
        let frames: u32 = page.eval("frames_").await?;
        check!(frames > 30, "{frames} frames {what}");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_server_cannot_read_goes_through_a_pipeline_and_back() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let (alice, bob) = (
        prepared(&browser, &server, "alice", "").await?,
        prepared(&browser, &server, "bob", DECRYPT).await?,
    );
    bob.page.eval::<bool>(&format!("({FIELDS}, true)")).await?;
    // A guest of the room: what leaves by its src pad says that it is encrypted, and enters again as another participant's.
    let node = Embedded::parse(&format!(
        "rtcsfu name=sfu listen=127.0.0.1:0 room=secret signaller::uri=ws://{} sink_0::participant=mirror
         sfu.video_alice ! queue ! sfu.sink_0",
        server.address()
    ))?;
    node.play().await?;
    alice.page.eval::<bool>(PUBLISH).await?;
    bob.sees("alice").await?;
    bob.sees("mirror").await?;
    let shown = "(() => { const seen = fields('mirror'); return !!seen && seen[0][0] > 144 && seen[0][1] < 80; })()";
    bob.page.wait_for::<bool>("the first field", shown).await?;
    let fields: [[u8; 3]; 4] = bob.page.eval("fields('mirror')").await?;
    check!(are_right(&fields), "the mirror looks like {fields:?}");
    let caps = node.element("sfu")?.static_pad("video_alice");
    let caps = caps
        .and_then(|pad| pad.current_caps())
        .map(|caps| caps.to_string());
    let caps = caps.unwrap_or_default();
    check!(caps.contains("encrypted=(boolean)true"), "{caps}");
    node.stop().await
}

/// Whether the colours are about those that were painted.
fn are_right(fields: &[[u8; 3]; 4]) -> bool {
    const PAINTED: [[u8; 3]; 4] = [
        [0xc0, 0x20, 0x20],
        [0x20, 0xc0, 0x20],
        [0x20, 0x20, 0xc0],
        [0xc0, 0xc0, 0x20],
    ];
    let mut pairs = fields.iter().flatten().zip(PAINTED.iter().flatten());
    pairs.all(|(seen, painted)| seen.abs_diff(*painted) < 48)
}
