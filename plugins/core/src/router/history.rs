// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last packets of one encoding, kept once for all of its subscribers: to send again what got lost, and to show
//! newcomers a picture at once.

use crate::packet::MediaPacket;
use std::sync::Arc;
use std::time::Duration;

/// Bytes kept of an encoding: 10 s at 3 Mbit/s.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// A packet that has been missing for so long does not come any more.
const GIVEN_UP: Duration = Duration::from_millis(500);
/// The longest group of pictures worth replaying; who joins later is better served by a new keyframe.
const MAX_GROUP: Duration = Duration::from_secs(20);

/// What became of a packet that was offered to a [`History`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inserted {
    /// Seen for the first time.
    New,
    /// Already here, for example repaired before the original came after all.
    Duplicate,
    /// From before the window.
    TooOld,
}

/// The newest keyframe.
#[derive(Clone, Copy, Debug)]
struct Keyframe {
    /// Its first packet.
    sequence: u64,
    timestamp: u32,
}

/// The newest group of pictures: everything from the newest keyframe on.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The first packet of the keyframe.
    pub(crate) first: Arc<MediaPacket>,
    /// The newest packet.
    pub(crate) newest: Arc<MediaPacket>,
    /// Bytes from one to the other.
    pub(crate) bytes: usize,
}

impl Group {
    /// Bits per second it came with.
    pub(crate) fn bitrate(&self) -> u64 {
        let span = self
            .newest
            .arrival
            .saturating_duration_since(self.first.arrival);
        (self.bytes as f64 * 8.0 / span.as_secs_f64().max(0.1)) as u64
    }
}

/// A ring of packets of one epoch, indexed by sequence number.
#[derive(Debug)]
pub(crate) struct History {
    ring: Vec<Option<Arc<MediaPacket>>>,
    epoch: u32,
    newest: u64,
    /// Nothing is held from before.
    oldest: u64,
    bytes: usize,
    keyframe: Option<Keyframe>,
}

impl History {
    /// A history of `capacity` packets, a power of two. It takes memory for them only as they come.
    pub(crate) fn new(capacity: usize) -> History {
        debug_assert!(capacity.is_power_of_two());
        History {
            ring: vec![None; capacity],
            epoch: 0,
            newest: 0,
            oldest: 0,
            bytes: 0,
            keyframe: None,
        }
    }

    fn slot(&self, sequence: u64) -> usize {
        (sequence as usize) & (self.ring.len() - 1)
    }

    /// Keeps a packet. A packet of another epoch empties the history first.
    pub(crate) fn insert(&mut self, packet: Arc<MediaPacket>) -> Inserted {
        if packet.epoch != self.epoch {
            self.restart(&packet);
        }
        if packet.sequence + self.ring.len() as u64 <= self.newest {
            return Inserted::TooOld;
        }
        let slot = self.slot(packet.sequence);
        if self.ring[slot]
            .as_ref()
            .is_some_and(|held| held.sequence == packet.sequence)
        {
            return Inserted::Duplicate;
        }
        self.newest = self.newest.max(packet.sequence);
        self.oldest = self.oldest.min(packet.sequence);
        self.note_keyframe(&packet);
        self.bytes += packet.bytes().len();
        if let Some(former) = self.ring[slot].replace(packet) {
            self.bytes -= former.bytes().len();
        }
        self.evict();
        Inserted::New
    }

    fn restart(&mut self, packet: &MediaPacket) {
        self.ring.fill(None);
        self.epoch = packet.epoch;
        (self.newest, self.oldest) = (packet.sequence, packet.sequence);
        self.bytes = 0;
        self.keyframe = None;
    }

    fn note_keyframe(&mut self, packet: &MediaPacket) {
        if !packet.description.keyframe {
            return;
        }
        let (sequence, timestamp) = (packet.sequence, packet.timestamp);
        let begins = match self.keyframe {
            // Parameter sets in packets of their own belong to the same picture.
            Some(known) if known.timestamp == timestamp => sequence < known.sequence,
            Some(known) => sequence > known.sequence,
            None => true,
        };
        if begins {
            self.keyframe = Some(Keyframe {
                sequence,
                timestamp,
            });
        }
    }

    fn evict(&mut self) {
        let held = self.ring.len() as u64;
        self.oldest = self.oldest.max((self.newest + 1).saturating_sub(held));
        while self.bytes > MAX_BYTES && self.oldest < self.newest {
            let slot = self.slot(self.oldest);
            if self.ring[slot]
                .as_ref()
                .is_some_and(|held| held.sequence == self.oldest)
            {
                let former = self.ring[slot].take();
                self.bytes -= former.map_or(0, |packet| packet.bytes().len());
            }
            self.oldest += 1;
        }
    }

    /// The packet of that number, if it is still here.
    pub(crate) fn get(&self, epoch: u32, sequence: u64) -> Option<&Arc<MediaPacket>> {
        let held = self.ring[self.slot(sequence)].as_ref()?;
        (held.epoch == epoch && held.sequence == sequence).then_some(held)
    }

    /// The number of the newest packet, if it is of that epoch.
    pub(crate) fn newest(&self, epoch: u32) -> Option<u64> {
        (epoch == self.epoch).then_some(self.newest)
    }

