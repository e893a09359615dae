// SPDX-License-Identifier: MIT OR Apache-2.0
//! webrtcbin and rtcsfu in one pipeline, pad to pad: a participant that another signalling brought.

use std::sync::Mutex;

use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::pictures::Pictures;
use gst_rtc::{Browser, Failure, Result, Server, Visitor, check, my_turn};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

#[tokio::test]
async fn what_a_webrtcbin_receives_enters_the_room_and_a_track_of_the_room_leaves_by_one() -> Result
{
    let _turn = my_turn().await;
    let server = Server::serve(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    let pipeline = Embedded::parse(&format!(
        "rtcsfu name=sfu room=lobby listen=127.0.0.1:0 signaller::uri=ws://{}
         webrtcbin name=theirs bundle-policy=max-bundle
         webrtcbin name=ours bundle-policy=max-bundle
         videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1
         ! vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay pt=96
         ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! theirs.
         audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97
         ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! theirs.
         webrtcbin name=out bundle-policy=max-bundle
         webrtcbin name=far bundle-policy=max-bundle
         sfu.video_alice ! queue ! out.",
        server.address()
    ))?;
    let [theirs, ours, out, far] =
        ["theirs", "ours", "out", "far"].map(|name| pipeline.element(name));
    let (theirs, ours, out, far) = (theirs?, ours?, out?, far?);
    into_room(&ours, &pipeline.element("sfu")?);
    connect(&theirs, &ours);
    let mut pictures = Pictures::of(&far, pipeline.pipeline());
    connect(&out, &far);
    pipeline.play().await?;

    let seen = alice.sees_and_hears("guest").await?;
    check!(
        (seen.frame_width, seen.frame_height) == (320, 240),
        "{seen:?}"
    );

    let camera = alice.camera().await?;
    let size = pictures.seen().await?;
    check!(
        size == camera,
        "{size:?} was decoded, the camera gives {camera:?}"
    );
    if let Some(error) = pipeline.error() {
        return Err(Failure::new(error));
    }
    pipeline.stop().await
}

/// Links every track that a webrtcbin receives to the room, as one participant.
fn into_room(webrtcbin: &gst::Element, sfu: &gst::Element) {
    let sfu = sfu.downgrade();
    webrtcbin.connect_pad_added(move |_, pad| {
        let (Some(sfu), gst::PadDirection::Src) = (sfu.upgrade(), pad.direction()) else {
            return;
        };
        let sink = sfu
            .request_pad_simple("sink_%u")
            .expect("rtcsfu takes sources at any time");
        sink.set_property("participant", "guest");
        pad.link(&sink).expect("both are RTP");
    });
}

/// Lets one webrtcbin offer to another as soon as it has something to offer, all in this process.
fn connect(offerer: &gst::Element, answerer: &gst::Element) {
    for (from, to) in [(offerer, answerer), (answerer, offerer)] {
        let to = to.downgrade();
        from.connect("on-ice-candidate", false, move |arguments| {
            let candidate = [&arguments[1], &arguments[2]];
            let (line, text) = (candidate[0].get::<u32>(), candidate[1].get::<String>());
            let (line, text) = (line.expect("an m-line"), text.expect("a candidate"));
            to.upgrade()?
                .emit_by_name::<()>("add-ice-candidate", &[&line, &text]);
            None
        });
    }
    let answerer = answerer.downgrade();
    let offered = Mutex::new(false);
    offerer.connect("on-negotiation-needed", false, move |arguments| {
        let offerer = arguments[0]
            .get::<gst::Element>()
            .expect("it is the element's signal");
        let answerer = answerer.upgrade()?;
        // Only the first: this room of two never changes.
        if !std::mem::replace(&mut *offered.lock().ok()?, true) {
            offer(&offerer, &answerer);
        }
        None
    });
}

fn offer(offerer: &gst::Element, answerer: &gst::Element) {
    let ends = [offerer, answerer].map(|end| end.downgrade());
    let promise = gst::Promise::with_change_func(move |reply| {
        let [offerer, answerer] = &ends;
        let (Some(offerer), Some(answerer)) = (offerer.upgrade(), answerer.upgrade()) else {
            return;
        };
        let offer = description(reply, "offer");
        offerer.emit_by_name::<()>("set-local-description", &[&offer, &None::<gst::Promise>]);
        answer(&offerer, &answerer, &offer);
    });
    offerer.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &promise]);
}

fn answer(offerer: &gst::Element, answerer: &gst::Element, offer: &WebRTCSessionDescription) {
    let ends = [offerer, answerer].map(|end| end.downgrade());
    let set = gst::Promise::with_change_func(move |_| {
        let Some(answerer) = ends[1].upgrade() else {
            return;
        };
        let created = gst::Promise::with_change_func(move |reply| {
            let [offerer, answerer] = &ends;
            let (Some(offerer), Some(answerer)) = (offerer.upgrade(), answerer.upgrade()) else {
                return;
            };
            let answer = description(reply, "answer");
            answerer.emit_by_name::<()>("set-local-description", &[&answer, &None::<gst::Promise>]);
            offerer.emit_by_name::<()>("set-remote-description", &[&answer, &None::<gst::Promise>]);
        });
        answerer.emit_by_name::<()>("create-answer", &[&None::<gst::Structure>, &created]);
    });
    answerer.emit_by_name::<()>("set-remote-description", &[offer, &set]);
}

fn description(
    reply: std::result::Result<Option<&gst::StructureRef>, gst::PromiseError>,
    key: &str,
) -> WebRTCSessionDescription {
    let reply = reply
        .expect("the promise is kept")
        .expect("there is a description");
    let made = reply
        .value(key)
        .map(|value| value.get::<WebRTCSessionDescription>());
    let made = made
        .expect("webrtcbin makes a description")
        .expect("of its own type");
    assert!(matches!(
        made.type_(),
        WebRTCSDPType::Offer | WebRTCSDPType::Answer
    ));
    made
}
