// SPDX-License-Identifier: MIT OR Apache-2.0

use super::lab::{Pair, message, with_checksum};
use std::time::Duration;

/// Feeds packets that pass the checksum to an association with an open channel. A byte before each says how long it is, in
/// units of four bytes; ports and tag come from here.
pub fn fuzz(mut input: &[u8]) {
    let mut pair = Pair::new(false);
    pair.open(0, 0, "chat", "");
    let header = pair
        .log
        .last()
        .map_or_else(Vec::new, |packet| packet[..8].to_vec());
    while let Some((units, rest)) = input.split_first() {
        let (body, rest) = rest.split_at(rest.len().min(4 * usize::from(*units)));
        let packet = [&header[..], &[0; 4], body].concat();
        pair.ours.handle_packet(pair.now, with_checksum(packet));
        input = rest;
    }
    pair.send(&message("chat", b"x"));
    pair.run(Duration::from_secs(5));
}
