// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clients that come by TCP.

use super::wire::Wire;
use gst_rtc_core::turn::{ConnectionId, FiveTuple, Frame, frame};
use std::io;
use std::time::Instant;

/// A client's connection.
pub(super) struct Stream {
    pub(super) wire: Wire,
    pub(super) path: FiveTuple,
    /// What came and is no whole message yet.
    incoming: Vec<u8>,
    /// When the last whole message came.
    pub(super) heard: Instant,
    /// The peer that all of it is for (RFC 6062 §4.4).
    pub(super) joined: Option<ConnectionId>,
}

impl Stream {
    pub(super) fn new(now: Instant, wire: Wire, path: FiveTuple) -> Stream {
        Stream {
            wire,
            path,
            incoming: Vec::new(),
            heard: now,
            joined: None,
        }
    }

    /// Reads what there is.
    pub(super) fn read(&mut self) -> io::Result<()> {
        self.wire.read(&mut self.incoming)
    }

    /// The next whole message.
    ///
    /// # Errors
    /// What came is none, and what follows cannot be understood either.
    pub(super) fn next_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        match frame(&self.incoming) {
            Frame::Message(length) if length <= self.incoming.len() => {
                let rest = self.incoming.split_off(length);
                Ok(Some(std::mem::replace(&mut self.incoming, rest)))
            }
            Frame::Message(_) | Frame::Unknown => Ok(None),
            Frame::Broken => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// What came and is not read as messages any more.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.incoming)
    }
}
