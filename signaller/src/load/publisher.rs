// SPDX-License-Identifier: MIT OR Apache-2.0
//! Synthetic media: Opus at 50 packets per second, VP8 at 30 frames per second in packets of 1.2 kB.
//!
//! Headers and payload descriptors are what encoders write, the rest is zero: no SFU looks deeper.

use super::Video;
use super::stamp::{STAMP, Stamp, since_1970};
use gst_rtc_core::media::{Extension, MediaKind, SlotSpec};
use gst_rtc_core::rtcp;
use gst_rtc_core::rtp::HeaderWriter;
use gst_rtc_core::session::{SRTP_OVERHEAD, Session};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Payload of a video packet, in bytes, descriptor included.
const VIDEO_PAYLOAD: usize = 1200;
/// Payload of an audio packet: 64 kbit/s.
const AUDIO_PAYLOAD: usize = 160;
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const VIDEO_INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// A keyframe has so many times the bytes of another frame.
const KEYFRAME_SIZE: usize = 4;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Seconds from 1900 to 1970 (RFC 5905 §6).
const NTP_TO_UNIX: u64 = 2_208_988_800;
/// Room for the header and its extensions.
const HEADER_ROOM: usize = 64;
/// Packets kept to be sent again.
const KEPT: usize = 512;

/// What one participant sends.
pub(super) struct Publisher {
    streams: Vec<Stream>,
    report_at: Instant,
    cname: String,
}

/// One track.
struct Stream {
    slot: SlotSpec,
    interval: Duration,
    due: Instant,
    /// Full sequence number of the next packet.
    sequence: u64,
    repair_sequence: u64,
    timestamp: u32,
    number: u32,
    packets: u32,
    octets: u32,
    picture: Picture,
    kept: VecDeque<(u64, Vec<u8>)>,
}

/// State of a video encoder.
struct Picture {
    id: u16,
    bytes_per_frame: usize,
    credit: usize,
    keyframe_interval: Duration,
    keyframe_at: Instant,
}

impl Publisher {
    /// Sends on `slots`, video like `video`, from `now` on.
    pub(super) fn new(now: Instant, slots: &[SlotSpec], video: Video) -> Publisher {
        let cname = slots
            .iter()
            .find_map(|slot| slot.ssrc.cname.clone())
            .unwrap_or_else(|| "load".to_owned());
        let streams = slots
            .iter()
            .map(|slot| Stream::new(now, slot.clone(), video))
            .collect();
        Publisher {
            streams,
            report_at: now,
            cname,
        }
    }

    /// When [`Publisher::send`] has something to do.
    pub(super) fn due(&self) -> Instant {
        self.streams
            .iter()
            .map(|stream| stream.due)
            .fold(self.report_at, Instant::min)
    }

    /// Sends what is due; `out` gets sealed datagrams.
    pub(super) fn send(
        &mut self,
        now: Instant,
        session: &mut Session,
        out: &mut impl FnMut(&[u8]),
    ) {
        for stream in &mut self.streams {
            while stream.due <= now {
                stream.send_frame(now, session, out);
            }
        }
        if self.report_at <= now {
            self.report_at = now + REPORT_INTERVAL;
            self.report(session, out);
        }
    }

    fn report(&self, session: &mut Session, out: &mut impl FnMut(&[u8])) {
        let time = since_1970();
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        let ntp = ((time.as_secs() + NTP_TO_UNIX) << 32) | fraction;
        for stream in &self.streams {
            let ssrc = stream.slot.ssrc.ssrc;
            let report = rtcp::Builder::new().sender_report(
                ssrc,
                ntp,
                stream.timestamp,
                stream.packets,
                stream.octets,
                &[],
            );
            let mut packet = report.sdes(ssrc, &self.cname).finish();
            if session.seal_rtcp(&mut packet) {
                out(&packet);
            }
        }
    }

