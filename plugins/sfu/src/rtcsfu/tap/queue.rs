// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between the thread of a worker, which never waits, and the task of a pad, which may be slow.

use gst_rtc_core::media::{MediaKind, PayloadParams};
use gst_rtc_core::packet::MediaPacket;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Packets a pad may be behind: some seconds of video.
const PACKETS: usize = 4_096;

/// Bytes a pad may be behind.
const BYTES: usize = 16 << 20;

/// What a task is told.
#[derive(Debug)]
pub(crate) enum Item {
    /// The track was found.
    Started {
        /// Its name.
        track: String,
        /// What it carries.
        payload: PayloadParams,
    },
    /// A packet of the track.
    Packet(Arc<MediaPacket>),
    /// The track is gone.
    Ended,
    /// The pipeline plays again: running time went on from where it was, the clock did not.
    Resumed,
    /// The application ended the stream.
    Eos,
}

/// Whether packets are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// The pad is inactive; the task ends.
    Stopped,
    /// The pipeline does not play; packets are not kept.
    Paused,
    Playing,
}

/// What the task finds.
#[derive(Debug)]
pub(super) enum Wake {
    /// Work, or none when the time is up.
    Items(VecDeque<Item>),
    /// The task is to end.
    Stopped,
}

#[derive(Debug)]
struct Inner {
    mode: Mode,
    items: VecDeque<Item>,
    bytes: usize,
    packets: usize,
    /// Something was dropped: nothing can be decoded before the next keyframe.
    skipping: bool,
    dropped: u64,
    /// The task is outside of any push downstream.
    idle: bool,
}

/// A bounded queue. When full, video is dropped up to the next keyframe and audio from its oldest end, and both are counted.
#[derive(Debug)]
pub(crate) struct TapQueue {
    kind: MediaKind,
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl TapQueue {
    /// A queue for a pad that is not active yet.
    pub(crate) fn new(kind: MediaKind) -> TapQueue {
        let inner = Inner {
            mode: Mode::Stopped,
            items: VecDeque::new(),
            bytes: 0,
            packets: 0,
            skipping: false,
            dropped: 0,
            idle: true,
        };
        TapQueue {
            kind,
            inner: Mutex::new(inner),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the task something to do. Never blocks.
    pub(crate) fn push(&self, item: Item) {
        let mut inner = self.lock();
        match &item {
            Item::Packet(packet) if !inner.takes(self.kind, packet) => return,
            Item::Packet(packet) => {
                inner.packets += 1;
                inner.bytes += packet.bytes().len();
            }
            _ => {}
        }
        inner.items.push_back(item);
        self.changed.notify_all();
    }

    /// The pad becomes active: its task runs, and takes packets once the pipeline plays.
    pub(crate) fn activate(&self) {
        let mut inner = self.lock();
        inner.mode = Mode::Paused;
    }

    /// The pipeline plays, or pauses.
    pub(crate) fn set_playing(&self, playing: bool) {
        let mut inner = self.lock();
        if inner.mode != Mode::Stopped {
            inner.mode = if playing { Mode::Playing } else { Mode::Paused };
            inner.forget_packets();
            if playing {
                inner.items.push_back(Item::Resumed);
            }
            self.changed.notify_all();
        }
    }

    /// Tells the task to end, and waits until it is outside of any push downstream. False: it is stuck there.
    pub(crate) fn stop(&self, until: Instant) -> bool {
        let mut inner = self.lock();
        inner.mode = Mode::Stopped;
        inner.items.clear();
        inner.forget_packets();
        self.changed.notify_all();
        while !inner.idle {
            let Some(left) = until
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                return false;
            };
            inner = self
                .changed
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Waits until the task has done everything it was given. False: not in time. A task that does not run has
    /// nothing to do.
    pub(crate) fn settle(&self, until: Instant) -> bool {
        let mut inner = self.lock();
        while inner.mode == Mode::Playing && !(inner.idle && inner.items.is_empty()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner = self
                .changed
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// For the task: waits for work until a time. What is returned is being worked on until the next call.
    pub(super) fn wait(&self, until: Option<Instant>) -> Wake {
        let mut inner = self.lock();
        inner.idle = true;
        self.changed.notify_all();
        loop {
            if inner.mode == Mode::Stopped {
                return Wake::Stopped;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let time_is_up = left.is_some_and(|left| left.is_zero());
            if inner.mode == Mode::Playing && (time_is_up || !inner.items.is_empty()) {
                inner.idle = false;
                return Wake::Items(inner.take());
            }
            inner = match left.filter(|_| inner.mode == Mode::Playing) {
                Some(left) => {
                    self.changed
                        .wait_timeout(inner, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .changed
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// For the task: it ends by itself and will not push downstream again.
    pub(super) fn finish(&self) {
        let mut inner = self.lock();
        inner.mode = Mode::Stopped;
        inner.idle = true;
        self.changed.notify_all();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Packets dropped because the pad was too slow.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }
}

impl Inner {
    /// Decides on a packet, making room for it.
    fn takes(&mut self, kind: MediaKind, packet: &MediaPacket) -> bool {
        if self.mode != Mode::Playing {
            return false;
        }
        if self.packets >= PACKETS || self.bytes >= BYTES {
            match kind {
                MediaKind::Audio => self.drop_oldest(),
                MediaKind::Video => self.drop_to_keyframe(),
            }
        }
        if self.skipping && !packet.description.keyframe {
            self.dropped += 1;
            return false;
        }
        self.skipping = false;
        true
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .items
            .iter()
            .position(|item| matches!(item, Item::Packet(_)));
        if let Some(Item::Packet(packet)) = oldest.and_then(|index| self.items.remove(index)) {
            self.packets -= 1;
            self.bytes -= packet.bytes().len();
            self.dropped += 1;
        }
    }

    /// Drops the oldest packets up to a keyframe further back, or all of them, and then what comes until there is one.
    fn drop_to_keyframe(&mut self) {
        let start = self
            .items
            .iter()
            .position(|item| matches!(item, Item::Packet(_)))
            .unwrap_or(0);
        let keyframe = self
            .items
            .iter()
            .skip(start + 1)
            .position(is_keyframe)
            .map(|index| index + start + 1);
        let end = keyframe.unwrap_or(self.items.len());
        let (mut packets, mut bytes) = (0, 0);
        let mut index = 0;
        self.items.retain(|item| {
            index += 1;
            match item {
                Item::Packet(packet) if index <= end => {
                    packets += 1;
                    bytes += packet.bytes().len();
                    false
                }
                _ => true,
            }
        });
        self.packets -= packets;
        self.bytes -= bytes;
        self.dropped += packets as u64;
        self.skipping = keyframe.is_none();
    }

    fn forget_packets(&mut self) {
        self.items.retain(|item| !matches!(item, Item::Packet(_)));
        self.packets = 0;
        self.bytes = 0;
        self.skipping = false;
    }

    fn take(&mut self) -> VecDeque<Item> {
        self.packets = 0;
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}

fn is_keyframe(item: &Item) -> bool {
    matches!(item, Item::Packet(packet) if packet.description.keyframe)
}
