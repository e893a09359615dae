// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why an offer, an answer or one of its m-lines cannot be used.

use super::codecs::SUPPORTED;
use crate::media::{Direction, MediaDescription};
use std::fmt;

/// Why an m-line is not used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It was offered with port 0.
    Withdrawn,
    /// It is neither audio nor video nor data channels.
    Media(String),
    /// Its transport protocol has no DTLS and SRTP.
    Protocol(String),
    /// None of its codecs is supported.
    Codecs,
    /// There are more m-lines of its kind than the limit.
    Limit(usize),
    /// It is answered as inactive, because the peer does not send (publishing) or does not receive (receiving) on it.
    Direction(Direction),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Withdrawn => f.write_str("has port 0; offer it with port 9"),
            Refusal::Media(media) => {
                write!(
                    f,
                    "is `{media}`; only audio, video and data channels are taken"
                )
            }
            Refusal::Protocol(proto) => {
                write!(
                    f,
                    "uses protocol `{proto}`; offer UDP/TLS/RTP/SAVPF for media (DTLS-SRTP) and UDP/DTLS/SCTP for data"
                )
            }
            Refusal::Codecs => write!(f, "has no supported codec; offer one of {SUPPORTED}"),
            Refusal::Limit(limit) => {
                write!(f, "is beyond the limit of {limit} m-lines of its kind")
            }
            Refusal::Direction(direction) => {
                write!(
                    f,
                    "is {}, which carries nothing in this direction",
                    word(*direction)
                )
            }
        }
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

/// An m-line that is not used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Its place, from 0.
    pub index: usize,
    /// Its mid.
    pub mid: String,
    /// Why.
    pub reason: Refusal,
}

impl Refused {
    pub(super) fn new(index: usize, media: &MediaDescription, reason: Refusal) -> Refused {
        Refused {
            index,
            mid: media.mid.clone(),
            reason,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "m-line {} (mid {}) {}",
            self.index, self.mid, self.reason
        )
    }
}

/// Refused m-lines, as one sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedList(pub Vec<Refused>);

impl fmt::Display for RefusedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How many are named before the rest is only counted.
        const NAMED: usize = 4;
        if self.0.is_empty() {
            return f.write_str("it has no m-lines");
        }
        for (n, refused) in self.0.iter().take(NAMED).enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{refused}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// Why there can be no session.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NegotiationError {
    /// Not one m-line can be used for publishing.
    #[error(
        "nothing in the offer can be published: {0}. Offer audio or video as sendonly with one of {SUPPORTED}"
    )]
    NothingToPublish(RefusedList),
    /// Not one m-line can be used for receiving.
    #[error(
        "nothing in the offer can be received: {0}. Offer audio or video as recvonly with one of {SUPPORTED}"
    )]
    NothingToReceive(RefusedList),
    /// Two m-lines have one mid (RFC 9143 §7.1).
    #[error("m-lines {first} and {second} both have a=mid:{mid}; give each m-line its own mid")]
    DuplicateMid {
        /// The mid.
        mid: String,
        /// The earlier m-line.
        first: usize,
        /// The later m-line.
        second: usize,
    },
    /// One payload type means two things on one m-line (RFC 8866 §5.14).
    #[error("m-line {index} (mid {mid}) uses payload type {pt} twice; number each format once")]
    DuplicatePayloadType {
        /// The m-line.
        index: usize,
        /// Its mid.
        mid: String,
        /// The payload type.
        pt: u8,
    },
    /// A new offer on a live session has fewer m-lines than the one before (RFC 3264 §8).
    #[error(
        "the new offer has {offered} m-lines, the one before had {before}; keep old m-lines, with port 0 when unused"
    )]
    MissingLines {
        /// M-lines now.
        offered: usize,
        /// M-lines before.
        before: usize,
    },
    /// A new offer on a live session has its m-lines in another order (RFC 3264 §8).
    #[error(
        "m-line {index} has mid {offered} in the new offer and had {before}; keep the order and append new m-lines"
    )]
    Reordered {
        /// The m-line.
        index: usize,
        /// Its mid now.
        offered: String,
        /// Its mid before.
        before: String,
    },
    /// The answer does not have the m-lines of the offer (RFC 3264 §6).
    #[error(
        "the answer has {answered} m-lines, the offer has {offered}; the server must answer each m-line in its place"
    )]
    AnswerLines {
        /// M-lines of the answer.
        answered: usize,
        /// M-lines of the offer.
        offered: usize,
    },
    /// The answer names another mid than the offer.
    #[error(
        "m-line {index} has mid {answered} in the answer and {offered} in the offer; the server must copy the mid"
    )]
    AnswerMid {
        /// The m-line.
        index: usize,
        /// The mid of the answer.
        answered: String,
        /// The mid of the offer.
        offered: String,
    },
    /// The answer accepts an m-line without any codec of the offer.
    #[error(
        "m-line {index} (mid {mid}) is accepted in the answer with none of the offered codecs; the server must choose among those or refuse with port 0"
    )]
    AnswerCodecs {
        /// The m-line.
        index: usize,
        /// Its mid.
        mid: String,
    },
    /// The answer refuses everything.
    #[error(
        "the answer accepts none of the {offered} offered m-lines; compare the codecs of both sides"
    )]
    AnswerRefused {
        /// M-lines of the offer.
        offered: usize,
    },
}
