// SPDX-License-Identifier: MIT OR Apache-2.0
//! Candidate lines.

use crate::sdp::{parse_candidate, write_candidate};
use gst_rtc_core::media::{CandidateKind, Proto};

#[test]
fn chrome_and_firefox_lines_are_read() {
    let line = "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.2 rport 46154 generation 0 ufrag EsAw network-cost 999";
    let candidate = parse_candidate(line).unwrap().unwrap();
    assert_eq!(candidate.addr, "203.0.113.7:46154".parse().unwrap());
    assert_eq!(
        (candidate.kind, candidate.proto),
        (CandidateKind::ServerReflexive, Proto::Udp)
    );
    let line = "a=candidate:2 1 TCP 2105458943 2001:db8::1 9 typ host tcptype active";
    let candidate = parse_candidate(line).unwrap().unwrap();
    assert_eq!(candidate.tcp_type.as_deref(), Some("active"));
    assert_eq!(candidate.addr, "[2001:db8::1]:9".parse().unwrap());
}

#[test]
fn what_cannot_be_used_is_no_error() {
    for line in [
        "",
        "a=end-of-candidates",
        "candidate:0 1 UDP 2122187007 82b1b285-0500-4c3b-bab0-665f7f1b2e28.local 47508 typ host",
        "candidate:0 2 UDP 2122187006 192.0.2.1 47508 typ host",
        "candidate:0 1 ssltcp 2122187006 192.0.2.1 443 typ host",
        "candidate:0 1 UDP 2122187006 224.0.0.251 5353 typ host",
        "candidate:0 1 UDP 2122187006 0.0.0.0 5353 typ host",
        "candidate:0 1 UDP 2122187006 fe80::1%eth0 5353 typ host",
        "candidate:0 1 UDP 2122187006 192.0.2.1 0 typ host",
    ] {
        assert_eq!(parse_candidate(line), Ok(None), "{line}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (line, problem) in [
        (
            "candidate:0 1 UDP 2122187007 192.0.2.1",
            "a word is missing",
        ),
        (
            "candidate:0 x UDP 2122187007 192.0.2.1 1 typ host",
            "component",
        ),
        (
            "candidate:0 1 UDP 99999999999 192.0.2.1 1 typ host",
            "priority",
        ),
        (
            "candidate:0 1 UDP 2122187007 192.0.2.1 70000 typ host",
            "port",
        ),
        ("candidate:0 1 UDP 2122187007 192.0.2.1 1 host typ", "`typ`"),
        ("candidate:0 1 UDP 2122187007 192.0.2.1 1 typ guest", "type"),
    ] {
        let error = parse_candidate(line).unwrap_err();
        assert!(error.problem.contains(problem), "{line}: {error}");
    }
}

#[test]
fn lines_come_back_as_they_were_read() {
    for line in [
        "candidate:1 1 UDP 2130706431 127.0.0.1 5000 typ host",
        "candidate:2 1 TCP 1015021823 192.0.2.1 5000 typ host tcptype passive",
        "candidate:3 1 UDP 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0",
        "candidate:4 1 UDP 41885439 2001:db8::7 3478 typ relay raddr :: rport 0",
    ] {
        let candidate = parse_candidate(line).unwrap().unwrap();
        assert_eq!(write_candidate(&candidate), line);
    }
}
