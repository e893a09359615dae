// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test vectors of RFC 3711, RFC 6188, RFC 6904 and RFC 7714.

use super::*;
use crate::srtp::header_extension::HeaderExtensionCipher;
use crate::srtp::kdf::{self, Label};
use crate::srtp::transform::Transform;

/// RFC 3711 appendix B.2.
#[test]
fn aes_cm_keystream_of_rfc_3711_b_2() {
    let key = kdf::counter_key(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).expect("16 bytes");
    let iv = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000")
        .try_into()
        .expect("16 bytes");
    let mut keystream = vec![0; 0xff02 * 16];
    kdf::counter_mode(&key, iv, &mut keystream);
    let first = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(keystream[..48], hex(first)[..]);
    let last = "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44";
    assert_eq!(keystream[0xfeff * 16..], hex(last)[..]);
}

fn derived(master: MasterKey<'_>, label: Label, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    kdf::derive(master, label, &mut out).expect("keys that fit");
    out
}

/// RFC 3711 appendix B.3.
#[test]
fn key_derivation_of_rfc_3711_b_3() {
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
    let master = MasterKey {
        key: &key,
        salt: &salt,
    };
    let cipher = hex("C61E7A93744F39EE10734AFE3FF7A087");
    let auth = hex(
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE
                    E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25
                    6D6E919A48B610EF17C2041E4740357668 6B68642C59BBFC2F34DB60DBDFB2",
    );
    assert_eq!(derived(master, Label::RtpCipher, 16), cipher);
    assert_eq!(
        derived(master, Label::RtpSalt, 14),
        hex("30CBBC08863D8C85D49DB34A9AE1")
    );
    assert_eq!(derived(master, Label::RtpAuth, 80)[..], auth[..80]);
}

/// RFC 6188 §7.2.
#[test]
fn key_derivation_with_256_bits_of_rfc_6188_7_2() {
    let key = hex("f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6");
    let salt = hex("3b04803de51ee7c96423ab5b78d2");
    let master = MasterKey {
        key: &key,
        salt: &salt,
    };
    let cipher = hex("5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4");
    assert_eq!(derived(master, Label::RtpCipher, 32), cipher);
    assert_eq!(
        derived(master, Label::RtpSalt, 14),
        hex("fa31791685ca444a9e07c6c64e93")
    );
    let auth = hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
    assert_eq!(derived(master, Label::RtpAuth, 20), auth);
}

/// RFC 6904 appendix A: ids 1, 3 and 4 are encrypted, 2 is not.
#[test]
fn header_extension_encryption_of_rfc_6904_a() {
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
    let master = MasterKey {
        key: &key,
        salt: &salt,
    };
    assert_eq!(
        derived(master, Label::HeaderCipher, 16),
        hex("549752054D6FB708622C4A2E596A1B93")
    );
    assert_eq!(
        derived(master, Label::HeaderSalt, 14),
        hex("AB01818174C40D39A3781F7C2D27")
    );

    let header = "900f1234 decafbad cafebabe bede0006";
    let plain = hex(&format!(
        "{header} 17414273A475262748220000C8308E4655996386B395FB00"
    ));
    let sealed = hex(&format!(
        "{header} 17588A9270F4E15E1C220000C8309546A994F0BC54789700"
    ));
    let cipher = HeaderExtensionCipher::new(master).expect("keys that fit");
    let mut packet = plain.clone();
    assert!(cipher.apply(&mut packet, 0x1234, |id| id != 2).is_some());
    assert_eq!(packet, sealed);
    assert!(cipher.apply(&mut packet, 0x1234, |id| id != 2).is_some());
    assert_eq!(packet, plain);
}

const GCM_SALT: &str = "517569642070726f2071756f";
const GCM_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn gcm(key_len: usize) -> Transform {
    let salt = hex(GCM_SALT).try_into().expect("12 bytes");
    Transform::gcm_with_session_key(&hex(GCM_KEY)[..key_len], salt)
}

/// RFC 7714 §16: "Gallia est omnis divisa in partes tres", ROC 0.
fn check_srtp(key_len: usize, sealed: &str) {
    let plain = hex("8040f17b8041f8d35501a0b2
        47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573");
    let mut packet = plain.clone();
    packet.resize(plain.len() + 16, 0);
    let len = gcm(key_len).seal_rtp(&mut packet, 12, plain.len(), 0xf17b);
    assert_eq!(len, Some(packet.len()));
    assert_eq!(packet, hex(sealed));
    assert_eq!(
        gcm(key_len).open_rtp(&mut packet, 12, 0xf17b),
        Some(plain.len())
    );
    assert_eq!(packet[..plain.len()], plain[..]);
}

/// RFC 7714 §16.1.1 and §16.1.2.
#[test]
fn srtp_aead_aes_128_gcm_of_rfc_7714_16_1() {
    check_srtp(
        16,
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b
         36de3adf8833899d7f27beb16a9152cf765ee4390cce",
    );
}

/// RFC 7714 §16.2.1 and §16.2.2.
#[test]
fn srtp_aead_aes_256_gcm_of_rfc_7714_16_2() {
    check_srtp(
        32,
        "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f
         1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
    );
}

/// RFC 7714 §17, SRTCP index 0x5d4.
fn check_srtcp(key_len: usize, sealed: &str) {
    let plain = hex(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61
        deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    );
    let mut packet = plain.clone();
    assert!(gcm(key_len).seal_rtcp(&mut packet, 0x5d4).is_some());
    assert_eq!(packet, hex(sealed));
    assert_eq!(gcm(key_len).rtcp_index(&packet), Some(0x5d4));
    assert_eq!(
        gcm(key_len).open_rtcp(&mut packet, 0x5d4),
        Some(plain.len())
    );
    assert_eq!(packet[..plain.len()], plain[..]);
}

/// RFC 7714 §17.1.
#[test]
fn srtcp_aead_aes_128_gcm_of_rfc_7714_17_1() {
    check_srtcp(
        16,
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b46
         86303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    );
}

/// RFC 7714 §17.2.
#[test]
fn srtcp_aead_aes_256_gcm_of_rfc_7714_17_2() {
    check_srtcp(
        32,
        "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658
         c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
    );
}

/// RFC 7714 §17.3: authenticated but not encrypted. Such packets are refused here, whoever made them.
#[test]
fn unencrypted_srtcp_of_rfc_7714_17_3_is_refused() {
    let packet = hex(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61
        deadbeefdeadbeefdeadbeefdeadbeefdeadbeef841dd9683dd78ec92ae58790125f62b3000005d4",
    );
    assert_eq!(gcm(16).rtcp_index(&packet), None);
}
