// SPDX-License-Identifier: MIT OR Apache-2.0

mod faults;
mod round_trip;
mod vectors;

use super::*;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    digits
        .chunks(2)
        .map(|digits| pair(digits).expect("hexadecimal digits"))
        .collect()
}

/// An opener and a sealer with the same keys.
pub(super) fn pair(profile: SrtpProfile) -> (Sealer, Opener) {
    let (key, salt) = ([0x5a; 32], [0xa5; 14]);
    let master = MasterKey {
        key: &key[..profile.key_len()],
        salt: &salt[..profile.salt_len()],
    };
    (
        Sealer::new(profile, master).expect("keys that fit"),
        Opener::new(profile, master).expect("keys that fit"),
    )
}

pub(super) const SSRC: u32 = 0x1020_3040;

/// A plain RTP packet with a payload that says its index.
pub(super) fn rtp(ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&(index as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 7]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&index.to_be_bytes());
    packet.extend_from_slice(&[0xee; 50]);
    packet
}

pub(super) fn seal(sealer: &Sealer, ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = rtp(ssrc, index);
    let len = packet.len();
    packet.resize(len + SRTP_OVERHEAD, 0);
    let sealed = sealer
        .seal_rtp(&mut packet, 12, len, index)
        .expect("room for the tag");
    packet.truncate(sealed);
    packet
}

/// A receiver report without blocks.
pub(super) fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 3];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(b"plain text");
    packet
}

pub(super) fn seal_rtcp(sealer: &mut Sealer, ssrc: u32) -> Vec<u8> {
    let mut packet = rtcp(ssrc);
    assert!(sealer.seal_rtcp(&mut packet));
    packet
}
