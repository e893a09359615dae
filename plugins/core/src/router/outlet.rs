// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a packet for one peer: header and extensions anew, payload behind it, sealed in the send arena.

use crate::arena::SendArena;
use crate::engine::Moment;
use crate::media::{Extension, Path, SlotSpec};
use crate::packet::MediaPacket;
use crate::rtp::HeaderWriter;
use crate::session::{SRTP_OVERHEAD, Session};

/// Room for a rewritten header with every extension, and for an original sequence number.
const HEADER_ROOM: usize = 12 + 4 + 352;

/// Where a slot's packets go: the peer's transport and the buffer of what is to be sent.
pub(crate) struct Outlet<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) path: Path,
    pub(crate) arena: &'a mut SendArena,
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
}

impl Outlet<'_> {
    /// Writes and seals a packet whose payload `rewrite` may change: the sealed length.
    pub(super) fn write(
        &mut self,
        moment: &Moment,
        spec: &SlotSpec,
        fields: &Fields,
        packet: &MediaPacket,
        rewrite: impl FnOnce(&mut [u8]),
    ) -> Option<usize> {
        let payload = packet.payload();
        let buffer = self
            .arena
            .space(HEADER_ROOM + payload.len() + SRTP_OVERHEAD);
        let header = header(moment, spec, fields, packet, buffer);
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
        self.arena.commit(&self.path, len);
        Some(len)
    }
}

/// Writes the header: its length.
fn header(
    moment: &Moment,
    spec: &SlotSpec,
    fields: &Fields,
    packet: &MediaPacket,
    buffer: &mut [u8],
) -> usize {
    let Fields { pt, ssrc, .. } = *fields;
    let (sequence, marker) = (fields.sequence as u16, fields.marker);
    let ids = &spec.extensions;
    let dependency = packet.dependency_descriptor();
    let mut writer = if dependency.len() > 16 {
        HeaderWriter::new_two_byte(buffer, pt, marker, sequence, fields.timestamp, ssrc)
    } else {
        HeaderWriter::new(buffer, pt, marker, sequence, fields.timestamp, ssrc)
    };
    if let Some(id) = ids.id(Extension::Mid) {
        writer.extension(id, spec.mid.as_bytes());
    }
    if let (Some(id), Some((level, voice))) = (ids.id(Extension::AudioLevel), packet.audio_level) {
        writer.extension(id, &[level | u8::from(voice) << 7]);
    }
    if let Some(id) = ids.id(Extension::AbsSendTime) {
        writer.extension(id, &moment.abs_send_time);
    }
    if let (Some(id), Some(orientation)) = (ids.id(Extension::VideoOrientation), packet.orientation)
    {
        writer.extension(id, &[orientation]);
    }
    if let (Some(id), false) = (
        ids.id(Extension::DependencyDescriptor),
        dependency.is_empty(),
    ) {
        writer.extension(id, dependency);
    }
    writer.finish()
}
