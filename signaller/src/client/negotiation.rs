// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offers and answers (RFC 8829) between a `webrtcbin` and the other side.

use super::error::ClientError;
use super::leg::{Leg, LegKey};
use super::link::Link;
use crate::protocol::peer::{ClientMessage, Description, ServerMessage, Signal};
use gst::prelude::*;
use gst_sdp::SDPMessage;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a step of `webrtcbin` may take.
const STEP: Duration = Duration::from_secs(10);
/// How long sources may take until they have caps.
const MEDIA: Duration = Duration::from_secs(10);
/// How often to look for caps.
const LOOK: Duration = Duration::from_millis(10);

/// Offers to send, and sets the answer.
pub(super) async fn publish(link: &Link, leg: &Leg) -> Result<(), ClientError> {
    let _alone = leg.negotiating.lock().await;
    wait_for_media(leg).await?;
    let (sdp, offer) = offer(leg).await?;
    let reply = link
        .request_sent(ClientMessage::Publish {
            request: None,
            sdp,
            encrypted: false,
        })
        .await?;
    set_local(leg, &offer).await?;
    match reply.reply().await? {
        ServerMessage::Published { sdp, .. } => set_remote(leg, WebRTCSDPType::Answer, &sdp).await,
        other => Err(ClientError::Protocol(format!("{other:?}"))),
    }
}

/// Offers to receive, and sets the answer.
pub(super) async fn subscribe(link: &Link, leg: &Leg) -> Result<(), ClientError> {
    let _alone = leg.negotiating.lock().await;
    let (sdp, offer) = offer(leg).await?;
    let reply = link
        .request_sent(ClientMessage::Subscribe { request: None, sdp })
        .await?;
    set_local(leg, &offer).await?;
    match reply.reply().await? {
        ServerMessage::Subscribed { sdp, .. } => set_remote(leg, WebRTCSDPType::Answer, &sdp).await,
        other => Err(ClientError::Protocol(format!("{other:?}"))),
    }
}

/// Connects to another peer: offers, or waits for its offers.
pub(super) async fn direct(link: &Link, leg: &Leg, we_offer: bool) -> Result<(), ClientError> {
    let LegKey::Peer(peer) = &leg.key else {
        return Err(ClientError::WrongMode);
    };
    if !we_offer {
        link.deliver_kept(peer).await;
        return Ok(());
    }
    let answered = link.expect_answer(peer);
    {
        let _alone = leg.negotiating.lock().await;
        wait_for_media(leg).await?;
        let (sdp, offer) = offer(leg).await?;
        link.send(signal(peer, "offer", sdp)).await?;
        set_local(leg, &offer).await?;
    }
    link.deliver_kept(peer).await;
    let late = ClientError::Timeout {
        what: "the offer to the peer",
        seconds: STEP.as_secs(),
    };
    timeout(STEP, answered)
        .await
        .map_err(|_| late)?
        .map_err(|_| ClientError::Interrupted)?
}

/// Takes a description of another peer: answers an offer, sets an answer.
pub(super) async fn described(
    link: &Link,
    leg: &Leg,
    peer: &str,
    description: &Description,
) -> Result<(), ClientError> {
    let _alone = leg.negotiating.lock().await;
    match description.kind.as_str() {
        "answer" => set_remote(leg, WebRTCSDPType::Answer, &description.sdp).await,
        "offer" => {
            wait_for_media(leg).await?;
            set_remote(leg, WebRTCSDPType::Offer, &description.sdp).await?;
            let answer = create(leg, "create-answer", "answer").await?;
            let sdp = text(leg, &answer)?;
            leg.note_mids(answer.sdp());
            link.send(signal(peer, "answer", sdp)).await?;
            set_local(leg, &answer).await
        }
        other => Err(ClientError::Sdp(format!(
            "a description of type \"{other}\" is not supported"
        ))),
    }
}

fn signal(peer: &str, kind: &str, sdp: String) -> ClientMessage {
    let payload = Signal::Description(Description {
        kind: kind.to_owned(),
        sdp,
    });
    ClientMessage::Signal {
        request: None,
        to: peer.to_owned(),
        payload,
    }
}

/// Waits until each sink pad has its caps: without them `webrtcbin` offers m-lines with no codec.
async fn wait_for_media(leg: &Leg) -> Result<(), ClientError> {
    let deadline = Instant::now() + MEDIA;
    loop {
        let pads = leg.element.sink_pads();
        let without: Vec<String> = pads
            .iter()
            .filter(|pad| pad.current_caps().is_none())
            .map(|pad| pad.name().into())
            .collect();
        if !without.is_empty() && Instant::now() >= deadline {
            return Err(no_media(
                leg,
                format!("no caps came to {}", without.join(", ")),
            ));
        }
        if without.is_empty() && !(pads.is_empty() && leg.key == LegKey::Publish) {
            return distinct_payload_types(leg, &pads);
        }
        if Instant::now() >= deadline {
            return Err(no_media(leg, "it got no sink pad".to_owned()));
        }
        sleep(LOOK).await;
    }
}