    /// The newest group of pictures, if all of it is here, short enough to be caught up with, and nothing of it is lost for good.
    pub(crate) fn group(&self) -> Option<Group> {
        let keyframe = self.keyframe?;
        let first = self.get(self.epoch, keyframe.sequence)?.clone();
        let newest = self.get(self.epoch, self.newest)?.clone();
        if newest.arrival.saturating_duration_since(first.arrival) > MAX_GROUP {
            return None;
        }
        let bytes = self.bytes_from(&first, &newest)?;
        Some(Group {
            first,
            newest,
            bytes,
        })
    }

    /// The packets of the newest group of pictures, oldest first; none when it is not fit to be replayed.
    pub(crate) fn newest_group(&self) -> impl Iterator<Item = &Arc<MediaPacket>> {
        let range = self.group().map(|g| g.first.sequence..=g.newest.sequence);
        let sequences = range.into_iter().flatten();
        sequences.filter_map(|sequence| self.get(self.epoch, sequence))
    }

    /// Bytes of all from one packet to another; `None` when one of them is lost for good.
    fn bytes_from(&self, first: &MediaPacket, newest: &MediaPacket) -> Option<usize> {
        let (mut bytes, mut before) = (0, first);
        for sequence in first.sequence..=newest.sequence {
            if let Some(packet) = self.get(self.epoch, sequence) {
                bytes += packet.bytes().len();
                before = packet;
            } else if newest.arrival.saturating_duration_since(before.arrival) > GIVEN_UP {
                return None;
            }
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::id::TrackId;
    use crate::media::ExtensionMap;
    use crate::packet::Origin;
    use crate::rtp::{Header, HeaderWriter};
    use std::time::Instant;

    /// Makes packets of a stream of ten pictures a second, each of one packet.
    struct Stream {
        start: Instant,
        history: History,
    }

    impl Stream {
        fn new() -> Stream {
            Stream {
                start: Instant::now(),
                history: History::new(1024),
            }
        }

        fn insert(&mut self, sequence: u64, keyframe: bool, bytes: usize) -> Inserted {
            let mut data = vec![0; 12 + bytes];
            let timestamp = sequence as u32 * 9_000;
            HeaderWriter::new(&mut data, 96, false, sequence as u16, timestamp, 1).finish();
            data[12..15].copy_from_slice(&[0x10, u8::from(!keyframe), 0]);
            let header = Header::parse(&data).expect("a packet");
            let arrival = self.start + Duration::from_millis(100 * sequence);
            let origin = Origin {
                track: TrackId(1),
                layer: 0,
                epoch: 1,
                sequence,
                codec: Codec::Vp8,
                encrypted: false,
                clock_rate: 90_000,
                arrival,
                capture: arrival,
                capture_synced: true,
            };
            let packet = MediaPacket::new(data.into(), header, &ExtensionMap::default(), origin);
            self.history.insert(Arc::new(packet))
        }

        fn group(&self) -> Option<(u64, u64)> {
            let group = self.history.group()?;
            Some((group.first.sequence, group.newest.sequence))
        }
    }

    #[test]
    fn the_group_begins_with_the_newest_keyframe() {
        let mut stream = Stream::new();
        for sequence in 10..60 {
            stream.insert(sequence, sequence % 20 == 0, 100);
        }
        assert_eq!(stream.group(), Some((40, 59)));
        assert_eq!(stream.history.newest_group().count(), 20);
    }

    #[test]
    fn what_is_missing_may_still_come_for_a_while() {
        let mut stream = Stream::new();
        for sequence in (10..30).filter(|n| *n != 25) {
            stream.insert(sequence, sequence == 10, 100);
        }
        assert_eq!(stream.group(), Some((10, 29)));
        for n in 30..34 {
            stream.insert(n, false, 100);
        }
        assert_eq!(stream.group(), None);
        assert_eq!(stream.insert(25, false, 100), Inserted::New);
        assert_eq!(stream.group(), Some((10, 33)));
    }

    #[test]
    fn a_group_that_is_too_long_or_too_large_is_not_replayed() {
        let mut stream = Stream::new();
        for n in 0..300 {
            stream.insert(n, n == 0, 100);
        }
        assert_eq!(stream.group(), None, "30 s");
        let mut stream = Stream::new();
        for n in 0..90 {
            stream.insert(n, n == 0, 50_000);
        }
        assert_eq!(stream.group(), None, "4.5 MB");
        assert!(stream.history.bytes <= MAX_BYTES);
        assert!(stream.history.get(1, 89).is_some() && stream.history.get(1, 0).is_none());
    }

    #[test]
    fn memory_follows_what_is_held() {
        let mut stream = Stream::new();
        for n in 0..5_000 {
            stream.insert(n, false, 100);
        }
        assert_eq!(stream.history.bytes, 1024 * 112);
        assert_eq!(stream.insert(4_999, false, 100), Inserted::Duplicate);
        assert_eq!(stream.insert(100, false, 100), Inserted::TooOld);
        assert_eq!(stream.history.bytes, 1024 * 112);
    }
}
