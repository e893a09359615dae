// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Data Channel Establishment Protocol (RFC 8832).

use crate::data::MAX_LABEL;
use sctp_proto::ReliabilityType;

/// DATA_CHANNEL_ACK (RFC 8832 §5.2).
pub(super) const ACK: &[u8] = &[0x02];
const OPEN: u8 = 0x03;
/// The bit of a channel type that says "unordered" (RFC 8832 §5.1).
const UNORDERED: u8 = 0x80;

/// How a channel treats its messages.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Policy {
    pub(super) unordered: bool,
    pub(super) kind: ReliabilityType,
    /// Retransmissions, or milliseconds.
    pub(super) limit: u32,
}

impl Policy {
    pub(super) fn is_reliable(&self) -> bool {
        self.kind == ReliabilityType::Reliable
    }
}

/// DATA_CHANNEL_OPEN (RFC 8832 §5.1).
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Open<'a> {
    pub(super) policy: Policy,
    pub(super) label: &'a str,
    pub(super) protocol: &'a str,
}

impl<'a> Open<'a> {
    /// A channel without protocol whose messages arrive, and in order.
    pub(super) fn reliable(label: &'a str) -> Open<'a> {
        Open {
            policy: Policy {
                unordered: false,
                kind: ReliabilityType::Reliable,
                limit: 0,
            },
            label,
            protocol: "",
        }
    }

    /// As it is sent, at priority "normal" (RFC 8831 §6.4). `None` when its names are longer than [`MAX_LABEL`].
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        let Policy {
            unordered,
            kind,
            limit,
        } = self.policy;
        let kind = match kind {
            ReliabilityType::Reliable => 0,
            ReliabilityType::Rexmit => 1,
            ReliabilityType::Timed => 2,
        };
        if self.label.len().max(self.protocol.len()) > MAX_LABEL {
            return None;
        }
        let (label, protocol) = (self.label.len() as u16, self.protocol.len() as u16);
        let mut bytes = vec![OPEN, kind | if unordered { UNORDERED } else { 0 }, 1, 0];
        bytes.extend_from_slice(&limit.to_be_bytes());
        bytes.extend_from_slice(&label.to_be_bytes());
        bytes.extend_from_slice(&protocol.to_be_bytes());
        bytes.extend_from_slice(self.label.as_bytes());
        bytes.extend_from_slice(self.protocol.as_bytes());
        Some(bytes)
    }

    /// `None` when it is another message, malformed, or its names are longer than [`MAX_LABEL`].
    pub(super) fn parse(data: &'a [u8]) -> Option<Open<'a>> {
        let (header, names) = data.split_first_chunk::<12>()?;
        let [OPEN, channel_type, _, _, limit @ .., l1, l0, p1, p0] = *header else {
            return None;
        };
        let kind = match channel_type & !UNORDERED {
            0 => ReliabilityType::Reliable,
            1 => ReliabilityType::Rexmit,
            2 => ReliabilityType::Timed,
            _ => return None,
        };
        let label_len = usize::from(u16::from_be_bytes([l1, l0]));
        let protocol_len = usize::from(u16::from_be_bytes([p1, p0]));
        if label_len.max(protocol_len) > MAX_LABEL || names.len() != label_len + protocol_len {
            return None;
        }
        let (label, protocol) = names.split_at(label_len);
        Some(Open {
            policy: Policy {
                unordered: channel_type & UNORDERED != 0,
                kind,
                limit: u32::from_be_bytes(limit),
            },
            label: str::from_utf8(label).ok()?,
            protocol: str::from_utf8(protocol).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Channel type, reliability parameter, then label and protocol with their lengths.
    fn open(channel_type: u8, limit: u32, label: &[u8], protocol: &[u8]) -> Vec<u8> {
        let mut data = vec![OPEN, channel_type, 0, 0];
        data.extend_from_slice(&limit.to_be_bytes());
        data.extend_from_slice(&(label.len() as u16).to_be_bytes());
        data.extend_from_slice(&(protocol.len() as u16).to_be_bytes());
        data.extend_from_slice(label);
        data.extend_from_slice(protocol);
        data
    }

    #[test]
    fn every_channel_type_is_read() {
        let types = [
            (0x00, false, ReliabilityType::Reliable),
            (0x80, true, ReliabilityType::Reliable),
            (0x01, false, ReliabilityType::Rexmit),
            (0x81, true, ReliabilityType::Rexmit),
            (0x02, false, ReliabilityType::Timed),
            (0x82, true, ReliabilityType::Timed),
        ];
        for (byte, unordered, kind) in types {
            let data = open(byte, 7, "grüße".as_bytes(), b"p");
            let parsed = Open::parse(&data).expect("a valid message");
            assert_eq!((parsed.label, parsed.protocol), ("grüße", "p"));
            let limit = 7;
            assert_eq!(
                parsed.policy,
                Policy {
                    unordered,
                    kind,
                    limit
                }
            );
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let open = Open {
            policy: Policy {
                unordered: true,
                kind: ReliabilityType::Timed,
                limit: 70_000,
            },
            label: "grüße",
            protocol: "p",
        };
        assert_eq!(Open::parse(&open.to_bytes().expect("short")), Some(open));
        let chat = Open::reliable("chat");
        assert_eq!(Open::parse(&chat.to_bytes().expect("short")), Some(chat));
        let long = "x".repeat(MAX_LABEL + 1);
        assert_eq!(Open::reliable(&long).to_bytes(), None);
    }

    #[test]
    fn lying_lengths_unknown_types_and_long_names_are_refused() {
        let whole = open(0, 0, b"chat", b"proto");
        for len in 0..whole.len() {
            assert_eq!(Open::parse(&whole[..len]), None, "cut at {len}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(Open::parse(&longer), None);
        assert_eq!(Open::parse(&open(3, 0, b"", b"")), None);
        assert_eq!(Open::parse(&open(0, 0, &[0xff], b"")), None);
        assert!(Open::parse(&open(0, 0, &[b'x'; MAX_LABEL], b"")).is_some());
        assert_eq!(Open::parse(&open(0, 0, &[b'x'; MAX_LABEL + 1], b"")), None);
        assert_eq!(Open::parse(&open(0, 0, b"", &[b'x'; MAX_LABEL + 1])), None);
        assert_eq!(Open::parse(ACK), None);
    }
}
