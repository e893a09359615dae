// SPDX-License-Identifier: MIT OR Apache-2.0
//! Redundant audio data (RFC 2198): the newest frame, and before it copies of some that went out earlier.
//!
//! A header for each block says its payload type and, of all but the last, its length. The last block is the newest frame, the
//! primary one; its header has one byte, those of the others four (§3).

use std::ops::Range;

/// There is another header behind this one.
const MORE: u8 = 0x80;
/// Bytes of the header of a redundant block.
const HEADER: usize = 4;

/// The newest frame in a payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Primary {
    /// Its payload type.
    pub(crate) pt: u8,
    /// Where it is.
    pub(crate) range: Range<usize>,
}

/// The newest frame in a payload. `None`: the headers do not end, or speak of more than there is, or there is no frame.
pub(crate) fn primary(payload: &[u8]) -> Option<Primary> {
    let (mut at, mut redundant) = (0, 0);
    loop {
        let header = payload.get(at..)?;
        let pt = header.first()? & !MORE;
        if header[0] & MORE == 0 {
            let range = at + 1 + redundant..payload.len();
            return (range.start < range.end).then_some(Primary { pt, range });
        }
        let length = header.get(2..HEADER)?;
        redundant += usize::from(u16::from_be_bytes([length[0] & 3, length[1]]));
        at += HEADER;
    }
}

/// Writes another payload type over those of blocks that have `from`, in place.
pub(crate) fn renumber(payload: &mut [u8], from: u8, to: u8) {
    for header in (0..payload.len()).step_by(HEADER) {
        let more = payload[header] & MORE;
        if payload[header] & !MORE == from {
            payload[header] = more | to & !MORE;
        }
        if more == 0 {
            return;
        }
    }
}

/// The payload types of the blocks, as `a=fmtp` lists them, such as `111/111` (§5); at most 32 of them.
pub(crate) fn listed(fmtp: &str) -> impl Iterator<Item = Option<u8>> + '_ {
    let number = |text: &str| text.trim().parse().ok().filter(|pt| *pt <= 127);
    fmtp.split('/').take(32).map(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two redundant frames of 5 and 300 bytes, and one of 7.
    fn packet() -> Vec<u8> {
        let mut payload = vec![0x80 | 111, 0x0f, 0x00, 5];
        payload.extend([0x80 | 111, 0x07, 0x81, 300u16 as u8]);
        payload.push(111);
        payload.extend([1; 5]);
        payload.extend([2; 300]);
        payload.extend([3; 7]);
        payload
    }

    #[test]
    fn the_primary_frame_is_the_last_block() {
        let payload = packet();
        let primary = primary(&payload).expect("a primary frame");
        assert_eq!(primary.pt, 111);
        assert_eq!(payload[primary.range], [3; 7]);
    }

    #[test]
    fn a_packet_without_redundancy_has_one_byte_more_than_its_frame() {
        let found = primary(&[63, 9, 8, 7]);
        assert_eq!(
            found,
            Some(Primary {
                pt: 63,
                range: 1..4
            })
        );
    }

    #[test]
    fn a_packet_cut_anywhere_before_its_last_frame_has_none() {
        let payload = packet();
        let whole = primary(&payload).expect("a primary frame");
        for length in 0..=whole.range.start {
            assert_eq!(primary(&payload[..length]), None, "{length} bytes");
        }
        for length in whole.range.start + 1..payload.len() {
            let cut = primary(&payload[..length]).expect("a part of it");
            assert_eq!(cut.range, whole.range.start..length);
        }
    }

    #[test]
    fn headers_without_end_and_lengths_beyond_the_end_are_refused() {
        for bytes in 0..200 {
            assert_eq!(primary(&vec![0xff; bytes]), None);
        }
        assert_eq!(primary(&[0x80 | 111, 0, 0x03, 0xff, 111, 1, 2]), None);
    }

    #[test]
    fn payload_types_are_written_over_and_frames_are_not() {
        let mut payload = packet();
        renumber(&mut payload, 111, 96);
        let mut expected = packet();
        for header in [0, 4] {
            expected[header] = 0x80 | 96;
        }
        expected[8] = 96;
        assert_eq!(payload, expected);
        renumber(&mut payload, 111, 97);
        assert_eq!(payload, expected, "there are none of that number any more");
    }

    #[test]
    fn the_parameters_list_payload_types() {
        assert_eq!(listed("111/111").collect::<Vec<_>>(), [Some(111); 2]);
        assert_eq!(
            listed("111/x/128").collect::<Vec<_>>(),
            [Some(111), None, None]
        );
        assert_eq!(listed("").collect::<Vec<_>>(), [None]);
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_panic_and_ranges_are_inside(mut payload: Vec<u8>, from: u8, to: u8) {
            if let Some(primary) = primary(&payload) {
                prop_assert!(primary.range.start < primary.range.end);
                prop_assert_eq!(primary.range.end, payload.len());
            }
            let length = payload.len();
            renumber(&mut payload, from, to);
            prop_assert_eq!(payload.len(), length);
        }
    }
}
