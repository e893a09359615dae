// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets on their way to one peer: at once where its path has room, else when it has.

use super::{Engine, Moment};
use crate::arena::SendArena;
use crate::id::TrackId;
use crate::media::MediaKind;
use crate::packet::MediaPacket;
use crate::peer::{Peer, Waiting};
use crate::router::{Forwarded, Subscriber, View};
use std::sync::Arc;
use std::time::Instant;

/// What became of packets for one slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    /// Packets sent.
    pub(super) sent: u64,
    /// The first of the slot were among them.
    pub(super) first: bool,
    /// A keyframe of this encoding is needed.
    pub(super) wanting: Option<u8>,
    /// Something waits that did not wait before.
    pub(super) waits: bool,
}

impl Peer {
    /// Sends live packets of the track that a slot shows, in their order. Pictures wait where the path is full, sound never does.
    pub(super) fn take(
        &mut self,
        moment: &Moment,
        index: usize,
        packets: &[Arc<MediaPacket>],
        view: &View,
        arena: &mut SendArena,
    ) -> Taken {
        let mut taken = Taken::default();
        let queues = !self.backlog.is_empty();
        let Some((slots, mut out)) = self.outlet(arena) else {
            return taken;
        };
        let Some(slot) = slots.get_mut(index) else {
            return taken;
        };
        // What a slot that catches up is given is in the history, from which it gets it.
        let patient = slot.spec.kind == MediaKind::Video && !slot.is_replaying();
        let before = slot.counters.packets;
        let mut passed = 0;
        if !(patient && queues) {
            out.pacer.advance(moment.micros);
            let aim = slot.aim(view);
            for packet in packets {
                if patient && out.pacer.is_full() {
                    break;
                }
                passed += 1;
                if let Forwarded::NeedsKeyframe(encoding) =
                    slot.forward(moment, packet, (view, &aim), &mut out)
                {
                    taken.wanting = Some(encoding);
                }
            }
        }
        taken.sent = slot.counters.packets - before;
        taken.first = before == 0 && taken.sent > 0;
        if passed < packets.len() {
            self.hold_back(moment.now, index, &packets[passed..], view);
            taken.waits = !queues;
        }
        taken
    }

    fn hold_back(&mut self, now: Instant, slot: usize, packets: &[Arc<MediaPacket>], view: &View) {
        let waited = !self.backlog.is_empty();
        let slot = &self.slots[slot];
        for packet in packets.iter().filter(|packet| slot.wants(packet, view)) {
            self.backlog.push(now, slot.spec.ssrc.ssrc, packet);
        }
        if !waited {
            self.backlog.wait(now, self.pacer.wait());
        }
    }

    /// What its path carries is known anew.
    pub(super) fn set_pace(&mut self) {
        self.pacer.set_pace(self.pace());
    }

    fn has_room(&mut self, moment: &Moment) -> bool {
        self.pacer.advance(moment.micros);
        !self.pacer.is_full() || self.backlog.is_overdue(moment.now)
    }
}

impl Engine {
    /// Sends what waits for a peer: what there is room for, and at least `regardless` bytes. How many bytes it sent.
    pub(super) fn release(&mut self, now: Instant, key: usize, regardless: usize) -> usize {
        let moment = self.moment(now);
        let begin = self.arena.len();
        while let Some(peer) = self.peers.get_mut(key)
            && (peer.has_room(&moment) || self.arena.len() - begin < regardless)
            && let Some(waiting) = peer.backlog.pop()
        {
            match waiting {
                Waiting::Live(ssrc, packet) => self.send_late(&moment, key, ssrc, &packet),
                Waiting::Again(ssrc, sequence) => self.send_again(&moment, key, ssrc, &[sequence]),
            }
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.backlog.wait(now, peer.pacer.wait());
        }
        self.arena.len() - begin
    }

    /// Sends a packet that has waited, if the slot still shows its track.
    fn send_late(&mut self, moment: &Moment, key: usize, ssrc: u32, packet: &MediaPacket) {
        let Some(view) = self.router.track(packet.track).map(|track| track.view()) else {
            return;
        };
        let Some((slots, mut out)) = self.peers[key].outlet(&mut self.arena) else {
            return;
        };
        let Some(index) = slots.iter().position(|s| s.spec.ssrc.ssrc == ssrc) else {
            return;
        };
        let slot = &mut slots[index];
        if slot.track() != Some(packet.track) {
            return;
        }
        let before = slot.counters.packets;
        let aim = slot.aim(&view);
        let forwarded = slot.forward(moment, packet, (&view, &aim), &mut out);
        let sent = slot.counters.packets - before;
        let lacks = slot.lacks(&view).is_some();
        self.stats.forwarded += sent;
        if before == 0 && sent > 0 {
            self.peers[key].report_soon(moment.now);
        }
        if let Forwarded::NeedsKeyframe(encoding) = forwarded {
            let subscriber = Subscriber {
                peer: key,
                slot: index,
            };
            self.want_keyframe(moment.now, packet.track, encoding, subscriber, lacks);
        }
    }

    fn want_keyframe(
        &mut self,
        now: Instant,
        track: TrackId,
        encoding: u8,
        subscriber: Subscriber,
        lacks: bool,
    ) {
        if lacks {
            self.begin_slots(now, &[subscriber]);
        } else {
            self.request_keyframes(now, track, 1 << encoding);
        }
    }

    /// Sends packets of a slot again, by our numbers, as far as its path has room; the others wait.
    pub(super) fn send_again(&mut self, moment: &Moment, key: usize, ssrc: u32, lost: &[u16]) {
        let router = &self.router;
        let Some((slots, mut out)) = self.peers[key].outlet(&mut self.arena) else {
            return;
        };
        let Some(slot) = slots.iter_mut().find(|s| s.spec.ssrc.ssrc == ssrc) else {
            return;
        };
        let held = |track, encoding, epoch, sequence| router.held(track, encoding, epoch, sequence);
        slot.retransmit(moment, lost, held, &mut out);
    }

    /// Sends packets again that a peer misses, by our numbers, as far as its path has room; the others wait.
    pub(super) fn take_nack(&mut self, now: Instant, key: usize, ssrc: u32, lost: &[u16]) {
        let moment = self.moment(now);
        let Some(slot) = self.peers[key].slot_of(ssrc) else {
            return;
        };
        slot.counters.nacked += lost.len() as u64;
        for (index, sequence) in lost.iter().enumerate() {
            if !self.peers[key].has_room(&moment) {
                return self.repair_later(now, key, ssrc, &lost[index..]);
            }
            self.send_again(&moment, key, ssrc, &[*sequence]);
        }
    }

    fn repair_later(&mut self, now: Instant, key: usize, ssrc: u32, lost: &[u16]) {
        let peer = &mut self.peers[key];
        for sequence in lost {
            peer.backlog.push_repair(ssrc, *sequence);
        }
        peer.backlog.wait(now, peer.pacer.wait());
    }
}
