// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reception as a real client does it: counts, asks for what is missing, reports.

use super::stamp::{Stamp, since_1970};
use gst_rtc_core::codec::{self, Codec};
use gst_rtc_core::media::{Extension, MediaKind, PayloadParams, ReceiveSpec};
use gst_rtc_core::nack;
use gst_rtc_core::reception::Reception;
use gst_rtc_core::rtcp;
use gst_rtc_core::rtp::{ExtendedSequence, Header, rtx_original_sequence};
use gst_rtc_core::session::Session;
use gst_rtc_core::srtp::ReplayWindow;
use gst_rtc_core::twcc;
use std::time::{Duration, Instant};

const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A packet that took longer was sent again out of a history.
const PAST: Duration = Duration::from_millis(100);
/// A video track of which no keyframe came is asked for one so often.
const KEYFRAME_PATIENCE: Duration = Duration::from_secs(1);

/// What was counted while measuring.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Different packets.
    pub(super) unique: u64,
    /// Packets that came again.
    pub(super) duplicates: u64,
    /// Packets that should have come.
    pub(super) expected: u64,
    /// Sequence numbers asked for again.
    pub(super) requested: u64,
    /// From the publisher's sending to our kernel's receiving, in microseconds.
    pub(super) delays: Vec<u32>,
}

/// Who receives.
pub(super) struct Subscriber {
    lines: Vec<ReceiveSpec>,
    streams: Vec<Stream>,
    ssrc: u32,
    /// Transport-wide feedback, and the id of the header extension that numbers packets for it, where it was agreed on.
    arrivals: Option<(u8, twcc::Recorder)>,
    report_at: Instant,
    measuring: bool,
    counts: Counts,
    /// The first packet of anything.
    pub(super) first_packet: Option<Instant>,
    /// The first packet of the first keyframe.
    pub(super) first_picture: Option<Instant>,
}

/// One SSRC.
struct Stream {
    ssrc: u32,
    line: usize,
    kind: MediaKind,
    sequence: ExtendedSequence,
    reception: Reception,
    gaps: nack::Generator,
    seen: ReplayWindow,
    keyframe: bool,
    /// The first packet that was not from the past.
    caught_up: Option<Instant>,
    asked_keyframe: Instant,
    /// Sequence numbers that count: after the first and up to the second.
    window: (u64, u64),
}

impl Subscriber {
    pub(super) fn new(now: Instant, lines: Vec<ReceiveSpec>) -> Subscriber {
        let numbered = |line: &ReceiveSpec| line.extensions.id(Extension::TransportCc);
        let arrivals = lines.iter().find_map(numbered);
        Subscriber {
            lines,
            streams: Vec::new(),
            ssrc: rand::random(),
            arrivals: arrivals.map(|id| (id, twcc::Recorder::new())),
            report_at: now + REPORT_INTERVAL.mul_f64(rand::random()),
            measuring: false,
            counts: Counts::default(),
            first_packet: None,
            first_picture: None,
        }
    }

    /// Takes a plain RTP packet that the kernel received at `at`, since 1970.
    pub(super) fn handle_rtp(&mut self, now: Instant, at: Duration, packet: &[u8]) {
        let Ok(header) = Header::parse(packet) else {
            return;
        };
        self.arrived(now, at, &header, packet);
        let payload = &packet[header.payload.clone()];
        if let Some(media) = self.repaired(&header) {
            // Padding on the stream of retransmissions is a probe.
            let (Some(original), Some(payload)) =
                (rtx_original_sequence(payload), payload.get(2..))
            else {
                return;
            };
            return self.count(now, at, media, original, &header, payload);
        }
        let stream = match self
            .streams
            .iter()
            .position(|stream| stream.ssrc == header.ssrc)
        {
            Some(stream) => stream,
            None => match self.add_stream(now, &header) {
                Some(stream) => stream,
                None => return,
            },
        };
        self.count(now, at, stream, header.sequence, &header, payload);
    }

