// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes in: datagrams of peers, packets of pads.

use super::{CloseReason, Engine, EngineEvent};
use crate::data::NODE_LABEL;
use crate::id::TrackId;
use crate::media::{Candidate, ExtensionMap, Path};
use crate::packet::{MediaPacket, Origin};
use crate::peer::RESTART;
use crate::router::Subscriber;
use crate::rtcp;
use crate::rtp::{ExtendedSequence, Header};
use crate::session::{Incoming, PacketKind, SessionEvent, demux, stun_username};
use std::time::Instant;

/// Bytes of the longest datagram taken: no WebRTC peer sends more than an Ethernet frame holds, and RFC 4571 frames follow
/// suit. Longer ones are counted and dropped.
pub const MAX_DATAGRAM: usize = 2_048;

/// How a STUN binding request begins (RFC 8489 §5).
const BINDING_REQUEST: &[u8] = &[0, 1];

/// The stream a pad feeds.
#[derive(Debug)]
pub(super) struct LocalStream {
    ssrc: u32,
    epoch: u32,
    sequence: ExtendedSequence,
}

impl LocalStream {
    /// True when the numbers go on somewhere else, as after a restart of the pipeline before the pad.
    fn restarts_at(&self, sequence: u16) -> bool {
        let highest = self.sequence.highest();
        highest.is_some_and(|highest| {
            let distance = sequence.wrapping_sub(highest as u16) as i16;
            u64::from(distance.unsigned_abs()) > RESTART
        })
    }
}

