// SPDX-License-Identifier: MIT OR Apache-2.0

use super::dcep::Open;
use crate::data::{FROM_PROTOCOL, NODE_LABEL};
use std::sync::Arc;

/// One stream that the peer uses.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) state: State,
    /// Bytes queued for it when last looked at.
    pub(super) queued: usize,
}

#[derive(Debug)]
pub(super) enum State {
    /// The peer has not said what it is.
    Unknown,
    /// Messages go both ways.
    Open(Opened),
    /// We have closed it, the peer has not.
    Closing,
}

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) label: Arc<str>,
    /// The peer wants to be told whose messages are.
    pub(super) names_sender: bool,
    /// It is closed rather than that a message is missed.
    pub(super) reliable: bool,
}

impl Channel {
    pub(super) fn new() -> Channel {
        Channel {
            state: State::Unknown,
            queued: 0,
        }
    }

    pub(super) fn opened(&self) -> Option<&Opened> {
        match &self.state {
            State::Open(opened) => Some(opened),
            State::Unknown | State::Closing => None,
        }
    }
}

impl Opened {
    pub(super) fn new(open: &Open<'_>) -> Opened {
        Opened {
            label: open.label.into(),
            names_sender: open.protocol == FROM_PROTOCOL,
            // A node that cannot follow misses messages; cut off, it would miss all.
            reliable: open.policy.is_reliable() && open.label != NODE_LABEL,
        }
    }
}