    /// Notes when the kernel received a packet: that it waited for this thread, which serves many, is nothing of the path.
    fn arrived(&mut self, now: Instant, at: Duration, header: &Header, packet: &[u8]) {
        let Some((numbered, recorder)) = &mut self.arrivals else {
            return;
        };
        let waited = since_1970().saturating_sub(at);
        let arrival = now.checked_sub(waited).unwrap_or(now);
        let number = header.extensions(packet).find(|(id, _)| id == numbered);
        if let Some(number) = number.and_then(|(_, value)| value.try_into().ok()) {
            recorder.received(arrival, u16::from_be_bytes(number));
        }
    }

    /// The stream of which this is a retransmission: the one that shares a line with it (RFC 4588 §5.3).
    fn repaired(&self, header: &Header) -> Option<usize> {
        let repairs = |line: &ReceiveSpec| {
            line.payloads
                .iter()
                .any(|p| p.rtx_pt == Some(header.payload_type))
        };
        let announced = |line: &ReceiveSpec| line.ssrcs.iter().any(|s| s.rtx == Some(header.ssrc));
        self.streams
            .iter()
            .position(|stream| announced(&self.lines[stream.line]))
            .or_else(|| {
                self.streams
                    .iter()
                    .position(|stream| repairs(&self.lines[stream.line]))
            })
            .filter(|stream| repairs(&self.lines[self.streams[*stream].line]))
    }

    fn add_stream(&mut self, now: Instant, header: &Header) -> Option<usize> {
        let has = |line: &ReceiveSpec| line.payloads.iter().any(|p| p.pt == header.payload_type);
        let announced = |line: &ReceiveSpec| line.ssrcs.iter().any(|s| s.ssrc == header.ssrc);
        let line = self
            .lines
            .iter()
            .position(announced)
            .or_else(|| self.lines.iter().position(has))?;
        self.streams.push(Stream {
            ssrc: header.ssrc,
            line,
            kind: self.lines[line].kind,
            sequence: ExtendedSequence::new(),
            reception: Reception::new(header.ssrc),
            gaps: nack::Generator::new(),
            // One before any number that can come.
            seen: ReplayWindow::new(0),
            keyframe: false,
            caught_up: None,
            asked_keyframe: now,
            window: (u64::MAX, u64::MAX),
        });
        let index = self.streams.len() - 1;
        if self.measuring {
            self.streams[index].window.0 = (1 << 16 | u64::from(header.sequence)) - 1;
        }
        Some(index)
    }

    fn count(
        &mut self,
        now: Instant,
        at: Duration,
        stream: usize,
        sequence: u16,
        header: &Header,
        payload: &[u8],
    ) {
        let stream = &mut self.streams[stream];
        let Some(format) = format(&self.lines[stream.line], header.payload_type) else {
            return;
        };
        let sequence = stream.sequence.extend(sequence);
        if header.ssrc == stream.ssrc {
            stream
                .reception
                .received(now, sequence, header.timestamp, format.clock_rate);
        }
        if format.feedback.nack {
            stream.gaps.received(now, sequence);
        }
        let counts = stream.window.0 < sequence && sequence <= stream.window.1;
        if !stream.seen.is_new(sequence) {
            self.counts.duplicates += u64::from(counts);
            return;
        }
        stream.seen.take(sequence);
        self.first_packet.get_or_insert(now);
        if !stream.keyframe
            && stream.kind == MediaKind::Video
            && codec::describe(format.codec, payload).keyframe
        {
            stream.keyframe = true;
            self.first_picture.get_or_insert(now);
        }
        let delay = Stamp::read(payload).map(|stamp| at.saturating_sub(stamp.sent));
        if delay.is_none_or(|delay| delay < PAST) {
            stream.caught_up.get_or_insert(now);
        }
        if counts {
            self.counts.unique += 1;
            let micros = delay.map(|delay| delay.as_micros().min(u128::from(u32::MAX)) as u32);
            self.counts.delays.extend(micros);
        }
    }

