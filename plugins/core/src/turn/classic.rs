// SPDX-License-Identifier: MIT OR Apache-2.0
//! STUN as it was before it had a magic cookie (RFC 3489). libnice asks for its address in this way, and so does every
//! `webrtcbin`: without an answer these have no server-reflexive candidate.
//!
//! Answered as RFC 5389 §12.2 says: by MAPPED-ADDRESS alone. What the old RFC has besides (shared secrets, and tests of NATs
//! by CHANGE-REQUEST, which let anybody have packets sent from elsewhere) is left out.

use super::binding::{CHANGE_REQUEST, address};
use super::framing::STUN_HEADER;
use super::path::{FiveTuple, Transport};
use super::server::Server;
use super::stats::Refusal;
use std::time::Instant;
use stun_types::attribute::AttributeType;

/// Binding request and success, and MAPPED-ADDRESS (RFC 3489 §11.1, §11.2).
const REQUEST: [u8; 2] = [0x00, 0x01];
const RESPONSE: [u8; 2] = [0x01, 0x01];
const MAPPED_ADDRESS: AttributeType = AttributeType::new(0x0001);

impl Server {
    /// Answers, if it is such a request.
    pub(super) fn classic(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        data: &[u8],
    ) -> Result<(), Refusal> {
        let transaction = transaction_of(data).filter(|_| path.transport == Transport::Udp);
        let transaction = transaction.ok_or(Refusal::Malformed)?;
        let address = address(MAPPED_ADDRESS, path.client).to_bytes();
        let length = u16::try_from(address.len()).expect("an address has 12 or 24 bytes");
        let reply = [
            &RESPONSE as &[u8],
            &length.to_be_bytes(),
            transaction,
            &address,
        ]
        .concat();
        self.bound(now, path, path, data.len(), [reply])
    }
}

/// The 16 bytes of a request that asks for nothing but an address.
fn transaction_of(data: &[u8]) -> Option<&[u8]> {
    let (head, mut attributes) = data.split_at_checked(STUN_HEADER)?;
    let (start, transaction) = head.split_at(4);
    let length = u16::try_from(attributes.len()).ok()?.to_be_bytes();
    if start != [REQUEST, length].concat() || transaction.starts_with(&MAGIC_COOKIE) {
        return None;
    }
    while !attributes.is_empty() {
        let (&[a, b, c, d], rest) = attributes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([c, d]).into())?;
        let kind = AttributeType::new(u16::from_be_bytes([a, b]));
        let asks_nothing = kind == CHANGE_REQUEST && value == [0; 4];
        if kind.comprehension_required() && !asks_nothing {
            return None;
        }
        attributes = rest;
    }
    Some(transaction)
}

/// What a message of RFC 5389 and later has in its place (RFC 8489 §5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
