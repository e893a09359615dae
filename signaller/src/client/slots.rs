// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving m-lines of a `webrtcbin`.

use super::error::ClientError;
use super::leg::Leg;
use crate::protocol::{Kind, Missing};
use gst::prelude::*;
use gst_webrtc::{WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection};

/// Most slots of one kind.
const MAX_SLOTS: u16 = 64;

/// What we can receive. RTX is not offered: `webrtcbin` before 1.24.12 gives several codecs the same RTX payload type.
const AUDIO: &str = "application/x-rtp, media=audio, encoding-name=OPUS, clock-rate=48000, encoding-params=(string)2, payload=97";
const VIDEO: &str = "application/x-rtp, media=video, encoding-name=VP8, clock-rate=90000, payload=98, rtcp-fb-nack=true, rtcp-fb-nack-pli=true, rtcp-fb-ccm-fir=true; \
    application/x-rtp, media=video, encoding-name=H264, clock-rate=90000, payload=99, packetization-mode=(string)1, profile-level-id=(string)42e01f, rtcp-fb-nack=true, rtcp-fb-nack-pli=true, rtcp-fb-ccm-fir=true; \
    application/x-rtp, media=video, encoding-name=VP9, clock-rate=90000, payload=100, rtcp-fb-nack=true, rtcp-fb-nack-pli=true, rtcp-fb-ccm-fir=true";

/// Adds receiving m-lines; they take effect with the next offer.
pub(super) fn add(leg: &Leg, kind: Kind, number: u16) -> Result<(), ClientError> {
    let caps = match kind {
        Kind::Audio => AUDIO,
        Kind::Video => VIDEO,
    };
    let caps: gst::Caps = caps
        .parse()
        .map_err(|_| element_error(leg, "its caps for receiving do not parse"))?;
    for _ in 0..number.min(MAX_SLOTS) {
        let direction = WebRTCRTPTransceiverDirection::Recvonly;
        let transceiver: Option<WebRTCRTPTransceiver> = leg
            .element
            .emit_by_name("add-transceiver", &[&direction, &caps]);
        transceiver.ok_or_else(|| element_error(leg, "it adds no transceiver"))?;
    }
    Ok(())
}

/// Adds what is missing. False if nothing was.
pub(super) fn add_missing(leg: &Leg, missing: Missing) -> Result<bool, ClientError> {
    let have = u16::try_from(super::leg::transceivers(&leg.element).len()).unwrap_or(u16::MAX);
    let room = (2 * MAX_SLOTS).saturating_sub(have);
    let (audio, video) = (missing.audio.min(room), missing.video.min(room));
    add(leg, Kind::Audio, audio)?;
    add(leg, Kind::Video, video)?;
    Ok(audio + video > 0)
}

fn element_error(leg: &Leg, reason: &str) -> ClientError {
    ClientError::Element {
        element: leg.element.name().into(),
        reason: reason.to_owned(),
    }
}

/// The mid of a src pad of `webrtcbin`: which slot it is.
pub fn mid_of(pad: &gst::Pad) -> Option<String> {
    if !pad.has_property("transceiver") {
        return None;
    }
    let transceiver = pad.property::<Option<WebRTCRTPTransceiver>>("transceiver")?;
    transceiver.mid().map(String::from)
}
