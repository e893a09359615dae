// SPDX-License-Identifier: MIT OR Apache-2.0
//! Texts that no honest peer writes.

use super::*;
use crate::sdp::{MAX_BYTES, MAX_CANDIDATES, MAX_MEDIA, SdpError};
use proptest::prelude::*;
use std::fmt::Write;

const CHROME: &str = include_str!("fixtures/chrome-publish-simulcast.sdp");
const CHROME_RECEIVE: &str = include_str!("fixtures/chrome-receive.sdp");

fn refused(text: &str) -> SdpError {
    gst::init().unwrap();
    let error = parse(text).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
    error
}

#[test]
fn limits_are_kept() {
    let lines = "m=audio 9 RTP/AVP 0\r\n".repeat(10_000);
    let error = refused(&format!("v=0\r\n{lines}"));
    assert_eq!(error, SdpError::TooManyMedia(MAX_MEDIA + 2));
    let error = refused(&format!("v=0\r\ns={}\r\n", "x".repeat(1 << 20)));
    assert!(matches!(error, SdpError::TooLong(_)), "{error}");
    let error = refused(&format!("v=0\r\ns={}\r\n", "x".repeat(MAX_BYTES / 2)));
    assert_eq!(error, SdpError::LineTooLong(2));
    let candidate = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
    let error = refused(&CHROME.replacen("a=setup", &(candidate.repeat(100_000) + "a=setup"), 1));
    assert!(matches!(error, SdpError::TooLong(_)), "{error}");
    let many = candidate.repeat(MAX_CANDIDATES + 1) + "a=setup";
    let error = refused(&CHROME.replacen("a=setup", &many, 1));
    assert!(matches!(error, SdpError::TooManyCandidates(_)), "{error}");
}

#[test]
fn the_largest_offer_is_answered_quickly() {
    let mut text = CHROME_RECEIVE.split("m=").next().unwrap().to_owned();
    let line = CHROME_RECEIVE.split("m=").nth(1).unwrap();
    let mids: Vec<_> = (0..MAX_MEDIA).map(|n| n.to_string()).collect();
    text = text.replace(
        "BUNDLE 0 1 2 3 4 5 6 7",
        &format!("BUNDLE {}", mids.join(" ")),
    );
    for mid in &mids {
        let line = line
            .lines()
            .filter(|l| !l.starts_with("a=rtpmap:1") && !l.starts_with("a=extmap"));
        let line = line.collect::<Vec<_>>().join("\r\n");
        let short = line
            .replace("a=mid:0", &format!("a=mid:{mid}"))
            .replace(" 13 110 126", "");
        let short = short
            .replace("a=rtcp-xr:rcvr-rtt=all\r\n", "")
            .replace("a=rtcp:9 IN IP4 0.0.0.0\r\n", "");
        let short: Vec<_> = short
            .lines()
            .filter(|l| !l.starts_with("a=fingerprint"))
            .collect();
        write!(text, "m={}\r\n", short.join("\r\n")).unwrap();
    }
    text = text.replacen(
        "t=0 0",
        "t=0 0\r\na=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13",
        1,
    );
    assert!(text.len() < MAX_BYTES, "{}", text.len());
    gst::init().unwrap();
    let answer = receive(&text);
    let written = crate::sdp::write(&answer.description, 1, 1);
    assert_eq!(answer.slots.len(), Limits::default().audio);
    assert_eq!(answer.refused.len(), MAX_MEDIA - Limits::default().audio);
    assert!(!written.is_empty());
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let chrome = |from: &str, to: &str| CHROME.replacen(from, to, 1);
    for (text, says) in [
        (String::new(), "does not begin with `v=0`"),
        ("{\"type\":\"offer\"}".into(), "not wrapped in JSON"),
        (chrome("v=0\r\n", ""), "does not begin with `v=0`"),
        ("v=0".into(), "has no m-lines"),
        (chrome("s=-", "s=\0"), "line 3 holds a NUL"),
        (
            chrome("a=mid:0", "a=mid:0\rm=video"),
            "line 18 holds a NUL or another control",
        ),
        (chrome("t=0 0", "hello"), "line 4 is not"),
        (
            chrome("m=audio 9", "m=audio 70000"),
            "line 8: the port is not from 0 to 65535",
        ),
        (chrome("m=audio 9", "m=audio -1"), "line 8: the port"),
        (
            chrome("m=audio 9", "m=audio 9/2"),
            "line 8: the number of ports",
        ),
        (
            chrome(
                "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
                "m=audio 9",
            ),
            "a word is missing",
        ),
        (
            chrome("SAVPF 111", "SAVPF 128"),
            "m-line 0 (mid 0) has payload type \"128\"",
        ),
        (
            chrome("SAVPF 111", "SAVPF 111 111"),
            "m-line 0 (mid 0) lists payload type 111 twice",
        ),
        (
            chrome("a=rtpmap:111", "a=rtpmap:300"),
            "payload type \"300\"",
        ),
        (chrome("a=mid:1", "a=mid:a b"), "m-line 1 has an a=mid"),
        (
            chrome("BUNDLE 0 1", "BUNDLE 0"),
            "m-line 1 (mid 1) is not in the BUNDLE group",
        ),
        (
            chrome("a=rtcp-mux", "a=x"),
            "m-line 0 (mid 0) has no a=rtcp-mux",
        ),
        (CHROME.replace("a=ice-ufrag", "a=x"), "no a=ice-ufrag"),
        (
            chrome("a=ice-ufrag:f/sT", "a=ice-ufrag:f"),
            "a=ice-ufrag is not 4 to 256",
        ),
        (CHROME.replace("a=fingerprint", "a=x"), "no a=fingerprint"),
        (
            CHROME.replace("sha-256 F9", "sha-256 F9F9"),
            "a=fingerprint:sha-256 is not",
        ),
        (
            chrome("a=setup:actpass", "a=setup:holdconn"),
            "a=setup:\"holdconn\"",
        ),
        (
            chrome("a=ssrc:1560637877 c", "a=ssrc:15606378770 c"),
            "SSRC \"15606378770\"",
        ),
        (
            chrome("udp 2113937151 a6bef8be", "udp many a6bef8be"),
            "m-line 0 (mid 0): the priority",
        ),
    ] {
        let error = refused(&text).to_string();
        assert!(error.contains(says), "{says:?} is not in {error:?}");
    }
}

