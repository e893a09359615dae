// SPDX-License-Identifier: MIT OR Apache-2.0
//! The task of a src pad: pushes what the queue holds.

use super::group::Group;
use super::layer::LayerChoice;
use super::queue::{Item, TapQueue, Wake};
use super::stream::{Incoming, Ready, Stream};
use super::timeline::Estimate;
use crate::rtcsfu::clock::ClockSample;
use crate::rtcsfu::{CAT, RtcSfuSrcPad, caps};
use gst::prelude::*;
use gst_rtc_core::media::{MediaKind, PayloadParams};
use gst_rtc_core::packet::MediaPacket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A stream silent for this long gets gap events, so that a muxer goes on with the others.
const SILENCE: Duration = Duration::from_millis(500);

/// Distance of the gap events of a silent stream.
const GAP_INTERVAL: Duration = Duration::from_millis(200);

/// Longer than anything in a stream waits.
const FOREVER: Duration = Duration::from_secs(3_600);

/// What the element decides for a pad.
#[derive(Clone, Debug)]
pub(crate) struct PumpSettings {
    /// How long a packet waits for an earlier one.
    pub(crate) latency: Duration,
    /// How long the stream waits at its start for certain times; `None` where there is nothing to be in sync with.
    pub(crate) hold: Option<Duration>,
    /// End of stream when the track goes.
    pub(crate) eos_on_leave: bool,
    /// First part of the stream id.
    pub(crate) stream_id: String,
    /// The streams of the participant.
    pub(crate) group: Arc<Group>,
}

/// What a pad has done so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Packets pushed.
    pub(crate) packets: AtomicU64,
    /// Bytes of them.
    pub(crate) bytes: AtomicU64,
    /// Packets which came too late or twice.
    pub(crate) late: AtomicU64,
    /// Gaps that were not repaired in time.
    pub(crate) gaps: AtomicU64,
}

/// A packet as the memory of a buffer, without a copy.
struct PacketBytes(Arc<MediaPacket>);

impl AsRef<[u8]> for PacketBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// What must be the same for packets to belong to one run of sequence numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    epoch: u32,
    layer: u8,
    clock_rate: u32,
}

impl Run {
    fn of(packet: &MediaPacket) -> Run {
        Run {
            epoch: packet.epoch,
            layer: packet.layer,
            clock_rate: packet.clock_rate,
        }
    }
}

/// What downstream has been told.
#[derive(Debug, Default)]
struct Told {
    stream: bool,
    caps: Option<gst::Caps>,
    segment: bool,
    /// Up to this running time there are buffers or gaps.
    until: Option<gst::ClockTime>,
}

/// What a round of the task ends with.
pub(crate) enum Outcome {
    /// Another round.
    Again,
    /// No further round.
    Done,
}

/// The state of a task.
pub(crate) struct Pump {
    queue: Arc<TapQueue>,
    settings: Arc<Mutex<PumpSettings>>,
    counters: Arc<Counters>,
    began: Instant,
    stream: Stream<Arc<MediaPacket>>,
    track: String,
    payload: Option<PayloadParams>,
    layer: LayerChoice,
    run: Option<Run>,
    told: Told,
    /// When the last buffer or gap was pushed.
    pushed: Option<Instant>,
    ended: bool,
}

impl Pump {
    /// A pump for a pad that has just been activated.
    pub(crate) fn new(
        kind: MediaKind,
        queue: Arc<TapQueue>,
        settings: Arc<Mutex<PumpSettings>>,
        counters: Arc<Counters>,
    ) -> Pump {
        let group = settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .group
            .clone();
        Pump {
            queue,
            settings,
            counters,
            began: Instant::now(),
            stream: Stream::new(kind, group),
            track: kind.as_str().to_owned(),
            payload: None,
            layer: LayerChoice::default(),
            run: None,
            told: Told::default(),
            pushed: None,
            ended: false,
        }
    }

    /// One round: waits for something to do, and does it.
    pub(crate) fn run(&mut self, pad: &RtcSfuSrcPad) -> Outcome {
        let items = match self.queue.wait(self.timeout()) {
            Wake::Items(items) => items,
            Wake::Stopped => return Outcome::Done,
        };
        match self.work(pad, items) {
            Ok(()) => Outcome::Again,
            Err(error) => {
                self.queue.finish();
                report(pad, error);
                Outcome::Done
            }
        }
    }

