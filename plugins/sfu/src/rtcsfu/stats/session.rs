// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer connection in numbers: what it is sent and sends, stream by stream.

use super::array;
use crate::hub::NodeStats;
use gst_rtc_core::engine::{SessionMediaStats, SlotStats, StreamStats};
use gst_rtc_core::id::TrackId;
use gst_rtc_core::session::{DataStats, SessionStats};

pub(super) fn session(node: &NodeStats, stats: &SessionMediaStats) -> gst::Structure {
    let owner = node.owners.get(&stats.session);
    let round_trip = stats.round_trip.map(|time| time.as_micros() as u64);
    let (received, sent) = (&stats.streams, &stats.slots);
    gst::Structure::builder("application/x-rtcsfu-session-stats")
        .field("id", stats.session.to_string())
        .field_if_some("room", owner.map(|owner| owner.room.as_str()))
        .field_if_some("participant", owner.map(|owner| owner.participant.as_str()))
        .field_if_some("publishes", owner.map(|owner| owner.publishes))
        .field("connected", stats.connected)
        .field_if_some("round-trip-us", round_trip)
        .field_if_some("estimate", stats.estimate)
        .field_if_some("remb-bitrate", stats.remb)
        .field(
            "packets-received",
            received.iter().map(|one| one.packets).sum::<u64>(),
        )
        .field(
            "bytes-received",
            received.iter().map(|one| one.bytes).sum::<u64>(),
        )
        .field(
            "packets-sent",
            sent.iter().map(|one| one.packets).sum::<u64>(),
        )
        .field("bytes-sent", sent.iter().map(|one| one.octets).sum::<u64>())
        .field(
            "packets-retransmitted",
            sent.iter().map(|one| one.retransmitted).sum::<u64>(),
        )
        .field(
            "streams",
            array(received.iter().map(|one| stream(node, one))),
        )
        .field(
            "subscriptions",
            array(sent.iter().map(|one| subscription(node, one))),
        )
        .field("drops", drops(&stats.transport))
        .field_if_some("data", stats.data.as_ref().map(data))
        .build()
}

/// A stream it sends: one encoding of a track, or its retransmissions.
fn stream(node: &NodeStats, stats: &StreamStats) -> gst::Structure {
    of_track(node, "application/x-rtcsfu-stream-stats", Some(stats.track))
        .field("ssrc", stats.ssrc)
        .field("encoding", u32::from(stats.layer))
        .field("repair", stats.repair)
        .field("packets", stats.packets)
        .field("bytes", stats.bytes)
        .build()
}

/// A track it is sent, or a place for one.
fn subscription(node: &NodeStats, stats: &SlotStats) -> gst::Structure {
    let layer = stats.layer;
    of_track(node, "application/x-rtcsfu-subscription-stats", stats.track)
        .field("mid", stats.mid.as_str())
        .field("kind", stats.kind.as_str())
        .field_if_some("encoding", layer.map(|layer| u32::from(layer.encoding)))
        .field_if_some("spatial-layer", layer.map(|layer| u32::from(layer.spatial)))
        .field_if_some(
            "temporal-layer",
            layer.map(|layer| u32::from(layer.temporal)),
        )
        .field("packets", stats.packets)
        .field("bytes", stats.octets)
        .field("packets-retransmitted", stats.retransmitted)
        .field("packets-requested", stats.nacked)
        .field("keyframe-requests", stats.keyframe_requests)
        .field("packets-lost", stats.lost)
        .field("fraction-lost", f64::from(stats.fraction_lost) / 256.0)
        .field("jitter", stats.jitter)
        .build()
}

/// Begins with whose the track is.
fn of_track(node: &NodeStats, name: &str, track: Option<TrackId>) -> gst::structure::Builder {
    let owner = track.and_then(|track| node.track_owners.get(&track));
    gst::Structure::builder(name)
        .field_if_some("participant", owner.map(|owner| owner.participant.as_str()))
        .field_if_some("track", owner.map(|owner| owner.name.as_str()))
}

/// Datagrams of a session that were not used, by reason.
fn drops(transport: &SessionStats) -> gst::Structure {
    gst::Structure::builder("application/x-rtcsfu-drop-stats")
        .field("unknown", transport.unknown)
        .field("stun", transport.stun_bad)
        .field("dtls", transport.dtls_bad)
        .field("srtp-authentication", transport.srtp_auth)
        .field("srtp-replay", transport.srtp_replay)
        .field("srtp-malformed", transport.srtp_malformed)
        .field("srtp-sources", transport.srtp_sources)
        .field("before-keys", transport.before_keys)
        .build()
}

fn data(data: &DataStats) -> gst::Structure {
    gst::Structure::builder("application/x-rtcsfu-data-stats")
        .field("channels", data.channels as u32)
        .field("messages-received", data.received)
        .field("messages-sent", data.sent)
        .field("messages-dropped", data.dropped)
        .field("channels-cut-off", data.cut_off)
        .field("messages-invalid", data.invalid)
        .build()
}
