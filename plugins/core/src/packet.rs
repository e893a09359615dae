// SPDX-License-Identifier: MIT OR Apache-2.0
//! One received media packet, parsed once and shared by everybody who forwards it.

use crate::codec::{self, Codec, Dependency, DependencyReader};
use crate::id::TrackId;
use crate::media::{Extension, ExtensionMap, MediaKind};
use crate::rtp;
use std::ops::Range;
use std::time::Instant;

/// The padding bit (RFC 3550 §5.1).
const PADDING: u8 = 0x20;

/// A plain RTP packet of a track, with what forwarding needs to know of it.
///
/// Made once per published packet and shared by `Arc` between subscribers, workers and pads; never changed afterwards.
#[derive(Clone, Debug)]
pub struct MediaPacket {
    /// The track it belongs to.
    pub track: TrackId,
    /// Layer of the track: index into the negotiated `rid`s, 0 where there is one encoding.
    pub layer: u8,
    /// Numbers the stream within the track. It changes when the source restarts (another SSRC): sequence numbers and
    /// timestamps of different epochs have nothing to do with each other.
    pub epoch: u32,
    /// Codec of the payload.
    pub codec: Codec,
    /// The payload is encrypted end to end: nothing is to be read from it, or written to it.
    pub encrypted: bool,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Sequence number, extended to 64 bits so that it never wraps.
    pub sequence: u64,
    /// RTP timestamp as received, in units of `clock_rate`.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// Payload type as received.
    pub payload_type: u8,
    /// What the payload says of itself.
    pub description: codec::Description,
    /// When it came in.
    pub arrival: Instant,
    /// When the source captured it, on our clock. All tracks of a participant share one mapping, so they are in sync.
    pub capture: Instant,
    /// True once `capture` follows from a sender report or a local clock; before that it is estimated from the arrival.
    pub capture_synced: bool,
    /// Audio level in -dBov (0 loudest, 127 silence) and the voice flag (RFC 6464).
    pub audio_level: Option<(u8, bool)>,
    /// Video orientation byte (3GPP TS 26.114), when the sender wrote one.
    pub orientation: Option<u8>,
    descriptor: Range<usize>,
    dependency: Option<Box<Dependency>>,
    header: rtp::Header,
    data: Box<[u8]>,
}

/// What the receiving stream knows of a packet before it is parsed further.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The track.
    pub track: TrackId,
    /// The layer.
    pub layer: u8,
    /// The epoch of the stream.
    pub epoch: u32,
    /// Extended sequence number.
    pub sequence: u64,
    /// Codec.
    pub codec: Codec,
    /// Whether the payload is encrypted end to end.
    pub encrypted: bool,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// When it came in.
    pub arrival: Instant,
    /// When it was captured.
    pub capture: Instant,
    /// Whether `capture` is certain.
    pub capture_synced: bool,
}

impl MediaPacket {
    /// Takes a plain RTP packet whose header has been parsed, reading the extensions that travel with it.
    pub fn new(
        data: Box<[u8]>,
        header: rtp::Header,
        extensions: &ExtensionMap,
        origin: Origin,
    ) -> MediaPacket {
        let mut packet = MediaPacket {
            track: origin.track,
            layer: origin.layer,
            epoch: origin.epoch,
            codec: origin.codec,
            encrypted: origin.encrypted,
            clock_rate: origin.clock_rate,
            sequence: origin.sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            payload_type: header.payload_type,
            description: describe(&origin, &data[header.payload.clone()]),
            arrival: origin.arrival,
            capture: origin.capture,
            capture_synced: origin.capture_synced,
            audio_level: None,
            orientation: None,
            descriptor: 0..0,
            dependency: None,
            header,
            data,
        };
        packet.read_extensions(extensions);
        packet
    }

