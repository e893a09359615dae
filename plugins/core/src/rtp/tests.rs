// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A packet with sequence number 1, timestamp 2, SSRC 3 and payload type 96.
fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![first, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    packet.extend_from_slice(rest);
    packet
}

fn elements(profile: u16, data: &[u8]) -> Vec<(u8, Vec<u8>)> {
    Extensions::new(profile, data)
        .map(|(id, data)| (id, data.to_vec()))
        .collect()
}

#[test]
fn every_field_of_the_fixed_header_is_read() {
    let packet = [0x80, 0xE0 | 0x0F, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 0xAA];
    let header = Header::parse(&packet).unwrap();
    assert!(header.marker);
    assert_eq!(header.payload_type, 0x6F);
    assert_eq!(header.sequence, 0x1234);
    assert_eq!(header.timestamp, 0x0102_0304);
    assert_eq!(header.ssrc, 0x0506_0708);
    assert_eq!(
        (header.csrc_count, header.extension, header.padding),
        (0, None, 0)
    );
    assert_eq!(header.payload, 12..13);
}

#[test]
fn csrcs_and_extension_come_before_the_payload() {
    let mut rest = vec![0; 15 * 4];
    rest.extend_from_slice(&[0xBE, 0xDE, 0, 1, 0x10, 0x55, 0, 0, 0xAB]);
    let packet = packet(0x9F, &rest);
    let header = Header::parse(&packet).unwrap();
    assert_eq!(header.csrc_count, 15);
    assert_eq!(header.extension, Some((0xBEDE, 76..80)));
    assert_eq!(&packet[header.payload.clone()], [0xAB]);
    assert_eq!(
        header.extensions(&packet).collect::<Vec<_>>(),
        [(1, &[0x55][..])]
    );
}

#[test]
fn packets_shorter_than_a_header_are_refused() {
    for length in 0..MIN_HEADER_LEN {
        let packet = &packet(0x80, &[])[..length];
        assert_eq!(Header::parse(packet), Err(ParseError::TooShort { length }));
    }
    assert!(Header::parse(&packet(0x80, &[])).is_ok());
}

#[test]
fn other_versions_are_refused() {
    for version in [0, 1, 3] {
        assert_eq!(
            Header::parse(&packet(version << 6, &[])),
            Err(ParseError::Version { version })
        );
    }
}

#[test]
fn a_csrc_count_past_the_end_is_refused() {
    assert_eq!(
        Header::parse(&packet(0x82, &[0; 7])),
        Err(ParseError::CsrcList {
            count: 2,
            length: 19
        })
    );
    assert!(Header::parse(&packet(0x82, &[0; 8])).is_ok());
}

#[test]
fn an_extension_length_past_the_end_is_refused() {
    let truncated_head = Header::parse(&packet(0x90, &[0xBE, 0xDE, 0]));
    assert_eq!(
        truncated_head,
        Err(ParseError::Extension {
            end: 16,
            length: 15
        })
    );
    let lying = Header::parse(&packet(0x90, &[0xBE, 0xDE, 0, 2, 0, 0, 0, 0]));
    assert_eq!(
        lying,
        Err(ParseError::Extension {
            end: 24,
            length: 20
        })
    );
    let huge = Header::parse(&packet(0x90, &[0xBE, 0xDE, 0xFF, 0xFF]));
    assert_eq!(
        huge,
        Err(ParseError::Extension {
            end: 16 + 0xFFFF * 4,
            length: 16
        })
    );
}

#[test]
fn padding_is_taken_off_the_payload() {
    let header = Header::parse(&packet(0xA0, &[7, 7, 0, 0, 3])).unwrap();
    assert_eq!((header.payload.clone(), header.padding), (12..14, 3));
    assert!(!header.is_padding_only());
}

#[test]
fn a_packet_of_padding_only_is_valid_and_can_be_told() {
    let mut rest = [0; 255];
    rest[254] = 255;
    let header = Header::parse(&packet(0xA0, &rest)).unwrap();
    assert!(header.is_padding_only());
    assert_eq!((header.payload, header.padding), (12..12, 255));
}

#[test]
fn padding_of_nothing_or_more_than_there_is_is_refused() {
    assert_eq!(
        Header::parse(&packet(0xA0, &[1, 0])),
        Err(ParseError::Padding {
            padding: 0,
            length: 2
        })
    );
    assert_eq!(
        Header::parse(&packet(0xA0, &[1, 3])),
        Err(ParseError::Padding {
            padding: 3,
            length: 2
        })
    );
    assert_eq!(
        Header::parse(&packet(0xA0, &[1, 255])),
        Err(ParseError::Padding {
            padding: 255,
            length: 2
        })
    );
    assert_eq!(
        Header::parse(&packet(0xA0, &[])),
        Err(ParseError::Padding {
            padding: 0,
            length: 0
        })
    );
}