    /// Takes RTCP of the server.
    pub(super) fn handle_rtcp(&mut self, now: Instant, packet: &rtcp::Packet) {
        if let rtcp::Packet::SenderReport { ssrc, ntp, .. } = packet
            && let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == *ssrc)
        {
            stream.reception.sender_report(now, *ntp);
        }
    }

    /// Sends the feedback that is due; `out` gets sealed datagrams.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        session: &mut Session,
        out: &mut impl FnMut(&[u8]),
    ) {
        let mut feedback = rtcp::Builder::new();
        for stream in &mut self.streams {
            while let Some(lost) = stream
                .gaps
                .next_timeout()
                .filter(|at| *at <= now)
                .and_then(|_| stream.gaps.poll(now))
            {
                self.counts.requested += lost.len() as u64;
                feedback = feedback.nack(self.ssrc, stream.ssrc, &lost);
            }
            if stream.kind == MediaKind::Video
                && !stream.keyframe
                && now >= stream.asked_keyframe + KEYFRAME_PATIENCE
            {
                stream.asked_keyframe = now;
                feedback = feedback.pli(self.ssrc, stream.ssrc);
            }
        }
        let media = self.streams.first().map_or(0, |stream| stream.ssrc);
        if let Some((_, recorder)) = &mut self.arrivals {
            while let Some(arrivals) = recorder.poll(now) {
                feedback = feedback.transport_cc(&rtcp::TransportFeedback {
                    sender: self.ssrc,
                    media,
                    ..arrivals
                });
            }
        }
        let report = self.report_at <= now;
        if feedback.is_empty() && !report {
            return;
        }
        // Every compound packet begins with a report and a name (RFC 3550 §6.1).
        let blocks: Vec<_> = match report {
            true => self
                .streams
                .iter_mut()
                .map(|stream| stream.reception.report_block(now))
                .collect(),
            false => Vec::new(),
        };
        if report {
            self.report_at = now + REPORT_INTERVAL;
        }
        let mut packet = rtcp::Builder::new()
            .receiver_report(self.ssrc, &blocks)
            .sdes(self.ssrc, "load")
            .finish();
        packet.extend(feedback.finish());
        if session.seal_rtcp(&mut packet) {
            out(&packet);
        }
    }

    /// From now on packets count.
    pub(super) fn begin(&mut self) {
        self.measuring = true;
        self.counts = Counts::default();
        for stream in &mut self.streams {
            stream.window = (stream.sequence.highest().unwrap_or(0), u64::MAX);
        }
    }

    /// Packets after the newest one do not count any more; those before may still come.
    pub(super) fn end(&mut self) {
        self.measuring = false;
        for stream in &mut self.streams {
            stream.window.1 = stream.sequence.highest().unwrap_or(0).max(stream.window.0);
        }
    }

    /// Streams that play: audio of which anything came, video of which a keyframe came.
    pub(super) fn playing(&self) -> usize {
        self.streams
            .iter()
            .filter(|stream| stream.kind == MediaKind::Audio || stream.keyframe)
            .count()
    }

    /// When the last of so many streams had caught up: newcomers are sent pictures of the past first.
    pub(super) fn caught_up(&self, streams: usize) -> Option<Instant> {
        let times = self.streams.iter().map(|stream| stream.caught_up);
        let all: Option<Vec<Instant>> = times.collect();
        all.filter(|all| all.len() >= streams)?.into_iter().max()
    }

    /// What was counted.
    pub(super) fn counts(&mut self) -> Counts {
        let expected = self
            .streams
            .iter()
            .map(|stream| stream.window.1.saturating_sub(stream.window.0))
            .sum();
        Counts {
            expected,
            ..std::mem::take(&mut self.counts)
        }
    }
}

/// What a payload type of a line means; that of retransmissions means what they repeat.
fn format(line: &ReceiveSpec, pt: u8) -> Option<&PayloadParams> {
    line.payloads
        .iter()
        .find(|p| p.pt == pt || p.rtx_pt == Some(pt))
        .filter(|p| p.codec != Codec::Red)
}
