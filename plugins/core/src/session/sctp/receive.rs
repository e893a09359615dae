// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of the peer: DCEP, and those for others.

use super::channel::{Channel, Opened, State};
use super::dcep::{self, Open};
use super::{DataEvent, Message, Sctp};
use sctp_proto::{Chunks, PayloadProtocolIdentifier as Ppid};
use std::time::Instant;

impl Sctp {
    /// Reads one message, if there is one and the rate allows it. False: not now.
    pub(super) fn read(&mut self, now: Instant) -> bool {
        let Some(&id) = self.readable.first() else {
            return false;
        };
        if !self.bucket.is_open(now) {
            return false;
        }
        match self.read_stream(id) {
            Some(chunks) => {
                self.bucket.take(now, chunks.len());
                self.handle_message(id, &chunks);
            }
            None => {
                self.readable.remove(&id);
            }
        }
        true
    }

    fn read_stream(&mut self, id: u16) -> Option<Chunks> {
        let (_, association) = self.association.as_mut()?;
        association.stream(id).ok()?.read().ok()?
    }

    fn handle_message(&mut self, id: u16, chunks: &Chunks) {
        let mut payload = vec![0; chunks.len()];
        let Ok(len) = chunks.read(&mut payload) else {
            return;
        };
        payload.truncate(len);
        match chunks.ppi {
            Ppid::Dcep => self.handle_dcep(id, &payload),
            Ppid::String if str::from_utf8(&payload).is_ok() => self.take(id, true, payload),
            Ppid::Binary => self.take(id, false, payload),
            // An empty message is sent as one byte (RFC 8831 §6.6).
            Ppid::StringEmpty => self.take(id, true, Vec::new()),
            Ppid::BinaryEmpty => self.take(id, false, Vec::new()),
            Ppid::String | Ppid::Unknown => self.stats.invalid += 1,
        }
    }

    fn take(&mut self, id: u16, text: bool, payload: Vec<u8>) {
        let Some(opened) = self.channels.get(&id).and_then(Channel::opened) else {
            self.stats.invalid += 1;
            return;
        };
        self.stats.received += 1;
        self.events.push_back(DataEvent::Message(Message {
            label: opened.label.clone(),
            text,
            payload: payload.into(),
        }));
    }

    fn handle_dcep(&mut self, id: u16, message: &[u8]) {
        if message == dcep::ACK {
            // Messages may be sent before it comes (RFC 8832 §6). Some peers acknowledge what they negotiated without DCEP.
            return;
        }
        let Some(open) = Open::parse(message) else {
            self.stats.invalid += 1;
            return self.close(id);
        };
        match self.channels.get_mut(&id).map(|c| &mut c.state) {
            Some(state @ State::Unknown) => {
                let opened = Opened::new(&open);
                let label = opened.label.clone();
                *state = State::Open(opened);
                self.acknowledge(id, &open);
                self.events.push_back(DataEvent::Opened(label));
            }
            _ => self.stats.invalid += 1,
        }
    }

    fn acknowledge(&mut self, id: u16, open: &Open<'_>) {
        let Some((_, association)) = &mut self.association else {
            return;
        };
        let Ok(mut stream) = association.stream(id) else {
            return;
        };
        // The acknowledgement goes reliably and in order (RFC 8832 §6); what follows, as the channel wants it. Both fail only
        // for a stream that is being closed.
        let _ = stream.write_with_ppi(dcep::ACK, Ppid::Dcep);
        let policy = &open.policy;
        let _ = stream.set_reliability_params(policy.unordered, policy.kind, policy.limit);
    }
}