#[test]
fn padding_never_reaches_into_the_extension() {
    let rest = [0xBE, 0xDE, 0, 1, 0x10, 0x55, 0, 0, 2];
    assert_eq!(
        Header::parse(&packet(0xB0, &rest)),
        Err(ParseError::Padding {
            padding: 2,
            length: 1
        })
    );
}

#[test]
fn one_byte_elements_may_have_padding_between_them() {
    // The example of RFC 8285 §4.2: lengths 1, 2 with padding behind it, and 4.
    let data = [0x10, 0xAA, 0x21, 0xBB, 0xBC, 0, 0, 0x33, 1, 2, 3, 4];
    let expected = [
        (1, vec![0xAA]),
        (2, vec![0xBB, 0xBC]),
        (3, vec![1, 2, 3, 4]),
    ];
    assert_eq!(elements(ONE_BYTE_PROFILE, &data), expected);
}

#[test]
fn one_byte_id_15_ends_the_extension() {
    assert_eq!(
        elements(ONE_BYTE_PROFILE, &[0x10, 0xAA, 0xF0, 0xBB, 0x20, 0xCC]),
        [(1, vec![0xAA])]
    );
}

#[test]
fn one_byte_id_0_with_a_length_ends_the_extension() {
    assert_eq!(
        elements(ONE_BYTE_PROFILE, &[0x10, 0xAA, 0x01, 0xBB, 0x20, 0xCC]),
        [(1, vec![0xAA])]
    );
}

#[test]
fn two_byte_elements_may_be_empty_or_long() {
    let mut data = vec![1, 0, 0, 15, 1, 0xAA, 200, 20];
    data.extend_from_slice(&[9; 20]);
    let expected = [(1, vec![]), (15, vec![0xAA]), (200, vec![9; 20])];
    for application_bits in 0..16 {
        assert_eq!(
            elements(TWO_BYTE_PROFILE | application_bits, &data),
            expected
        );
    }
}

#[test]
fn an_element_past_the_end_ends_the_extension() {
    assert_eq!(
        elements(ONE_BYTE_PROFILE, &[0x10, 0xAA, 0x2F, 0xBB]),
        [(1, vec![0xAA])]
    );
    assert_eq!(
        elements(TWO_BYTE_PROFILE, &[1, 1, 0xAA, 2, 3, 0xBB]),
        [(1, vec![0xAA])]
    );
    assert_eq!(
        elements(TWO_BYTE_PROFILE, &[1, 1, 0xAA, 2]),
        [(1, vec![0xAA])]
    );
}

#[test]
fn other_profiles_have_no_elements() {
    assert!(elements(0x1010, &[1, 1, 1, 1]).is_empty());
    assert!(elements(0, &[0x10, 0xAA, 0, 0]).is_empty());
}

#[test]
fn a_header_without_extensions_is_12_bytes() {
    let mut buf = [0xFF; 12];
    assert_eq!(HeaderWriter::new(&mut buf, 96, false, 1, 2, 3).finish(), 12);
    assert_eq!(&buf[..], packet(0x80, &[]));
}

#[test]
fn elements_that_do_not_suit_the_form_are_not_written() {
    let mut buf = [0; 64];
    let mut writer = HeaderWriter::new(&mut buf, 96, false, 1, 2, 3);
    assert!(!writer.extension(0, &[1]));
    assert!(!writer.extension(15, &[1]));
    assert!(!writer.extension(1, &[]));
    assert!(!writer.extension(1, &[0; 17]));
    assert_eq!(writer.finish(), 12);
    let mut writer = HeaderWriter::new_two_byte(&mut buf, 96, false, 1, 2, 3);
    assert!(!writer.extension(0, &[1]));
    assert!(writer.extension(15, &[]));
    assert!(writer.extension(1, &[0; 17]));
    assert_eq!(writer.finish(), 12 + 4 + 24);
}

#[test]
fn elements_that_do_not_fit_the_buffer_are_not_written() {
    let mut buf = [0; 20];
    let mut writer = HeaderWriter::new(&mut buf, 96, false, 1, 2, 3);
    assert!(!writer.extension(1, &[0; 4]));
    assert!(writer.extension(2, &[7; 3]));
    assert!(!writer.extension(3, &[1]));
    assert_eq!(writer.finish(), 20);
    assert_eq!(
        Header::parse(&buf)
            .unwrap()
            .extensions(&buf)
            .collect::<Vec<_>>(),
        [(2, &[7, 7, 7][..])]
    );
}