    fn read_extensions(&mut self, map: &ExtensionMap) {
        let (mut level, mut orientation, mut descriptor) = (None, None, 0..0);
        for (id, value) in self.header.extensions(&self.data) {
            match (map.extension(id), value) {
                (Some(Extension::AudioLevel), [byte, ..]) => {
                    level = Some((byte & 0x7f, byte & 0x80 != 0))
                }
                (Some(Extension::VideoOrientation), [byte, ..]) => orientation = Some(*byte),
                (Some(Extension::DependencyDescriptor), _) => {
                    let start = value.as_ptr() as usize - self.data.as_ptr() as usize;
                    descriptor = start..start + value.len();
                }
                _ => {}
            }
        }
        (self.audio_level, self.orientation, self.descriptor) = (level, orientation, descriptor);
    }

    /// The whole packet as received, header included.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// The payload, without padding.
    pub fn payload(&self) -> &[u8] {
        &self.data[self.header.payload.clone()]
    }

    /// The dependency descriptor as received; empty when there is none.
    pub fn dependency_descriptor(&self) -> &[u8] {
        &self.data[self.descriptor.clone()]
    }

    /// What the dependency descriptor says, once read.
    pub fn dependency(&self) -> Option<&Dependency> {
        self.dependency.as_deref()
    }

    /// Reads the dependency descriptor, if there is one; `reader` is that of the stream. What it says takes the place of what the
    /// payload seems to say, which may be encrypted.
    pub fn read_dependency(&mut self, reader: &mut DependencyReader) {
        if self.descriptor.is_empty() {
            return;
        }
        let Some(dependency) = reader.read(self.dependency_descriptor()) else {
            return;
        };
        let of_payload = self.description;
        let keyframe = dependency.start_of_frame && dependency.is_key();
        self.description = codec::Description {
            start_of_frame: dependency.start_of_frame,
            end_of_frame: dependency.end_of_frame,
            keyframe,
            temporal: Some(dependency.temporal),
            spatial: Some(dependency.spatial),
            resolution: dependency
                .structure
                .resolution(dependency.spatial)
                .filter(|_| dependency.start_of_frame)
                .or(of_payload.resolution.filter(|_| keyframe)),
            ..of_payload
        };
        self.dependency = Some(Box::new(dependency));
    }

    /// Of redundant audio (RFC 2198) a packet with its newest frame only, for those who take no other. `None`: it is none.
    pub fn newest_frame(&self) -> Option<MediaPacket> {
        if self.codec != Codec::Red || self.encrypted {
            return None;
        }
        let primary = codec::red::primary(self.payload())?;
        let start = self.header.payload.start;
        let mut data = self.data[..start].to_vec();
        data.extend_from_slice(&self.payload()[primary.range]);
        data[0] &= !PADDING;
        data[1] = data[1] & 0x80 | primary.pt;
        let header = rtp::Header::parse(&data).ok()?;
        Some(MediaPacket {
            codec: Codec::Opus,
            payload_type: primary.pt,
            header,
            data: data.into(),
            ..self.clone()
        })
    }

    /// Spatial and temporal layer, where packets of one layer can be left out without harm to those below: with a
    /// dependency descriptor, and in VP8 and VP9 with what their payload descriptors say. Otherwise the base layer.
    pub fn layers(&self) -> (u8, u8) {
        let selectable = self.dependency.is_some() || matches!(self.codec, Codec::Vp8 | Codec::Vp9);
        let description = Some(&self.description).filter(|_| selectable);
        (
            description.and_then(|d| d.spatial).unwrap_or(0),
            description.and_then(|d| d.temporal).unwrap_or(0),
        )
    }

    /// True when nothing says where its pictures begin, and where decoding can.
    pub fn is_opaque(&self) -> bool {
        let video = self.codec.kind() == MediaKind::Video;
        self.encrypted && video && self.dependency.is_none()
    }

    /// The SSRC as received.
    pub fn ssrc(&self) -> u32 {
        self.header.ssrc
    }
}

/// What the payload says of itself, if anybody can read it. Sound needs no reading.
fn describe(origin: &Origin, payload: &[u8]) -> codec::Description {
    if origin.encrypted && origin.codec.kind() == MediaKind::Video {
        codec::Description::default()
    } else {
        codec::describe(origin.codec, payload)
    }
}
