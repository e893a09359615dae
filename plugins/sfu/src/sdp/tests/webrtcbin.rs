// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real webrtcbin takes our answers.

use super::*;
use gst::prelude::*;
use gst_webrtc::{WebRTCRTPTransceiverDirection, WebRTCSDPType, WebRTCSessionDescription};

/// A webrtcbin in a running pipeline.
struct Peer {
    pipeline: gst::Pipeline,
    webrtcbin: gst::Element,
}

impl Peer {
    fn new() -> Peer {
        gst::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let webrtcbin = gst::ElementFactory::make("webrtcbin")
            .property_from_str("bundle-policy", "max-bundle")
            .build()
            .expect("the webrtc plugin is installed");
        pipeline.add(&webrtcbin).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Peer {
            pipeline,
            webrtcbin,
        }
    }

    fn add(&self, direction: WebRTCRTPTransceiverDirection, caps: &str) {
        let caps: gst::Caps = caps.parse().unwrap();
        let _: gst::glib::Object = self
            .webrtcbin
            .emit_by_name("add-transceiver", &[&direction, &caps]);
    }

    /// The offer, set as local description.
    fn offer(&self) -> String {
        let promise = gst::Promise::new();
        self.webrtcbin
            .emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &promise]);
        promise.wait();
        let reply = promise.get_reply().expect("an offer can be made");
        let offer: WebRTCSessionDescription = reply.get("offer").unwrap();
        self.set("set-local-description", &offer);
        offer.sdp().as_text().unwrap()
    }

    fn take(&self, answer: &str) {
        let message = gst_sdp::SDPMessage::parse_buffer(answer.as_bytes()).unwrap();
        let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, message);
        self.set("set-remote-description", &answer);
        let state: gst_webrtc::WebRTCSignalingState = self.webrtcbin.property("signaling-state");
        assert_eq!(state, gst_webrtc::WebRTCSignalingState::Stable);
    }

    fn set(&self, signal: &str, description: &WebRTCSessionDescription) {
        let promise = gst::Promise::new();
        self.webrtcbin
            .emit_by_name::<()>(signal, &[description, &promise]);
        promise.wait();
        if let Some(error) = promise.get_reply().filter(|r| r.has_field("error")) {
            panic!("{signal}: {error}");
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

const OPUS: &str = "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,encoding-params=(string)2,payload=111";
const VP8: &str = "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96,rtcp-fb-nack-pli=true";

#[test]
fn webrtcbin_takes_the_answer_to_its_publishing_offer() {
    let peer = Peer::new();
    peer.add(WebRTCRTPTransceiverDirection::Sendonly, OPUS);
    peer.add(WebRTCRTPTransceiverDirection::Sendonly, VP8);
    let answer = publish(&peer.offer());
    assert_eq!(answer.receive.len(), 2);
    peer.take(&crate::sdp::write(&answer.description, 7, 1));
}

#[test]
fn webrtcbin_takes_the_answer_to_its_receiving_offer() {
    let peer = Peer::new();
    peer.add(WebRTCRTPTransceiverDirection::Recvonly, OPUS);
    peer.add(WebRTCRTPTransceiverDirection::Recvonly, VP8);
    let answer = receive(&peer.offer());
    assert_eq!(answer.slots.len(), 2);
    peer.take(&crate::sdp::write(&answer.description, 7, 1));
}

#[test]
fn webrtcbin_takes_the_answer_to_its_offer_of_data_channels() {
    let peer = Peer::new();
    peer.add(WebRTCRTPTransceiverDirection::Sendonly, OPUS);
    let channel: Option<gst::glib::Object> = peer
        .webrtcbin
        .emit_by_name("create-data-channel", &[&"x", &None::<gst::Structure>]);
    assert!(channel.is_some(), "sctp is installed");
    let answer = publish(&peer.offer());
    assert!(answer.data.is_some() && answer.refused.is_empty());
    peer.take(&crate::sdp::write(&answer.description, 7, 1));
}
