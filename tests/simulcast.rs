// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page sends three layers, and each viewer gets the one that was chosen there.

use gst_rtc::example::{example_command, says, stop};
use gst_rtc::{Browser, Described, Process, Result, Server, Visitor, check, my_turn};

/// Large enough for three layers.
const HEIGHT: &str = "&height=540";
const SIZES: [&str; 3] = ["240 × 135", "480 × 270", "960 × 540"];

#[tokio::test]
async fn viewers_of_a_chromium_page_choose_their_layers() -> Result {
    let _turn = my_turn().await;
    let browser = Browser::chromium().await?;
    each_viewer_gets_its_layer(&browser, &browser).await
}

#[tokio::test]
async fn viewers_of_a_firefox_page_choose_their_layers() -> Result {
    let _turn = my_turn().await;
    let (firefox, chromium) = (Browser::firefox().await?, Browser::chromium().await?);
    each_viewer_gets_its_layer(&firefox, &chromium).await
}

async fn each_viewer_gets_its_layer(publishing: &Browser, viewing: &Browser) -> Result {
    let server = Server::dev(&[]).await?;
    let publisher = Visitor::join_with(publishing, &server, "layers", "sender", HEIGHT).await?;
    let mut viewers = Vec::new();
    for size in SIZES {
        let name = format!("v{}", viewers.len());
        let none = "&camera=0&microphone=0";
        let viewer = Visitor::join_with(viewing, &server, "layers", &name, none).await?;
        viewers.push((viewer, size));
    }
    for (viewer, size) in &viewers {
        choose(viewer, "sender", size).await?;
    }
    for (viewer, size) in &viewers {
        shows(viewer, "sender", size).await?;
    }
    // From the largest to the smallest, and back to what the server thinks best.
    let (viewer, _) = &viewers[2];
    choose(viewer, "sender", SIZES[0]).await?;
    shows(viewer, "sender", SIZES[0]).await?;
    let before = viewer.sees("sender").await?;
    check!(before.frame_width == 240, "{before:?}");
    what_no_viewer_can_use_is_not_sent(&publisher, &viewers[..2]).await
}

/// `viewers` are those who had more than the smallest layer, or may have it again.
async fn what_no_viewer_can_use_is_not_sent(
    publisher: &Visitor,
    viewers: &[(Visitor, &str)],
) -> Result {
    for (viewer, _) in viewers {
        choose(viewer, "sender", SIZES[0]).await?;
    }
    sends(publisher, "true,false,false").await?;
    let (viewer, _) = &viewers[0];
    shows(viewer, "sender", SIZES[0]).await?;
    viewer.sees("sender").await?;
    // It is still there to be chosen, and comes back.
    choose(viewer, "sender", SIZES[2]).await?;
    shows(viewer, "sender", SIZES[2]).await?;
    sends(publisher, "true,true,true").await
}

/// Waits until a page sends those of its layers, from the smallest to the largest.
async fn sends(publisher: &Visitor, wanted: &str) -> Result {
    let sent = format!(
        "gstRtc.room.transport.senders.get('video').getParameters().encodings.map(one => one.active).join() === '{wanted}'"
    );
    let what = format!("layers sent: {wanted}");
    publisher.page.wait_for::<bool>(&what, &sent).await?;
    Ok(())
}

#[tokio::test]
async fn a_webrtcbin_sends_one_source_in_three_sizes() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let uri = format!("ws://{}", server.address());
    let mut command = example_command("simulcast.rs")?;
    let example = Process::start(command.args([&uri, "layers", "bin"]))?;
    says(&example, "bin sends 3 layers").await?;
    one_viewer_gets_each_layer(&Browser::chromium().await?, &server, "bin").await?;
    stop(example).await
}

#[tokio::test]
async fn a_described_pipeline_sends_one_source_in_three_sizes() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let browser = Browser::chromium().await?;
    for codec in ["vp8", "h264"] {
        // Three encoders at once: fewer pictures for the sake of slow machines.
        let who = [("room", "layers"), ("name", codec)];
        let set = [who[0], who[1], ("codec", codec), ("rate", "5/1")];
        let sender = Described::start("simulcast-sender.toml", &server, &set)?;
        sender.says("connected to its signaller").await?;
        one_viewer_gets_each_layer(&browser, &server, codec).await?;
        sender.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn viewers_choose_among_the_sizes_of_a_pipeline_that_is_a_guest() -> Result {
    let _turn = my_turn().await;
    // The server's own node is the room's home.
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let none = "&camera=0&microphone=0";
    let small = Visitor::join_with(&browser, &server, "layers", "small", none).await?;
    let large = Visitor::join_with(&browser, &server, "layers", "large", none).await?;
    let set = [("room", "layers"), ("name", "guest"), ("rate", "5/1")];
    let sender = Described::start("simulcast-sender.toml", &server, &set)?;
    let viewers = [(&small, "240 × 134"), (&large, "960 × 540")];
    for (viewer, size) in viewers {
        choose(viewer, "guest", size).await?;
    }
    for (viewer, size) in viewers {
        shows(viewer, "guest", size).await?;
    }
    choose(&large, "guest", "480 × 270").await?;
    shows(&large, "guest", "480 × 270").await?;
    sender.stop().await
}

/// A pipeline sends; whoever watches chooses one size after the other, and back.
async fn one_viewer_gets_each_layer(browser: &Browser, server: &Server, who: &str) -> Result {
    let none = "&camera=0&microphone=0";
    let name = format!("viewer-of-{who}");
    let viewer = Visitor::join_with(browser, server, "layers", &name, none).await?;
    for size in ["240 × 134", "480 × 270", "960 × 540", "240 × 134"] {
        choose(&viewer, who, size).await?;
        shows(&viewer, who, size).await?;
    }
    Ok(())
}

/// Takes a layer out of the menu of a tile, once the menu has it.
async fn choose(viewer: &Visitor, who: &str, size: &str) -> Result {
    let choice = format!(
        "(menu => {{
            if (![...menu?.options ?? []].some(option => option.value === '{size}')) return false;
            menu.value = '{size}';
            menu.dispatchEvent(new Event('change'));
            return true;
        }})(document.querySelector('.tile[data-participant={who}] select'))"
    );
    viewer
        .page
        .wait_for::<bool>(&format!("{size} in the menu"), &choice)
        .await?;
    Ok(())
}

/// Waits until pictures of that size are decoded and shown.
async fn shows(viewer: &Visitor, who: &str, size: &str) -> Result {
    let shown = format!(
        "(video => `${{video?.videoWidth}} × ${{video?.videoHeight}}` === '{size}')
            (document.querySelector('.tile[data-participant={who}] video'))"
    );
    viewer
        .page
        .wait_for::<bool>(&format!("a picture of {size}"), &shown)
        .await?;
    Ok(())
}
