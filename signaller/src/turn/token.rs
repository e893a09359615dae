// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an event is about.

use mio::Token;

/// Whose event it is, with its number among its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// A command waits.
    Waker,
    /// A UDP socket for clients.
    Udp(usize),
    /// A TCP listener for clients.
    Listener(usize),
    /// A client's TCP connection.
    Stream(usize),
    /// A relay's UDP socket, or TCP listener.
    Relay(usize),
    /// A TCP connection with a peer.
    Peer(usize),
}

const KIND: u32 = 28;

impl Source {
    pub(super) fn token(self) -> Token {
        let (kind, number) = match self {
            Source::Waker => (0, 0),
            Source::Udp(n) => (1, n),
            Source::Listener(n) => (2, n),
            Source::Stream(n) => (3, n),
            Source::Relay(n) => (4, n),
            Source::Peer(n) => (5, n),
        };
        Token(kind << KIND | number)
    }

    pub(super) fn of(token: Token) -> Source {
        let number = token.0 & ((1 << KIND) - 1);
        match token.0 >> KIND {
            1 => Source::Udp(number),
            2 => Source::Listener(number),
            3 => Source::Stream(number),
            4 => Source::Relay(number),
            5 => Source::Peer(number),
            _ => Source::Waker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back() {
        for source in [
            Source::Waker,
            Source::Udp(1),
            Source::Listener(2),
            Source::Stream(70_000),
            Source::Relay(1_000_000),
            Source::Peer(5),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
