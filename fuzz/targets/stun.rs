// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

use gst_rtc_core::session::{PacketKind, demux, stun_username};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if stun_username(data).is_some() {
        assert_eq!(demux(data), PacketKind::Stun);
    }
});
