// SPDX-License-Identifier: MIT OR Apache-2.0
//! One who publishes mutes, pauses, replaces, resizes, changes the codec and shares a screen; those who watch see it and
//! negotiate nothing.

use gst_rtc::{Browser, Result, Server, Visitor, check, my_turn};

const PAINTER: &str = include_str!("pages/painter.js");

/// Counts what is asked of the server to receive, from now on.
const COUNT: &str = "(signalling => {
    const { request } = signalling;
    window.negotiations = 0;
    signalling.request = (message) => {
        window.negotiations += message.type === 'subscribe';
        return request.call(signalling, message);
    };
    return true;
})(gstRtc.room.signalling)";

/// What a viewer has agreed upon with the server, and how often since.
const AGREED: &str = "(({ localDescription, remoteDescription }) =>
    [negotiations, localDescription.sdp, remoteDescription.sdp])(gstRtc.room.transport.receiver.pc)";

/// Publishes the same tracks anew, in a codec that is not the one before.
const REPUBLISH: &str = "(async () => {
    const { room } = gstRtc, { publisher } = room.transport;
    const { addTransceiver } = RTCPeerConnection.prototype;
    const { codecs } = RTCRtpReceiver.getCapabilities('video');
    RTCPeerConnection.prototype.addTransceiver = function (what, init) {
        const transceiver = addTransceiver.call(this, what, init);
        if ((what.kind ?? what) === 'video') transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === 'video/VP9'));
        return transceiver;
    };
    publisher.close();
    await publisher.negotiate();
    return true;
})()";

#[tokio::test]
async fn receivers_negotiate_nothing_whatever_a_publisher_does() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "changes", "alice").await?;
    let bob = Visitor::join_with(
        &browser,
        &server,
        "changes",
        "bob",
        "&camera=0&microphone=0",
    )
    .await?;
    alice
        .page
        .eval::<bool>(&format!("(() => {{ {PAINTER} return true; }})()"))
        .await?;
    bob.sees_and_hears("alice").await?;
    bob.page.eval::<bool>(COUNT).await?;
    let before: (u32, String, String) = bob.page.eval(AGREED).await?;

    mutes(&alice, &bob).await?;
    pauses(&alice, &bob).await?;
    replaces(&alice, &bob).await?;
    resizes(&alice, &bob).await?;
    shares_a_screen(&alice, &bob).await?;
    changes_the_codec(&alice, &bob).await?;

    let after: (u32, String, String) = bob.page.eval(AGREED).await?;
    check!(after.0 == 0, "{} negotiations", after.0);
    check!(
        before == after,
        "agreed before:\n{}\n{}\nafter:\n{}\n{}",
        before.1,
        before.2,
        after.1,
        after.2
    );
    Ok(())
}

async fn mutes(alice: &Visitor, bob: &Visitor) -> Result {
    click(alice, "mute").await?;
    is(bob, "video", "[data-muted]").await?;
    bob.sees("alice").await?;
    click(alice, "mute").await?;
    is(bob, "video", ":not([data-muted])").await?;
    bob.sees_and_hears("alice").await.map(|_| ())
}

async fn pauses(alice: &Visitor, bob: &Visitor) -> Result {
    click(alice, "camera-off").await?;
    is(bob, "video", "[data-off]").await?;
    click(alice, "camera-off").await?;
    is(bob, "video", ":not([data-off])").await?;
    bob.sees_and_hears("alice").await.map(|_| ())
}

async fn replaces(alice: &Visitor, bob: &Visitor) -> Result {
    let replace =
        "gstRtc.room.replace('video', window.painted = paint(240, 180, 15, 10)).then(() => true)";
    alice.page.eval::<bool>(replace).await?;
    shows(bob, "video", 240, 180).await?;
    bob.sees_and_hears("alice").await.map(|_| ())
}

async fn resizes(alice: &Visitor, bob: &Visitor) -> Result {
    for (width, height) in [(320, 180), (160, 120)] {
        let resize = format!(
            "Object.assign(painted.canvas, {{ width: {width}, height: {height} }}) && true"
        );
        alice.page.eval::<bool>(&resize).await?;
        shows(bob, "video", width, height).await?;
    }
    bob.sees_and_hears("alice").await.map(|_| ())
}

async fn shares_a_screen(alice: &Visitor, bob: &Visitor) -> Result {
    for (width, height) in [(480, 270), (320, 240)] {
        let share = format!(
            "gstRtc.room.replace('video1', paint({width}, {height}, 10, 10)).then(() => true)"
        );
        alice.page.eval::<bool>(&share).await?;
        shows(bob, "video1", width, height).await?;
        is(bob, "video1", ":not([data-off])").await?;
        alice
            .page
            .eval::<bool>("gstRtc.room.replace('video1', null).then(() => true)")
            .await?;
        is(bob, "video1", "[data-off]").await?;
        bob.sees_and_hears("alice").await?;
    }
    Ok(())
}

async fn changes_the_codec(alice: &Visitor, bob: &Visitor) -> Result {
    alice.page.eval::<bool>(REPUBLISH).await?;
    let codec = "(async () => {
        const { receiver } = [...gstRtc.room.received.values()].find(({ track }) => track === 'video') ?? {};
        const rows = [...(await receiver?.getStats())?.values() ?? []];
        const row = rows.find(({ type, framesDecoded }) => type === 'inbound-rtp' && framesDecoded);
        return rows.some(({ id, mimeType }) => id === row?.codecId && mimeType === 'video/VP9');
    })()";
    bob.page.wait_for::<bool>("VP9", codec).await?;
    shows(bob, "video", 160, 120).await?;
    bob.sees_and_hears("alice").await.map(|_| ())
}

async fn click(visitor: &Visitor, button: &str) -> Result {
    let click = format!("(document.getElementById('{button}').click(), true)");
    visitor.page.eval::<bool>(&click).await?;
    Ok(())
}

/// Waits until a tile of alice's is as a selector says.
async fn is(viewer: &Visitor, track: &str, state: &str) -> Result {
    let tile = format!(
        "!!document.querySelector('.tile[data-participant=alice][data-track={track}]{state}')"
    );
    let what = format!("{track} that is {state}");
    viewer.page.wait_for::<bool>(&what, &tile).await?;
    Ok(())
}

/// Waits until a picture of that size is shown.
async fn shows(viewer: &Visitor, track: &str, width: u32, height: u32) -> Result {
    let shown = format!(
        "(video => video?.videoWidth === {width} && video.videoHeight === {height})
            (document.querySelector('.tile[data-participant=alice][data-track={track}] video'))"
    );
    let what = format!("{track} of {width} × {height}");
    viewer.page.wait_for::<bool>(&what, &shown).await?;
    Ok(())
}