    /// Answers requests for keyframes and lost packets.
    pub(super) fn handle_rtcp(
        &mut self,
        now: Instant,
        packet: &rtcp::Packet,
        session: &mut Session,
        out: &mut impl FnMut(&[u8]),
    ) {
        match packet {
            rtcp::Packet::Pli { media } => self.request_keyframe(now, *media),
            rtcp::Packet::Fir { entries } => entries
                .iter()
                .for_each(|(media, _)| self.request_keyframe(now, *media)),
            rtcp::Packet::Nack { media, lost, .. } => {
                if let Some(stream) = self
                    .streams
                    .iter_mut()
                    .find(|stream| stream.slot.ssrc.ssrc == *media)
                {
                    stream.repair(lost, session, out);
                }
            }
            _ => {}
        }
    }

    fn request_keyframe(&mut self, now: Instant, ssrc: u32) {
        if let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.slot.ssrc.ssrc == ssrc)
        {
            stream.picture.keyframe_at = now;
        }
    }
}

impl Stream {
    fn new(now: Instant, slot: SlotSpec, video: Video) -> Stream {
        let interval = match slot.kind {
            MediaKind::Audio => AUDIO_INTERVAL,
            MediaKind::Video => VIDEO_INTERVAL,
        };
        let bytes_per_frame = (video.bitrate as f64 / 8.0 * VIDEO_INTERVAL.as_secs_f64()) as usize;
        Stream {
            interval,
            due: now,
            // Far from the wrap, where order at the receiver would decide about the roll-over counter (RFC 3711 §3.3.1).
            sequence: u64::from(rand::random::<u16>() >> 2) + 1,
            repair_sequence: 1,
            timestamp: rand::random(),
            number: 0,
            packets: 0,
            octets: 0,
            picture: Picture {
                id: rand::random::<u16>() & 0x7fff,
                bytes_per_frame,
                credit: 0,
                keyframe_interval: video.keyframe_interval,
                keyframe_at: now,
            },
            kept: VecDeque::new(),
            slot,
        }
    }

    fn send_frame(&mut self, now: Instant, session: &mut Session, out: &mut impl FnMut(&[u8])) {
        // After a pause it does not send everything that it missed.
        let late = now.saturating_duration_since(self.due) > 5 * self.interval;
        self.due = if late { now } else { self.due } + self.interval;
        match self.slot.kind {
            MediaKind::Audio => self.send_packet(AUDIO_PAYLOAD, true, &[0xfc], session, out),
            MediaKind::Video => self.send_picture(now, session, out),
        }
        let clock_rate = self
            .slot
            .payloads
            .first()
            .map_or(90_000, |payload| payload.clock_rate);
        self.timestamp = self
            .timestamp
            .wrapping_add((self.interval.as_secs_f64() * f64::from(clock_rate)).round() as u32);
    }

    /// Whole packets only, so that the frames of one stream differ in the number of packets and not in their size.
    fn send_picture(&mut self, now: Instant, session: &mut Session, out: &mut impl FnMut(&[u8])) {
        let picture = &mut self.picture;
        let keyframe = picture.keyframe_at <= now;
        picture.credit += picture.bytes_per_frame;
        let packets = if keyframe {
            picture.keyframe_at = now + picture.keyframe_interval;
            (KEYFRAME_SIZE * picture.bytes_per_frame).div_ceil(VIDEO_PAYLOAD)
        } else {
            (picture.credit / VIDEO_PAYLOAD).max(1)
        };
        picture.credit = picture.credit.saturating_sub(packets * VIDEO_PAYLOAD);
        picture.id = (picture.id + 1) & 0x7fff;
        let id = picture.id;
        for index in 0..packets {
            let (descriptor, len) = vp8(id, index == 0, keyframe);
            self.send_packet(
                VIDEO_PAYLOAD,
                index + 1 == packets,
                &descriptor[..len],
                session,
                out,
            );
        }
    }

    fn send_packet(
        &mut self,
        size: usize,
        marker: bool,
        beginning: &[u8],
        session: &mut Session,
        out: &mut impl FnMut(&[u8]),
    ) {
        let Some(payload) = self.slot.payloads.first() else {
            return;
        };
        let mut packet = vec![0; HEADER_ROOM + size + SRTP_OVERHEAD];
        let header = self.write_header(
            &mut packet,
            payload.pt,
            marker,
            self.sequence,
            self.slot.ssrc.ssrc,
        );
        let end = header + size;
        packet[header..header + beginning.len()].copy_from_slice(beginning);
        Stamp {
            number: self.number,
            sent: since_1970(),
        }
        .write(&mut packet[header..end]);
        if payload.rtx_pt.is_some() {
            self.keep(packet[header..end].to_vec());
        }
        if let Some(len) = session.seal_rtp(&mut packet, header, end, self.sequence) {
            out(&packet[..len]);
        }
        self.sequence += 1;
        self.number = self.number.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(size as u32);
    }

