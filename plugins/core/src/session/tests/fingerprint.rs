// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

/// Runs a pair in which one side was given the fingerprint of another certificate.
fn forged_towards(client_is_deceived: bool, dtls_client: bool) -> Pair {
    let (a, b, other) = (ecdsa(), rsa(), ecdsa());
    let (mut of_b, mut of_a) = (b.fingerprint(), a.fingerprint());
    match client_is_deceived {
        true => of_b = other.fingerprint(),
        false => of_a = other.fingerprint(),
    }
    let client = config(true, dtls_client, &a, vec![of_b]);
    let server = config(false, !dtls_client, &b, vec![of_a]);
    let mut pair = Pair::new(1, client, server);
    pair.run(Duration::from_secs(60));
    pair
}

#[test]
fn a_forged_fingerprint_fails_in_both_roles_and_nothing_flows() {
    for client_is_deceived in [true, false] {
        for dtls_client in [true, false] {
            let mut pair = forged_towards(client_is_deceived, dtls_client);
            let deceived = if client_is_deceived {
                "client"
            } else {
                "server"
            };
            let failures = pair.failures();
            assert!(
                failures.contains(&(deceived, SessionError::FingerprintMismatch)),
                "{failures:?}"
            );
            let (session, other) = match client_is_deceived {
                true => (&mut pair.client, &mut pair.server),
                false => (&mut pair.server, &mut pair.client),
            };
            assert!(!session.is_connected());
            assert_eq!(session.poll_timeout(), None, "freed");
            assert_eq!(sealed_rtp(session, 1), None);
            assert!(!session.seal_rtcp(&mut rtcp()));
            assert!(!other.is_connected(), "the peer was told");
            let connected = |(who, event): &(&str, SessionEvent)| {
                *who == deceived && matches!(event, SessionEvent::Connected(_))
            };
            assert!(!pair.events.iter().any(connected));
        }
    }
}

#[test]
fn one_right_fingerprint_among_others_is_enough() {
    let (a, b, other) = (ecdsa(), ecdsa(), ecdsa());
    let sha1 = Fingerprint {
        algorithm: "sha-1".into(),
        bytes: vec![1; 20],
    };
    let mut loud = b.fingerprint();
    loud.algorithm = "SHA-256".into();
    let client = config(true, true, &a, vec![sha1, other.fingerprint(), loud]);
    let server = config(false, false, &b, vec![a.fingerprint()]);
    let mut pair = Pair::new(1, client, server);
    pair.run(Duration::from_secs(2));
    assert!(pair.media_flows(1), "{:?}", pair.events);
}

#[test]
fn a_description_without_a_strong_fingerprint_is_refused() {
    let certificate = ecdsa();
    let short = Fingerprint {
        algorithm: "sha-256".into(),
        bytes: vec![1; 31],
    };
    let weak = Fingerprint {
        algorithm: "sha-1".into(),
        bytes: vec![1; 20],
    };
    for fingerprints in [vec![], vec![weak.clone()], vec![short, weak]] {
        let config = config(false, false, &certificate, fingerprints);
        let error = Session::new(Instant::now(), 1, config).err();
        assert_eq!(error, Some(SessionError::NoFingerprint));
    }
}

#[test]
fn unusable_credentials_are_refused() {
    let certificate = ecdsa();
    let good = config(false, false, &certificate, vec![certificate.fingerprint()]);
    let mut bad = [good.clone(), good.clone(), good.clone(), good];
    bad[0].local_ufrag = "abc".into();
    bad[1].local_pwd = "short".into();
    bad[2].remote.ufrag = "has:colon".into();
    bad[3].remote.pwd = "x".repeat(257);
    for config in bad {
        let error = Session::new(Instant::now(), 1, config).err();
        assert_eq!(error, Some(SessionError::BadCredentials));
    }
}
