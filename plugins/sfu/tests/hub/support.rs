// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share: an owner that remembers, and packets.

use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{Feedback, MediaKind, PayloadParams};
use gst_rtc_core::packet::MediaPacket;
use gstrtcsfu::hub::{
    Hub, HubConfig, HubObserver, LocalTrack, LocalTrackId, NodeEvent, TapId, TapRequest,
};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

struct Owner(Mutex<Sender<NodeEvent>>);

impl HubObserver for Owner {
    fn event(&self, event: NodeEvent) {
        let _ = self.0.lock().expect("no panic while sending").send(event);
    }
}

/// A hub with what it told.
pub struct Node {
    pub hub: Hub,
    events: Receiver<NodeEvent>,
}

pub fn config() -> HubConfig {
    HubConfig {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        workers: 2,
        ..HubConfig::default()
    }
}

impl Node {
    pub fn start(config: HubConfig) -> Node {
        gst::init().expect("GStreamer");
        let (sender, events) = channel();
        let hub = Hub::start(config, Arc::new(Owner(Mutex::new(sender)))).expect("a hub");
        Node { hub, events }
    }

    /// Waits for an event that `wanted` takes, passing over others.
    pub fn expect<T>(&self, what: &str, mut wanted: impl FnMut(NodeEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self
                .events
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    /// Nothing that `unwanted` takes has happened until now.
    pub fn expect_none(&self, what: &str, unwanted: impl Fn(&NodeEvent) -> bool) {
        let found = self.events.try_iter().find(|event| unwanted(event));
        assert!(found.is_none(), "{what}: {found:?}");
    }

    pub fn publish(&self, participant: &str, track: &str, payload: PayloadParams) -> LocalTrackId {
        self.hub
            .publish(local(participant, track, payload))
            .expect("valid names")
    }

    pub fn tap(&self, participant: &str, kind: MediaKind) -> TapId {
        let request = TapRequest {
            room: None,
            participant: participant.into(),
            track: None,
            kind,
        };
        self.hub.tap(request).expect("valid names")
    }

    /// Waits until a tap has found its track and the track's worker knows of it; says which one.
    pub fn tap_started(&self, tap: TapId) -> String {
        self.tap_found(tap).0
    }

    /// The same, and says whether the track is encrypted end to end as well.
    pub fn tap_found(&self, tap: TapId) -> (String, bool) {
        let found = self.expect("TapStarted", |event| match event {
            NodeEvent::TapStarted {
                tap: started,
                track,
                encrypted,
                ..
            } if started == tap => Some((track, encrypted)),
            _ => None,
        });
        // The event comes before the order to the worker; the answer to this comes after it.
        self.hub.stats();
        found
    }

    /// What happened and was not waited for.
    pub fn rest(&self) -> Vec<NodeEvent> {
        self.events.try_iter().collect()
    }

    pub fn tap_media(&self, tap: TapId) -> Arc<MediaPacket> {
        self.expect("TapMedia", |event| match event {
            NodeEvent::TapMedia(of, packet) if of == tap => Some(packet),
            _ => None,
        })
    }
}

pub fn local(participant: &str, track: &str, payload: PayloadParams) -> LocalTrack {
    LocalTrack {
        room: None,
        participant: participant.into(),
        track: track.into(),
        kind: payload.codec.kind(),
        payload,
        audience: None,
        encrypted: false,
    }
}

pub fn vp8() -> PayloadParams {
    let feedback = Feedback {
        nack: true,
        pli: true,
        fir: true,
        ..Feedback::default()
    };
    payload(96, Codec::Vp8, 90_000, None, feedback)
}

pub fn opus() -> PayloadParams {
    payload(111, Codec::Opus, 48_000, Some(2), Feedback::default())
}

fn payload(
    pt: u8,
    codec: Codec,
    clock_rate: u32,
    channels: Option<u8>,
    feedback: Feedback,
) -> PayloadParams {
    PayloadParams {
        pt,
        codec,
        clock_rate,
        channels,
        fmtp: String::new(),
        rtx_pt: None,
        feedback,
    }
}

/// The packet `n` of a stream: each a frame of its own, for video a keyframe.
pub fn packet(payload: &PayloadParams, n: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0x80 | payload.pt];
    packet.extend(n.to_be_bytes());
    packet.extend((u32::from(n) * payload.clock_rate / 50).to_be_bytes());
    packet.extend([1, 2, 3, payload.pt]);
    match payload.codec {
        // Descriptor with S; frame tag of a shown keyframe, start code, 320 × 240 (RFC 7741 §4.2, RFC 6386 §9.1).
        Codec::Vp8 => packet.extend([0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00]),
        _ => packet.extend([0xfc, 0xff, 0xfe]),
    }
    packet.extend(n.to_be_bytes());
    packet
}

/// Pushes packets until `done`, 50 a second.
pub fn feed(
    node: &Node,
    track: LocalTrackId,
    payload: &PayloadParams,
    mut done: impl FnMut() -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    for n in 0.. {
        if done() {
            return;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        node.hub.push(track, &packet(payload, n), Instant::now());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether media of a tap came since the last call; other events are passed over.
pub fn has_media(node: &Node, tap: TapId) -> bool {
    media_now(node, tap).is_some()
}

/// A packet of a tap that came since the last call; other events are passed over.
pub fn media_now(node: &Node, tap: TapId) -> Option<Arc<MediaPacket>> {
    node.events.try_iter().find_map(|event| match event {
        NodeEvent::TapMedia(of, packet) if of == tap => Some(packet),
        _ => None,
    })
}