    fn write_header(
        &self,
        packet: &mut [u8],
        pt: u8,
        marker: bool,
        sequence: u64,
        ssrc: u32,
    ) -> usize {
        let mut writer =
            HeaderWriter::new(packet, pt, marker, sequence as u16, self.timestamp, ssrc);
        if let Some(id) = self.slot.extensions.id(Extension::Mid) {
            writer.extension(id, self.slot.mid.as_bytes());
        }
        if let Some(id) = self.slot.extensions.id(Extension::AudioLevel) {
            writer.extension(id, &[0x80 | 30]);
        }
        writer.finish()
    }

    fn keep(&mut self, payload: Vec<u8>) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((self.sequence, payload));
    }

    /// Sends again over RTX (RFC 4588). The timestamp is that of the newest frame, which nobody minds.
    fn repair(&mut self, lost: &[u16], session: &mut Session, out: &mut impl FnMut(&[u8])) {
        let pt = self
            .slot
            .payloads
            .first()
            .and_then(|payload| payload.rtx_pt);
        let (Some(pt), Some(ssrc)) = (pt, self.slot.ssrc.rtx) else {
            return;
        };
        for low in lost {
            let Some((sequence, payload)) = self
                .kept
                .iter()
                .find(|(sequence, _)| *sequence as u16 == *low)
            else {
                continue;
            };
            let mut packet = vec![0; HEADER_ROOM + 2 + payload.len() + SRTP_OVERHEAD];
            let header = self.write_header(&mut packet, pt, false, self.repair_sequence, ssrc);
            let end = header + 2 + payload.len();
            packet[header..header + 2].copy_from_slice(&(*sequence as u16).to_be_bytes());
            packet[header + 2..end].copy_from_slice(payload);
            if let Some(len) = session.seal_rtp(&mut packet, header, end, self.repair_sequence) {
                out(&packet[..len]);
            }
            self.repair_sequence += 1;
        }
    }
}

/// How a VP8 payload begins: the descriptor with picture id and TL0PICIDX (RFC 7741 §4.2), and in the first packet of a frame the header
/// of the frame (RFC 6386 §9.1). Returns the bytes and how many of them count.
fn vp8(picture: u16, start: bool, keyframe: bool) -> ([u8; 16], usize) {
    let [high, low] = (0x8000 | picture).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&[
        0x80 | u8::from(start) << 4,
        0xe0,
        high,
        low,
        picture as u8,
        0,
    ]);
    match (start, keyframe) {
        (false, _) => (bytes, 6),
        (true, false) => {
            bytes[6] = 1;
            (bytes, 9)
        }
        (true, true) => {
            // Start code, and 640 × 360.
            bytes[9..16].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
            (bytes, 16)
        }
    }
}

const _: () = assert!(AUDIO_PAYLOAD > STAMP && VIDEO_PAYLOAD >= STAMP + 16);

#[cfg(test)]
mod tests {
    use super::*;
    use gst_rtc_core::codec::{Codec, describe};

    #[test]
    fn descriptors_say_what_they_should() {
        let (bytes, len) = vp8(0x1234, true, true);
        let description = describe(Codec::Vp8, &bytes[..len]);
        assert!(description.keyframe && description.start_of_frame);
        assert_eq!(description.resolution, Some((640, 360)));
        assert_eq!(description.picture_id.map(|id| id.value), Some(0x1234));
        let (bytes, len) = vp8(7, true, false);
        assert!(!describe(Codec::Vp8, &bytes[..len]).keyframe);
        let (bytes, len) = vp8(7, false, true);
        assert!(!describe(Codec::Vp8, &bytes[..len]).start_of_frame);
    }
}
