// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

#[test]
fn sessions_connect_in_both_dtls_roles_with_every_profile() {
    for dtls_client in [true, false] {
        for profile in SrtpProfile::PREFERRED {
            let (a, b) = (ecdsa(), ecdsa());
            let mut client = config(true, dtls_client, &a, vec![b.fingerprint()]);
            let server = config(false, !dtls_client, &b, vec![a.fingerprint()]);
            client.profiles = vec![profile];
            let mut pair = Pair::new(1, client, server);
            pair.run(Duration::from_secs(2));
            for who in ["client", "server"] {
                assert!(
                    pair.events
                        .contains(&(who, SessionEvent::Connected(profile))),
                    "{:?}",
                    pair.events
                );
            }
            assert!(
                pair.media_flows(1),
                "{profile:?}, client sends ClientHello: {dtls_client}"
            );
            assert_eq!(pair.server.path(), Some(path(SERVER, CLIENT)));
            assert_eq!(pair.client.path(), Some(path(CLIENT, SERVER)));
        }
    }
}

#[test]
fn a_handshake_takes_few_round_trips() {
    let mut pair = Pair::simple(1, true);
    pair.run(10 * LATENCY);
    assert!(pair.both_connected(), "{:?}", pair.events);
}

#[test]
fn rsa_certificates_work_on_either_side_in_either_role() {
    for (a, b) in [(rsa(), ecdsa()), (ecdsa(), rsa()), (rsa(), rsa())] {
        for dtls_client in [true, false] {
            let client = config(true, dtls_client, &a, vec![b.fingerprint()]);
            let server = config(false, !dtls_client, &b, vec![a.fingerprint()]);
            let mut pair = Pair::new(1, client, server);
            pair.run(Duration::from_secs(2));
            assert!(pair.media_flows(1), "{:?}", pair.events);
        }
    }
}

#[test]
fn the_answerers_preference_decides_the_profile() {
    let (a, b) = (ecdsa(), ecdsa());
    let client = config(true, true, &a, vec![b.fingerprint()]);
    let mut server = config(false, false, &b, vec![a.fingerprint()]);
    server.profiles = vec![SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes256Gcm];
    let mut pair = Pair::new(1, client, server);
    pair.run(Duration::from_secs(2));
    let chosen = SessionEvent::Connected(SrtpProfile::Aes128CmSha1_80);
    assert!(
        pair.events.contains(&("client", chosen)),
        "{:?}",
        pair.events
    );
}

#[test]
fn no_common_profile_fails_on_the_side_that_knows() {
    let (a, b) = (ecdsa(), ecdsa());
    let mut client = config(true, true, &a, vec![b.fingerprint()]);
    let mut server = config(false, false, &b, vec![a.fingerprint()]);
    client.profiles = vec![SrtpProfile::AeadAes128Gcm];
    server.profiles = vec![SrtpProfile::Aes128CmSha1_80];
    let mut pair = Pair::new(1, client, server);
    pair.run(Duration::from_secs(2));
    assert!(!pair.both_connected());
    assert!(
        pair.failures()
            .iter()
            .any(|(_, error)| *error == SessionError::NoSrtpProfile),
        "{:?}",
        pair.events
    );
}

#[test]
fn a_handshake_completes_with_30_percent_loss() {
    for dtls_client in [true, false] {
        let certificates = (ecdsa(), rsa());
        for seed in 0..20 {
            let client = config(
                true,
                dtls_client,
                &certificates.0,
                vec![certificates.1.fingerprint()],
            );
            let server = config(
                false,
                !dtls_client,
                &certificates.1,
                vec![certificates.0.fingerprint()],
            );
            let mut pair = Pair::new(seed, client, server);
            pair.loss = 0.3;
            pair.run(Duration::from_secs(29));
            assert!(pair.both_connected(), "seed {seed}: {:?}", pair.events);
            assert!(pair.media_flows(1));
        }
    }
}

#[test]
fn no_datagram_of_a_session_is_larger_than_1200_bytes() {
    let (a, b) = (rsa(), rsa());
    let client = config(true, true, &a, vec![b.fingerprint()]);
    let mut pair = Pair::new(1, client, config(false, false, &b, vec![a.fingerprint()]));
    pair.run(Duration::from_secs(2));
    let largest = pair.log.iter().map(|(_, data)| data.len()).max();
    assert!(
        largest.is_some_and(|len| (500..=1200).contains(&len)),
        "{largest:?}"
    );
}

#[test]
fn record_numbers_of_encrypted_records_never_repeat_with_another_content() {
    let mut seen = std::collections::HashMap::new();
    for seed in 0..5 {
        let mut pair = Pair::simple(seed, true);
        pair.loss = 0.2;
        pair.run(Duration::from_secs(20));
        pair.client.close(pair.now);
        pair.run(Duration::from_secs(1));
        for (from_client, data) in pair.log {
            // Epoch 1 and number, in the record header (RFC 6347 §4.1).
            if demux(&data) == PacketKind::Dtls && data.get(3..5) == Some(&[0, 1]) {
                let before = seen.insert((seed, from_client, data[5..11].to_vec()), data.clone());
                assert!(before.is_none_or(|before| before == data));
            }
        }
    }
    assert!(!seen.is_empty());
}
