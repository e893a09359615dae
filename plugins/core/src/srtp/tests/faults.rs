// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use proptest::prelude::*;

#[test]
fn a_packet_is_taken_once() {
    for profile in SrtpProfile::PREFERRED {
        let (mut sealer, mut opener) = pair(profile);
        let packet = seal(&sealer, SSRC, 5);
        assert!(opener.open_rtp(&mut packet.clone()).is_ok());
        assert_eq!(
            opener.open_rtp(&mut packet.clone()),
            Err(OpenError::Replayed)
        );
        let report = seal_rtcp(&mut sealer, SSRC);
        assert!(opener.open_rtcp(&mut report.clone()).is_ok());
        assert_eq!(
            opener.open_rtcp(&mut report.clone()),
            Err(OpenError::Replayed)
        );
    }
}

#[test]
fn late_packets_are_taken_within_128() {
    let (sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    let mut open = |index| opener.open_rtp(&mut seal(&sealer, SSRC, index)).map(|_| ());
    assert_eq!(open(1000), Ok(()));
    assert_eq!(open(1000 - 127), Ok(()));
    assert_eq!(open(1000 - 128), Err(OpenError::Replayed));
    assert_eq!(open(1000 - 127), Err(OpenError::Replayed));
}

#[test]
fn a_forged_packet_leaves_no_trace() {
    for profile in SrtpProfile::PREFERRED {
        let (mut sealer, mut opener) = pair(profile);
        let packet = seal(&sealer, SSRC, 9);
        for at in 0..packet.len() {
            let mut forged = packet.clone();
            forged[at] ^= 0x04;
            assert!(
                opener.open_rtp(&mut forged).is_err(),
                "{profile:?} byte {at}"
            );
        }
        assert!(opener.open_rtp(&mut packet.clone()).is_ok(), "{profile:?}");
        let report = seal_rtcp(&mut sealer, SSRC);
        for at in 0..report.len() {
            let mut forged = report.clone();
            forged[at] ^= 0x04;
            assert!(
                opener.open_rtcp(&mut forged).is_err(),
                "{profile:?} byte {at}"
            );
        }
        assert!(opener.open_rtcp(&mut report.clone()).is_ok(), "{profile:?}");
    }
}

#[test]
fn packets_cut_off_anywhere_are_refused() {
    for profile in SrtpProfile::PREFERRED {
        let (mut sealer, mut opener) = pair(profile);
        let packet = seal(&sealer, SSRC, 9);
        let report = seal_rtcp(&mut sealer, SSRC);
        for len in 0..packet.len() {
            assert!(
                opener.open_rtp(&mut packet[..len].to_vec()).is_err(),
                "{profile:?} {len}"
            );
        }
        for len in 0..report.len() {
            assert!(
                opener.open_rtcp(&mut report[..len].to_vec()).is_err(),
                "{profile:?} {len}"
            );
        }
    }
}

#[test]
fn plain_packets_are_refused() {
    for profile in SrtpProfile::PREFERRED {
        let (_, mut opener) = pair(profile);
        assert_eq!(
            opener.open_rtp(&mut rtp(SSRC, 1)),
            Err(OpenError::Forged),
            "{profile:?}"
        );
        let mut bye = hex("80cb0001 10203040 00000000 00000000 00000000 00000000 00000000");
        assert_eq!(
            opener.open_rtcp(&mut bye),
            Err(OpenError::Malformed),
            "{profile:?}"
        );
    }
}

#[test]
fn sources_are_bounded() {
    let (mut sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    for ssrc in 0..MAX_SOURCES as u32 {
        assert!(opener.open_rtp(&mut seal(&sealer, ssrc, 1)).is_ok());
        assert!(opener.open_rtcp(&mut seal_rtcp(&mut sealer, ssrc)).is_ok());
    }
    for ssrc in 1_000_000..1_000_100 {
        assert_eq!(
            opener.open_rtp(&mut seal(&sealer, ssrc, 1)),
            Err(OpenError::TooManySources)
        );
        let mut report = seal_rtcp(&mut sealer, ssrc);
        assert_eq!(
            opener.open_rtcp(&mut report),
            Err(OpenError::TooManySources)
        );
    }
    assert!(
        opener.open_rtp(&mut seal(&sealer, 3, 2)).is_ok(),
        "known sources go on"
    );
}

proptest! {
    #[test]
    fn no_datagram_opens_or_panics(mut data in proptest::collection::vec(any::<u8>(), 0..200)) {
        for profile in SrtpProfile::PREFERRED {
            let (_, mut opener) = pair(profile);
            prop_assert!(opener.open_rtp(&mut data).is_err());
            prop_assert!(opener.open_rtcp(&mut data).is_err());
        }
    }

    #[test]
    fn the_window_takes_each_index_once(indices in proptest::collection::vec(0u64..400, 1..300)) {
        let mut window = ReplayWindow::new(200);
        let mut taken = std::collections::HashSet::from([200]);
        for index in indices {
            let highest = *taken.iter().max().expect("never empty");
            let fresh = !taken.contains(&index) && index + REPLAY_WINDOW > highest;
            prop_assert_eq!(window.is_new(index), fresh);
            if fresh {
                window.take(index);
                taken.insert(index);
            }
        }
    }

    #[test]
    fn the_estimate_is_right_within_half_a_wrap(highest in 0u64..1 << 40, step in -0x7fffi64..0x7fff) {
        let index = highest.saturating_add_signed(step);
        prop_assert_eq!(ReplayWindow::new(highest).estimate(index as u16), index);
    }

    #[test]
    fn header_extension_encryption_never_panics(
        mut data in proptest::collection::vec(any::<u8>(), 0..80), index in any::<u64>(),
    ) {
        let cipher = header_extension::HeaderExtensionCipher::new(MasterKey { key: &[1; 16], salt: &[2; 14] });
        let cipher = cipher.expect("keys that fit");
        if let Some(first) = data.first_mut() {
            *first = 0x90 | (*first & 0x03);
        }
        let before = data.clone();
        if cipher.apply(&mut data, index, |_| true).is_some() {
            cipher.apply(&mut data, index, |_| true);
            prop_assert_eq!(data, before);
        }
    }
}
