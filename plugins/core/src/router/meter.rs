// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an encoding costs and shows, layer by layer, measured over about a second.

use crate::codec;
use crate::packet::MediaPacket;
use std::time::{Duration, Instant};

/// Spatial and temporal layers told apart (RFC 9628 and AV1 allow more temporal ones; nobody uses them).
pub(super) const SPATIAL: usize = 4;
pub(super) const TEMPORAL: usize = 4;
/// Two of these make the time over which is measured.
const HALF: Duration = Duration::from_millis(500);
/// Less than this says too little to be called a rate.
const LEAST: Duration = Duration::from_millis(200);

/// What came in a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    bytes: [[u32; TEMPORAL]; SPATIAL],
    frames: [[u16; TEMPORAL]; SPATIAL],
    span: Duration,
}

/// The meter of one encoding.
#[derive(Debug, Default)]
pub(super) struct Meter {
    began: Option<Instant>,
    current: Bucket,
    /// Newest first.
    earlier: [Bucket; 2],
    /// Timestamp of the newest picture of each spatial layer.
    newest: [Option<u32>; SPATIAL],
    resolutions: [Option<(u16, u16)>; SPATIAL],
    last: Option<Instant>,
}

impl Meter {
    /// Takes a packet into account.
    pub(super) fn count(&mut self, now: Instant, packet: &MediaPacket) {
        self.roll(now);
        self.last = Some(now);
        let (spatial, temporal) = place(packet);
        let bytes = &mut self.current.bytes[spatial][temporal];
        *bytes = bytes.saturating_add(packet.bytes().len() as u32);
        let newest = &mut self.newest[spatial];
        if newest.is_none_or(|at| (packet.timestamp.wrapping_sub(at) as i32) > 0) {
            *newest = Some(packet.timestamp);
            let frames = &mut self.current.frames[spatial][temporal];
            *frames = frames.saturating_add(1);
        }
        if let Some(resolution) = packet.description.resolution {
            self.resolutions[spatial] = Some(resolution);
            if packet.dependency().is_none() {
                self.take_resolutions(packet);
            }
        }
    }

    /// Begins anew because the source did.
    pub(super) fn restart(&mut self) {
        self.newest = [None; SPATIAL];
    }

    /// When the newest packet came.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    /// The resolution of a spatial layer.
    pub(super) fn resolution(&self, spatial: u8) -> Option<(u16, u16)> {
        *self.resolutions.get(usize::from(spatial))?
    }

    /// True when something of the layer itself came within the time measured.
    pub(super) fn has(&self, spatial: u8, temporal: u8) -> bool {
        let (spatial, temporal) = (usize::from(spatial), usize::from(temporal));
        self.buckets()
            .any(|bucket| bucket.bytes[spatial][temporal] > 0)
    }

    /// Bits per second up to a layer; `None` while too little has come to tell.
    pub(super) fn bitrate(&self, now: Instant, spatial: u8, temporal: u8) -> Option<u64> {
        let bytes = |bucket: &Bucket| -> u64 {
            bucket.bytes[..=usize::from(spatial)]
                .iter()
                .flat_map(|row| &row[..=usize::from(temporal)])
                .map(|bytes| u64::from(*bytes))
                .sum()
        };
        let (total, span) = self.over(now, bytes)?;
        Some((total as f64 * 8.0 / span) as u64)
    }

    /// Pictures per second of a spatial layer, up to a temporal layer.
    pub(super) fn frame_rate(&self, now: Instant, spatial: u8, temporal: u8) -> Option<f32> {
        let frames = |bucket: &Bucket| -> u64 {
            bucket.frames[usize::from(spatial)][..=usize::from(temporal)]
                .iter()
                .map(|frames| u64::from(*frames))
                .sum()
        };
        let (total, span) = self.over(now, frames)?;
        Some((total as f64 / span) as f32)
    }

    /// A sum over whole buckets, or over what there is while there is no whole one; and the seconds it is of.
    fn over(&self, now: Instant, sum: impl Fn(&Bucket) -> u64) -> Option<(u64, f64)> {
        let whole: Duration = self.earlier.iter().map(|bucket| bucket.span).sum();
        if whole > Duration::ZERO {
            return Some((self.earlier.iter().map(sum).sum(), whole.as_secs_f64()));
        }
        let span = now.saturating_duration_since(self.began?);
        (span >= LEAST).then(|| (sum(&self.current), span.as_secs_f64()))
    }

    /// Those of all spatial layers, where the payload has them together.
    fn take_resolutions(&mut self, packet: &MediaPacket) {
        if packet.encrypted {
            return;
        }
        for (spatial, resolution) in codec::spatial_resolutions(packet.codec, packet.payload()) {
            if let Some(known) = self.resolutions.get_mut(spatial) {
                *known = Some(resolution);
            }
        }
    }

    fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        std::iter::once(&self.current).chain(&self.earlier)
    }

    fn roll(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let span = now.saturating_duration_since(began);
        if span >= HALF {
            self.earlier = [
                Bucket {
                    span,
                    ..self.current
                },
                self.earlier[0],
            ];
            self.current = Bucket::default();
            self.began = Some(now);
        }
    }
}

/// Spatial and temporal layer of a packet, as far as they are told apart.
fn place(packet: &MediaPacket) -> (usize, usize) {
    let (spatial, temporal) = packet.layers();
    (
        usize::from(spatial).min(SPATIAL - 1),
        usize::from(temporal).min(TEMPORAL - 1),
    )
}
