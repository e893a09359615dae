// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who gets in.

use super::*;
use stun_types::message::BINDING;

const AT: &str = "203.0.113.7:4000";

#[test]
fn a_time_limited_user_gets_in() {
    let mut lab = Lab::new();
    let (_, relay) = lab.allocated(AT, "alice");
    assert_eq!(lab.relays.len(), 1);
    assert!(lab.relays.contains_key(&relay));
}

/// The value that coturn computes: `turnutils_uclient -W` and `use-auth-secret`.
#[test]
fn a_time_limited_password_is_that_of_others() {
    assert_eq!(
        password_for(b"north", "1433895918:alice"),
        openssl::base64::encode_block(
            &openssl::pkey::PKey::hmac(b"north")
                .and_then(|key| {
                    let sha1 = openssl::hash::MessageDigest::sha1();
                    openssl::sign::Signer::new(sha1, &key)?.sign_oneshot_to_vec(b"1433895918:alice")
                })
                .expect("an HMAC")
        )
    );
}

#[test]
fn a_static_user_gets_in() {
    let mut lab = Lab::new();
    let mut client = lab.client_as(udp(AT), "static", "password");
    assert_eq!(code(&client.allocate(&mut lab, &[])), None);
}

#[test]
fn sha_256_is_offered_where_there_is_room_and_taken() {
    let mut lab = Lab::new();
    let path = udp(AT);
    let request = bare(
        ALLOCATE,
        &[&RequestedTransport::new(17), &Data::new(&[0; 40])],
    );
    let reply = lab.ask(&path, &request).expect("a challenge");
    let message = Message::from_bytes(&reply).expect("a message");
    assert!(message.attribute::<PasswordAlgorithms>().is_ok());
    let (name, password) = lab.credentials("alice");
    let mut client = lab.client_as(path, &name, &password);
    client.nonce = message
        .attribute::<Nonce>()
        .expect("a nonce")
        .nonce()
        .to_owned();
    client.algorithm = IntegrityAlgorithm::Sha256;
    assert_eq!(code(&client.allocate(&mut lab, &[])), None);
    assert_eq!(client.refresh(&mut lab, 600), None);
}

/// RFC 8489 §9.2.4: who knows of algorithms must not be talked into another list.
#[test]
fn a_changed_list_of_algorithms_is_refused() {
    let mut lab = Lab::new();
    let path = udp(AT);
    let request = bare(
        ALLOCATE,
        &[&RequestedTransport::new(17), &Data::new(&[0; 40])],
    );
    let reply = lab.ask(&path, &request).expect("a challenge");
    let message = Message::from_bytes(&reply).expect("a message");
    let (name, password) = lab.credentials("alice");
    let mut client = lab.client_as(path, &name, &password);
    client.nonce = message
        .attribute::<Nonce>()
        .expect("a nonce")
        .nonce()
        .to_owned();
    let request = client.request(
        ALLOCATE,
        &[
            &RequestedTransport::new(17),
            &PasswordAlgorithms::new(&[PasswordAlgorithmValue::MD5]),
            &PasswordAlgorithm::new(PasswordAlgorithmValue::MD5),
        ],
    );
    assert_eq!(lab.ask(&path, &request).map(|r| code(&r)), Some(Some(400)));
}

#[test]
fn wrong_passwords_users_realms_and_times_are_refused() {
    let mut lab = Lab::new();
    let (name, password) = lab.credentials("alice");
    let past = format!("{}:alice", UNIX - 1);
    let past_password = password_for(SECRET, &past);
    for (name, password) in [
        (name.as_str(), "wrong"),
        ("nobody", password.as_str()),
        ("static", "Password"),
        (past.as_str(), past_password.as_str()),
        ("", ""),
    ] {
        let mut client = lab.client_as(udp(AT), name, password);
        assert_eq!(code(&client.allocate(&mut lab, &[])), Some(401), "{name}");
        lab.pass(1);
    }
    assert!(lab.relays.is_empty());
}

