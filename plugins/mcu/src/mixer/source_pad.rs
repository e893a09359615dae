// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sink pad of the mixer: where in the mix its buffers belong.

use gst::glib;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_rtc_core::mcu::aligner::RATE;
use gst_rtc_core::mcu::mixer::SourceId;
use std::sync::atomic::{AtomicU32, Ordering};

/// See [`super::SourcePad`].
pub(crate) struct SourcePad {
    id: SourceId,
}

impl Default for SourcePad {
    fn default() -> SourcePad {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        SourcePad {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SourcePad {
    const NAME: &'static str = "GstRtcMcuMixerPad";
    type Type = super::SourcePad;
    type ParentType = gst_base::AggregatorPad;
}

impl ObjectImpl for SourcePad {}
impl GstObjectImpl for SourcePad {}
impl PadImpl for SourcePad {}
impl AggregatorPadImpl for SourcePad {}

impl SourcePad {
    /// What the mix knows it by.
    pub(super) fn id(&self) -> SourceId {
        self.id
    }

    /// Takes the next buffer: the position it belongs at, and its samples. None: there is none.
    pub(super) fn next(&self) -> Option<(i64, Vec<f32>)> {
        let pad = self.obj();
        loop {
            let buffer = pad.pop_buffer()?;
            let segment = pad.segment();
            let segment = segment.downcast_ref::<gst::ClockTime>();
            let time = segment.and_then(|segment| segment.to_running_time(buffer.pts()));
            // Without a time, and before the segment begins, it belongs nowhere. A gap event comes as a buffer without samples.
            if let (Some(time), true) = (time, buffer.size() > 0)
                && let Ok(bytes) = buffer.map_readable()
            {
                return Some((position(time), samples(&bytes)));
            }
        }
    }
}

/// Frames since running time 0.
pub(super) fn position(time: gst::ClockTime) -> i64 {
    let frames = u128::from(time.nseconds()) * u128::from(RATE) / 1_000_000_000;
    i64::try_from(frames).unwrap_or(i64::MAX)
}

/// The running time of a position.
pub(super) fn time(position: i64) -> gst::ClockTime {
    let position = u128::from(position.max(0).unsigned_abs());
    let nanoseconds = (position * 1_000_000_000).div_ceil(u128::from(RATE));
    gst::ClockTime::from_nseconds(u64::try_from(nanoseconds).unwrap_or(u64::MAX - 1))
}

fn samples(bytes: &[u8]) -> Vec<f32> {
    let sample = |bytes: &[u8; 4]| f32::from_ne_bytes(*bytes);
    let (samples, _) = bytes.as_chunks::<4>();
    // A decoder may hand out what is no number; it must not stay in a sum.
    let finite = |sample: f32| if sample.is_finite() { sample } else { 0.0 };
    samples.iter().map(sample).map(finite).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_times_are_the_same_both_ways() {
        for frames in [0, 1, 479, 480, 48_000, 123_456_789] {
            assert_eq!(position(time(frames)), frames);
        }
    }
}
