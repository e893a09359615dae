// SPDX-License-Identifier: MIT OR Apache-2.0
//! The streams of one participant, which start in sync.

use gst_rtc_core::media::MediaKind;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// How far a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Progress {
    /// There is no such track.
    Absent,
    /// The track is there; when its packets were captured is not certain yet.
    Waiting,
    /// Its place in running time is known, or is not waited for any longer.
    Settled,
}

/// What the pads of one participant share.
#[derive(Debug)]
pub(crate) struct Group {
    id: gst::GroupId,
    audio: AtomicU8,
    video: AtomicU8,
}

impl Group {
    /// A group without streams.
    pub(crate) fn new() -> Group {
        let absent = || AtomicU8::new(Progress::Absent as u8);
        Group {
            id: gst::GroupId::next(),
            audio: absent(),
            video: absent(),
        }
    }

    /// The group id of the streams.
    pub(crate) fn id(&self) -> gst::GroupId {
        self.id
    }

    /// Says how far a stream is. Where a participant has several tracks of a kind the one that came last counts.
    pub(super) fn set(&self, kind: MediaKind, progress: Progress) {
        let stream = match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        };
        stream.store(progress as u8, Relaxed);
    }

    /// Nobody is waited for.
    pub(super) fn is_settled(&self) -> bool {
        let waiting = Progress::Waiting as u8;
        self.audio.load(Relaxed) != waiting && self.video.load(Relaxed) != waiting
    }
}
