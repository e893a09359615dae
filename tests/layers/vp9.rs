// SPDX-License-Identifier: MIT OR Apache-2.0
//! Spatial layers of VP9 in RTP (RFC 9628 §4.2).

use super::codec::Picture;
use gst_rtc_core::rtp::Header;

/// Flags of the payload descriptor.
const HAS_ID: u8 = 0x80;
const HAS_LAYERS: u8 = 0x20;
/// A picture id of 15 bits.
const LONG_ID: u8 = 0x80;
/// The marker bit of an RTP packet.
const MARKER: u8 = 0x80;

/// The packets of a picture up to a spatial layer; the last of them ends it.
pub fn up_to(picture: &Picture, highest: u8) -> Picture {
    let wanted = picture.iter().filter(|packet| spatial(packet) <= highest);
    let mut cut: Picture = wanted.cloned().collect();
    if let Some(last) = cut.last_mut() {
        last[1] |= MARKER;
    }
    cut
}

fn spatial(packet: &[u8]) -> u8 {
    let header = Header::parse(packet).expect("an RTP packet");
    let descriptor = &packet[header.payload];
    if descriptor[0] & HAS_LAYERS == 0 {
        return 0;
    }
    let id = match descriptor[0] & HAS_ID {
        0 => 0,
        _ if descriptor[1] & LONG_ID == 0 => 1,
        _ => 2,
    };
    descriptor[1 + id] >> 1 & 7
}
