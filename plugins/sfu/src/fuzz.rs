// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only fuzzing reaches from outside.

/// Cuts a byte stream that comes in pieces into frames (RFC 4571): the first byte is the length of each piece.
pub fn framing(input: &[u8]) {
    let Some((piece, stream)) = input.split_first() else {
        return;
    };
    let mut deframer = crate::io::Deframer::default();
    for piece in stream.chunks(usize::from(*piece).max(1)) {
        let taken = deframer.push(&mut piece.to_vec(), |frame| assert!(!frame.is_empty()));
        if taken.is_err() {
            return;
        }
    }
}

/// Reads a message of the signaller.
pub fn message(input: &[u8]) {
    // Most are none.
    let _ = serde_json::from_slice::<crate::node::FromSignaller>(input);
}
