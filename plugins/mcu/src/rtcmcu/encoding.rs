// SPDX-License-Identifier: MIT OR Apache-2.0
//! What downstream wants of an output, and which elements give it that.

use super::bitrate;
use super::settings::Settings;
use gst::glib;
use gst::prelude::*;
use gst_rtc_core::mcu::rect::Size;

/// A way to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    Vp8,
    Vp9,
    Opus,
    Aac,
}

/// What downstream takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// As it is mixed.
    Raw,
    /// Encoded.
    Encoded(Codec),
    /// Encoded, in RTP packets of that payload type.
    Rtp(Codec, u32),
}

/// In the order of preference for files and streams. Every browser takes VP8, so it is first in RTP.
const VIDEO: [Codec; 3] = [Codec::H264, Codec::Vp8, Codec::Vp9];
const VIDEO_RTP: [Codec; 3] = [Codec::Vp8, Codec::H264, Codec::Vp9];
const AUDIO: [Codec; 2] = [Codec::Opus, Codec::Aac];
const AUDIO_RTP: [Codec; 1] = [Codec::Opus];

impl Demand {
    /// Reads the caps that the linked pad takes.
    ///
    /// Who takes anything gets raw; who takes something encoded, even besides raw, gets it encoded.
    ///
    /// # Errors
    /// There is no way to give it what it takes.
    pub(super) fn of(caps: &gst::Caps, is_video: bool) -> Result<Demand, String> {
        if caps.is_any() {
            return Ok(Demand::Raw);
        }
        let (encoded, packed) = match is_video {
            true => (&VIDEO[..], &VIDEO_RTP[..]),
            false => (&AUDIO[..], &AUDIO_RTP[..]),
        };
        let takes = |wanted: gst::Caps| caps.can_intersect(&wanted);
        let found = encoded
            .iter()
            .find(|codec| codec.is_installed() && takes(codec.caps()));
        if let Some(codec) = found {
            return Ok(Demand::Encoded(*codec));
        }
        let raw = if is_video {
            "video/x-raw"
        } else {
            "audio/x-raw"
        };
        if caps.iter().any(|structure| structure.name() == raw) {
            return Ok(Demand::Raw);
        }
        let found = packed
            .iter()
            .find(|codec| codec.is_installed() && takes(codec.rtp_caps()));
        match found {
            Some(codec) => Ok(Demand::Rtp(*codec, payload_type(caps, is_video))),
            None => Err(format!(
                "nothing installed gives {caps}; link an encoder of your own"
            )),
        }
    }

    /// The elements between the mix and downstream, in order.
    ///
    /// # Errors
    /// One of them is not installed.
    pub(super) fn elements(
        self,
        is_video: bool,
        settings: &Settings,
    ) -> Result<Vec<gst::Element>, glib::BoolError> {
        let mut elements = match is_video {
            true => vec![make("videoconvert")?],
            false => vec![make("audioconvert")?, make("audioresample")?],
        };
        match self {
            Demand::Raw => {}
            Demand::Encoded(codec) => elements.extend(codec.encoder(settings)?),
            Demand::Rtp(codec, payload_type) => {
                elements.extend(codec.encoder(settings)?);
                elements.push(codec.payloader(payload_type)?);
            }
        }
        Ok(elements)
    }
}

fn payload_type(caps: &gst::Caps, is_video: bool) -> u32 {
    let fixed = caps
        .iter()
        .find_map(|structure| structure.get::<i32>("payload").ok());
    let fixed = fixed
        .and_then(|pt| u32::try_from(pt).ok())
        .filter(|pt| *pt < 128);
    fixed.unwrap_or(if is_video { 96 } else { 111 })
}

fn make(factory: &str) -> Result<gst::Element, glib::BoolError> {
    gst::ElementFactory::make(factory).build()
}

impl Codec {
    fn caps(self) -> gst::Caps {
        let text = match self {
            Codec::H264 => "video/x-h264",
            Codec::Vp8 => "video/x-vp8",
            Codec::Vp9 => "video/x-vp9",
            Codec::Opus => "audio/x-opus",
            Codec::Aac => "audio/mpeg,mpegversion=4",
        };
        text.parse().expect("valid caps")
    }

    fn rtp_caps(self) -> gst::Caps {
        let (media, name, rate) = match self {
            Codec::H264 => ("video", "H264", 90_000),
            Codec::Vp8 => ("video", "VP8", 90_000),
            Codec::Vp9 => ("video", "VP9", 90_000),
            Codec::Opus => ("audio", "OPUS", 48_000),
            Codec::Aac => ("audio", "MPEG4-GENERIC", 48_000),
        };
        gst::Caps::builder("application/x-rtp")
            .field("media", media)
            .field("encoding-name", name)
            .field("clock-rate", rate)
            .build()
    }

