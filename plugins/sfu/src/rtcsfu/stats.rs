// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters as structures.

use super::imp::RtcSfu;
use crate::hub::{NodeStats, WorkerStats};
use gst::prelude::*;
use gst_rtc_core::engine::SessionMediaStats;
use gst_rtc_core::session::{DataStats, SessionStats};

impl RtcSfu {
    /// The property `stats`.
    pub(super) fn stats(&self) -> gst::Structure {
        let stats = self.hub().map(|hub| hub.stats()).unwrap_or_default();
        let pads = array(self.src_pads().iter().map(|pad| pad.stats()));
        node(&stats).field("src-pads", pads).build()
    }

    /// The property `port`.
    pub(super) fn port(&self) -> u32 {
        let stats = self.hub().map(|hub| hub.stats()).unwrap_or_default();
        let first = stats
            .workers
            .first()
            .and_then(|worker| worker.local.first());
        first.map_or(0, |address| u32::from(address.port()))
    }
}

fn node(stats: &NodeStats) -> gst::structure::Builder {
    let sum = |field: fn(&WorkerStats) -> u64| stats.workers.iter().map(field).sum::<u64>();
    gst::Structure::builder("application/x-rtcsfu-stats")
        .field("signaller-connected", stats.signaller_connected)
        .field("rooms", stats.rooms as u32)
        .field("participants", stats.participants as u32)
        .field("tracks", stats.tracks as u32)
        .field("sessions", stats.sessions as u32)
        .field(
            "datagrams-received",
            sum(|worker| worker.datagrams_received),
        )
        .field("bytes-received", sum(|worker| worker.bytes_received))
        .field("datagrams-sent", sum(|worker| worker.datagrams_sent))
        .field("bytes-sent", sum(|worker| worker.bytes_sent))
        .field(
            "datagrams-dropped",
            sum(|worker| worker.send_dropped + worker.send_errors + worker.tcp_dropped),
        )
        .field("packets-received", sum(|worker| worker.engine.received))
        .field("packets-forwarded", sum(|worker| worker.engine.forwarded))
        .field(
            "packets-invalid",
            sum(|worker| worker.engine.invalid_rtp + worker.engine.invalid_rtcp),
        )
        .field(
            "datagrams-unknown",
            sum(|worker| worker.engine.unknown_peer),
        )
        .field("datagrams-oversized", sum(|worker| worker.engine.oversized))
        .field(
            "keyframe-requests",
            sum(|worker| worker.engine.keyframe_requests),
        )
        .field("workers", array(stats.workers.iter().map(worker)))
}

fn worker(stats: &WorkerStats) -> gst::Structure {
    gst::Structure::builder("application/x-rtcsfu-worker-stats")
        .field(
            "local",
            array(stats.local.iter().map(|address| address.to_string())),
        )
        .field("datagrams-received", stats.datagrams_received)
        .field("bytes-received", stats.bytes_received)
        .field("datagrams-sent", stats.datagrams_sent)
        .field("bytes-sent", stats.bytes_sent)
        .field("receive-calls", stats.receive_calls)
        .field("send-calls", stats.send_calls)
        .field("send-dropped", stats.send_dropped)
        .field("send-errors", stats.send_errors)
        .field("segmentation-offload", stats.segmentation)
        .field("tcp-connections", stats.tcp_connections as u32)
        .field("tcp-dropped", stats.tcp_dropped)
        .field("media-dropped", stats.media_dropped)
        .field("sessions", array(stats.sessions.iter().map(session)))
        .build()
}

fn session(stats: &SessionMediaStats) -> gst::Structure {
    let round_trip = stats
        .round_trip
        .map(|round_trip| round_trip.as_micros() as u64);
    gst::Structure::builder("application/x-rtcsfu-session-stats")
        .field("id", stats.session.to_string())
        .field("connected", stats.connected)
        .field_if_some("round-trip-us", round_trip)
        .field_if_some("remb-bitrate", stats.remb)
        .field(
            "packets-received",
            stats
                .streams
                .iter()
                .map(|stream| stream.packets)
                .sum::<u64>(),
        )
        .field(
            "bytes-received",
            stats.streams.iter().map(|stream| stream.bytes).sum::<u64>(),
        )
        .field(
            "packets-sent",
            stats.slots.iter().map(|slot| slot.packets).sum::<u64>(),
        )
        .field(
            "bytes-sent",
            stats.slots.iter().map(|slot| slot.octets).sum::<u64>(),
        )
        .field(
            "packets-retransmitted",
            stats
                .slots
                .iter()
                .map(|slot| slot.retransmitted)
                .sum::<u64>(),
        )
        .field("drops", drops(&stats.transport))
        .field_if_some("data", stats.data.as_ref().map(data))
        .build()
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

fn array<T: ToSendValue>(values: impl Iterator<Item = T>) -> gst::Array {
    gst::Array::from_values(values.map(|value| value.to_send_value()))
}
