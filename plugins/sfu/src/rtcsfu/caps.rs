// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between caps and what SDP says of a payload.

use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{Feedback, MediaKind, PayloadParams};
use gst_rtc_core::packet::MediaPacket;

/// Caps that cannot be published, and which can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CapsError {
    /// A field is missing or has a wrong type.
    #[error(
        "{field} is missing in {caps}; link the src pad of an RTP payloader, for example rtpvp8pay or rtpopuspay"
    )]
    Field {
        /// Name of the field.
        field: &'static str,
        /// The caps.
        caps: String,
    },
    /// An encoding browsers do not receive.
    #[error("encoding-name={0} cannot be sent into a WebRTC room; use one of {list}", list = names())]
    Encoding(String),
    /// The clock rate is not the one of the encoding.
    #[error("clock-rate={found} does not belong to encoding-name={name}; it must be {expected}")]
    ClockRate {
        /// Encoding name.
        name: &'static str,
        /// What the caps say.
        found: i32,
        /// What they must say.
        expected: u32,
    },
}

/// Field of caps: payloads are encrypted end to end. It is left out where they are not, so that it is in nobody's way.
const ENCRYPTED: &str = "encrypted";

/// Whether caps say that payloads are encrypted end to end, as those of a pad on which such a track leaves a room do.
pub(crate) fn is_encrypted(caps: &gst::CapsRef) -> bool {
    let field = |s: &gst::StructureRef| s.get::<bool>(ENCRYPTED).unwrap_or(false);
    caps.structure(0).is_some_and(field)
}

/// Encoding names as caps write them: in upper case.
pub(crate) fn encoding_name(codec: Codec) -> String {
    codec.as_str().to_ascii_uppercase()
}

fn names() -> String {
    let names: Vec<String> = Codec::ALL
        .iter()
        .map(|codec| encoding_name(*codec))
        .collect();
    names.join(", ")
}

/// Format parameters which caps and SDP share.
fn parameters(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::Opus => &[
            "minptime",
            "useinbandfec",
            "usedtx",
            "stereo",
            "sprop-stereo",
            "maxaveragebitrate",
            "maxplaybackrate",
            "cbr",
        ],
        Codec::H264 => &[
            "level-asymmetry-allowed",
            "packetization-mode",
            "profile-level-id",
        ],
        Codec::H265 => &["profile-id", "tier-flag", "level-id", "tx-mode"],
        Codec::Vp9 => &["profile-id"],
        Codec::Av1 => &["profile", "level-idx", "tier"],
        Codec::Vp8 | Codec::Pcmu | Codec::Pcma | Codec::Red => &[],
    }
}

/// What the caps of a sink pad say.
pub(crate) fn payload(caps: &gst::CapsRef) -> Result<PayloadParams, CapsError> {
    let missing = |field| CapsError::Field {
        field,
        caps: caps.to_string(),
    };
    let s = caps.structure(0).ok_or_else(|| missing("everything"))?;
    let name = s
        .get::<&str>("encoding-name")
        .map_err(|_| missing("encoding-name"))?;
    let codec = Codec::from_name(name).ok_or_else(|| CapsError::Encoding(name.to_owned()))?;
    let clock_rate = s
        .get::<i32>("clock-rate")
        .map_err(|_| missing("clock-rate"))?;
    if clock_rate != codec.clock_rate() as i32 {
        return Err(CapsError::ClockRate {
            name: codec.as_str(),
            found: clock_rate,
            expected: codec.clock_rate(),
        });
    }
    let pt = s
        .get::<i32>("payload")
        .ok()
        .and_then(|pt| u8::try_from(pt).ok())
        .filter(|pt| *pt < 128);
    Ok(PayloadParams {
        pt: pt.ok_or_else(|| missing("payload"))?,
        codec,
        clock_rate: codec.clock_rate(),
        channels: channels(codec, s),
        fmtp: fmtp(codec, s),
        rtx_pt: None,
        feedback: feedback(codec.kind()),
    })
}

fn channels(codec: Codec, s: &gst::StructureRef) -> Option<u8> {
    match codec {
        // RFC 7587 §7: always 2, whatever is inside.
        Codec::Opus => Some(2),
        _ => s
            .get::<&str>("encoding-params")
            .ok()
            .and_then(|channels| channels.parse().ok()),
    }
}

fn fmtp(codec: Codec, s: &gst::StructureRef) -> String {
    let pairs: Vec<String> = parameters(codec)
        .iter()
        .filter_map(|name| {
            let value = s.value(*name).ok()?;
            let value = value
                .get::<String>()
                .ok()
                .or_else(|| value.get::<i32>().ok().map(|n| n.to_string()))?;
            Some(format!("{name}={value}"))
        })
        .collect();
    pairs.join(";")
}

