// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages in a byte stream (RFC 8656 §12.5): STUN as long as it says, ChannelData padded to a
//! multiple of four.
//!
//! `turn-client-proto` 0.7 neither pads nor expects padding, so it is given whole messages without it.

use thiserror::Error;

/// Header of ChannelData.
const CHANNEL_HEADER: usize = 4;

/// Header of a STUN message.
const STUN_HEADER: usize = 20;

/// Cuts a stream into messages.
#[derive(Debug, Default)]
pub(super) struct Framing {
    waiting: Vec<u8>,
}

/// The stream is not one of STUN and ChannelData; there is no way to find the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the server sent what is neither STUN nor ChannelData")]
pub(super) struct NotTurn;

impl Framing {
    /// The next piece of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next whole message, without padding.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, NotTurn> {
        let Some((length, padded)) = lengths(&self.waiting)? else {
            return Ok(None);
        };
        if self.waiting.len() < padded {
            return Ok(None);
        }
        let mut message: Vec<u8> = self.waiting.drain(..padded).collect();
        message.truncate(length);
        Ok(Some(message))
    }
}

/// Pads a message for a stream.
pub(super) fn pad(message: &mut Vec<u8>) {
    message.resize(message.len().next_multiple_of(4), 0);
}

/// How long the message at the start is, without and with padding.
fn lengths(bytes: &[u8]) -> Result<Option<(usize, usize)>, NotTurn> {
    let Some(&[first, _, high, low]) = bytes.first_chunk() else {
        return Ok(None);
    };
    let said = usize::from(u16::from_be_bytes([high, low]));
    match first >> 6 {
        0b00 => Ok(Some((STUN_HEADER + said, STUN_HEADER + said))),
        0b01 => {
            let length = CHANNEL_HEADER + said;
            Ok(Some((length, length.next_multiple_of(4))))
        }
        _ => Err(NotTurn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn channel_data(data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).expect("short");
        let mut message = vec![0x40, 0x00];
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(data);
        message
    }

    #[test]
    fn a_stream_that_is_not_turn_is_refused() {
        let mut framing = Framing::default();
        framing.push(b"\x80\x60\x00\x00");
        assert_eq!(framing.next(), Err(NotTurn));
    }

    proptest! {
        #[test]
        fn messages_survive_any_cut(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..8),
            piece in 1usize..40,
        ) {
            let mut messages: Vec<Vec<u8>> = payloads.iter().map(|p| channel_data(p)).collect();
            messages.insert(messages.len() / 2, crate::packet::punch());
            let mut stream = Vec::new();
            for message in &messages {
                let mut padded = message.clone();
                pad(&mut padded);
                stream.extend_from_slice(&padded);
            }
            let mut framing = Framing::default();
            let mut cut = Vec::new();
            for bytes in stream.chunks(piece) {
                framing.push(bytes);
                while let Some(message) = framing.next().expect("it is TURN") {
                    cut.push(message);
                }
            }
            prop_assert_eq!(cut, messages);
        }

        #[test]
        fn any_bytes_are_cut_safely(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut framing = Framing::default();
            framing.push(&bytes);
            while let Ok(Some(_)) = framing.next() {}
        }
    }
}