    /// Encoders by preference.
    fn encoders(self) -> &'static [&'static str] {
        match self {
            Codec::H264 => &["x264enc", "openh264enc"],
            Codec::Vp8 => &["vp8enc"],
            Codec::Vp9 => &["vp9enc"],
            Codec::Opus => &["opusenc"],
            Codec::Aac => &["fdkaacenc", "voaacenc", "avenc_aac"],
        }
    }

    fn installed_encoder(self) -> Option<&'static str> {
        let mut encoders = self.encoders().iter().copied();
        encoders.find(|name| gst::ElementFactory::find(name).is_some())
    }

    fn is_installed(self) -> bool {
        self.installed_encoder().is_some()
    }

    /// An encoder tuned for live pictures or talk, and what makes its stream fit for all.
    fn encoder(self, settings: &Settings) -> Result<Vec<gst::Element>, glib::BoolError> {
        let name = self.installed_encoder().unwrap_or(self.encoders()[0]);
        let encoder = make(name)?;
        encoder.set_property("name", format!("{}-encoder", encoder.name()));
        tune(&encoder, name, settings);
        let mut elements = vec![encoder];
        if self == Codec::H264 {
            elements.push(
                gst::ElementFactory::make("capsfilter")
                    .property(
                        "caps",
                        "video/x-h264,profile=constrained-baseline".parse::<gst::Caps>()?,
                    )
                    .build()?,
            );
            elements.push(make("h264parse")?);
        } else if self == Codec::Aac {
            elements.push(make("aacparse")?);
        }
        Ok(elements)
    }

    fn payloader(self, payload_type: u32) -> Result<gst::Element, glib::BoolError> {
        let factory = match self {
            Codec::H264 => "rtph264pay",
            Codec::Vp8 => "rtpvp8pay",
            Codec::Vp9 => "rtpvp9pay",
            Codec::Opus => "rtpopuspay",
            Codec::Aac => "rtpmp4gpay",
        };
        let payloader = make(factory)?;
        payloader.set_property("pt", payload_type);
        match self {
            Codec::H264 => {
                // Who joins late needs the parameters with each keyframe.
                payloader.set_property("config-interval", -1i32);
                payloader.set_property_from_str("aggregate-mode", "zero-latency");
            }
            Codec::Vp8 | Codec::Vp9 => payloader.set_property_from_str("picture-id-mode", "15-bit"),
            Codec::Opus | Codec::Aac => {}
        }
        Ok(payloader)
    }
}

/// Requests for keyframes that come within it are answered by one.
const KEYFRAME_INTERVAL: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// Negative: always that fast. Positive, the encoder would take all the time that there is from one picture to the next.
const VP8_SPEED: &str = "-6";

/// Threads of a VP8 or VP9 encoder, as libwebrtc has them: they wait for one another by spinning, so more of them than there are
/// processors left cost more than they gain.
fn threads(canvas: Size) -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match u64::from(canvas.width) * u64::from(canvas.height) {
        pixels if pixels >= 1920 * 1080 && processors > 8 => 8,
        pixels if pixels > 1280 * 960 && processors >= 6 => 3,
        pixels if pixels > 640 * 480 && processors >= 3 => 2,
        _ => 1,
    }
}

/// Makes an encoder fit for live pictures or talk.
pub(super) fn tune(encoder: &gst::Element, name: &str, settings: &Settings) {
    let (numer, denom) = (
        settings.framerate.numer().max(1),
        settings.framerate.denom().max(1),
    );
    // A keyframe every two seconds is what HLS and RTMP want; others ask when they need one.
    let distance = (2 * numer / denom).max(1);
    let text: Vec<(&str, String)> = match name {
        "x264enc" => vec![
            ("tune", "zerolatency".into()),
            ("speed-preset", "veryfast".into()),
            ("key-int-max", distance.to_string()),
        ],
        "openh264enc" => vec![
            ("rate-control", "bitrate".into()),
            ("complexity", "low".into()),
            ("gop-size", distance.to_string()),
        ],
        "vp8enc" | "vp9enc" => vec![
            ("deadline", "1".into()),
            (
                "cpu-used",
                if name == "vp8enc" { VP8_SPEED } else { "8" }.into(),
            ),
            ("end-usage", "cbr".into()),
            ("error-resilient", "default".into()),
            ("threads", threads(settings.canvas).to_string()),
            ("keyframe-max-dist", distance.to_string()),
            ("lag-in-frames", "0".into()),
        ],
        "opusenc" => vec![("inband-fec", "true".into())],
        _ => vec![],
    };
    for (property, value) in text {
        if encoder.find_property(property).is_some() {
            encoder.set_property_from_str(property, &value);
        }
    }
    if encoder
        .find_property("min-force-key-unit-interval")
        .is_some()
    {
        encoder.set_property("min-force-key-unit-interval", KEYFRAME_INTERVAL);
    }
    bitrate::set(encoder, settings);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(caps: &str, is_video: bool) -> Demand {
        gst::init().expect("GStreamer starts");
        Demand::of(&caps.parse().expect("valid caps"), is_video).expect("possible")
    }

    #[test]
    fn downstream_gets_what_it_takes() {
        assert_eq!(demand("ANY", true), Demand::Raw);
        assert_eq!(demand("video/x-raw,format=RGB", true), Demand::Raw);
        assert_eq!(
            demand("video/x-vp8; video/x-raw", true),
            Demand::Encoded(Codec::Vp8)
        );
        assert_eq!(
            demand("application/x-rtp", true),
            Demand::Rtp(Codec::Vp8, 96)
        );
        let h264 = "application/x-rtp,encoding-name=H264,payload=102";
        assert_eq!(demand(h264, true), Demand::Rtp(Codec::H264, 102));
        assert_eq!(
            demand("application/x-rtp", false),
            Demand::Rtp(Codec::Opus, 111)
        );
    }

    #[test]
    fn what_cannot_be_given_is_said() {
        gst::init().expect("GStreamer starts");
        let caps = "video/x-theora".parse().expect("valid caps");
        let error = Demand::of(&caps, true).expect_err("nothing makes it");
        assert!(error.contains("video/x-theora"), "{error}");
    }

    #[test]
    fn every_element_is_tuned_with_properties_it_has() {
        gst::init().expect("GStreamer starts");
        let settings = Settings::default();
        for codec in VIDEO.into_iter().chain(AUDIO) {
            let is_video = VIDEO.contains(&codec);
            let elements = Demand::Rtp(codec, 96).elements(is_video, &settings);
            assert!(elements.expect("installed").len() >= 3, "{codec:?}");
        }
    }
}