    fn work(
        &mut self,
        pad: &RtcSfuSrcPad,
        items: impl IntoIterator<Item = Item>,
    ) -> Result<(), gst::FlowError> {
        let clock = self.clock(pad);
        for item in items {
            if !self.ended {
                self.handle(pad, item, &clock)?;
            }
        }
        if self.ended {
            return Ok(());
        }
        self.push_ready(pad, Instant::now())?;
        if self.stream.poll_keyframe(Instant::now()) {
            pad.request_keyframe();
        }
        self.push_gap(pad, &clock);
        Ok(())
    }

    fn clock(&self, pad: &RtcSfuSrcPad) -> ClockSample {
        let sample = pad
            .parent_element()
            .and_then(|element| ClockSample::take(&element));
        sample.unwrap_or_else(|| ClockSample::new(self.began, 0))
    }

    fn settings(&self) -> PumpSettings {
        self.settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn timeout(&self) -> Option<Instant> {
        let gap = self.pushed.filter(|_| !self.ended).map(|at| at + SILENCE);
        [self.stream.timeout().filter(|_| !self.ended), gap]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle(
        &mut self,
        pad: &RtcSfuSrcPad,
        item: Item,
        clock: &ClockSample,
    ) -> Result<(), gst::FlowError> {
        match item {
            Item::Started { track, payload } => {
                self.track = track;
                self.payload = Some(payload);
                self.layer = LayerChoice::default();
                self.stream.expect(self.settings().group);
                // Whatever comes is a new source, also where it looks like the old one.
                self.run = None;
                pad.request_keyframe();
            }
            Item::Packet(packet) => self.take(pad, packet, clock)?,
            Item::Ended => {
                self.push_ready(pad, Instant::now() + FOREVER)?;
                self.stream.leave();
                self.run = None;
                if self.settings().eos_on_leave {
                    self.end(pad)?;
                }
            }
            Item::Resumed => self.run = None,
            Item::Eos => self.end(pad)?,
        }
        Ok(())
    }

    fn take(
        &mut self,
        pad: &RtcSfuSrcPad,
        packet: Arc<MediaPacket>,
        clock: &ClockSample,
    ) -> Result<(), gst::FlowError> {
        // Where nobody can say at which picture decoding begins, it begins with any.
        let keyframe = packet.description.keyframe || packet.is_opaque();
        if !self.layer.takes(
            packet.arrival,
            packet.layer,
            keyframe,
            packet.description.resolution,
        ) {
            if self.layer.poll_keyframe(packet.arrival) {
                pad.request_keyframe();
            }
            return Ok(());
        }
        let run = Run::of(&packet);
        if self.run != Some(run) {
            self.push_ready(pad, Instant::now() + FOREVER)?;
            let settings = self.settings();
            self.stream.restart(
                run.clock_rate,
                settings.latency,
                settings.hold,
                settings.group,
            );
            self.run = Some(run);
        }
        let estimate = Estimate {
            at: clock.running_time(packet.capture),
            certain: packet.capture_synced,
        };
        self.stream.handle(
            packet.arrival,
            Incoming {
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                keyframe,
                estimate,
                value: packet,
            },
        );
        Ok(())
    }

    fn push_ready(&mut self, pad: &RtcSfuSrcPad, now: Instant) -> Result<(), gst::FlowError> {
        while let Some(ready) = self.stream.poll(now) {
            self.push(pad, ready)?;
        }
        self.counters.late.store(self.stream.late(), Relaxed);
        self.counters.gaps.store(self.stream.lost(), Relaxed);
        Ok(())
    }

    fn push(
        &mut self,
        pad: &RtcSfuSrcPad,
        ready: Ready<Arc<MediaPacket>>,
    ) -> Result<(), gst::FlowError> {
        self.tell_caps(pad, &ready.value);
        let bytes = ready.value.bytes().len() as u64;
        let buffer = buffer(ready.value, ready.pts, ready.discont, ready.delta);
        self.told.until = self.told.until.max(Some(ready.pts));
        self.pushed = Some(Instant::now());
        match pad.push(buffer) {
            Ok(_) => {
                self.counters.packets.fetch_add(1, Relaxed);
                self.counters.bytes.fetch_add(bytes, Relaxed);
                Ok(())
            }
            // Nobody is there yet, or for a moment.
            Err(gst::FlowError::NotLinked) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn tell_caps(&mut self, pad: &RtcSfuSrcPad, packet: &MediaPacket) {
        self.tell_stream(pad);
        let caps = caps::of_packet(self.payload.as_ref(), packet);
        if self.told.caps.as_ref() != Some(&caps) {
            gst::info!(CAT, obj = pad, "{caps}");
            pad.push_event(gst::event::Caps::new(&caps));
            self.told.caps = Some(caps);
        }
        self.tell_segment(pad);
    }

    fn tell_stream(&mut self, pad: &RtcSfuSrcPad) {
        if !std::mem::replace(&mut self.told.stream, true) {
            let settings = self.settings();
            let id = format!("{}/{}", settings.stream_id, self.track);
            pad.push_event(
                gst::event::StreamStart::builder(&id)
                    .group_id(settings.group.id())
                    .build(),
            );
        }
    }

    fn tell_segment(&mut self, pad: &RtcSfuSrcPad) {
        if !std::mem::replace(&mut self.told.segment, true) {
            pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<
                gst::ClockTime,
            >::new()));
        }
    }

    /// Says of a silent stream that nothing comes, up to where nothing can come any more.
    fn push_gap(&mut self, pad: &RtcSfuSrcPad, clock: &ClockSample) {
        let now = Instant::now();
        let (Some(pushed), Some(from)) = (self.pushed, self.told.until) else {
            return;
        };
        if now < pushed + SILENCE {
            return;
        }
        self.pushed = Some(now + GAP_INTERVAL - SILENCE);
        let settings = self.settings();
        let margin = SILENCE + settings.latency + settings.hold.unwrap_or_default();
        let until = clock
            .running_time(now)
            .saturating_sub(margin.as_nanos() as i64);
        let until = gst::ClockTime::from_nseconds(u64::try_from(until).unwrap_or(0));
        if let Some(duration) = until
            .checked_sub(from)
            .filter(|duration| !duration.is_zero())
        {
            pad.push_event(gst::event::Gap::builder(from).duration(duration).build());
            self.told.until = Some(until);
        }
    }

    fn end(&mut self, pad: &RtcSfuSrcPad) -> Result<(), gst::FlowError> {
        self.push_ready(pad, Instant::now() + FOREVER)?;
        self.tell_stream(pad);
        self.tell_segment(pad);
        gst::info!(CAT, obj = pad, "end of stream");
        pad.push_event(gst::event::Eos::new());
        self.ended = true;
        Ok(())
    }
}

fn buffer(
    packet: Arc<MediaPacket>,
    pts: gst::ClockTime,
    discont: bool,
    delta: bool,
) -> gst::Buffer {
    let mut flags = gst::BufferFlags::empty();
    flags.set(gst::BufferFlags::DISCONT, discont);
    flags.set(gst::BufferFlags::DELTA_UNIT, delta);
    flags.set(gst::BufferFlags::MARKER, packet.marker);
    let mut buffer = gst::Buffer::from_slice(PacketBytes(packet));
    let writable = buffer.get_mut().expect("nobody else has it yet");
    writable.set_pts(pts);
    writable.set_flags(flags);
    buffer
}

/// Posts what downstream made of a buffer, unless it is how streams end.
fn report(pad: &RtcSfuSrcPad, error: gst::FlowError) {
    gst::info!(CAT, obj = pad, "task ends: {error}");
    let Some(element) = pad.parent_element() else {
        return;
    };
    match error {
        gst::FlowError::Flushing | gst::FlowError::Eos => {}
        gst::FlowError::NotNegotiated => gst::element_error!(
            element,
            gst::StreamError::Format,
            (
                "{}: what it is linked to does not take its caps; link a matching depayloader, for example \
              rtpvp8depay for encoding-name=VP8",
                pad.name()
            ),
            ["caps {:?}", pad.current_caps()]
        ),
        error => gst::element_error!(
            element,
            gst::StreamError::Failed,
            ("{}: what it is linked to failed", pad.name()),
            ["streaming stopped, reason {error}"]
        ),
    }
}