impl Engine {
    /// Takes a datagram that arrived by `path`. It is decrypted in place. Nothing in it can do more than be counted.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, data: &mut [u8]) {
        if data.len() > MAX_DATAGRAM {
            self.stats.oversized += 1;
            return;
        }
        let Some(key) = self.peer_of(&path, data) else {
            self.stats.unknown_peer += 1;
            return;
        };
        let kind = demux(data);
        match self.peers[key].session.handle_datagram(now, path, data) {
            Incoming::Rtp(len) => {
                self.handle_rtp(now, key, &data[..len]);
                self.schedule(key);
            }
            Incoming::Rtcp(len) => {
                self.handle_rtcp(now, key, &data[..len]);
                self.schedule(key);
            }
            Incoming::None if matches!(kind, PacketKind::Stun | PacketKind::Dtls) => {
                self.learn_path(key, path);
                self.peers[key].refresh();
                self.drain_session(now, key);
                self.schedule(key);
            }
            Incoming::None => {}
        }
    }

    /// The session a datagram belongs to: a binding request by the user name it carries, all else by where it comes from.
    fn peer_of(&self, path: &Path, data: &[u8]) -> Option<usize> {
        let named = stun_username(data).and_then(|(local, _)| self.by_ufrag.get(local));
        named.or_else(|| self.by_path.get(path)).copied()
    }

    /// Remembers the way once a check on it has been authenticated, so that nobody can claim another's address.
    fn learn_path(&mut self, key: usize, path: Path) {
        let peer = &mut self.peers[key];
        if !peer.session.is_validated(&path) || self.by_path.get(&path) == Some(&key) {
            return;
        }
        if peer.paths.len() >= self.config.limits.paths_per_session {
            self.by_path.remove(&peer.paths.remove(0));
        }
        peer.paths.push(path);
        if let Some(former) = self.by_path.insert(path, key)
            && let Some(former) = self.peers.get_mut(former)
        {
            former.paths.retain(|p| *p != path);
        }
    }

    fn handle_rtp(&mut self, now: Instant, key: usize, data: &[u8]) {
        let (router, next_epoch) = (&mut self.router, &mut self.next_epoch);
        let mut new_epoch = || {
            *next_epoch += 1;
            *next_epoch
        };
        let mut source_of = |track: TrackId| {
            let (track, participant) = router.source(track)?;
            Some((participant.clock, track.spec.encrypted))
        };
        let receiver = &mut self.peers[key].receiver;
        let dropped = receiver.counters.dropped();
        let received = receiver.receive(now, data, &mut new_epoch, &mut source_of);
        self.stats.invalid_rtp += receiver.counters.dropped() - dropped;
        if let Some(packet) = received {
            self.route(now, packet);
        }
    }

    fn handle_rtcp(&mut self, now: Instant, key: usize, data: &[u8]) {
        let mut packets = rtcp::parse(data);
        for packet in packets.by_ref() {
            match packet {
                Ok(packet) => self.handle_rtcp_packet(now, key, &packet),
                Err(_) => self.stats.invalid_rtcp += 1,
            }
        }
    }

    fn handle_rtcp_packet(&mut self, now: Instant, key: usize, packet: &rtcp::Packet) {
        match packet {
            rtcp::Packet::SenderReport { reports, .. } => {
                self.take_sender_report(now, key, packet);
                self.take_reports(now, key, reports);
            }
            rtcp::Packet::ReceiverReport { reports, .. } => self.take_reports(now, key, reports),
            rtcp::Packet::Nack { media, lost, .. } => self.take_nack(now, key, *media, lost),
            rtcp::Packet::Pli { media } => self.take_keyframe_request(now, key, *media),
            rtcp::Packet::Fir { entries } => {
                for (media, _) in entries {
                    self.take_keyframe_request(now, key, *media);
                }
            }
            rtcp::Packet::Remb { bitrate, .. } => self.take_remb(now, key, *bitrate),
            rtcp::Packet::TransportCc(feedback) => self.take_feedback(now, key, feedback),
            _ => {}
        }
    }

    fn take_sender_report(&mut self, now: Instant, key: usize, report: &rtcp::Packet) {
        let router = &mut self.router;
        self.peers[key]
            .receiver
            .sender_report(now, report, &mut |track, adjust| {
                if let Some((_, participant)) = router.source(track) {
                    adjust(&mut participant.clock);
                }
            });
    }

    fn take_reports(&mut self, now: Instant, key: usize, reports: &[rtcp::ReportBlock]) {
        let ntp = self.moment(now).ntp;
        let peer = &mut self.peers[key];
        for block in reports {
            if let Some(slot) = peer
                .slots
                .iter_mut()
                .find(|s| s.spec.ssrc.ssrc == block.ssrc)
            {
                slot.report_block(block);
                peer.round_trip = crate::peer::round_trip(ntp, block).or(peer.round_trip);
            }
        }
    }

    fn take_keyframe_request(&mut self, now: Instant, key: usize, media: u32) {
        let slot = self.peers[key]
            .slots
            .iter_mut()
            .find(|s| s.spec.ssrc.ssrc == media);
        let Some(slot) = slot else { return };
        slot.counters.pli += 1;
        if slot.is_beginning(now) {
            return;
        }
        let (track, current) = (slot.track(), slot.current());
        match (track, current) {
            (Some(track), Some(current)) => {
                self.request_keyframes(now, track, 1 << current.encoding)
            }
            (Some(track), None) => self.request_keyframe(now, track),
            (None, _) => {}
        }
    }

    /// Puts out what the session wants to send and acts on what it tells.
    pub(super) fn drain_session(&mut self, now: Instant, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        while let Some(transmit) = peer.session.poll_transmit() {
            // The answer to a check of ours names nobody: only where it comes from tells whose it is.
            if transmit.data.starts_with(BINDING_REQUEST) {
                self.by_path.entry(transmit.path).or_insert(key);
            }
            self.arena.push(&transmit.path, &transmit.data);
        }
        while let Some(event) = self
            .peers
            .get_mut(key)
            .and_then(|peer| peer.session.poll_event())
        {
            self.handle_session_event(now, key, event);
        }
    }

    fn handle_session_event(&mut self, now: Instant, key: usize, event: SessionEvent) {
        match event {
            SessionEvent::Connected(_) => {
                let peer = &mut self.peers[key];
                peer.connect(now);
                peer.begin_estimating(now, self.epoch);
                let (session, tracks) = (
                    peer.id,
                    peer.receiver.lines.iter().map(|l| l.track).collect(),
                );
                self.events
                    .push_back(EngineEvent::SessionConnected { session, tracks });
                self.divide(now, key);
                self.begin_shown(now, key);
            }
            SessionEvent::Failed(error) => {
                self.stats.sessions_failed += 1;
                self.end_session(now, key, CloseReason::Failed(error.to_string()));
            }
            SessionEvent::Closed => self.end_session(now, key, CloseReason::Peer),
            SessionEvent::IceConnected(path) | SessionEvent::PathChanged(path) => {
                self.learn_path(key, path)
            }
            SessionEvent::Message(message) => self.take_message(now, key, message),
            SessionEvent::ChannelOpened(label) if *label == *NODE_LABEL => {
                let session = self.peers[key].id;
                self.events.push_back(EngineEvent::NodeChannel(session));
            }
            SessionEvent::IceDisconnected
            | SessionEvent::ChannelOpened(_)
            | SessionEvent::ChannelClosed(_) => {}
        }
    }

    /// The slots were filled before media could flow; now it can.
    fn begin_shown(&mut self, now: Instant, key: usize) {
        for slot in 0..self.peers[key].slots.len() {
            self.begin_slot(now, Subscriber { peer: key, slot });
        }
    }

    /// Takes a packet for a track that pads feed, one for each encoding (below [`MAX_ENCODINGS`](crate::layer::MAX_ENCODINGS)): any SSRC, any payload
    /// type of the track's formats.
    ///
    /// `capture` is when it was captured. A packet that is not RTP is counted and dropped.
    pub fn handle_local_rtp(
        &mut self,
        now: Instant,
        (track, encoding): (TrackId, u8),
        packet: &[u8],
        capture: Instant,
    ) {
        let epoch = self.next_epoch;
        let Some(packet) = self.local_packet(now, (track, encoding), packet, capture) else {
            self.stats.invalid_rtp += 1;
            return;
        };
        // What came before the track was known here is lost, and perhaps its only keyframe with it: nobody could begin with the
        // stream, nor know its size to choose it.
        let begins = self.next_epoch != epoch;
        let torn = begins && !packet.description.keyframe && !packet.is_opaque();
        self.route(now, packet);
        if torn {
            self.request_keyframe_of(now, track, encoding);
        }
    }

    fn local_packet(
        &mut self,
        now: Instant,
        (id, encoding): (TrackId, u8),
        data: &[u8],
        capture: Instant,
    ) -> Option<MediaPacket> {
        let header = Header::parse(data).ok()?;
        let spec = &self.router.track(id)?.spec;
        let encrypted = spec.encrypted;
        let params = spec.payloads.iter().find(|p| p.pt == header.payload_type)?;
        let (codec, clock_rate) = (params.codec, params.clock_rate);
        let (sequence, epoch) = self.local_number((id, encoding), &header);
        let origin = Origin {
            track: id,
            layer: encoding,
            epoch,
            sequence,
            codec,
            encrypted,
            clock_rate,
            arrival: now,
            capture,
            capture_synced: true,
        };
        Some(MediaPacket::new(
            data.into(),
            header,
            &ExtensionMap::default(),
            origin,
        ))
    }

    fn local_number(&mut self, stream: (TrackId, u8), header: &Header) -> (u64, u32) {
        let (ssrc, next_epoch) = (header.ssrc, &mut self.next_epoch);
        let mut fresh = || {
            *next_epoch += 1;
            LocalStream {
                ssrc,
                epoch: *next_epoch,
                sequence: ExtendedSequence::new(),
            }
        };
        let stream = self.local.entry(stream).or_insert_with(&mut fresh);
        if stream.ssrc != ssrc || stream.restarts_at(header.sequence) {
            *stream = fresh();
        }
        (stream.sequence.extend(header.sequence), stream.epoch)
    }

    /// A candidate the peer trickled.
    pub fn add_remote_candidate(
        &mut self,
        now: Instant,
        session: crate::id::SessionId,
        candidate: Candidate,
    ) {
        if let Some(&key) = self.by_session.get(&session) {
            self.peers[key].session.add_remote_candidate(candidate);
            self.peers[key].refresh();
            self.drain_session(now, key);
            self.schedule(key);
        }
    }
}