fn feedback(kind: MediaKind) -> Feedback {
    match kind {
        MediaKind::Audio => Feedback::default(),
        MediaKind::Video => Feedback {
            nack: true,
            pli: true,
            fir: true,
            ..Feedback::default()
        },
    }
}

/// The caps of a packet taken out of the room. `params`: what was negotiated, used where it is of the packet's codec.
pub(crate) fn of_packet(params: Option<&PayloadParams>, packet: &MediaPacket) -> gst::Caps {
    let codec = packet.codec;
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", codec.kind().as_str())
        .field("clock-rate", packet.clock_rate as i32)
        .field("encoding-name", encoding_name(codec))
        .field("payload", i32::from(packet.payload_type))
        .field("ssrc", packet.ssrc());
    if packet.encrypted {
        caps = caps.field(ENCRYPTED, true);
    }
    let params = params.filter(|params| params.codec == codec);
    if let Some(channels) = params.and_then(|params| params.channels) {
        caps = caps.field("encoding-params", channels.to_string());
    }
    for (name, value) in params
        .into_iter()
        .flat_map(|params| known_parameters(codec, &params.fmtp))
    {
        caps = caps.field(name, value);
    }
    caps.build()
}

/// What is known of a track before its first packet.
pub(crate) fn of_payload(params: &PayloadParams) -> gst::Caps {
    gst::Caps::builder("application/x-rtp")
        .field("media", params.codec.kind().as_str())
        .field("clock-rate", params.clock_rate as i32)
        .field("encoding-name", encoding_name(params.codec))
        .build()
}

/// The parameters of an `a=fmtp` value that caps share with SDP.
fn known_parameters(codec: Codec, fmtp: &str) -> impl Iterator<Item = (&'static str, &str)> {
    fmtp.split(';').filter_map(move |pair| {
        let (name, value) = pair.trim().split_once('=')?;
        let name = parameters(codec)
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name.trim()))?;
        Some((*name, value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn parse(caps: &str) -> Result<PayloadParams, CapsError> {
        gst::init().expect("GStreamer starts");
        payload(&gst::Caps::from_str(caps).expect("caps"))
    }

    #[test]
    fn payloader_caps_are_understood() {
        let h264 = parse(
            "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,packetization-mode=(string)1,\
             profile-level-id=(string)42c01f,sprop-parameter-sets=(string)\"Z0I,aM4\",payload=97,ssrc=(uint)7",
        )
        .expect("H.264");
        assert_eq!(
            (h264.codec, h264.pt, h264.clock_rate),
            (Codec::H264, 97, 90_000)
        );
        assert_eq!(h264.fmtp, "packetization-mode=1;profile-level-id=42c01f");
        let opus = parse("application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,sprop-stereo=(string)1,payload=96")
            .expect("Opus");
        assert_eq!(
            (opus.codec, opus.channels, opus.fmtp.as_str()),
            (Codec::Opus, Some(2), "sprop-stereo=1")
        );
    }

    #[test]
    fn caps_say_what_is_encrypted() {
        gst::init().expect("GStreamer starts");
        let says = |caps| is_encrypted(&gst::Caps::from_str(caps).expect("caps"));
        assert!(says("application/x-rtp,encrypted=true"));
        assert!(!says("application/x-rtp,encrypted=false"));
        assert!(!says("application/x-rtp"));
    }

    #[test]
    fn what_browsers_do_not_take_is_named_with_what_they_do() {
        let error =
            parse("application/x-rtp,media=video,clock-rate=90000,encoding-name=JPEG,payload=26")
                .expect_err("JPEG");
        assert!(
            error.to_string().contains("JPEG") && error.to_string().contains("VP8"),
            "{error}"
        );
        let error = parse("application/x-rtp,encoding-name=OPUS,clock-rate=8000,payload=96")
            .expect_err("rate");
        assert!(error.to_string().contains("48000"), "{error}");
        assert!(parse("application/x-rtp").is_err());
    }

    #[test]
    fn only_known_parameters_reach_the_caps() {
        let all: Vec<_> = known_parameters(
            Codec::H264,
            "profile-level-id=42e01f; x y=1;packetization-mode=1;junk",
        )
        .collect();
        assert_eq!(
            all,
            [("profile-level-id", "42e01f"), ("packetization-mode", "1")]
        );
    }
}
