// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data channels between DTLS and whoever owns the session.

use super::sctp::{DataEvent, Sctp};
use super::{DataStats, Session, SessionEvent};
use crate::data::{DataMessage, DataSpec};
use std::time::Instant;

/// The data channels of a session, if it has any.
pub(super) struct DataChannels {
    /// Present from the negotiation until the end.
    sctp: Option<Box<Sctp>>,
    /// We are the DTLS client: a peer that is the server may wait for us to begin.
    dials: bool,
    /// Bytes per second that the peer may send.
    rate: u32,
}

impl DataChannels {
    pub(super) fn new(dials: bool, rate: u32) -> DataChannels {
        DataChannels {
            sctp: None,
            dials,
            rate,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.sctp.as_ref()?.poll_timeout()
    }

    pub(super) fn end(&mut self) {
        self.sctp = None;
    }
}

impl Session {
    /// Data channels have been negotiated, in the beginning or by a later offer. What was negotiated first stays.
    pub fn set_data(&mut self, spec: DataSpec) {
        if self.data.sctp.is_none() && !self.is_over() {
            self.data.sctp = Some(Box::new(Sctp::new(spec, self.data.rate)));
            self.start_data();
        }
    }

    /// DTLS is done, or data channels have been negotiated.
    pub(super) fn start_data(&mut self) {
        let may = self.is_connected() && self.data.dials;
        if let Some(sctp) = self.data.sctp.as_mut().filter(|_| may) {
            sctp.dial(self.now);
            self.follow_data();
        }
    }

    /// Gives what DTLS brought to the data channels.
    pub(super) fn take_data(&mut self, now: Instant) {
        while let Some(packet) = self.dtls.as_mut().and_then(|dtls| dtls.poll_received()) {
            self.heard = now;
            if let Some(sctp) = &mut self.data.sctp {
                sctp.handle_packet(now, packet);
            }
        }
        self.follow_data();
    }

    pub(super) fn handle_data_timeout(&mut self, now: Instant) {
        if self.data.poll_timeout().is_some_and(|at| at <= now)
            && let Some(sctp) = &mut self.data.sctp
        {
            sctp.handle_timeout(now);
            self.follow_data();
        }
    }

    /// Sends what the data channels have to send and tells what they tell.
    fn follow_data(&mut self) {
        let (Some(sctp), Some(dtls)) = (&mut self.data.sctp, &mut self.dtls) else {
            return;
        };
        dtls.send(std::iter::from_fn(|| sctp.poll_transmit()));
        while let Some(event) = sctp.poll_event() {
            self.events.push_back(match event {
                DataEvent::Opened(label) => SessionEvent::ChannelOpened(label),
                DataEvent::Closed(label) => SessionEvent::ChannelClosed(label),
                DataEvent::Message(message) => SessionEvent::Message(message),
            });
        }
        self.drain_dtls();
    }

    /// True when the peer has a data channel of this label open.
    pub fn has_channel(&self, label: &str) -> bool {
        let sctp = self.data.sctp.as_ref();
        sctp.is_some_and(|sctp| sctp.has_channel(label))
    }

    /// Sends a message on the peer's channel of its label, as that channel was opened. False: there is none.
    ///
    /// What the peer does not take in time is dropped where the channel may lose messages; a reliable channel is closed.
    pub fn send_message(&mut self, now: Instant, message: &DataMessage) -> bool {
        self.now = now;
        let sctp = self.data.sctp.as_mut();
        let sent = sctp.is_some_and(|sctp| sctp.send(now, message));
        self.follow_data();
        sent
    }

    /// What the data channels saw; `None` when none were negotiated, or the session is over.
    pub fn data_stats(&self) -> Option<DataStats> {
        self.data.sctp.as_ref().map(|sctp| sctp.stats())
    }
}
