// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn id(value: u16, bits: u8) -> Option<PictureId> {
    Some(PictureId { value, bits })
}

#[test]
fn names_lead_to_their_codec_whatever_the_case() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_name(codec.as_str()), Some(*codec));
        assert_eq!(
            Codec::from_name(&codec.as_str().to_uppercase()),
            Some(*codec)
        );
        assert_eq!(
            Codec::from_name(&codec.as_str().to_lowercase()),
            Some(*codec)
        );
    }
    assert_eq!(Codec::from_name("rtx"), None);
    assert_eq!(Codec::Vp8.to_string(), "VP8");
}

#[test]
fn clocks_are_those_of_the_payload_formats() {
    for codec in Codec::ALL {
        let expected = match (codec, codec.kind()) {
            (Codec::Pcmu | Codec::Pcma, MediaKind::Audio) => 8_000,
            (_, MediaKind::Audio) => 48_000,
            (_, MediaKind::Video) => 90_000,
        };
        assert_eq!(codec.clock_rate(), expected);
    }
}

#[test]
fn every_audio_packet_starts_and_needs_none_before_it() {
    for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::Red] {
        let description = describe(codec, &[0xFC]);
        assert!(description.start_of_frame && description.keyframe);
    }
}

#[test]
fn an_empty_payload_says_nothing() {
    for codec in Codec::ALL {
        assert_eq!(describe(*codec, &[]), Description::default());
    }
}

#[test]
fn codecs_without_numbers_are_not_rewritten() {
    let description = Description {
        picture_id: id(1, 15),
        tl0_pic_idx: Some(1),
        ..Description::default()
    };
    for codec in [
        Codec::Opus,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::Red,
        Codec::H264,
        Codec::H265,
        Codec::Av1,
    ] {
        let mut payload = [0xFF; 16];
        rewrite(codec, &mut payload, &description, 0, 0);
        assert_eq!(payload, [0xFF; 16]);
    }
}

#[test]
fn only_numbers_that_were_described_are_rewritten() {
    let payload = [0x90, 0xE0, 0x80, 0x05, 0x07, 0x40];
    for codec in [Codec::Vp8, Codec::Vp9] {
        let mut rewritten = payload;
        rewrite(codec, &mut rewritten, &Description::default(), 77, 88);
        assert_eq!(rewritten, payload);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_payloads_never_panic(payload in vec(any::<u8>(), 0..80)) {
        for codec in Codec::ALL {
            let description = describe(*codec, &payload);
            prop_assert!(description.resolution.is_none_or(|(width, height)| width > 0 && height > 0));
            prop_assert!(description.picture_id.is_none_or(|id| u32::from(id.value) < 1 << id.bits));
        }
    }

    #[test]
    fn arbitrary_parameter_sets_never_panic(
        (codec, mut head) in prop_oneof![
            Just((Codec::H264, vec![0x67])),
            Just((Codec::H265, vec![0x42, 0x01])),
            Just((Codec::Av1, vec![0x18, 0x08])),
        ],
        set in vec(prop_oneof![Just(0u8), Just(0xFF), any::<u8>()], 0..120),
    ) {
        head.extend(set);
        prop_assert!(describe(codec, &head).keyframe);
    }

    #[test]
    fn what_is_rewritten_is_described(
        payload in vec(any::<u8>(), 0..24),
        codec in prop_oneof![Just(Codec::Vp8), Just(Codec::Vp9)],
        (picture_id, tl0) in any::<(u16, u8)>(),
    ) {
        let before = describe(codec, &payload);
        let mut rewritten = payload.clone();
        rewrite(codec, &mut rewritten, &before, picture_id, tl0);
        let cut = |id: PictureId| PictureId { value: picture_id & ((1u32 << id.bits) - 1) as u16, ..id };
        let expected = Description {
            picture_id: before.picture_id.map(cut),
            tl0_pic_idx: before.tl0_pic_idx.map(|_| tl0),
            ..before
        };
        prop_assert_eq!(describe(codec, &rewritten), expected);
        if before.picture_id.is_none() && before.tl0_pic_idx.is_none() {
            prop_assert_eq!(rewritten, payload);
        }
    }
}
