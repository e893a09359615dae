// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures from files: the background and the logo.

use super::text::picture;
use gst::prelude::*;
use gst_rtc_core::mcu::rect::Size;

/// Reads a picture of any format that is installed, scaled to fill a canvas, in I420.
///
/// # Errors
/// What GStreamer says of the file.
pub(super) fn background(path: &str, canvas: Size) -> Result<gst::Buffer, String> {
    let caps = format!(
        "video/x-raw,format=I420,colorimetry=bt601,width={},height={},pixel-aspect-ratio=1/1",
        canvas.width, canvas.height
    );
    let (buffer, _) = load(path, &format!("videoscale add-borders=false ! {caps}"))?;
    Ok(buffer)
}

/// Reads a picture as an overlay, with its transparency.
///
/// # Errors
/// What GStreamer says of the file.
pub(super) fn logo(path: &str) -> Result<gst::Buffer, String> {
    let (buffer, caps) = load(path, "video/x-raw,format=AYUV")?;
    let info = gst_video::VideoInfo::from_caps(&caps).map_err(|error| error.to_string())?;
    let map = buffer.map_readable().map_err(|error| error.to_string())?;
    let size = Size {
        width: info.width(),
        height: info.height(),
    };
    Ok(picture(map.to_vec(), size))
}

fn load(path: &str, conversion: &str) -> Result<(gst::Buffer, gst::Caps), String> {
    let text = |error: gst::glib::Error| error.to_string();
    let description = format!(
        "filesrc name=in ! decodebin ! videoconvert ! {conversion} ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&description).map_err(text)?;
    let bin = pipeline.downcast_ref::<gst::Bin>().ok_or("no bin")?;
    bin.by_name("in")
        .ok_or("no filesrc")?
        .set_property("location", path);
    let sink = bin
        .by_name("out")
        .and_downcast::<gst_app::AppSink>()
        .ok_or("no appsink")?;
    // A failure is on the bus, where it says more.
    let started = pipeline.set_state(gst::State::Playing);
    let sample = started
        .ok()
        .and_then(|_| sink.try_pull_sample(gst::ClockTime::from_seconds(30)));
    let error = pipeline
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    let _ = pipeline.set_state(gst::State::Null);
    let parts = sample.and_then(|sample| Some((sample.buffer_owned()?, sample.caps_owned()?)));
    parts.ok_or_else(|| match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => error.error().to_string(),
        _ => "it holds no picture".to_owned(),
    })
}
