// SPDX-License-Identifier: MIT OR Apache-2.0
//! STUN among other packets on one socket (RFC 7983).

use stun_proto::types::message::{BINDING, Message, MessageWriteVec};
use stun_proto::types::prelude::*;

/// The bytes 4 to 7 of every STUN message (RFC 8489 §5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The STUN message in a packet, if it is one.
pub(crate) fn stun(packet: &[u8]) -> Option<Message<'_>> {
    let likely = packet.first()? < &4 && packet.get(4..8)? == MAGIC_COOKIE;
    likely.then(|| Message::from_bytes(packet).ok()).flatten()
}

/// A packet that opens the way for its receiver's packets and says nothing (RFC 8445 §11).
pub(crate) fn punch() -> Vec<u8> {
    let mut message = Message::builder_indication(BINDING, MessageWriteVec::with_capacity(28));
    message
        .add_fingerprint()
        .expect("an empty message has room for it");
    message.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stun_proto::types::message::MessageClass;

    #[test]
    fn a_punch_is_a_binding_indication() {
        let packet = punch();
        let message = stun(&packet).expect("it is STUN");
        assert!(message.has_method(BINDING) && message.has_class(MessageClass::Indication));
        assert_eq!(packet.len(), 28);
    }

    #[test]
    fn media_is_not_stun() {
        let rtp = [
            0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
        ];
        assert!(stun(&rtp).is_none());
        let mut channel_data = punch();
        channel_data[0] = 0x40;
        assert!(stun(&channel_data).is_none());
    }

    #[test]
    fn a_message_cut_at_any_length_is_none() {
        let packet = punch();
        for length in 0..packet.len() {
            assert!(stun(&packet[..length]).is_none(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_safely(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), disguise: bool) {
            if disguise && bytes.len() >= 8 {
                bytes[0] &= 3;
                bytes[4..8].copy_from_slice(&MAGIC_COOKIE);
            }
            let _ = stun(&bytes);
        }
    }
}