#[test]
fn another_realm_is_refused() {
    let mut lab = Lab::new();
    let client = lab.client(AT, "alice");
    let kind = MessageType::from_class_method(MessageClass::Request, ALLOCATE);
    let mut message = Message::builder(kind, 3.into(), MessageWriteVec::new());
    let key = LongTermKeyCredentials::new(
        client.name.clone(),
        client.password.clone(),
        "other".to_owned(),
    )
    .make_key(IntegrityAlgorithm::Sha1);
    for attribute in [
        &RequestedTransport::new(17) as &dyn AttributeWrite,
        &Username::new(&client.name).expect("a name"),
        &Realm::new("other").expect("a realm"),
        &Nonce::new(&client.nonce).expect("a nonce"),
    ] {
        message.add_attribute(attribute).expect("room");
    }
    message
        .add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1)
        .expect("room");
    let reply = lab.ask(&client.path, &message.finish()).expect("a reply");
    assert_eq!(code(&reply), Some(401));
}

#[test]
fn without_a_secret_or_users_nobody_gets_in() {
    let mut lab = Lab::with(|config| config.credentials = Credentials::default());
    let name = format!("{}:alice", UNIX + 3600);
    let password = password_for(b"", &name);
    let mut client = lab.client_as(udp(AT), &name, &password);
    assert_eq!(code(&client.allocate(&mut lab, &[])), Some(401));
    assert!(lab.ask(&udp(AT), &bare(BINDING, &[])).is_some());
}

#[test]
fn a_nonce_is_good_for_one_client_and_ten_minutes() {
    let mut lab = Lab::new();
    let mut alice = lab.client(AT, "alice");
    let mut other = lab.client("203.0.113.7:4001", "alice");
    std::mem::swap(&mut alice.nonce, &mut other.nonce);
    assert_eq!(code(&alice.allocate(&mut lab, &[])), Some(438));
    std::mem::swap(&mut alice.nonce, &mut other.nonce);
    lab.pass(599);
    assert_eq!(code(&alice.allocate(&mut lab, &[])), None);
    lab.pass(1);
    assert_eq!(alice.refresh(&mut lab, 600), Some(438));
    alice.challenge(&mut lab);
    assert_eq!(alice.refresh(&mut lab, 600), None);
}

#[test]
fn an_invented_nonce_is_stale() {
    let mut lab = Lab::new();
    let mut client = lab.client(AT, "alice");
    let good = client.nonce.clone();
    for nonce in ["", "x", "AAAAAAAAAAAAAAAA", &good[1..], &format!("{good}A")] {
        client.nonce = nonce.to_owned();
        lab.pass(1);
        assert_eq!(code(&client.allocate(&mut lab, &[])), Some(438), "{nonce}");
    }
}

#[test]
fn a_living_allocation_outlives_the_credentials_and_no_other_is_made() {
    let mut lab = Lab::new();
    let (mut client, _) = lab.allocated(AT, "alice");
    for _ in 0..8 {
        lab.pass(500);
        client.challenge(&mut lab);
        assert_eq!(client.refresh(&mut lab, 600), None);
    }
    let (name, password) = lab.credentials("alice");
    let mut late = lab.client_as(udp("203.0.113.7:4001"), &name, &password);
    assert_eq!(code(&late.allocate(&mut lab, &[])), Some(401));
}

#[test]
fn revoking_a_user_ends_the_relays_at_once_and_lets_nobody_back_in() {
    let mut lab = Lab::new();
    let (mut alice, relay) = lab.allocated(AT, "alice");
    let (mut bob, _) = lab.allocated("203.0.113.8:4000", "bob");
    alice.permit(&mut lab, PEER);
    lab.server
        .revoke(lab.now, "alice", Duration::from_secs(3600));
    lab.drain();
    assert_eq!(lab.relays.len(), 1);
    assert_eq!(lab.deliver(relay, PEER, b"x"), None);
    assert_eq!(code(&alice.allocate(&mut lab, &[])), Some(401));
    assert_eq!(bob.refresh(&mut lab, 600), None);
}

#[test]
fn only_who_made_an_allocation_may_use_it() {
    let mut lab = Lab::new();
    lab.allocated(AT, "alice");
    let mut mallory = lab.client(AT, "mallory");
    assert_eq!(mallory.refresh(&mut lab, 0), Some(441));
    assert_eq!(mallory.permit(&mut lab, PEER), Some(441));
    assert_eq!(mallory.bind(&mut lab, 0x4000, PEER), Some(441));
    assert_eq!(lab.relays.len(), 1);
}

#[test]
fn secrets_are_not_shown() {
    let lab = Lab::new();
    let text = format!("{:?}", lab.server);
    assert!(
        !text.contains("shared secret") && !text.contains("password"),
        "{text}"
    );
    assert!(!text.contains(&format!("{:?}", SECRET)), "{text}");
}
