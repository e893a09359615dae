// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages for the peer.

use super::channel::{Channel, Opened, State};
use super::dcep::Open;
use super::{DataEvent, MAX_QUEUE, Sctp};
use crate::data::{DataMessage, MAX_MESSAGE};
use sctp_proto::PayloadProtocolIdentifier as Ppid;
use std::borrow::Cow;
use std::time::Instant;

impl Sctp {
    /// Whether the peer has a channel of a label open.
    pub(in crate::session) fn has_channel(&self, label: &str) -> bool {
        self.channel(label).is_some()
    }

    /// Sends a message on the channel of its label; the first of them, if there are several. False: there is none.
    pub(in crate::session) fn send(&mut self, now: Instant, message: &DataMessage) -> bool {
        let Some((id, names_sender, reliable)) = self.channel(&message.label) else {
            return false;
        };
        self.measure();
        let payload = envelope(message, names_sender);
        if payload.len() > self.spec.max_message.min(MAX_MESSAGE) {
            self.stats.dropped += 1;
        } else if self.queued() + payload.len() <= MAX_QUEUE {
            self.write(id, message.text, &payload);
        } else if reliable {
            self.stats.cut_off += 1;
            self.close(id);
        } else {
            self.stats.dropped += 1;
        }
        self.follow(now);
        true
    }

    /// Opens the channel that we are to open, if there is one. The DTLS client has the even streams, the server the odd ones
    /// (RFC 8832 §6).
    pub(super) fn open_own(&mut self) {
        let Some(label) = self.spec.opens.clone() else {
            return;
        };
        let (id, open) = (u16::from(!self.dialled), Open::reliable(&label));
        let (Some(bytes), Some((_, association))) = (open.to_bytes(), &mut self.association) else {
            return;
        };
        let written = association
            .open_stream(id, Ppid::Binary)
            .and_then(|mut stream| stream.write_with_ppi(&bytes, Ppid::Dcep));
        if written.is_ok() {
            let channel = Channel {
                state: State::Open(Opened::new(&open)),
                queued: 0,
            };
            self.channels.insert(id, channel);
            self.events.push_back(DataEvent::Opened(label));
        }
    }

    fn channel(&self, label: &str) -> Option<(u16, bool, bool)> {
        self.channels.iter().find_map(|(id, channel)| {
            let opened = channel.opened().filter(|o| *o.label == *label)?;
            Some((*id, opened.names_sender, opened.reliable))
        })
    }

    fn write(&mut self, id: u16, text: bool, payload: &[u8]) {
        let (ppid, payload) = match (text, payload) {
            (true, []) => (Ppid::StringEmpty, &[0][..]),
            (false, []) => (Ppid::BinaryEmpty, &[0][..]),
            (true, _) => (Ppid::String, payload),
            (false, _) => (Ppid::Binary, payload),
        };
        let Some((_, association)) = &mut self.association else {
            return;
        };
        let written = association
            .stream(id)
            .and_then(|mut stream| stream.write_with_ppi(payload, ppid));
        match written {
            Ok(_) => self.stats.sent += 1,
            Err(_) => self.stats.dropped += 1,
        }
    }

    /// Closes a channel from our side; the peer answers in kind.
    pub(super) fn close(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut channel.state, State::Closing);
        self.tell_closed(&Channel {
            state: before,
            queued: 0,
        });
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            // Only ever fails when the association is ending, and the channel with it.
            let _ = stream.close();
        }
    }

    /// Notes what waits in each channel, as it cannot be asked for any more once a stream is gone.
    pub(super) fn measure(&mut self) {
        let Some((_, association)) = &mut self.association else {
            return;
        };
        for (id, channel) in &mut self.channels {
            if let Ok(queued) = association.stream(*id).and_then(|s| s.buffered_amount()) {
                channel.queued = queued;
            }
        }
        // Without a running timer nothing is under way.
        if association.poll_timeout().is_none() {
            self.orphaned = 0;
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.orphaned + self.channels.values().map(|c| c.queued).sum::<usize>()
    }
}

/// The message as a channel wants it; see [`FROM_PROTOCOL`](crate::data::FROM_PROTOCOL).
fn envelope(message: &DataMessage, names_sender: bool) -> Cow<'_, [u8]> {
    if names_sender {
        [message.sender.as_bytes(), b"\n", &message.payload]
            .concat()
            .into()
    } else {
        Cow::Borrowed(&message.payload)
    }
}
