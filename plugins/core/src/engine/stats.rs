// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers for people.

use super::Engine;
use crate::id::{SessionId, TrackId};
use crate::layer::Layer;
use crate::media::MediaKind;
use crate::session::{DataStats, SessionStats};
use std::time::Duration;

/// Counters of an engine since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineStats {
    /// Media packets received from publishers and pads.
    pub received: u64,
    /// Media packets sent to subscribers, retransmissions not counted.
    pub forwarded: u64,
    /// Packets that came twice, or too late to matter.
    pub duplicates: u64,
    /// Datagrams from addresses no session belongs to.
    pub unknown_peer: u64,
    /// Datagrams longer than [`MAX_DATAGRAM`](super::MAX_DATAGRAM).
    pub oversized: u64,
    /// Decrypted packets that were not valid RTP, or of no known stream.
    pub invalid_rtp: u64,
    /// Decrypted packets that were not valid RTCP.
    pub invalid_rtcp: u64,
    /// Keyframes asked of sources.
    pub keyframe_requests: u64,
    /// Packets sent to find out what paths carry: padding, and packets sent once more.
    pub padding: u64,
    /// Those of them that were packets sent once more.
    pub padding_again: u64,
    /// Times that something was due: of a session, or a keyframe that is awaited.
    pub wakes: u64,
    /// Sessions opened.
    pub sessions_opened: u64,
    /// Sessions that ended by a failure.
    pub sessions_failed: u64,
}

/// One session.
#[derive(Clone, Debug)]
pub struct SessionMediaStats {
    /// Its id.
    pub session: SessionId,
    /// True once media may flow.
    pub connected: bool,
    /// Round trip to the peer, when known.
    pub round_trip: Option<Duration>,
    /// Newest bandwidth estimate of a peer that sends REMB, in bit/s.
    pub remb: Option<u64>,
    /// Our own estimate of the path to it, in bit/s; `None` while nothing is measured.
    pub estimate: Option<u64>,
    /// What its data channels saw; `None` without any.
    pub data: Option<DataStats>,
    /// Counters of its transport.
    pub transport: SessionStats,
    /// What it sends us.
    pub streams: Vec<StreamStats>,
    /// What we send it.
    pub slots: Vec<SlotStats>,
}

/// One received stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamStats {
    /// Its SSRC.
    pub ssrc: u32,
    /// The track it belongs to.
    pub track: TrackId,
    /// The layer.
    pub layer: u8,
    /// True for the stream of retransmissions.
    pub repair: bool,
    /// RTP packets.
    pub packets: u64,
    /// Bytes, headers included.
    pub bytes: u64,
}

/// One slot.
#[derive(Clone, Debug)]
pub struct SlotStats {
    /// Its mid.
    pub mid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// The track it shows.
    pub track: Option<TrackId>,
    /// The layer of it that is forwarded; `None` while nothing is.
    pub layer: Option<Layer>,
    /// Packets sent.
    pub packets: u64,
    /// Payload bytes sent.
    pub octets: u64,
    /// Packets sent again.
    pub retransmitted: u64,
    /// Packets the peer asked for again.
    pub nacked: u64,
    /// Keyframes the peer asked for.
    pub keyframe_requests: u64,
    /// Share lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost altogether, as the peer counts.
    pub lost: i32,
    /// Interarrival jitter at the peer, in RTP clock units.
    pub jitter: u32,
}

impl Engine {
    /// What the sessions of this worker do.
    pub fn session_stats(&self) -> impl Iterator<Item = SessionMediaStats> + '_ {
        self.peers.iter().map(|(_, peer)| SessionMediaStats {
            session: peer.id,
            connected: peer.connected,
            round_trip: peer.session.stats().round_trip.or(peer.round_trip),
            remb: peer.remb,
            estimate: peer.estimator.as_ref().and_then(|e| e.estimate()),
            data: peer.session.data_stats(),
            transport: *peer.session.stats(),
            streams: peer.stream_stats(),
            slots: peer.slot_stats(),
        })
    }
}

impl crate::peer::Peer {
    fn stream_stats(&self) -> Vec<StreamStats> {
        let streams = self.receiver.streams.iter();
        let stats = streams.map(|s| StreamStats {
            ssrc: s.ssrc,
            track: self.receiver.lines[s.line].track,
            layer: s.layer,
            repair: s.is_repair(),
            packets: s.packets,
            bytes: s.bytes,
        });
        stats.collect()
    }

    fn slot_stats(&self) -> Vec<SlotStats> {
        let slots = self.slots.iter();
        let stats = slots.map(|slot| SlotStats {
            mid: slot.spec.mid.clone(),
            kind: slot.spec.kind,
            track: slot.track(),
            layer: slot.current(),
            packets: slot.counters.packets,
            octets: slot.counters.octets,
            retransmitted: slot.counters.retransmitted,
            nacked: slot.counters.nacked,
            keyframe_requests: slot.counters.pli,
            fraction_lost: slot.counters.fraction_lost,
            lost: slot.counters.cumulative_lost,
            jitter: slot.counters.jitter,
        });
        stats.collect()
    }
}
