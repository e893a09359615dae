// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters as structures.

mod session;

use super::imp::RtcSfu;
use crate::hub::{NodeStats, WorkerStats};
use gst::prelude::*;
use session::session;

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
        .field(
            "workers",
            array(stats.workers.iter().map(|one| worker(stats, one))),
        )
}

fn worker(node: &NodeStats, stats: &WorkerStats) -> gst::Structure {
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
        .field(
            "sessions",
            array(stats.sessions.iter().map(|one| session(node, one))),
        )
        .build()
}

fn array<T: ToSendValue>(values: impl Iterator<Item = T>) -> gst::Array {
    gst::Array::from_values(values.map(|value| value.to_send_value()))
}
