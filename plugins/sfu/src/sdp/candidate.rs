// SPDX-License-Identifier: MIT OR Apache-2.0
//! Candidate lines (RFC 8839 §5.1, RFC 6544 §4.5).

use super::error::excerpt;
use gst_rtc_core::media::{Candidate, CandidateKind, Proto};
use std::net::{IpAddr, SocketAddr};

/// Why a candidate line cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{problem} in candidate {text:?}; send `candidate:<foundation> <component> <udp|tcp> <priority> <address> <port> typ <type>`"
)]
pub struct CandidateError {
    /// What is wrong.
    pub problem: &'static str,
    /// The beginning of the line.
    pub text: String,
}

/// Reads `candidate:…`, with or without `a=` before it.
///
/// `None`: nothing to use. That is the empty text at the end of candidates, a host name (no name is ever looked up), a
/// transport other than UDP and TCP, a component other than 1 (RTCP is muxed), an address no peer can be reached at.
///
/// # Errors
/// When a word is missing or malformed.
pub fn parse_candidate(text: &str) -> Result<Option<Candidate>, CandidateError> {
    let text = text.trim();
    let line = text.strip_prefix("a=").unwrap_or(text);
    let line = line.strip_prefix("candidate:").unwrap_or(line);
    if line.is_empty() || line == "end-of-candidates" {
        return Ok(None);
    }
    parse_words(line).map_err(|problem| CandidateError {
        problem,
        text: excerpt(text),
    })
}

fn parse_words(line: &str) -> Result<Option<Candidate>, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let mut word = || words.next().ok_or("a word is missing");
    let foundation = word()?;
    let component: u16 = word()?.parse().map_err(|_| "the component is no number")?;
    let transport = word()?;
    let priority = word()?
        .parse()
        .map_err(|_| "the priority is no 32-bit number")?;
    let address = word()?;
    let port = word()?
        .parse()
        .map_err(|_| "the port is not from 0 to 65535")?;
    if word()? != "typ" {
        return Err("`typ` is missing");
    }
    let kind = parse_kind(word()?)?;
    if foundation.len() > 32 {
        return Err("the foundation is longer than 32 characters");
    }
    let tcp_type = tcp_type(words);
    let (Some(proto), Ok(ip), 1) = (parse_proto(transport), address.parse(), component) else {
        return Ok(None);
    };
    if !reachable(ip) || port == 0 {
        return Ok(None);
    }
    Ok(Some(Candidate {
        foundation: foundation.to_owned(),
        component: 1,
        proto,
        tcp_type: tcp_type.filter(|_| proto == Proto::Tcp),
        priority,
        addr: SocketAddr::new(ip, port),
        kind,
    }))
}

fn parse_kind(word: &str) -> Result<CandidateKind, &'static str> {
    match word {
        "host" => Ok(CandidateKind::Host),
        "srflx" => Ok(CandidateKind::ServerReflexive),
        "prflx" => Ok(CandidateKind::PeerReflexive),
        "relay" => Ok(CandidateKind::Relayed),
        _ => Err("the type is none of host, srflx, prflx and relay"),
    }
}

fn parse_proto(word: &str) -> Option<Proto> {
    match word {
        _ if word.eq_ignore_ascii_case("udp") => Some(Proto::Udp),
        _ if word.eq_ignore_ascii_case("tcp") => Some(Proto::Tcp),
        _ => None,
    }
}

/// Among the pairs that may follow (`raddr`, `rport`, `generation`, …) only `tcptype` matters.
fn tcp_type<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<String> {
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        if name == "tcptype" && matches!(value, "active" | "passive" | "so") {
            return Some(value.to_owned());
        }
    }
    None
}

fn reachable(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Writes `candidate:…`, as browsers' `addIceCandidate` takes it.
pub fn write_candidate(candidate: &Candidate) -> String {
    let Candidate {
        foundation,
        component,
        priority,
        addr,
        ..
    } = candidate;
    let (ip, port) = (addr.ip(), addr.port());
    let proto = match candidate.proto {
        Proto::Udp => "UDP",
        Proto::Tcp => "TCP",
    };
    let mut line =
        format!("candidate:{foundation} {component} {proto} {priority} {ip} {port} typ ");
    line.push_str(match candidate.kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    });
    // The address behind is demanded by the grammar and nobody's business (RFC 8839 §5.1).
    match (candidate.kind, addr) {
        (CandidateKind::Host, _) => {}
        (_, SocketAddr::V4(_)) => line.push_str(" raddr 0.0.0.0 rport 0"),
        (_, SocketAddr::V6(_)) => line.push_str(" raddr :: rport 0"),
    }
    if let Some(tcp_type) = &candidate.tcp_type {
        line.push_str(" tcptype ");
        line.push_str(tcp_type);
    }
    line
}
