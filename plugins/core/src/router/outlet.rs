// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a packet for one peer: header and extensions anew, payload behind it, sealed in the send arena.

use crate::arena::SendArena;
use crate::bwe::{Estimator, Pacer};
use crate::codec;
use crate::engine::Moment;
use crate::media::{Extension, Path, SlotSpec};
use crate::packet::MediaPacket;
use crate::rtp::HeaderWriter;
use crate::session::{SRTP_OVERHEAD, Session};

/// Room for a rewritten header with every extension, and for an original sequence number.
const HEADER_ROOM: usize = 12 + 4 + 352;
/// Bytes of the longest extension element (RFC 8285 §4.3).
const MAX_DESCRIPTOR: usize = 255;

/// The padding bit (RFC 3550 §5.1).
const PADDING: u8 = 0x20;

/// Where a slot's packets go: the peer's transport and the buffer of what is to be sent.
pub(crate) struct Outlet<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) path: Path,
    pub(crate) arena: &'a mut SendArena,
    /// Numbers the packets where the peer reports their arrival.
    pub(crate) estimator: Option<&'a mut Estimator>,
    /// Counts what is sent.
    pub(crate) pacer: &'a mut Pacer,
}

/// The header fields of one outgoing packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) ssrc: u32,
    pub(super) pt: u8,
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    /// Set: a retransmission over RTX of the packet of this number (RFC 4588 §4).
    pub(super) original: Option<u64>,
    /// How far frame numbers are moved in dependency descriptors.
    pub(super) frame_shift: u16,
    /// The decode target to which the stream is cut down.
    pub(super) target: Option<u8>,
}

impl Outlet<'_> {
    /// Writes and seals a packet with a `payload`, of its own or a part of that, that `rewrite` may change: the sealed length.
    pub(super) fn write(
        &mut self,
        moment: &Moment,
        spec: &SlotSpec,
        fields: &Fields,
        packet: &MediaPacket,
        payload: &[u8],
        rewrite: impl FnOnce(&mut [u8]),
    ) -> Option<usize> {
        let buffer = self
            .arena
            .space(HEADER_ROOM + payload.len() + SRTP_OVERHEAD);
        let wide = self.estimator.as_ref().map(|e| e.next_sequence());
        let (header, numbered) = header(moment, spec, fields, packet, wide, buffer);
        let body = match fields.original {
            Some(original) => {
                buffer[header..header + 2].copy_from_slice(&(original as u16).to_be_bytes());
                header + 2
            }
            None => header,
        };
        let end = body + payload.len();
        buffer[body..end].copy_from_slice(payload);
        rewrite(&mut buffer[body..end]);
        let len = self
            .session
            .seal_rtp(buffer, header, end, fields.sequence)?;
        self.commit(moment, len, numbered);
        Some(len)
    }
}

impl Outlet<'_> {
    /// Writes and seals a packet of nothing but padding (RFC 3550 §5.1), for a number behind which there is nothing else:
    /// the sealed length.
    pub(super) fn pad(
        &mut self,
        moment: &Moment,
        spec: &SlotSpec,
        fields: &Fields,
        padding: u8,
    ) -> Option<usize> {
        let buffer = self
            .arena
            .space(HEADER_ROOM + usize::from(padding) + SRTP_OVERHEAD);
        let Fields { pt, ssrc, .. } = *fields;
        let sequence = fields.sequence as u16;
        let mut writer = HeaderWriter::new(buffer, pt, false, sequence, fields.timestamp, ssrc);
        let wide = self.estimator.as_ref().map(|e| e.next_sequence());
        let numbered = write_session(moment, spec, false, wide, &mut writer);
        let header = writer.finish();
        let end = header + usize::from(padding.max(1));
        buffer[0] |= PADDING;
        buffer[header..end].fill(0);
        buffer[end - 1] = padding.max(1);
        let len = self
            .session
            .seal_rtp(buffer, header, end, fields.sequence)?;
        self.commit(moment, len, numbered);
        Some(len)
    }

    fn commit(&mut self, moment: &Moment, len: usize, numbered: bool) {
        self.arena.commit(&self.path, len);
        self.pacer.spend(len);
        if numbered && let Some(estimator) = &mut self.estimator {
            estimator.sent(moment.micros, len);
        }
    }
}