#[test]
fn passwords_are_never_repeated() {
    let text = CHROME.replace("YfOL3Bgn/mfg/mpg3Ne7RPBS", "secret");
    assert!(!refused(&text).to_string().contains("secret"));
}

#[test]
fn contradictions_are_left_to_negotiation() {
    let text = CHROME
        .replace("a=mid:1", "a=mid:0")
        .replace("BUNDLE 0 1", "BUNDLE 0");
    let error = try_publish(&text).unwrap_err().to_string();
    assert!(
        error.contains("m-lines 0 and 1 both have a=mid:0"),
        "{error}"
    );
}

#[test]
fn missing_mids_are_made_up() {
    let alone = CHROME
        .split("m=video")
        .next()
        .unwrap()
        .replace("a=mid:0\r\n", "");
    assert_eq!(read(&alone).media[0].mid, "0");
    let text = CHROME
        .replace("a=mid:0\r\n", "")
        .replace("a=mid:1", "a=mid:0");
    let text = text.replace("BUNDLE 0 1", "BUNDLE 0 m0");
    let mids: Vec<_> = read(&text).media.into_iter().map(|m| m.mid).collect();
    assert_eq!(mids, ["m0", "0"]);
}

/// Cuts, doubles and changes lines of a real offer.
fn mutated() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = CHROME.lines().collect();
    let change = (
        0..lines.len(),
        0..6usize,
        any::<prop::sample::Index>(),
        any::<char>(),
    );
    prop::collection::vec(change, 1..8).prop_map(move |changes| {
        let mut lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        for (line, what, at, letter) in changes {
            let line = line % lines.len();
            let text = lines[line].clone();
            let cut = text
                .char_indices()
                .map(|(i, _)| i)
                .nth(at.index(text.len().max(1)))
                .unwrap_or(0);
            match what {
                0 => lines[line] = text[..cut].to_owned(),
                1 => lines[line].insert(cut, letter),
                2 => lines.insert(line, text),
                3 => drop(lines.remove(line)),
                4 => lines[line] = text.replace(|c: char| c.is_ascii_digit(), "9"),
                _ => lines.swap(line, 0),
            }
            if lines.is_empty() {
                lines.push(String::new());
            }
        }
        lines.join("\r\n")
    })
}

/// Whatever was read can be answered, written and read again.
fn survives(text: &str) {
    gst::init().unwrap();
    let Ok(offer) = parse(text) else { return };
    if let Ok(answer) = answer_publish(&offer, &local(), &Limits::default(), None) {
        assert_eq!(sent(&answer), answer.description);
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        survives(&text);
        let _ = crate::sdp::parse_candidate(&text);
    }

    #[test]
    fn arbitrary_lines_never_panic(lines in prop::collection::vec("[a-z]=[ -~]{0,40}", 0..40)) {
        survives(&format!("v=0\r\n{}", lines.join("\r\n")));
    }

    #[test]
    fn arbitrary_attributes_never_panic(
        lines in prop::collection::vec(
            "a=(mid|ssrc|ssrc-group|rid|simulcast|rtpmap|fmtp|rtcp-fb|extmap|msid|setup|fingerprint|group|candidate):[ -~]{0,40}",
            0..20,
        )
    ) {
        let lines = lines.join("\r\n");
        survives(&CHROME.replacen("a=mid:0", &format!("{lines}\r\na=mid:0"), 1));
    }

    #[test]
    fn mutated_offers_never_panic(text in mutated()) {
        survives(&text);
    }
}
