// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding requests and what their answers say (RFC 8489 §14, RFC 5780 §7).

use std::net::SocketAddr;

use stun_proto::types::attribute::{
    AttributeType, MappedSocketAddr, RawAttribute, XorMappedAddress,
};
use stun_proto::types::message::{BINDING, Message, MessageWriteVec};
use stun_proto::types::prelude::*;

/// CHANGE-REQUEST (RFC 5780 §7.2).
const CHANGE_REQUEST: AttributeType = AttributeType::new(0x0003);

/// OTHER-ADDRESS (RFC 5780 §7.4).
const OTHER_ADDRESS: AttributeType = AttributeType::new(0x802c);

/// MAPPED-ADDRESS (RFC 8489 §14.1): all that servers of RFC 3489 say.
const MAPPED_ADDRESS: AttributeType = AttributeType::new(0x0001);

/// From which of its addresses the server is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerFrom {
    /// The one that was asked.
    Same,
    /// Another port of it.
    OtherPort,
    /// Another address and port.
    OtherAddress,
}

/// A Binding request.
pub(crate) fn binding_request(answer_from: AnswerFrom) -> Vec<u8> {
    let mut message = Message::builder_request(BINDING, MessageWriteVec::with_capacity(36));
    let flags: Option<u8> = match answer_from {
        AnswerFrom::Same => None,
        AnswerFrom::OtherPort => Some(0b010),
        AnswerFrom::OtherAddress => Some(0b110),
    };
    if let Some(flags) = flags {
        message
            .add_attribute(&RawAttribute::new(CHANGE_REQUEST, &[0, 0, 0, flags]))
            .expect("there is room for four bytes");
    }
    message
        .add_fingerprint()
        .expect("a short message has room for it");
    message.finish()
}

/// The address that the server saw.
pub(crate) fn mapped_address(message: &Message<'_>) -> Option<SocketAddr> {
    let xored = message
        .attribute::<XorMappedAddress>()
        .map(|attribute| attribute.addr(message.transaction_id()));
    xored.ok().or_else(|| address(message, MAPPED_ADDRESS))
}

/// The address to which the server's other port and other address belong.
pub(crate) fn other_address(message: &Message<'_>) -> Option<SocketAddr> {
    address(message, OTHER_ADDRESS)
}

fn address(message: &Message<'_>, kind: AttributeType) -> Option<SocketAddr> {
    let raw = message.raw_attribute(kind)?;
    MappedSocketAddr::from_raw(&raw)
        .ok()
        .map(|mapped| mapped.addr())
}
