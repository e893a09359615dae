// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many bits an encoder may spend, changed while it runs.

use super::settings::Settings;
use gst::prelude::*;

/// Brings the bitrate to an encoder; other elements are left alone.
pub(super) fn set(element: &gst::Element, settings: &Settings) {
    let factory = element.factory().map(|factory| factory.name());
    let (video, audio) = (settings.video_bitrate, settings.audio_bitrate);
    let (property, value) = match factory.as_deref() {
        Some("x264enc") => ("bitrate", (video / 1000).max(1)),
        Some("openh264enc") => ("bitrate", video),
        Some("vp8enc" | "vp9enc") => ("target-bitrate", video),
        Some("opusenc") => ("bitrate", audio.clamp(6_000, 510_000)),
        Some("fdkaacenc" | "voaacenc" | "avenc_aac") => ("bitrate", audio),
        _ => return,
    };
    element.set_property_from_str(property, &value.to_string());
}

#[cfg(test)]
mod tests {
    use super::super::encoding;
    use super::*;
    use std::sync::{Arc, Mutex};

    /// When each begins, when it ends, and its bytes.
    type Packets = Arc<Mutex<Vec<(gst::ClockTime, gst::ClockTime, usize)>>>;

    const SECONDS: u64 = 4;

    /// What leaves an encoder whose bitrate changes every four seconds of what it encodes.
    fn encoded(source: &str, name: &str, bitrates: &'static [u32]) -> Packets {
        gst::init().expect("GStreamer starts");
        let at = |bitrate: u32| Settings {
            video_bitrate: bitrate,
            audio_bitrate: bitrate,
            ..Settings::default()
        };
        let description = format!("{source} ! {name} name=encoder ! fakesink");
        let pipeline = gst::parse::launch(&description).expect("all is installed");
        let bin = pipeline.downcast_ref::<gst::Bin>().expect("it is a bin");
        let encoder = bin.by_name("encoder").expect("it was just named");
        encoding::tune(&encoder, name, &at(bitrates[0]));
        let mut left = bitrates[1..].iter().zip(1..).peekable();
        let left = Mutex::new(std::iter::from_fn(move || left.next()).peekable());
        let weak = encoder.downgrade();
        let sink = encoder.static_pad("sink").expect("encoders have one");
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let now = info.buffer().and_then(|buffer| buffer.pts());
            let due = |(_, n): &(&u32, u64)| now >= Some(*n * SECONDS * gst::ClockTime::SECOND);
            let mut left = left.lock().expect("no panic");
            if let (Some((bitrate, _)), Some(encoder)) = (left.next_if(due), weak.upgrade()) {
                set(&encoder, &at(*bitrate));
            }
            gst::PadProbeReturn::Ok
        });
        let packets = Packets::default();
        let kept = packets.clone();
        let src = encoder.static_pad("src").expect("encoders have one");
        src.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer().expect("only buffers were asked for");
            let (start, duration) = (buffer.pts(), buffer.duration());
            let (start, duration) = (start.expect("it has one"), duration.expect("it has one"));
            let mut kept = kept.lock().expect("no panic");
            kept.push((start, start + duration, buffer.size()));
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).expect("it plays");
        let bus = pipeline.bus().expect("pipelines have one");
        let types = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &types);
        pipeline.set_state(gst::State::Null).expect("it stops");
        let message = message.expect("it ends");
        assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
        packets
    }

    /// The last two seconds of each four are near the bitrate, and nothing is missing.
    fn follows(source: &str, name: &str, bitrates: &'static [u32]) {
        let packets = encoded(source, name, bitrates);
        let packets = packets.lock().expect("no panic");
        for pair in packets.windows(2) {
            let gap = pair[0].1.absdiff(pair[1].0);
            assert!(gap < gst::ClockTime::MSECOND, "{name}: {pair:?}");
        }
        // Some encoders begin far from 0, to have room for pictures out of order.
        let first = packets.first().expect("something leaves").0;
        for (n, wanted) in bitrates.iter().enumerate() {
            let end = first + (n as u64 + 1) * SECONDS * gst::ClockTime::SECOND;
            let settled = end - 2 * gst::ClockTime::SECOND..end;
            let counted = packets.iter().filter(|packet| settled.contains(&packet.0));
            let bytes: usize = counted.map(|packet| packet.2).sum();
            let rate = bytes as f64 * 8.0 / 2.0 / f64::from(*wanted);
            assert!(
                (0.7..1.3).contains(&rate),
                "{name}: {rate:.2} times {wanted} bit/s"
            );
        }
    }

    #[test]
    fn encoders_of_pictures_follow_up_and_down() {
        let snow = "videotestsrc pattern=snow num-buffers=360
                    ! video/x-raw,format=I420,width=160,height=90,framerate=30/1";
        for name in ["vp8enc", "vp9enc", "x264enc"] {
            follows(snow, name, &[900_000, 400_000, 900_000]);
        }
        // It keeps more of what is as hard to encode as this.
        follows(snow, "openh264enc", &[3_000_000, 1_500_000, 3_000_000]);
    }

    #[test]
    fn encoders_of_sound_follow_up_and_down() {
        let noise = "audiotestsrc wave=pink-noise num-buffers=1200 samplesperbuffer=480
                     ! audio/x-raw,rate=48000,channels=2";
        follows(noise, "opusenc", &[96_000, 32_000, 128_000]);
    }
}
