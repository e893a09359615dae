// SPDX-License-Identifier: MIT OR Apache-2.0
//! webrtcbin as a participant: through the client library, by WHIP, and directly to a page.

use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::http::request;
use gst_rtc::pictures::Pictures;
use gst_rtc::{Browser, DEADLINE, Failure, Result, Server, Visitor, check, my_turn};
use gst_rtc_signaller::client::{Client, ConnectOptions, Event, Events};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A test picture and a tone into a webrtcbin of that name.
fn sources(webrtcbin: &str) -> String {
    format!(
        "webrtcbin name={webrtcbin} bundle-policy=max-bundle
         videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1
         ! vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay pt=96
         ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! {webrtcbin}.
         audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97
         ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! {webrtcbin}."
    )
}

/// Reads the events of a client, which nobody else wants.
fn drain(mut events: Events) {
    tokio::spawn(async move { while events.next().await.is_some() {} });
}

#[tokio::test]
async fn through_the_client_it_publishes_and_receives() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    let camera = alice.camera().await?;

    let pipeline = Embedded::parse(&format!(
        "{} webrtcbin name=receive bundle-policy=max-bundle",
        sources("send")
    ))?;
    let receive = pipeline.element("receive")?;
    let mut pictures = Pictures::of(&receive, pipeline.pipeline());
    let uri = format!("ws://{}", server.address());
    let (client, events) = Client::connect(&uri, "lobby", "pipe").await?;
    drain(events);
    pipeline.play().await?;
    client.publish(&pipeline.element("send")?).await?;
    client.receive(&receive).await?;

    let seen = alice.sees_and_hears("pipe").await?;
    check!(
        (seen.frame_width, seen.frame_height) == (320, 240),
        "{seen:?}"
    );
    let size = pictures.seen().await?;
    check!(
        size == camera,
        "{size:?} was decoded, the camera gives {camera:?}"
    );
    pictures.heard().await?;

    alice.watch("pipe").await?;
    client.leave().await;
    alice.gone_at().await?;
    pipeline.stop().await
}

#[tokio::test]
async fn directly_with_a_page_in_a_p2p_room() -> Result {
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join_with(&browser, &server, "den", "alice", "&mode=p2p").await?;
    let camera = alice.camera().await?;

    let pipeline = Embedded::parse(&sources("peer"))?;
    let peer = pipeline.element("peer")?;
    let mut pictures = Pictures::of(&peer, pipeline.pipeline());
    let uri = format!("ws://{}", server.address());
    let options = ConnectOptions::default();
    let (client, mut events) = Client::connect_with(&uri, "den", "pipe", options).await?;
    let other = client
        .joined()
        .participants
        .first()
        .map(|there| there.id.clone());
    let other = other.ok_or_else(|| Failure::new("alice is not in the room"))?;
    pipeline.play().await?;
    client.connect_to(&other, &peer).await?;
    let verified = async {
        while let Some(event) = events.next().await {
            match event {
                Event::Verified(_) => return Ok(()),
                Event::Failed { reason, .. } => return Err(Failure::new(reason)),
                _ => {}
            }
        }
        Err(Failure::new("the client is gone"))
    };
    timeout(DEADLINE, verified).await??;
    drain(events);

    let seen = alice.sees_and_hears("pipe").await?;
    check!(
        (seen.frame_width, seen.frame_height) == (320, 240),
        "{seen:?}"
    );
    let size = pictures.seen().await?;
    check!(
        size == camera,
        "{size:?} was decoded, the camera gives {camera:?}"
    );
    client.leave().await;
    pipeline.stop().await
}

#[tokio::test]
async fn by_whip_with_its_own_certificate() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;

    let pipeline = Embedded::parse(&sources("send"))?;
    let send = pipeline.element("send")?;
    let offer = whole_offer(&send);
    pipeline.play().await?;
    let offer = timeout(DEADLINE, offer).await??;
    let url = "/whip/lobby?name=studio";
    let answer = request(server.address(), "POST", url, "application/sdp", &offer).await?;
    check!(answer.status == 201, "{answer:?}");
    let sdp = gst_sdp::SDPMessage::parse_buffer(answer.body.as_bytes())?;
    let description = WebRTCSessionDescription::new(WebRTCSDPType::Answer, sdp);
    send.emit_by_name::<()>(
        "set-remote-description",
        &[&description, &None::<gst::Promise>],
    );

    let seen = alice.sees_and_hears("studio").await?;
    check!(
        (seen.frame_width, seen.frame_height) == (320, 240),
        "{seen:?}"
    );
    let session = answer.header("Location").unwrap_or_default().to_owned();
    alice.watch("studio").await?;
    let deleted = request(server.address(), "DELETE", &session, "text/plain", "").await?;
    check!(deleted.status == 200, "{deleted:?}");
    alice.gone_at().await?;
    pipeline.stop().await
}

/// The offer with all candidates in it, once they are gathered: WHIP without trickling.
fn whole_offer(webrtcbin: &gst::Element) -> oneshot::Receiver<String> {
    let (sender, receiver) = oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    webrtcbin.connect_notify(Some("ice-gathering-state"), move |webrtcbin, _| {
        let state =
            webrtcbin.property::<gst_webrtc::WebRTCICEGatheringState>("ice-gathering-state");
        let local = webrtcbin.property::<Option<WebRTCSessionDescription>>("local-description");
        let (gst_webrtc::WebRTCICEGatheringState::Complete, Some(local)) = (state, local) else {
            return;
        };
        let sender = sender.lock().ok().and_then(|mut sender| sender.take());
        if let (Some(sender), Ok(text)) = (sender, local.sdp().as_text()) {
            // The test may have given up.
            let _ = sender.send(text);
        }
    });
    webrtcbin.connect("on-negotiation-needed", false, |arguments| {
        let webrtcbin = arguments[0]
            .get::<gst::Element>()
            .expect("it is the element's signal");
        let weak = webrtcbin.downgrade();
        let promise = gst::Promise::with_change_func(move |reply| {
            let (Some(webrtcbin), Ok(Some(reply))) = (weak.upgrade(), reply) else {
                return;
            };
            let offer = reply
                .get::<WebRTCSessionDescription>("offer")
                .expect("it made one");
            webrtcbin.emit_by_name::<()>("set-local-description", &[&offer, &None::<gst::Promise>]);
        });
        webrtcbin.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &promise]);
        None
    });
    receiver
}
