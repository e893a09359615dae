// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is needed of a request to answer it, now or later.

use stun_types::attribute::{AttributeStaticType, AttributeWrite, ErrorCode, Fingerprint};
use stun_types::message::{
    IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method, TransactionId,
};

/// Room for most replies.
const USUAL: usize = 128;

/// Somebody who has proved to know a password.
#[derive(Clone)]
pub(super) struct Caller {
    /// The user name as it was given.
    pub(super) name: Box<str>,
    pub(super) key: IntegrityKey,
    pub(super) algorithm: IntegrityAlgorithm,
}

/// A request that wants an answer.
#[derive(Clone)]
pub(super) struct Ticket {
    method: Method,
    pub(super) id: TransactionId,
    /// It had a FINGERPRINT, so the answer has one (RFC 8489 §6.3.1.1).
    fingerprint: bool,
    /// Who signs.
    pub(super) caller: Option<Caller>,
}

impl Ticket {
    pub(super) fn of(request: &Message<'_>) -> Ticket {
        Ticket {
            method: request.method(),
            id: request.transaction_id(),
            fingerprint: request.has_attribute(Fingerprint::TYPE),
            caller: None,
        }
    }

    pub(super) fn success(&self) -> Reply {
        self.reply(MessageClass::Success)
    }

    /// An error with that code. It has no reason phrase: it would say no more, and make the reply longer.
    pub(super) fn error(&self, code: u16) -> Reply {
        let reply = self.reply(MessageClass::Error);
        let error = ErrorCode::new(code, "").expect("every code here is from 400 to 508");
        reply.with(&error)
    }

    fn reply(&self, class: MessageClass) -> Reply {
        let kind = MessageType::from_class_method(class, self.method);
        Reply(Message::builder(
            kind,
            self.id,
            MessageWriteVec::with_capacity(USUAL),
        ))
    }

    /// The reply, signed and with its fingerprint.
    pub(super) fn finish(&self, reply: Reply) -> Vec<u8> {
        let mut message = reply.0;
        if let Some(caller) = &self.caller {
            message
                .add_message_integrity_with_key(&caller.key, caller.algorithm)
                .expect("a reply is signed once, before its fingerprint");
        }
        if self.fingerprint {
            message
                .add_fingerprint()
                .expect("a reply gets one fingerprint, at its end");
        }
        message.finish()
    }
}

/// A reply that grows.
pub(super) struct Reply(MessageWriteVec);

impl Reply {
    pub(super) fn with(mut self, attribute: &dyn AttributeWrite) -> Reply {
        self.0
            .add_attribute(attribute)
            .expect("a growing message has room, and is not signed yet");
        self
    }
}
