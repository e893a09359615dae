// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn packets(data: &[u8]) -> Vec<Packet> {
    parse(data).collect::<Result<_, _>>().unwrap()
}

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: 7,
        fraction_lost: 200,
        cumulative_lost: -3,
        highest_sequence: 0x0002_0001,
        jitter: 90,
        last_sender_report: 0x1234_5678,
        delay: 65_536,
    }
}

#[test]
fn a_compound_packet_is_read_as_it_was_written() {
    let feedback = TransportFeedback {
        sender: 1,
        media: 2,
        base_sequence: 0xFFFE,
        reference_time: -5,
        feedback_count: 255,
        deltas: vec![
            Some(0),
            None,
            Some(255),
            Some(256),
            Some(-1),
            Some(i16::MIN),
            Some(i16::MAX),
        ],
    };
    let data = Builder::new()
        .sender_report(1, 0x0123_4567_89AB_CDEF, 90_000, 10, 1_000, &[block()])
        .sdes(1, "gst-rtc")
        .receiver_report(1, &[])
        .nack(1, 2, &[65_535, 0, 1, 40])
        .pli(1, 2)
        .fir(1, &[(2, 9), (3, 255)])
        .remb(1, 1_000_000, &[2, 3])
        .transport_cc(&feedback)
        .bye(&[1, 0])
        .finish();
    let expected = [
        Packet::SenderReport {
            ssrc: 1,
            ntp: 0x0123_4567_89AB_CDEF,
            rtp: 90_000,
            packets: 10,
            octets: 1_000,
            reports: vec![block()],
        },
        Packet::Sdes {
            cnames: vec![(1, "gst-rtc".into())],
        },
        Packet::ReceiverReport {
            ssrc: 1,
            reports: vec![],
        },
        Packet::Nack {
            sender: 1,
            media: 2,
            lost: vec![65_535, 0, 1, 40],
        },
        Packet::Pli { media: 2 },
        Packet::Fir {
            entries: vec![(2, 9), (3, 255)],
        },
        Packet::Remb {
            bitrate: 1_000_000,
            ssrcs: vec![2, 3],
        },
        Packet::TransportCc(feedback),
        Packet::Bye { ssrcs: vec![1, 0] },
    ];
    assert_eq!(packets(&data), expected);
}

#[test]
fn a_builder_without_packets_is_empty() {
    let builder = Builder::new()
        .nack(1, 2, &[])
        .fir(1, &[])
        .transport_cc(&TransportFeedback::default());
    assert!(builder.is_empty());
    assert!(packets(&builder.finish()).is_empty());
}

#[test]
fn a_lying_length_spoils_the_rest_but_not_what_came_before() {
    let mut data = Builder::new().pli(1, 2).pli(1, 3).pli(1, 4).finish();
    data[15] = 200;
    let read: Vec<_> = parse(&data).collect();
    let error = ParseError::Truncated {
        needed: 804,
        length: 24,
    };
    assert_eq!(read, [Ok(Packet::Pli { media: 2 }), Err(error)]);
}

#[test]
fn trailing_bytes_are_an_error_after_the_packets() {
    let mut data = Builder::new().pli(1, 2).finish();
    data.extend_from_slice(&[0x81, 206]);
    let read: Vec<_> = parse(&data).collect();
    assert_eq!(
        read,
        [
            Ok(Packet::Pli { media: 2 }),
            Err(ParseError::Truncated {
                needed: 4,
                length: 2
            })
        ]
    );
}

#[test]
fn malformed_contents_spoil_only_their_packet() {
    // A receiver report with 31 blocks announced and none there.
    let mut data = vec![0x9F, 201, 0, 1, 0, 0, 0, 1];
    data.extend(Builder::new().pli(1, 2).finish());
    let read: Vec<_> = parse(&data).collect();
    let error = ParseError::Malformed {
        packet_type: 201,
        count: 31,
    };
    assert_eq!(read, [Err(error), Ok(Packet::Pli { media: 2 })]);
}

#[test]
fn another_version_ends_the_reading() {
    let mut data = Builder::new().pli(1, 2).pli(1, 2).finish();
    data[0] = 0x41;
    assert_eq!(
        parse(&data).collect::<Vec<_>>(),
        [Err(ParseError::Version { version: 1 })]
    );
}

