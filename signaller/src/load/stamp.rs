// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the load tester writes at the end of every payload: which packet it is, and when it was sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a stamp.
pub(super) const STAMP: usize = 16;
const MAGIC: [u8; 4] = *b"load";

/// Number and time of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// Counts the packets of one stream.
    pub(super) number: u32,
    /// When it was sent, since the beginning of 1970.
    pub(super) sent: Duration,
}

/// The time since the beginning of 1970.
pub(super) fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

impl Stamp {
    /// Overwrites the end of a payload of at least [`STAMP`] bytes.
    pub(super) fn write(self, payload: &mut [u8]) {
        let at = payload.len() - STAMP;
        let end = &mut payload[at..];
        end[..4].copy_from_slice(&MAGIC);
        end[4..8].copy_from_slice(&self.number.to_be_bytes());
        end[8..].copy_from_slice(&(self.sent.as_nanos() as u64).to_be_bytes());
    }

    /// `None`: not a packet of a load tester.
    pub(super) fn read(payload: &[u8]) -> Option<Stamp> {
        let end: &[u8; STAMP] = payload.last_chunk()?;
        let (magic, rest) = end.split_first_chunk()?;
        let (number, sent) = rest.split_first_chunk()?;
        let sent = Duration::from_nanos(u64::from_be_bytes(*sent.first_chunk()?));
        (*magic == MAGIC).then_some(Stamp {
            number: u32::from_be_bytes(*number),
            sent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_as_written_and_only_then() {
        let stamp = Stamp {
            number: 0xfffe_0001,
            sent: Duration::from_nanos(1_700_000_000_123_456_789),
        };
        let mut payload = [7; 40];
        assert_eq!(Stamp::read(&payload), None);
        stamp.write(&mut payload);
        assert_eq!(Stamp::read(&payload), Some(stamp));
        assert_eq!(payload[..24], [7; 24]);
        assert_eq!(Stamp::read(&payload[..10]), None);
    }
}
