// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test vectors of RFC 5769, through the parser and the hashes that sessions use.

use super::super::check::{crc32, sha1_hmac};
use super::hex;
use is::stun::StunMessage;
use std::net::SocketAddr;

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

/// RFC 5769 §2.1.
const REQUEST: &str = "00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573
     7420636c 69656e74 00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009
     6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249
     c1b571a2 80280004 e57a3bcf";

/// RFC 5769 §2.2.
const IPV4_RESPONSE: &str =
    "0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563
     746f7220 00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9
     2af9ba53 f06be7d7 80280004 c07d4c96";

/// RFC 5769 §2.3.
const IPV6_RESPONSE: &str =
    "01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563
     746f7220 00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014
     a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c";

/// RFC 5769 §2.4.
const LONG_TERM_REQUEST: &str =
    "00010060 2112a442 78ad3433 c6ad72c0 29da412e 00060012 e3839ee3 8388e383
     aae38383 e382afe3 82b90000 0015001c 662f2f34 39396b39 35346436 4f4c3334
     6f4c3946 53547679 36347341 0014000b 6578616d 706c652e 6f726700 00080014
     f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

#[test]
fn sample_request_of_rfc_5769_2_1() {
    let data = hex(REQUEST);
    let message = StunMessage::parse(&data).expect("a whole message");
    assert!(message.is_binding_request());
    assert_eq!(message.split_username(), Some(("evtj", "h6vY")));
    assert_eq!(message.prio(), Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled(), Some(0x932f_f9b1_5126_3b36));
    assert!(message.verify(PASSWORD, sha1_hmac));
    check_fingerprint(&data);
}

fn check_response(data: &[u8], address: &str) {
    let message = StunMessage::parse(data).expect("a whole message");
    assert!(message.is_successful_binding_response());
    assert_eq!(message.mapped_address(), address.parse::<SocketAddr>().ok());
    assert!(message.verify(PASSWORD, sha1_hmac));
    check_fingerprint(data);
}

#[test]
fn sample_ipv4_response_of_rfc_5769_2_2() {
    check_response(&hex(IPV4_RESPONSE), "192.0.2.1:32853");
}

#[test]
fn sample_ipv6_response_of_rfc_5769_2_3() {
    check_response(
        &hex(IPV6_RESPONSE),
        "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
    );
}

/// Sessions use no long-term credentials, and refuse such a request; its integrity is that of any other.
#[test]
fn long_term_request_of_rfc_5769_2_4() {
    let data = hex(LONG_TERM_REQUEST);
    assert!(StunMessage::parse(&data).is_err());
    let credentials = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}:example.org:TheMatrIX";
    let key = openssl::hash::hash(openssl::hash::MessageDigest::md5(), credentials.as_bytes());
    let integrity = data.len() - 20;
    let hash = sha1_hmac(&key.expect("MD5"), &[&data[..integrity - 4]]);
    assert_eq!(hash[..], data[integrity..]);
}

/// FINGERPRINT is the last attribute (RFC 8489 §14.7).
fn check_fingerprint(data: &[u8]) {
    let (covered, fingerprint) = data.split_at(data.len() - 8);
    assert_eq!(fingerprint[..4], [0x80, 0x28, 0, 4]);
    assert_eq!(
        fingerprint[4..],
        (crc32(covered) ^ 0x5354_554e).to_be_bytes()
    );
}

/// One flipped bit anywhere, and a message is malformed or not authentic.
#[test]
fn a_damaged_request_is_never_authentic() {
    let data = hex(REQUEST);
    // The fingerprint comes after what the integrity covers.
    for at in 0..data.len() - 8 {
        let mut damaged = data.clone();
        damaged[at] ^= 0x10;
        let parsed = StunMessage::parse(&damaged);
        assert!(
            !parsed.is_ok_and(|message| message.verify(PASSWORD, sha1_hmac)),
            "byte {at}"
        );
    }
}
