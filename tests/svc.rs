// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page sends one scalable stream; what is left of it after each change of layer is decoded without a fault by a page's
//! real decoder: VP9 by its payload descriptor, AV1 by the dependency descriptor.

use gst_rtc::{Browser, Result, Server, Visitor, check, my_turn};

/// A camera that looks at four fields of colour and a ball, and a publication of one codec and mode.
const PUBLISH: &str = "(async (codec, scalabilityMode, width, height) => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d');
    let step = 0;
    setInterval(() => {
        ['#c02020', '#20c020', '#2020c0', '#c0c020'].forEach((color, i) => {
            context.fillStyle = color;
            context.fillRect(i % 2 * width / 2, (i >> 1) * height / 2, width / 2, height / 2);
        });
        context.fillStyle = 'white';
        step = (step + 7) % width;
        context.fillRect(step, height / 2 - height / 16, height / 8, height / 8);
    }, 80);
    const { addTransceiver } = RTCPeerConnection.prototype;
    const { codecs } = RTCRtpReceiver.getCapabilities('video');
    RTCPeerConnection.prototype.addTransceiver = function (what, init) {
        if ((what.kind ?? what) !== 'video') return addTransceiver.call(this, what, init);
        const transceiver = addTransceiver.call(this, what, { ...init, sendEncodings: [{ scalabilityMode }] });
        transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === codec));
        // A machine that is too slow shall make fewer pictures, not smaller ones.
        transceiver.sender.setParameters({ ...transceiver.sender.getParameters(), degradationPreference: 'maintain-resolution' });
        return transceiver;
    };
    await gstRtc.room.publish({ video: canvas.captureStream().getVideoTracks()[0] });
    return true;
})";

/// Keeps what is known of the layers, and changes them.
const VIEW: &str = "(room => {
    const { message } = room.signalling.hooks;
    window.layers = [];
    room.signalling.hooks.message = (heard) => {
        if (heard.type === 'quality') window.layers = heard.slots.find(({ available }) => available.length)?.available ?? layers;
        message(heard);
    };
    const sent = () => [...room.received.values()].find(({ track }) => track === 'video');
    window.row = async () => {
        const report = [...(await sent()?.receiver.getStats())?.values() ?? []];
        return report.find(({ type, framesDecoded }) => type === 'inbound-rtp' && framesDecoded);
    };
    window.choose = async (spatial, temporal) => {
        const { participant, track } = sent();
        room.prefer(participant, track, { width: 0, height: 0, priority: 'normal', layer: { encoding: 0, spatial, temporal } });
        window.chosen = (await row())?.framesDecoded ?? 0;
        return true;
    };
    // The colours in the middle of the four fields.
    window.fields = () => {
        const video = document.querySelector('.tile[data-participant=alice] video');
        const [width, height] = [video.videoWidth, video.videoHeight];
        const canvas = Object.assign(document.createElement('canvas'), { width, height });
        const context = canvas.getContext('2d');
        context.drawImage(video, 0, 0);
        return [0, 1, 2, 3].map((i) => [...context.getImageData(width * (1 + 2 * (i % 2)) / 4, height * (1 + 2 * (i >> 1)) / 4, 1, 1).data.slice(0, 3)]);
    };
    return true;
})(gstRtc.room)";

/// Changes of layer: every one to every other, and to fewer pictures too.
const CHOICES: [(u8, u8); 12] = [
    (0, 2),
    (1, 2),
    (2, 2),
    (0, 0),
    (2, 0),
    (1, 1),
    (0, 1),
    (2, 1),
    (1, 0),
    (2, 2),
    (0, 2),
    (2, 2),
];

#[tokio::test]
async fn layers_of_vp9_are_left_out_and_come_back() -> Result {
    layers_come_and_go("video/VP9", "L3T3_KEY", (960, 540)).await
}

/// The least size of which libwebrtc makes three spatial layers: it wants 256 × 144 for the lowest.
#[tokio::test]
async fn layers_of_av1_are_left_out_and_come_back() -> Result {
    layers_come_and_go("video/AV1", "L3T3", (1024, 576)).await
}

async fn layers_come_and_go(codec: &str, mode: &str, (width, height): (u32, u32)) -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let none = "&camera=0&microphone=0";
    let bob = Visitor::join_with(&browser, &server, "svc", "bob", none).await?;
    bob.page.eval::<bool>(VIEW).await?;
    let alice = Visitor::join_with(&browser, &server, "svc", "alice", none).await?;
    let publish = format!("{PUBLISH}('{codec}', '{mode}', {width}, {height})");
    alice.page.eval::<bool>(&publish).await?;
    bob.sees("alice").await?;
    let three = "[0, 1, 2].every((wanted) => layers.some(({ spatial, width }) => spatial === wanted && width))";
    bob.page
        .wait_for::<bool>("three spatial layers", three)
        .await?;
    for (spatial, temporal) in CHOICES {
        bob.page
            .eval::<bool>(&format!("choose({spatial}, {temporal})"))
            .await?;
        let shown = format!(
            "row().then((row) => row.frameWidth === {} && row.framesDecoded > chosen + 4)",
            width >> (2 - spatial)
        );
        bob.page
            .wait_for::<bool>(&format!("layer {spatial} {temporal}"), &shown)
            .await?;
        let fields: [[u8; 3]; 4] = bob.page.eval("fields()").await?;
        check!(
            are_right(&fields),
            "layer {spatial} {temporal} looks like {fields:?}"
        );
    }
    let (decoded, asked): (u32, u32) = bob
        .page
        .eval("row().then((row) => [row.framesDecoded, row.pliCount + row.firCount])")
        .await?;
    // Chromium asks once when it begins to receive, and then for every picture that it cannot decode.
    check!(
        asked <= 1,
        "asked for {asked} keyframes in {decoded} pictures"
    );
    Ok(())
}

/// Whether the colours are about those that were painted.
fn are_right(fields: &[[u8; 3]; 4]) -> bool {
    const PAINTED: [[u8; 3]; 4] = [
        [0xc0, 0x20, 0x20],
        [0x20, 0xc0, 0x20],
        [0x20, 0x20, 0xc0],
        [0xc0, 0xc0, 0x20],
    ];
    let pairs = fields.iter().flatten().zip(PAINTED.iter().flatten());
    pairs
        .into_iter()
        .all(|(seen, painted)| seen.abs_diff(*painted) < 48)
}