/// Writes the extensions that belong to the way and not to the packet, which `repairs` another or not. True: the transport-wide
/// number is among them.
fn write_session(
    moment: &Moment,
    spec: &SlotSpec,
    repairs: bool,
    wide: Option<u16>,
    writer: &mut HeaderWriter<'_>,
) -> bool {
    let ids = &spec.extensions;
    if let Some(id) = ids.id(Extension::Mid) {
        writer.extension(id, spec.mid.as_bytes());
    }
    if let Some(named) = &spec.encoding {
        let label = if repairs {
            Extension::RepairedRid
        } else {
            Extension::Rid
        };
        if let Some(id) = ids.id(label) {
            writer.extension(id, named.rid.as_bytes());
        }
    }
    if let Some(id) = ids.id(Extension::AbsSendTime) {
        writer.extension(id, &moment.abs_send_time);
    }
    match (ids.id(Extension::TransportCc), wide) {
        (Some(id), Some(wide)) => writer.extension(id, &wide.to_be_bytes()),
        _ => false,
    }
}

/// Writes the header: its length, and whether it carries the transport-wide number.
fn header(
    moment: &Moment,
    spec: &SlotSpec,
    fields: &Fields,
    packet: &MediaPacket,
    wide: Option<u16>,
    buffer: &mut [u8],
) -> (usize, bool) {
    let Fields { pt, ssrc, .. } = *fields;
    let (sequence, marker) = (fields.sequence as u16, fields.marker);
    let ids = &spec.extensions;
    let mut room = [0; MAX_DESCRIPTOR];
    let dependency = ids
        .id(Extension::DependencyDescriptor)
        .map(|id| (id, descriptor(packet, fields, &mut room)))
        .filter(|(_, descriptor)| !descriptor.is_empty());
    let mut writer = if dependency.is_some_and(|(_, descriptor)| descriptor.len() > 16) {
        HeaderWriter::new_two_byte(buffer, pt, marker, sequence, fields.timestamp, ssrc)
    } else {
        HeaderWriter::new(buffer, pt, marker, sequence, fields.timestamp, ssrc)
    };
    let repairs = fields.original.is_some();
    let numbered = write_session(moment, spec, repairs, wide, &mut writer);
    if let (Some(id), Some((level, voice))) = (ids.id(Extension::AudioLevel), packet.audio_level) {
        writer.extension(id, &[level | u8::from(voice) << 7]);
    }
    if let (Some(id), Some(orientation)) = (ids.id(Extension::VideoOrientation), packet.orientation)
    {
        writer.extension(id, &[orientation]);
    }
    if let Some((id, descriptor)) = dependency {
        writer.extension(id, descriptor);
    }
    (writer.finish(), numbered)
}

/// The dependency descriptor for the receiver; empty when the packet has none.
fn descriptor<'a>(
    packet: &'a MediaPacket,
    fields: &Fields,
    room: &'a mut [u8; MAX_DESCRIPTOR],
) -> &'a [u8] {
    let received = packet.dependency_descriptor();
    if received.is_empty() || fields.frame_shift == 0 && fields.target.is_none() {
        return received;
    }
    // Which targets are left is said where each picture begins.
    let begins = |d: &&codec::Dependency| d.start_of_frame && d.spatial == 0;
    let dependency = packet.dependency().filter(begins);
    let target = dependency.zip(fields.target);
    let target = target.map(|(dependency, target)| (&*dependency.structure, target));
    let length = codec::rewrite_dependency(received, fields.frame_shift, target, room);
    &room[..length]
}