#[test]
fn padding_is_left_out() {
    let padded = [0xA0 | 1, 203, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4];
    assert_eq!(packets(&padded), [Packet::Bye { ssrcs: vec![9] }]);
}

#[test]
fn padding_of_nothing_or_more_than_there_is_is_an_error() {
    for (padding, last) in [(0, 0), (9, 9), (255, 255)] {
        let data = [0xA0, 203, 0, 2, 0, 0, 0, 9, 0, 0, 0, last];
        assert_eq!(
            parse(&data).collect::<Vec<_>>(),
            [Err(ParseError::Padding { padding })]
        );
    }
    assert_eq!(
        parse(&[0xA0, 203, 0, 0]).collect::<Vec<_>>(),
        [Err(ParseError::Padding { padding: 0 })]
    );
}

#[test]
fn packets_per_datagram_are_bounded() {
    let data: Vec<u8> = [0x80, 203, 0, 0].repeat(MAX_PACKETS + 50);
    let read: Vec<_> = parse(&data).collect();
    assert_eq!(read.len(), MAX_PACKETS + 1);
    assert_eq!(read.last(), Some(&Err(ParseError::TooMany)));
}

#[test]
fn a_nack_of_everything_is_cut_over_the_whole_datagram() {
    let lost: Vec<u16> = (0..1000).collect();
    let data = Builder::new()
        .nack(1, 2, &lost)
        .nack(1, 3, &lost)
        .nack(1, 4, &lost)
        .finish();
    let lengths: Vec<_> = packets(&data)
        .iter()
        .map(|packet| match packet {
            Packet::Nack { lost, .. } => lost.len(),
            other => panic!("expected a NACK, got {other:?}"),
        })
        .collect();
    assert_eq!(lengths, [1000, 24, 0]);
}

#[test]
fn a_nack_packs_17_sequence_numbers_into_an_entry() {
    let lost: Vec<u16> = (0..17).map(|n| 65_530u16.wrapping_add(n)).collect();
    let data = Builder::new()
        .nack(0x0102_0304, 0x0506_0708, &lost)
        .finish();
    assert_eq!(
        data,
        [
            0x81, 205, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF, 0xFA, 0xFF, 0xFF
        ]
    );
}

