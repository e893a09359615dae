// SPDX-License-Identifier: MIT OR Apache-2.0
//! Encoders and decoders.

use gst::prelude::*;
use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{Feedback, PayloadParams};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The packets of one picture.
pub type Picture = Vec<Vec<u8>>;

pub const PT: u8 = 96;

/// A codec, and the elements for it.
pub struct Format {
    codec: Codec,
    encoder: &'static str,
    decoder: &'static str,
    temporal_layers: u8,
}

/// Layers 0 2 1 2. Only the base layer may change what later pictures of it depend on: the last picture, and probabilities.
pub const VP8: Format = Format {
    codec: Codec::Vp8,
    encoder: "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=45 target-bitrate=200000 \
        name=temporal temporal-scalability-number-layers=3 temporal-scalability-periodicity=4 \
        temporal-scalability-layer-flags=<no-ref-golden+no-ref-alt+no-upd-golden+no-upd-alt,\
no-ref-golden+no-ref-alt+no-upd-last+no-upd-golden+no-upd-alt+no-upd-entropy,\
no-ref-golden+no-ref-alt+no-upd-last+no-upd-alt+no-upd-entropy,\
no-ref-alt+no-upd-last+no-upd-golden+no-upd-alt+no-upd-entropy> \
        temporal-scalability-layer-sync-flags=<false,true,true,false> ! \
        rtpvp8pay picture-id-mode=15-bit mtu=300",
    decoder: "rtpvp8depay ! vp8dec",
    temporal_layers: 3,
};

pub const H264: Format = Format {
    codec: Codec::H264,
    encoder: "openh264enc gop-size=45 bitrate=200000 complexity=low ! h264parse config-interval=-1 ! \
        rtph264pay mtu=300 aggregate-mode=zero-latency",
    decoder: "rtph264depay ! h264parse ! openh264dec",
    temporal_layers: 1,
};

pub const VP9: Format = Format {
    codec: Codec::Vp9,
    encoder: "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=45 target-bitrate=200000 lag-in-frames=0 ! \
        rtpvp9pay picture-id-mode=15-bit mtu=300",
    decoder: "rtpvp9depay ! vp9dec",
    temporal_layers: 1,
};

impl Format {
    /// As an SDP would say it.
    pub fn payload(&self) -> PayloadParams {
        PayloadParams {
            pt: PT,
            codec: self.codec,
            clock_rate: 90_000,
            channels: None,
            fmtp: String::new(),
            rtx_pt: None,
            feedback: Feedback::default(),
        }
    }

    pub fn temporal_layers(&self) -> u8 {
        self.temporal_layers
    }
}

/// A ball that moves over a background of that colour.
pub fn encode(format: &Format, color: &str, pictures: usize) -> Vec<Picture> {
    let launch = format!(
        "videotestsrc pattern=ball background-color={color} num-buffers={pictures} ! \
         video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! {} pt={PT} ! appsink name=out sync=false",
        format.encoder
    );
    let mut encoded: Vec<Picture> = Vec::new();
    let mut newest = None;
    for packet in run(&launch, &[]) {
        let timestamp = timestamp(&packet);
        if newest.replace(timestamp) != Some(timestamp) {
            encoded.push(Vec::new());
        }
        encoded.last_mut().expect("just pushed").push(packet);
    }
    assert_eq!(encoded.len(), pictures);
    encoded
}

/// Hashes of the pictures that a decoder makes of packets.
pub fn decode(format: &Format, packets: &[Vec<u8>]) -> Vec<u64> {
    let name = format.codec.as_str();
    let launch = format!(
        "appsrc name=in format=time max-bytes=0 \
         caps=application/x-rtp,media=video,clock-rate=90000,encoding-name={name},payload={PT} ! \
         {} ! videoconvert ! video/x-raw,format=I420 ! appsink name=out sync=false",
        format.decoder
    );
    let hash = |picture: &Vec<u8>| {
        let mut hasher = DefaultHasher::new();
        picture.hash(&mut hasher);
        hasher.finish()
    };
    run(&launch, packets).iter().map(hash).collect()
}

/// How many pictures packets are of.
pub fn pictures(packets: &[Vec<u8>]) -> usize {
    let timestamps: HashSet<_> = packets.iter().map(|p| timestamp(p)).collect();
    timestamps.len()
}

fn timestamp(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]])
}

/// Runs a pipeline to its end, with input if it takes any: what comes out.
fn run(launch: &str, input: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let pipeline = gst::parse::launch(launch).expect("the elements are there");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("a pipeline");
    if let Some(encoder) = pipeline.by_name("temporal") {
        // Launch syntax has no words for arrays of this kind.
        let set = |property: &str, values: &[i32]| {
            let name = format!("temporal-scalability-{property}");
            encoder.set_property(&name, gst::glib::ValueArray::new(values));
        };
        set("layer-id", &[0, 2, 1, 2]);
        set("rate-decimator", &[4, 2, 1]);
        set("target-bitrate", &[100_000, 150_000, 200_000]);
    }
    let out = pipeline.by_name("out").expect("named so");
    out.set_property("max-buffers", 0u32);
    pipeline.set_state(gst::State::Playing).expect("it starts");
    if let Some(source) = pipeline.by_name("in") {
        for packet in input {
            let buffer = gst::Buffer::from_slice(packet.clone());
            let flow: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
            assert_eq!(flow, gst::FlowReturn::Ok);
        }
        let flow: gst::FlowReturn = source.emit_by_name("end-of-stream", &[]);
        assert_eq!(flow, gst::FlowReturn::Ok);
    }
    let mut pulled = Vec::new();
    while let Some(sample) = out.emit_by_name::<Option<gst::Sample>>("pull-sample", &[]) {
        let buffer = sample.buffer().expect("a sample has a buffer");
        pulled.push(buffer.map_readable().expect("memory").to_vec());
    }
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let faults = [gst::MessageType::Error, gst::MessageType::Warning];
    let fault = bus.pop_filtered(&faults);
    pipeline.set_state(gst::State::Null).expect("it stops");
    assert!(fault.is_none(), "{fault:?}");
    pulled
}
