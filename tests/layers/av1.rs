// SPDX-License-Identifier: MIT OR Apache-2.0
//! AV1 out of RTP (the AV1 RTP specification, §4.4): GStreamer before 1.24 has no element for it that Debian ships.

use super::codec::Picture;
use gst_rtc_core::rtp::Header;

/// In the aggregation header: the first element is the rest of an OBU.
const CONTINUES: u8 = 0x80;
/// Flags of the header of an OBU (AV1 §5.3.2).
const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;
/// A temporal delimiter, which RTP leaves out.
const DELIMITER: [u8; 2] = [0x12, 0];

/// A picture up to a spatial layer, as the decoder takes it: its OBUs with their sizes.
pub fn temporal_unit(picture: &Picture, highest: u8) -> Vec<u8> {
    let mut obus: Vec<Vec<u8>> = Vec::new();
    for packet in picture {
        for (index, element) in elements(packet).into_iter().enumerate() {
            match obus.last_mut() {
                Some(last) if index == 0 && continues(packet) => last.extend_from_slice(element),
                _ => obus.push(element.to_vec()),
            }
        }
    }
    let mut unit = DELIMITER.to_vec();
    let wanted = obus.iter().filter(|obu| spatial(obu) <= highest);
    wanted.for_each(|obu| push(&mut unit, obu));
    unit
}

/// The layer an OBU is of (AV1 §5.3.3); what says nothing is for all of them.
fn spatial(obu: &[u8]) -> u8 {
    if obu[0] & HAS_EXTENSION == 0 {
        return 0;
    }
    obu[1] >> 3 & 3
}

/// True when the first element is the rest of the OBU before.
fn continues(packet: &[u8]) -> bool {
    payload(packet)[0] & CONTINUES != 0
}

fn payload(packet: &[u8]) -> &[u8] {
    let header = Header::parse(packet).expect("an RTP packet");
    &packet[header.payload]
}

/// The OBUs, and parts of OBUs, of a packet.
fn elements(packet: &[u8]) -> Vec<&[u8]> {
    let (aggregation, mut rest) = payload(packet).split_first().expect("a payload");
    // How many there are; 0: all of them have lengths. Otherwise the last has none.
    let count = usize::from(aggregation >> 4 & 3);
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let len = if elements.len() + 1 == count {
            rest.len()
        } else {
            let (len, behind) = leb128(rest);
            rest = behind;
            len
        };
        let (element, behind) = rest.split_at(len);
        elements.push(element);
        rest = behind;
    }
    elements
}

fn leb128(data: &[u8]) -> (usize, &[u8]) {
    let end = data.iter().position(|byte| byte & 0x80 == 0);
    let (number, rest) = data.split_at(end.expect("a number ends") + 1);
    let bits = number.iter().rev();
    let value = bits.fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    (value, rest)
}

/// Adds an OBU, and says its size.
fn push(unit: &mut Vec<u8>, obu: &[u8]) {
    let header = if obu[0] & HAS_EXTENSION == 0 { 1 } else { 2 };
    let (header, content) = obu.split_at(header);
    unit.push(header[0] | HAS_SIZE);
    unit.extend_from_slice(&header[1..]);
    let mut size = content.len();
    while size > 0x7f {
        unit.push(size as u8 | 0x80);
        size >>= 7;
    }
    unit.push(size as u8);
    unit.extend_from_slice(content);
}