#[test]
fn remb_is_written_and_read_as_in_the_draft() {
    // Mantissa 250,000 and exponent 2.
    let data = Builder::new().remb(1, 1_000_000, &[0xAABB_CCDD]).finish();
    let mantissa = [1, 2 << 2 | 0x03, 0xD0, 0x90];
    assert_eq!(data[..12], [0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(
        data[12..],
        [b"REMB", &mantissa[..], &[0xAA, 0xBB, 0xCC, 0xDD]].concat()
    );
}

#[test]
fn remb_beyond_64_bits_is_clamped() {
    let mut data = Builder::new().remb(1, 0, &[2]).finish();
    assert_eq!(
        packets(&data),
        [Packet::Remb {
            bitrate: 0,
            ssrcs: vec![2]
        }]
    );
    data[17..20].fill(0xFF);
    assert_eq!(
        packets(&data),
        [Packet::Remb {
            bitrate: u64::MAX,
            ssrcs: vec![2]
        }]
    );
    // 2^63 is still what it says.
    data[17..20].copy_from_slice(&[46 << 2 | 0x02, 0, 0]);
    assert_eq!(
        packets(&data),
        [Packet::Remb {
            bitrate: 1 << 63,
            ssrcs: vec![2]
        }]
    );
}

#[test]
fn remb_with_more_streams_than_there_are_is_malformed() {
    let mut data = Builder::new().remb(1, 1, &[2]).finish();
    data[16] = 2;
    assert_eq!(
        parse(&data).collect::<Vec<_>>(),
        [Err(ParseError::Malformed {
            packet_type: 206,
            count: 15
        })]
    );
}

#[test]
fn other_packets_are_named_and_skipped() {
    let mut data = vec![0x82, 207, 0, 1, 0, 0, 0, 1];
    data.extend(Builder::new().pli(1, 2).finish());
    let other = Packet::Other {
        packet_type: 207,
        count: 2,
    };
    assert_eq!(packets(&data), [other, Packet::Pli { media: 2 }]);
}

#[test]
fn sdes_chunks_may_follow_each_other_with_zeros_in_the_ssrc() {
    let mut data = vec![0x83, 202, 0, 7];
    data.extend_from_slice(&[0, 0, 0, 1, 1, 2, b'a', b'b', 0, 0, 0, 0]);
    data.extend_from_slice(&[0, 0, 0, 2, 2, 1, b'x', 0]);
    data.extend_from_slice(&[0, 0, 0, 3, 1, 1, b'c', 0]);
    let cnames = vec![(1, "ab".to_owned()), (3, "c".to_owned())];
    assert_eq!(packets(&data), [Packet::Sdes { cnames }]);
}

#[test]
fn a_long_cname_is_cut_at_a_character() {
    let cname = "ä".repeat(200);
    let read = packets(&Builder::new().sdes(1, &cname).finish());
    assert_eq!(
        read,
        [Packet::Sdes {
            cnames: vec![(1, "ä".repeat(127))]
        }]
    );
}

#[test]
fn receiver_reports_are_split_at_31_blocks() {
    let data = Builder::new().receiver_report(1, &[block(); 40]).finish();
    let counts: Vec<_> = packets(&data)
        .iter()
        .map(|packet| match packet {
            Packet::ReceiverReport { reports, .. } => reports.len(),
            other => panic!("expected a receiver report, got {other:?}"),
        })
        .collect();
    assert_eq!(counts, [31, 9]);
}

/// Transport-wide feedback with one status count and these chunks and deltas.
fn feedback(count: u16, tail: &[u8]) -> Vec<u8> {
    let mut data = vec![0x8F, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 10];
    data.extend_from_slice(&count.to_be_bytes());
    data.extend_from_slice(&[0, 0, 1, 5]);
    data.extend_from_slice(tail);
    data.resize(data.len().next_multiple_of(4), 0);
    data[3] = (data.len() / 4 - 1) as u8;
    data
}

fn deltas(data: &[u8]) -> Option<Vec<Option<i16>>> {
    match parse(data).next().expect("there is one packet") {
        Ok(Packet::TransportCc(feedback)) => Some(feedback.deltas),
        _ => None,
    }
}

#[test]
fn the_chunks_of_transport_feedback_are_those_of_the_draft() {
    // §3.1.3: a run of 221 packets not received.
    assert_eq!(deltas(&feedback(221, &[0x00, 0xDD])), Some(vec![None; 221]));
    // §3.1.4: one-bit symbols, of 14 packets: not received, five received, three not, three received, two not.
    let received = [0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0];
    let expected = received.map(|bit| (bit == 1).then_some(4)).to_vec();
    assert_eq!(
        deltas(&feedback(14, &[0x9F, 0x1C, 4, 4, 4, 4, 4, 4, 4, 4])),
        Some(expected)
    );
    // §3.1.4: two-bit symbols: not received, large delta, three small ones, two not received.
    let expected = vec![None, Some(-2), Some(4), Some(4), Some(4), None, None];
    assert_eq!(
        deltas(&feedback(
            7,
            &[0b1100_1001, 0b0101_0000, 0xFF, 0xFE, 4, 4, 4]
        )),
        Some(expected)
    );
}

#[test]
fn statuses_past_the_count_are_ignored() {
    // A run of 8,191 and a vector, where one packet is announced.
    assert_eq!(deltas(&feedback(1, &[0x1F, 0xFF])), Some(vec![None]));
    assert_eq!(deltas(&feedback(1, &[0xA0, 0x00, 9])), Some(vec![Some(9)]));
}

#[test]
fn transport_feedback_that_lies_about_its_length_is_malformed() {
    // Statuses without chunks, more statuses than are kept, deltas that are not there, the reserved symbol.
    assert_eq!(deltas(&feedback(50, &[])), None);
    assert_eq!(deltas(&feedback(u16::MAX, &[0x1F; 40])), None);
    assert_eq!(deltas(&feedback(8, &[0x20, 8, 1, 1])), None);
    assert_eq!(deltas(&feedback(1, &[0x60, 1, 0, 0])), None);
}

#[test]
fn arrivals_add_the_deltas_up() {
    let feedback = TransportFeedback {
        base_sequence: 0xFFFF,
        reference_time: 2,
        deltas: vec![Some(3), None, Some(-4)],
        ..TransportFeedback::default()
    };
    let arrivals: Vec<_> = feedback.arrivals().collect();
    assert_eq!(arrivals, [(0xFFFF, Some(515)), (0, None), (1, Some(511))]);
}

#[test]
fn runs_make_transport_feedback_small() {
    let received = TransportFeedback {
        deltas: vec![Some(1); 100],
        ..TransportFeedback::default()
    };
    assert_eq!(
        Builder::new().transport_cc(&received).len(),
        20 + 2 + 100 + 2
    );
    let lost = TransportFeedback {
        deltas: vec![None; 8192],
        ..TransportFeedback::default()
    };
    assert_eq!(Builder::new().transport_cc(&lost).len(), 20 + 4);
}

fn any_delta() -> impl Strategy<Value = Option<i16>> {
    prop_oneof![3 => Just(None), 3 => (0i16..256).prop_map(Some), 1 => any::<i16>().prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn arbitrary_bytes_never_panic(data in vec(any::<u8>(), 0..200)) {
        prop_assert!(parse(&data).count() <= data.len());
    }

    #[test]
    fn arbitrary_contents_in_good_framing_never_panic(
        packet_type in 199u8..208,
        first in any::<u8>(),
        mut body in vec(any::<u8>(), 0..160),
        remb in any::<bool>(),
    ) {
        body.truncate(body.len() / 4 * 4);
        if remb && body.len() >= 12 {
            body[8..12].copy_from_slice(b"REMB");
        }
        let mut data = vec![first & 0x3F | 0x80, packet_type, 0, (body.len() / 4) as u8];
        data.extend(body);
        prop_assert_eq!(parse(&data).count(), 1);
    }

    #[test]
    fn nacked_sequence_numbers_survive(start in any::<u16>(), steps in vec(1u16..40, 1..100)) {
        let lost: Vec<u16> = steps.iter().scan(start, |at, step| { *at = at.wrapping_add(*step); Some(*at) }).collect();
        let data = Builder::new().nack(1, 2, &lost).finish();
        prop_assert_eq!(packets(&data), [Packet::Nack { sender: 1, media: 2, lost }]);
    }

    #[test]
    fn report_blocks_survive(
        (ssrc, fraction_lost, cumulative_lost) in (any::<u32>(), any::<u8>(), -(1i32 << 23)..1 << 23),
        (highest_sequence, jitter, last_sender_report, delay) in any::<(u32, u32, u32, u32)>(),
    ) {
        let block = ReportBlock {
            ssrc, fraction_lost, cumulative_lost, highest_sequence, jitter, last_sender_report, delay,
        };
        let data = Builder::new().receiver_report(1, &[block]).finish();
        prop_assert_eq!(packets(&data), [Packet::ReceiverReport { ssrc: 1, reports: vec![block] }]);
    }

    #[test]
    fn remb_loses_less_than_a_hundred_thousandth(bitrate in any::<u64>(), shift in 0u32..64) {
        let bitrate = bitrate >> shift;
        let data = Builder::new().remb(1, bitrate, &[]).finish();
        let Packet::Remb { bitrate: read, .. } = packets(&data).remove(0) else { panic!("expected a REMB") };
        prop_assert!(read <= bitrate && bitrate - read <= bitrate / 100_000);
    }

    #[test]
    fn transport_feedback_survives(
        (sender, media, base_sequence, feedback_count) in any::<(u32, u32, u16, u8)>(),
        reference_time in -(1i32 << 23)..1 << 23,
        runs in vec((any_delta(), 1usize..30), 1..20),
    ) {
        let deltas: Vec<_> = runs.into_iter().flat_map(|(delta, run)| std::iter::repeat_n(delta, run)).collect();
        let feedback = TransportFeedback { sender, media, base_sequence, reference_time, feedback_count, deltas };
        let data = Builder::new().transport_cc(&feedback).finish();
        prop_assert_eq!(packets(&data), [Packet::TransportCc(feedback)]);
    }
}
