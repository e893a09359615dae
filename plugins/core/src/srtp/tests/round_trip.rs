// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

#[test]
fn what_is_sealed_opens_in_every_profile() {
    for profile in SrtpProfile::PREFERRED {
        let (mut sealer, mut opener) = pair(profile);
        for index in 0..10 {
            let mut packet = seal(&sealer, SSRC, index);
            assert_eq!(packet.len(), rtp(SSRC, index).len() + profile.tag_len());
            let len = opener.open_rtp(&mut packet).expect("an authentic packet");
            assert_eq!(packet[..len], rtp(SSRC, index)[..], "{profile:?}");
            let mut report = seal_rtcp(&mut sealer, SSRC);
            let len = opener.open_rtcp(&mut report).expect("an authentic report");
            assert_eq!(report[..len], rtcp(SSRC)[..], "{profile:?}");
        }
    }
}

#[test]
fn csrcs_and_extension_stay_in_the_clear() {
    for profile in SrtpProfile::PREFERRED {
        let (sealer, mut opener) = pair(profile);
        let mut plain = hex("92600001000000075a5a5a5a 00000001 00000002 bede0001 10aabbcc");
        plain.extend_from_slice(b"payload");
        let mut packet = plain.clone();
        packet.resize(plain.len() + SRTP_OVERHEAD, 0);
        let len = sealer
            .seal_rtp(&mut packet, 28, plain.len(), 1)
            .expect("room");
        packet.truncate(len);
        assert_eq!(packet[..28], plain[..28]);
        assert_ne!(packet[28..plain.len()], plain[28..]);
        let len = opener.open_rtp(&mut packet).expect("an authentic packet");
        assert_eq!(packet[..len], plain[..]);
    }
}

#[test]
fn the_roll_over_counter_follows_65535_to_0() {
    for profile in SrtpProfile::PREFERRED {
        let (sealer, mut opener) = pair(profile);
        for index in 65_500..65_600 {
            opener
                .open_rtp(&mut seal(&sealer, SSRC, index))
                .expect("in order");
        }
    }
}

#[test]
fn the_roll_over_counter_survives_loss_and_reordering_around_the_wrap() {
    let (sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    let order = [
        65_000, 65_534, 65_538, 65_535, 65_537, 65_536, 85_000, 110_000, 131_071, 131_074, 131_070,
    ];
    for index in order {
        opener
            .open_rtp(&mut seal(&sealer, SSRC, index))
            .unwrap_or_else(|error| panic!("{index}: {error}"));
    }
}

#[test]
fn the_roll_over_counter_follows_many_wraps() {
    let (sealer, mut opener) = pair(SrtpProfile::AeadAes256Gcm);
    for index in (0..600_000).step_by(20_000) {
        opener
            .open_rtp(&mut seal(&sealer, SSRC, index))
            .expect("less than half a wrap ahead");
    }
}

#[test]
fn sources_have_roll_over_counters_of_their_own() {
    let (sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    for index in [65_535, 65_536] {
        opener
            .open_rtp(&mut seal(&sealer, 1, index))
            .expect("source 1");
    }
    opener.open_rtp(&mut seal(&sealer, 2, 3)).expect("source 2");
    opener
        .open_rtp(&mut seal(&sealer, 1, 65_537))
        .expect("source 1 again");
}

#[test]
fn sealing_needs_room_and_a_header() {
    for profile in SrtpProfile::PREFERRED {
        let (mut sealer, _) = pair(profile);
        let mut packet = rtp(SSRC, 1);
        let len = packet.len();
        assert_eq!(sealer.seal_rtp(&mut packet, 12, len, 1), None, "no room");
        packet.resize(len + SRTP_OVERHEAD, 0);
        assert_eq!(
            sealer.seal_rtp(&mut packet, len + 1, len, 1),
            None,
            "header behind the end"
        );
        assert_eq!(sealer.seal_rtp(&mut packet, 11, len, 1), None, "no header");
        assert_eq!(
            sealer.seal_rtp(&mut packet, 12, usize::MAX, 1),
            None,
            "a length that wraps"
        );
        assert!(!sealer.seal_rtcp(&mut vec![0x80, 201, 0, 0]), "no SSRC");
    }
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    let master = MasterKey {
        key: &[0; 16],
        salt: &[0; 12],
    };
    assert!(Sealer::new(SrtpProfile::AeadAes256Gcm, master).is_err());
    assert!(Opener::new(SrtpProfile::Aes128CmSha1_80, master).is_err());
    assert!(Opener::new(SrtpProfile::AeadAes128Gcm, master).is_ok());
}
