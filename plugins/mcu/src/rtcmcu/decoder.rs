// SPDX-License-Identifier: MIT OR Apache-2.0
//! What turns a participant's stream into raw pictures or sound.
//!
//! The elements are found by caps and rank, as decodebin finds them. decodebin itself is not used: its multiqueue has threads
//! and limits of its own, and its errors end the pipeline, while here they concern one participant.

use gst::prelude::*;
use gst::{ElementFactoryType as Type, glib};

/// A bin from depayloader to decoder. Errors within do not reach upstream: each is told to `failed`, and the buffer is dropped.
/// None: the stream is raw already.
///
/// # Errors
/// No element is installed for a step; says which.
pub(super) fn build(
    caps: &gst::Caps,
    failed: impl Fn(String) + Send + Sync + 'static,
) -> Result<Option<gst::Bin>, String> {
    let steps = steps(caps)?;
    if steps.is_empty() {
        return Ok(None);
    }
    let bin = gst::Bin::new();
    let made: Result<Vec<_>, _> = steps.iter().map(make).collect();
    let elements = made.map_err(|error| error.to_string())?;
    bin.add_many(&elements).map_err(|error| error.to_string())?;
    gst::Element::link_many(&elements).map_err(|error| error.to_string())?;
    add_pads(&bin, &elements, failed).map_err(|error| error.to_string())?;
    Ok(Some(bin))
}

/// What distinguishes streams that need other elements.
pub(super) fn family(caps: &gst::CapsRef) -> String {
    let Some(structure) = caps.structure(0) else {
        return String::new();
    };
    let encoding = structure.get::<&str>("encoding-name").unwrap_or_default();
    format!("{} {encoding}", structure.name())
}

/// Whether it is a picture; None: neither a picture nor sound.
pub(super) fn is_video(caps: &gst::CapsRef) -> Option<bool> {
    let structure = caps.structure(0)?;
    match structure.name().as_str() {
        "application/x-rtp" => match structure.get::<&str>("media").ok()? {
            "video" => Some(true),
            "audio" => Some(false),
            _ => None,
        },
        name if name.starts_with("video/") || name.starts_with("image/") => Some(true),
        name if name.starts_with("audio/") => Some(false),
        _ => None,
    }
}

fn steps(caps: &gst::Caps) -> Result<Vec<gst::ElementFactory>, String> {
    let mut steps = Vec::new();
    let mut caps = caps.clone();
    if named(&caps, &["application/x-rtp"]) {
        let depayloader = best(Type::DEPAYLOADER, &caps)?;
        caps = src_caps(&depayloader);
        steps.push(depayloader);
    }
    if named(&caps, &["video/x-raw", "audio/x-raw"]) {
        return Ok(steps);
    }
    if named(&caps, PARSED)
        && let Ok(parser) = best(Type::PARSER, &caps)
    {
        caps = src_caps(&parser);
        steps.push(parser);
    }
    steps.push(best(Type::DECODER, &caps)?);
    Ok(steps)
}

/// Formats that come in shapes which only a parser brings into those of decoders.
const PARSED: &[&str] = &[
    "video/x-h264",
    "video/x-h265",
    "video/x-av1",
    "video/mpeg",
    "audio/mpeg",
    "image/jpeg",
];

fn named(caps: &gst::Caps, names: &[&str]) -> bool {
    let structure = caps.structure(0);
    structure.is_some_and(|structure| names.contains(&structure.name().as_str()))
}

/// The installed element of the highest rank that takes such caps.
fn best(kind: Type, caps: &gst::Caps) -> Result<gst::ElementFactory, String> {
    let suits = |factory: &gst::ElementFactory| {
        let class = factory.metadata("klass").unwrap_or_default();
        // Memory of a device would have to be fetched back to be composed.
        let on_device = class.contains("Hardware");
        let is_bin = factory.name().ends_with("bin");
        !on_device && !is_bin && factory.can_sink_any_caps(caps)
    };
    let factories = gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL);
    let best = factories
        .into_iter()
        .filter(suits)
        .max_by(|a, b| (a.rank(), b.name()).cmp(&(b.rank(), a.name())));
    best.ok_or_else(|| format!("no element is installed that takes {caps}"))
}

fn src_caps(factory: &gst::ElementFactory) -> gst::Caps {
    let templates = factory.static_pad_templates();
    let src = templates
        .into_iter()
        .find(|template| template.direction() == gst::PadDirection::Src);
    src.map_or_else(gst::Caps::new_empty, |template| template.caps())
}

fn make(factory: &gst::ElementFactory) -> Result<gst::Element, glib::BoolError> {
    let element = factory.create().build()?;
    // A depayloader that misses something asks for a keyframe, and a decoder shows nothing broken.
    for (name, value) in [
        ("request-keyframe", "true"),
        ("wait-for-keyframe", "true"),
        ("output-corrupt", "false"),
        ("automatic-request-sync-points", "true"),
        ("use-inband-fec", "true"),
        ("plc", "true"),
    ] {
        let property = element.find_property(name);
        if property.is_some_and(|property| property.flags().contains(glib::ParamFlags::WRITABLE)) {
            element.set_property_from_str(name, value);
        }
    }
    Ok(element)
}

fn add_pads(
    bin: &gst::Bin,
    elements: &[gst::Element],
    failed: impl Fn(String) + Send + Sync + 'static,
) -> Result<(), glib::BoolError> {
    let end = |element: Option<&gst::Element>, name| {
        let pad = element.and_then(|element| element.static_pad(name));
        pad.ok_or_else(|| glib::bool_error!("an element without pad {name}"))
    };
    let sink = gst::GhostPad::builder_with_target(&end(elements.first(), "sink")?)?
        .name("sink")
        .chain_function(move |pad, parent, buffer| {
            match gst::ProxyPad::chain_default(pad, parent, buffer) {
                Err(error @ (gst::FlowError::Error | gst::FlowError::NotNegotiated)) => {
                    failed(format!("it cannot be decoded ({error})"));
                    Ok(gst::FlowSuccess::Ok)
                }
                other => other,
            }
        })
        .build();
    let src = gst::GhostPad::builder_with_target(&end(elements.last(), "src")?)?
        .name("src")
        .build();
    bin.add_pad(&sink)?;
    bin.add_pad(&src)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(caps: &str) -> Vec<String> {
        gst::init().expect("GStreamer starts");
        let caps = caps.parse().expect("valid caps");
        let steps = steps(&caps).expect("everything is installed");
        steps.iter().map(|step| step.name().to_string()).collect()
    }

    #[test]
    fn chains_go_from_packets_to_pictures() {
        let vp8 = "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96";
        assert_eq!(names(vp8), ["rtpvp8depay", "vp8dec"]);
        let opus = "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111";
        assert_eq!(names(opus), ["rtpopusdepay", "opusdec"]);
        let h264 = names("video/x-h264,stream-format=byte-stream");
        assert_eq!((h264.len(), h264[0].as_str()), (2, "h264parse"));
        assert!(names("audio/x-raw").is_empty());
    }

    #[test]
    fn what_nothing_decodes_is_said() {
        gst::init().expect("GStreamer starts");
        let caps = gst::Caps::new_empty_simple("video/x-quantum");
        let error = build(&caps, |_| {}).expect_err("nothing decodes it");
        assert!(error.contains("video/x-quantum"), "{error}");
    }
}
