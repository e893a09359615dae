// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTP timestamps of a run: those of the source, shifted.
//!
//! What is replayed out of the past comes faster than it was captured, and its pictures are to be shown as they come. So the time
//! before the edge, the newest picture when the replay began, is compressed into as much as the replay takes. Behind the
//! edge time passes as it does for everybody.

use crate::engine::ClockPair;
use crate::packet::MediaPacket;
use std::time::Instant;

/// How much the past is compressed at most: two pictures keep different timestamps.
const MOST: u32 = 300;

/// A timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    source: u32,
    out: u32,
    capture: Instant,
    /// Speed of the time before the edge, in 1/2^32. 0: that of the time behind it.
    past: u32,
}

impl Timeline {
    /// Time as it is in the source, whose `packet` gets the timestamp `out`.
    pub(super) fn live(packet: &MediaPacket, out: u32) -> Timeline {
        Timeline {
            source: packet.timestamp,
            out,
            capture: packet.capture,
            past: 0,
        }
    }

    /// The past from `first` to `edge` compressed to `length`, in units of the clock, as far as it allows that. It begins not
    /// before `earliest`, and the edge gets `at` if there is room for it.
    pub(super) fn replay(
        first: &MediaPacket,
        edge: &MediaPacket,
        length: u32,
        earliest: Option<(u32, u32)>,
        out: u32,
    ) -> Timeline {
        let span = edge.timestamp.wrapping_sub(first.timestamp);
        if span == 0 || span > 1 << 31 {
            let out = earliest.map_or(out, |(_, at)| at);
            return Timeline::live(first, out);
        }
        let (length, out) = match earliest {
            None => (length.clamp(span.div_ceil(MOST), span), out),
            Some((earliest, at)) => {
                let room = at.wrapping_sub(earliest);
                let room = if room > 1 << 31 { 0 } else { room };
                let length = length.min(room).clamp(span.div_ceil(MOST), span);
                (length, earliest.wrapping_add(room.max(length)))
            }
        };
        let past = ((u64::from(length) << 32) / u64::from(span)).min(u64::from(u32::MAX));
        Timeline {
            source: edge.timestamp,
            out,
            capture: edge.capture,
            past: past as u32,
        }
    }

    /// Our timestamp for the source's.
    pub(super) fn at(&self, source: u32) -> u32 {
        let ahead = source.wrapping_sub(self.source);
        if self.past == 0 || ahead < 1 << 31 {
            return self.out.wrapping_add(ahead);
        }
        let back = u64::from(ahead.wrapping_neg()) * u64::from(self.past);
        self.out.wrapping_sub((back >> 32) as u32)
    }

    /// Our clock against the time of capture, as far as it is known with this packet: never that of compressed time.
    pub(super) fn clock(&self, packet: &MediaPacket) -> ClockPair {
        let past = packet.timestamp.wrapping_sub(self.source) >= 1 << 31;
        if self.past != 0 && past {
            return ClockPair {
                instant: self.capture,
                rtp: self.out,
            };
        }
        ClockPair {
            instant: packet.capture,
            rtp: self.at(packet.timestamp),
        }
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
    use std::time::Duration;

    fn packet(start: Instant, timestamp: u32) -> MediaPacket {
        let mut data = vec![0; 20];
        HeaderWriter::new(&mut data, 96, false, 1, timestamp, 1).finish();
        let header = Header::parse(&data).expect("a packet");
        let capture = start + Duration::from_millis(u64::from(timestamp.wrapping_sub(5)) / 90);
        let origin = Origin {
            track: TrackId(1),
            layer: 0,
            epoch: 1,
            sequence: 1,
            codec: Codec::Vp8,
            encrypted: false,
            clock_rate: 90_000,
            arrival: capture,
            capture,
            capture_synced: true,
        };
        MediaPacket::new(data.into(), header, &ExtensionMap::default(), origin)
    }

    #[test]
    fn the_past_fits_between_what_was_shown_and_the_edge() {
        let start = Instant::now();
        let (first, edge) = (packet(start, 5), packet(start, 900_005));
        // 33 ms of room for ten seconds.
        let timeline = Timeline::replay(&first, &edge, 45_000, Some((1_000, 4_000)), 0);
        assert!((1_000..=1_001).contains(&timeline.at(5)));
        assert_eq!(timeline.at(900_005), 4_000);
        assert_eq!(timeline.at(903_005), 7_000);
        let steps = (0..300).map(|n| timeline.at(5 + 3_000 * (n + 1)) - timeline.at(5 + 3_000 * n));
        assert!(steps.into_iter().all(|step| (9..=10).contains(&step)));
    }

    #[test]
    fn without_room_the_edge_moves_as_little_as_it_must() {
        let start = Instant::now();
        let (first, edge) = (packet(start, 5), packet(start, 900_005));
        let timeline = Timeline::replay(&first, &edge, 45_000, Some((1_000, 900)), 0);
        assert!((1_000..=1_001).contains(&timeline.at(5)));
        assert_eq!(timeline.at(900_005), 4_000);
    }

    #[test]
    fn for_a_newcomer_the_past_takes_as_long_as_it_takes_to_send_it() {
        let start = Instant::now();
        let (first, edge) = (packet(start, 5), packet(start, 900_005));
        let timeline = Timeline::replay(&first, &edge, 45_000, None, 100);
        assert_eq!(timeline.at(900_005), 100);
        assert!(100u32.wrapping_sub(timeline.at(5)).abs_diff(45_000) <= 1);
        // Never slower than it was.
        let timeline = Timeline::replay(&first, &edge, u32::MAX, None, 100);
        assert!(100u32.wrapping_sub(timeline.at(5)).abs_diff(900_000) <= 1);
    }

    #[test]
    fn reports_never_speak_of_compressed_time() {
        let start = Instant::now();
        let (first, edge) = (packet(start, 5), packet(start, 900_005));
        let timeline = Timeline::replay(&first, &edge, 45_000, None, 100);
        let (past, live) = (
            timeline.clock(&first),
            timeline.clock(&packet(start, 909_005)),
        );
        assert_eq!((past.instant, past.rtp), (edge.capture, 100));
        assert_eq!(past.at(live.instant, 90_000), live.rtp);
    }
}