#[test]
fn a_retransmission_begins_with_the_original_sequence_number() {
    assert_eq!(rtx_original_sequence(&[0x12, 0x34, 0xAA]), Some(0x1234));
    assert_eq!(rtx_original_sequence(&[0x12]), None);
}

#[test]
fn the_first_sequence_number_leaves_room_to_go_back() {
    let mut sequence = ExtendedSequence::new();
    assert_eq!(sequence.highest(), None);
    assert_eq!(sequence.extend(0), 0x1_0000);
    assert_eq!(sequence.extend(0xFFFF), 0xFFFF);
    assert_eq!(sequence.extend(0x8000), 0x8000);
    assert_eq!(sequence.highest(), Some(0x1_0000));
}

#[test]
fn sequence_numbers_go_on_over_the_wrap_in_both_directions() {
    let mut sequence = ExtendedSequence::new();
    let extended = [0xFFFE, 0xFFFF, 0x0001, 0x0000, 0xFFFD, 0x0002].map(|n| sequence.extend(n));
    assert_eq!(
        extended,
        [0x1_FFFE, 0x1_FFFF, 0x2_0001, 0x2_0000, 0x1_FFFD, 0x2_0002]
    );
}

#[test]
fn two_far_sequence_numbers_in_a_row_are_a_restart() {
    let mut restart = Restart::default();
    assert!(!restart.is_confirmed_by(7));
    assert!(!restart.is_confirmed_by(9));
    assert!(restart.is_confirmed_by(10));
    assert!(!restart.is_confirmed_by(11));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic_and_ranges_are_inside(mut data in vec(any::<u8>(), 0..96), version in any::<bool>()) {
        if version && let Some(first) = data.first_mut() {
            *first = *first & 0x3F | 0x80;
        }
        if let Ok(header) = Header::parse(&data) {
            prop_assert_eq!(header.payload.end + header.padding, data.len());
            prop_assert!(header.payload.start <= header.payload.end);
            prop_assert!(header.extensions(&data).count() <= data.len());
        }
        for profile in [ONE_BYTE_PROFILE, TWO_BYTE_PROFILE, 0] {
            prop_assert!(Extensions::new(profile, &data).all(|(id, _)| id != 0));
        }
    }

    #[test]
    fn rtp_types_reads_the_same(mut data in vec(any::<u8>(), 12..96)) {
        data[0] = data[0] & 0x3F | 0x80;
        if let (Ok(header), Ok(other)) = (Header::parse(&data), rtp_types::RtpPacket::parse(&data)) {
            prop_assert_eq!(&data[header.payload.clone()], other.payload());
            prop_assert_eq!(header.sequence, other.sequence_number());
            prop_assert_eq!(header.marker, other.marker_bit());
            let extension = header.extension.map(|(profile, range)| (profile, &data[range]));
            prop_assert_eq!(extension, other.extension());
        }
    }

    #[test]
    fn what_is_written_is_read_again(
        elements in vec((1u8..=14, vec(any::<u8>(), 1..=16)), 0..6),
        two_byte in any::<bool>(),
        marker in any::<bool>(),
        (payload_type, sequence, timestamp, ssrc) in (0u8..128, any::<u16>(), any::<u32>(), any::<u32>()),
    ) {
        let mut buf = [0xEE; 160];
        let new = if two_byte { HeaderWriter::new_two_byte } else { HeaderWriter::new };
        let mut writer = new(&mut buf, payload_type, marker, sequence, timestamp, ssrc);
        for (id, data) in &elements {
            prop_assert!(writer.extension(*id, data));
        }
        let length = writer.finish();
        let header = Header::parse(&buf).unwrap();
        prop_assert_eq!(header.len(), length);
        prop_assert_eq!((header.marker, header.payload_type), (marker, payload_type));
        prop_assert_eq!((header.sequence, header.timestamp, header.ssrc), (sequence, timestamp, ssrc));
        let read: Vec<_> = header.extensions(&buf).map(|(id, data)| (id, data.to_vec())).collect();
        prop_assert_eq!(read, elements);
    }

    #[test]
    fn extending_follows_any_steps_below_half_the_range(
        start in any::<u16>(),
        steps in vec(-32_767i64..=32_767, 1..64),
    ) {
        let mut extender = ExtendedSequence::new();
        let mut highest = extender.extend(start);
        for step in steps {
            let expected = highest.saturating_add_signed(step);
            prop_assert_eq!(extender.extend(expected as u16), expected);
            highest = highest.max(expected);
        }
    }
}