/// All m-lines share one transport: a payload type must not mean two things (RFC 9143 §9.1).
fn distinct_payload_types(leg: &Leg, pads: &[gst::Pad]) -> Result<(), ClientError> {
    let mut taken: HashMap<i32, String> = HashMap::new();
    for pad in pads {
        let caps = pad.current_caps();
        let payload = caps
            .as_ref()
            .and_then(|caps| caps.structure(0)?.get::<i32>("payload").ok());
        let Some(payload) = payload else { continue };
        if let Some(other) = taken.insert(payload, pad.name().into()) {
            let reason = format!(
                "{other} and {} both have payload type {payload}; set another pt on one of the payloaders",
                pad.name()
            );
            return Err(ClientError::Element {
                element: leg.element.name().into(),
                reason,
            });
        }
    }
    Ok(())
}

fn no_media(leg: &Leg, reason: String) -> ClientError {
    ClientError::NoMedia {
        element: leg.element.name().into(),
        reason,
        seconds: MEDIA.as_secs(),
    }
}

async fn offer(leg: &Leg) -> Result<(String, WebRTCSessionDescription), ClientError> {
    let offer = create(leg, "create-offer", "offer").await?;
    leg.note_mids(offer.sdp());
    Ok((text(leg, &offer)?, offer))
}

fn text(leg: &Leg, description: &WebRTCSessionDescription) -> Result<String, ClientError> {
    let sdp = description
        .sdp()
        .as_text()
        .map_err(|error| ClientError::WebRtcBin {
            step: "write its SDP",
            reason: error.to_string(),
        })?;
    Ok(leg.as_sent(sdp))
}

/// Emits `create-offer` or `create-answer` and takes the description of that name.
async fn create(
    leg: &Leg,
    step: &'static str,
    field: &str,
) -> Result<WebRTCSessionDescription, ClientError> {
    let (promise, future) = gst::Promise::new_future();
    leg.element
        .emit_by_name::<()>(step, &[&None::<gst::Structure>, &promise]);
    let reply = timeout(STEP, future)
        .await
        .map_err(|_| failed(step, "no reply within 10 s"))?;
    let reply = reply.map_err(|error| failed(step, format!("{error:?}")))?;
    let structure = reply
        .as_deref()
        .ok_or_else(|| failed(step, "an empty reply"))?;
    structure
        .get::<WebRTCSessionDescription>(field)
        .map_err(|_| failed(step, reason_in(structure)))
}

async fn set_local(leg: &Leg, description: &WebRTCSessionDescription) -> Result<(), ClientError> {
    set(leg, "set-local-description", description).await
}

async fn set_remote(leg: &Leg, kind: WebRTCSDPType, sdp: &str) -> Result<(), ClientError> {
    let sdp = SDPMessage::parse_buffer(sdp.as_bytes())
        .map_err(|_| ClientError::Sdp("it does not parse".to_owned()))?;
    leg.expect_peer(&sdp)?;
    if kind == WebRTCSDPType::Offer {
        leg.note_mids(&sdp);
    }
    set(
        leg,
        "set-remote-description",
        &WebRTCSessionDescription::new(kind, sdp),
    )
    .await?;
    leg.peer_is_set();
    Ok(())
}

async fn set(
    leg: &Leg,
    step: &'static str,
    description: &WebRTCSessionDescription,
) -> Result<(), ClientError> {
    let (promise, future) = gst::Promise::new_future();
    leg.element
        .emit_by_name::<()>(step, &[description, &promise]);
    let reply = timeout(STEP, future)
        .await
        .map_err(|_| failed(step, "no reply within 10 s"))?;
    let reply = reply.map_err(|error| failed(step, format!("{error:?}")))?;
    match reply.as_deref() {
        Some(structure) if structure.has_field("error") => Err(failed(step, reason_in(structure))),
        _ => Ok(()),
    }
}

fn reason_in(structure: &gst::StructureRef) -> String {
    let error = structure.get::<gst::glib::Error>("error");
    error.map_or_else(|_| structure.to_string(), |error| error.to_string())
}

fn failed(step: &'static str, reason: impl Into<String>) -> ClientError {
    ClientError::WebRtcBin {
        step,
        reason: reason.into(),
    }
}
