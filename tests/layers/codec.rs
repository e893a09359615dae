// SPDX-License-Identifier: MIT OR Apache-2.0
//! Encoders, recordings of encoders, and decoders.

use super::end::PT;
use super::{av1, vp9};
use gst::prelude::*;
use gst_rtc_core::codec::Codec;
use openssl::sha::sha256;

/// The packets of one picture.
pub type Picture = Vec<Vec<u8>>;

/// What tells a decoded picture from all others.
pub type Hash = [u8; 32];

/// A codec, where a stream of it comes from, and the elements that decode it.
pub struct Format {
    pub codec: Codec,
    pub source: Source,
    decoder: &'static str,
    /// Of each encoding.
    pub temporal_layers: u8,
    /// Of each encoding.
    pub spatial_layers: u8,
}

/// Where a stream comes from.
pub enum Source {
    /// These elements make it, once in each size.
    Encoder(&'static str),
    /// A browser made it: RTP packets, each behind its length (RFC 4571).
    Recording(&'static [u8]),
}

/// Layers 0 2 1 2. Only the base layer may change what later pictures of it depend on: the last picture, and probabilities.
pub const VP8: Format = Format {
    codec: Codec::Vp8,
    source: Source::Encoder(
        "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=12 target-bitrate=200000 \
        name=temporal temporal-scalability-number-layers=3 temporal-scalability-periodicity=4 \
        temporal-scalability-layer-flags=<no-ref-golden+no-ref-alt+no-upd-golden+no-upd-alt,\
no-ref-golden+no-ref-alt+no-upd-last+no-upd-golden+no-upd-alt+no-upd-entropy,\
no-ref-golden+no-ref-alt+no-upd-last+no-upd-alt+no-upd-entropy,\
no-ref-alt+no-upd-last+no-upd-golden+no-upd-alt+no-upd-entropy> \
        temporal-scalability-layer-sync-flags=<false,true,true,false> ! \
        rtpvp8pay picture-id-mode=15-bit mtu=300",
    ),
    decoder: "rtpvp8depay ! vp8dec",
    temporal_layers: 3,
    spatial_layers: 1,
};

pub const H264: Format = Format {
    codec: Codec::H264,
    source: Source::Encoder(
        "openh264enc gop-size=12 bitrate=200000 complexity=low ! h264parse config-interval=-1 ! \
        rtph264pay mtu=300 aggregate-mode=zero-latency",
    ),
    decoder: "rtph264depay ! h264parse ! openh264dec",
    temporal_layers: 1,
    spatial_layers: 1,
};

pub const VP9: Format = Format {
    codec: Codec::Vp9,
    source: Source::Encoder(
        "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=12 target-bitrate=200000 lag-in-frames=0 ! \
        rtpvp9pay picture-id-mode=15-bit mtu=300",
    ),
    decoder: "rtpvp9depay ! vp9dec",
    temporal_layers: 1,
    spatial_layers: 1,
};

/// A page of Chromium paints a square that moves: 960 × 540, L3T3.
pub const VP9_LAYERS: Format = Format {
    codec: Codec::Vp9,
    source: Source::Recording(include_bytes!("vp9-l3t3.rtp")),
    decoder: "rtpvp9depay ! vp9dec",
    temporal_layers: 3,
    spatial_layers: 3,
};

/// The same, 1024 × 576.
pub const AV1_LAYERS: Format = Format {
    codec: Codec::Av1,
    source: Source::Recording(include_bytes!("av1-l3t3.rtp")),
    decoder: "av1dec",
    temporal_layers: 3,
    spatial_layers: 3,
};

/// Sizes of the encodings, one of them in another shape.
const SIZES: [(u32, u32); 3] = [(80, 60), (160, 120), (240, 144)];

/// A ball that moves over a background of that colour, in each size.
pub fn encode(format: &Format, color: &str, pictures: usize) -> Vec<Vec<Picture>> {
    let Source::Encoder(encoder) = format.source else {
        panic!("a recording is not encoded");
    };
    let in_size = |(width, height)| {
        let launch = format!(
            "videotestsrc pattern=ball background-color={color} num-buffers={pictures} ! \
             video/x-raw,format=I420,width={width},height={height},framerate=30/1 ! {encoder} pt={PT} ! \
             appsink name=out sync=false"
        );
        let encoded = split(run(&launch, &[]));
        assert_eq!(encoded.len(), pictures);
        encoded
    };
    SIZES.into_iter().map(in_size).collect()
}

/// The pictures that packets are of.
pub fn split(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<Picture> {
    let mut split: Vec<Picture> = Vec::new();
    for packet in packets {
        let is_next = |picture: &Picture| timestamp(&picture[0]) != timestamp(&packet);
        if split.last().is_none_or(is_next) {
            split.push(Vec::new());
        }
        split.last_mut().expect("just pushed").push(packet);
    }
    split
}

/// Two sources from one recording: its first half, and its second. Both begin with a keyframe.
pub fn halves(format: &Format) -> [Vec<Picture>; 2] {
    let Source::Recording(mut rest) = format.source else {
        panic!("an encoder records nothing");
    };
    let mut packets = Vec::new();
    while let Some((len, behind)) = rest.split_first_chunk() {
        let (packet, behind) = behind.split_at(u16::from_be_bytes(*len).into());
        packets.push(packet.to_vec());
        rest = behind;
    }
    let mut first = split(packets);
    let second = first.split_off(first.len() / 2);
    [first, second]
}

/// Hashes of what a decoder makes of pictures, up to a spatial layer of each.
pub fn decode(format: &Format, pictures: &[Picture], highest: u8) -> Vec<Hash> {
    let (caps, packets) = match format.codec {
        Codec::Av1 => {
            let units = pictures.iter().map(|p| av1::temporal_unit(p, highest));
            let caps = "video/x-av1,stream-format=obu-stream,alignment=tu".to_owned();
            (caps, units.collect())
        }
        codec => {
            let name = codec.as_str();
            let cut = |picture| match codec {
                Codec::Vp9 => vp9::up_to(picture, highest),
                _ => Picture::clone(picture),
            };
            let caps = format!(
                "application/x-rtp,media=video,clock-rate=90000,encoding-name={name},payload={PT}"
            );
            (caps, pictures.iter().flat_map(cut).collect::<Vec<_>>())
        }
    };
    let launch = format!(
        "appsrc name=in format=time max-bytes=0 caps={caps} ! {} ! \
         videoconvert ! video/x-raw,format=I420 ! appsink name=out sync=false",
        format.decoder
    );
    let decoded = run(&launch, &packets);
    decoded.iter().map(|picture| sha256(picture)).collect()
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
